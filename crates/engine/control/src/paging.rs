//! Pages of lists. Markers are opaque to callers, survive restarts, and are good only for the operation that gave them.

use lambent_domain::Fault;

/// What a caller wants to see of a list.
pub(crate) struct Page {
    operation: &'static str,
    /// The last key of the page before.
    pub(crate) after: Option<String>,
    /// At most this many.
    pub(crate) limit: usize,
}

impl Page {
    /// `most` is the operation's cap; a larger `MaxItems` is no error (recorded of clients).
    pub(crate) fn parse(
        operation: &'static str,
        marker: Option<&str>,
        max_items: Option<i32>,
        most: usize,
    ) -> Result<Self, Fault> {
        let read = |marker| {
            // AWS's own text is not known.
            read(operation, marker)
                .ok_or_else(|| Fault::InvalidParameter("The provided Marker is invalid.".into()))
        };
        let after = marker.filter(|marker| !marker.is_empty()).map(read).transpose()?;
        let limit = max_items.map_or(most, |count| count.unsigned_abs() as usize).clamp(1, most);
        Ok(Page { operation, after, limit })
    }

    /// How many to ask a store for: one more tells whether another page follows.
    pub(crate) fn wanted(&self) -> usize {
        self.limit + 1
    }

    /// Cuts what was found to the page, and makes the marker of the next. `key` is what the list is ordered by.
    pub(crate) fn cut<T>(&self, mut found: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        let next = found.last().filter(|_| more).map(|last| write(self.operation, &key(last)));
        (found, next)
    }

    /// The page of a list that is in memory and in order of its keys.
    pub(crate) fn of<T>(
        &self,
        items: impl Iterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let after = self.after.as_deref();
        let rest = items.filter(|item| after.is_none_or(|after| key(item).as_str() > after));
        self.cut(rest.take(self.wanted()).collect(), key)
    }
}

fn write(operation: &str, key: &str) -> String {
    format!("{operation}.{key}").bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn read(operation: &str, marker: &str) -> Option<String> {
    if !marker.is_ascii() || !marker.len().is_multiple_of(2) {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        (0..marker.len()).step_by(2).map(|at| u8::from_str_radix(&marker[at..at + 2], 16).ok()).collect();
    let text = String::from_utf8(bytes?).ok()?;
    let key = text.strip_prefix(operation)?.strip_prefix('.')?;
    (!key.is_empty()).then(|| key.to_owned())
}

/// Numbers as keys that are in the same order as text.
pub(crate) fn number_key(number: u64) -> String {
    format!("{number:020}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(marker: Option<&str>, max_items: Option<i32>) -> Result<Page, Fault> {
        Page::parse("things", marker, max_items, 3)
    }

    #[test]
    fn every_item_is_on_exactly_one_page() {
        let items = || (1..=8).map(number_key);
        let (mut seen, mut marker) = (Vec::new(), None);
        loop {
            let page = page(marker.as_deref(), Some(10_000)).unwrap();
            let (found, next) = page.of(items(), Clone::clone);
            assert!(found.len() <= 3);
            seen.extend(found);
            marker = next;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, items().collect::<Vec<_>>());
    }

    #[test]
    fn garbage_and_other_operations_markers_are_refused() {
        let other = write("others", "a");
        let empty = write("things", "");
        for garbage in ["x", "zz", "e9", "é", other.as_str(), empty.as_str()] {
            assert!(page(Some(garbage), None).is_err(), "{garbage}");
        }
        assert_eq!(page(Some(""), None).unwrap().after, None);
        assert_eq!(page(Some(&write("things", "b")), None).unwrap().after.as_deref(), Some("b"));
    }
}
