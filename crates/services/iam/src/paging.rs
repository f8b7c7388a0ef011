//! Lists in pages. A marker is the key of the last item that was given, so that what changes in between moves nothing.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Items of a page when the caller doesn't say (AWS documentation).
const DEFAULT_ITEMS: usize = 100;

/// A part of a list.
pub(crate) struct Page<T> {
    pub items: Vec<T>,
    pub is_truncated: Option<bool>,
    pub marker: Option<String>,
}

/// Cuts a page out of `items`, which are in the order of their keys.
pub(crate) fn page<T>(
    items: impl IntoIterator<Item = (String, T)>,
    marker: Option<&str>,
    max_items: Option<i32>,
) -> Page<T> {
    let after = marker.map(|marker| percent_decode_str(marker).decode_utf8_lossy().into_owned());
    let most = max_items.map_or(DEFAULT_ITEMS, |max| max.max(1) as usize);
    let mut rest =
        items.into_iter().skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after)).peekable();
    let (mut last, mut found) = (None, Vec::new());
    while found.len() < most {
        let Some((key, item)) = rest.next() else { break };
        last = Some(key);
        found.push(item);
    }
    let truncated = rest.peek().is_some();
    let marker = last.filter(|_| truncated);
    Page {
        items: found,
        is_truncated: Some(truncated),
        marker: marker.map(|key| utf8_percent_encode(&key, NON_ALPHANUMERIC).to_string()),
    }
}

/// Keys for a list whose order is its own.
pub(crate) fn numbered<T>(items: impl IntoIterator<Item = T>) -> impl Iterator<Item = (String, T)> {
    items.into_iter().enumerate().map(|(index, item)| (format!("{index:08}"), item))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another() {
        let items = || ["a/x", "b y", "c"].into_iter().map(|key| (key.to_owned(), key));
        let first = page(items(), None, Some(2));
        assert_eq!((first.items, first.is_truncated), (vec!["a/x", "b y"], Some(true)));
        let second = page(items(), first.marker.as_deref(), Some(2));
        assert_eq!((second.items, second.is_truncated, second.marker), (vec!["c"], Some(false), None));
        assert_eq!(page(numbered(0..300), None, None).items.len(), 100);
    }
}
