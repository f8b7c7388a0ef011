//! Event patterns. Input: the pattern in the first line, the event in the others.

use std::time::{Duration, Instant};

use lambent_event_pattern::{Event, Pattern, PatternSet};

/// Far above what any pattern takes, far below what hurts.
const ENOUGH: Duration = Duration::from_secs(5);

/// A pattern is compiled or refused with a reason, decides about any event in bounded time, and is found in a set exactly
/// when it matches.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (pattern, event) = text.split_once('\n').unwrap_or((&text, "{}"));
    let begun = Instant::now();
    let event = Event::parse(event);
    match Pattern::compile(pattern) {
        Ok(compiled) => {
            if let Ok(event) = event {
                let mut set = PatternSet::default();
                set.insert((), compiled.clone());
                assert_eq!(!set.matches(&event).is_empty(), compiled.matches(&event));
            }
        }
        Err(refused) => assert!(!refused.reason().is_empty(), "a refusal says why"),
    }
    assert!(begun.elapsed() < ENOUGH, "took {:?}", begun.elapsed());
}
