//! Edges at which a test has the process end as `kill -9` ends it: between a write and its sync, between a sync and its
//! answer, between an attempt and its record. `LAMBENT_CRASH_AT=<place>.<edge>` names one, `:<n>` behind it the n-th time that
//! it is reached. There is nothing of it in a release build.

/// Ends the process when a test has asked for this edge.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn edge(_place: &str, _edge: &str) {}

/// Ends the process when a test has asked for this edge.
#[cfg(debug_assertions)]
pub fn edge(place: &str, edge: &str) {
    use std::sync::LazyLock;
    static ASKED: LazyLock<Option<Asked>> =
        LazyLock::new(|| Asked::parse(&std::env::var("LAMBENT_CRASH_AT").ok()?));
    if let Some(asked) = &*ASKED
        && asked.reached(place, edge)
    {
        // No destructor runs and nothing is flushed: to the disk this is a kill.
        std::process::abort();
    }
}

#[cfg(debug_assertions)]
struct Asked {
    place: String,
    edge: String,
    times_left: std::sync::atomic::AtomicU64,
}

#[cfg(debug_assertions)]
impl Asked {
    fn parse(text: &str) -> Option<Self> {
        let (name, times) = text.split_once(':').unwrap_or((text, "1"));
        let (place, edge) = name.split_once('.')?;
        let times_left = times.parse::<u64>().ok()?.into();
        Some(Asked { place: place.to_owned(), edge: edge.to_owned(), times_left })
    }

    fn reached(&self, place: &str, edge: &str) -> bool {
        use std::sync::atomic::Ordering;
        self.place == place && self.edge == edge && self.times_left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_reached_at_the_time_that_was_asked_for() {
        let asked = Asked::parse("queue-store.synced:3").unwrap();
        assert!(!asked.reached("sqs-store", "synced") && !asked.reached("queue-store", "before-sync"));
        let reached: Vec<bool> = (0..4).map(|_| asked.reached("queue-store", "synced")).collect();
        assert_eq!(reached, [false, false, true, false]);
        assert!(Asked::parse("s3.told").unwrap().reached("s3", "told"));
        assert!(Asked::parse("nowhere").is_none());
    }
}
