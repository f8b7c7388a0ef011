//! Conditions and ranges of what reads objects.

use std::ops::Range;

use jiff::{Timestamp, fmt::rfc2822};
use lambent_ports::object_store::{Content, Version};

use crate::asked::Asked;
use crate::fault::Fault;
use crate::object_headers::http_date;

/// Which bytes are asked for.
pub(super) struct Asks {
    pub(super) range: Range<u64>,
    /// When it is not the whole.
    pub(super) content_range: Option<String>,
    /// How many parts there are, when one was asked for.
    pub(super) parts: Option<usize>,
}

impl Asks {
    pub(super) fn is_whole(&self) -> bool {
        self.content_range.is_none()
    }
}

/// A date of HTTP, in seconds.
fn seconds(text: &str) -> Option<u64> {
    let time = rfc2822::parse(&text.replace("GMT", "+0000")).map(|zoned| zoned.timestamp());
    let time = time.or_else(|_| text.parse::<Timestamp>()).ok()?;
    u64::try_from(time.as_second()).ok()
}

fn matches(header: &str, etag: &str) -> bool {
    header
        .split(',')
        .map(|one| one.trim().trim_start_matches("W/").trim_matches('"'))
        .any(|one| one == "*" || one == etag)
}

/// The four conditions of a GetObject or HeadObject, in the order that RFC 9110 and AWS give them.
pub(super) fn preconditions(asked: &Asked, version: &Version) -> Result<(), Fault> {
    check("", asked, version).map_err(|(fault, not_modified)| {
        if !not_modified {
            return fault;
        }
        Fault::new(304, "NotModified", "Not Modified")
            .with_header("etag", format!("\"{}\"", version.etag))
            .with_header("last-modified", http_date(version.modified_ms))
    })
}

/// Those of a copy's source, which all fail alike.
pub(super) fn source_preconditions(asked: &Asked, version: &Version) -> Result<(), Fault> {
    check("x-amz-copy-source-", asked, version).map_err(|(fault, _)| fault)
}

fn check(before: &str, asked: &Asked, version: &Version) -> Result<(), (Fault, bool)> {
    let header = |name: &str| asked.header(&format!("{before}{}", name.to_ascii_lowercase()));
    let failed = |name: &str| Fault::precondition(&format!("{before}{name}"));
    let modified_s = version.modified_ms / 1_000;
    let date = |name: &str| header(name).and_then(seconds);
    if let Some(etags) = header("If-Match") {
        if !matches(etags, &version.etag) {
            return Err((failed("If-Match"), false));
        }
    } else if date("If-Unmodified-Since").is_some_and(|since| modified_s > since) {
        return Err((failed("If-Unmodified-Since"), false));
    }
    if let Some(etags) = header("If-None-Match") {
        if matches(etags, &version.etag) {
            return Err((failed("If-None-Match"), true));
        }
        return Ok(());
    }
    // A date that is yet to come is no condition.
    let now_s = asked.now_ms / 1_000;
    if date("If-Modified-Since").is_some_and(|since| modified_s <= since && since <= now_s) {
        return Err((failed("If-Modified-Since"), true));
    }
    Ok(())
}

/// The range, or the part, that a request names.
pub(super) fn asked(asked: &Asked, version: &Version) -> Result<Asks, Fault> {
    let range = asked.header("range");
    let part = asked.query("partNumber");
    match (range, part) {
        (Some(_), Some(_)) => {
            Err(Fault::invalid_request("Cannot specify both Range header and partNumber query parameter"))
        }
        (None, Some(number)) => by_part(number, version),
        (Some(text), None) => match parse(text, version.size) {
            Parsed::Range(range) => Ok(partial(range, version)),
            Parsed::NoRange => Ok(Asks { range: 0..version.size, content_range: None, parts: None }),
            Parsed::Unsatisfiable => {
                Err(Fault::new(416, "InvalidRange", "The requested range is not satisfiable")
                    .with("RangeRequested", text)
                    .with("ActualObjectSize", version.size.to_string())
                    .with_header("content-range", format!("bytes */{}", version.size)))
            }
        },
        (None, None) => Ok(Asks { range: 0..version.size, content_range: None, parts: None }),
    }
}

fn partial(range: Range<u64>, version: &Version) -> Asks {
    let content_range = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), version.size);
    Asks { range, content_range: Some(content_range), parts: None }
}

fn by_part(number: &str, version: &Version) -> Result<Asks, Fault> {
    let message = "Part number must be an integer between 1 and 10000, inclusive";
    let parsed: usize = number
        .parse()
        .ok()
        .filter(|number| (1..=10_000).contains(number))
        .ok_or_else(|| Fault::invalid_argument(message, "partNumber", number))?;
    let parts = match &version.content {
        Content::Files(segments) if version.etag.contains('-') => Some(segments),
        _ => None,
    };
    let count = parts.map_or(1, Vec::len);
    if parsed > count {
        return Err(Fault::new(416, "InvalidPartNumber", "The requested partnumber is not satisfiable")
            .with("PartNumberRequested", number)
            .with("ActualPartCount", count.to_string()));
    }
    let Some(parts) = parts else {
        let mut asks = partial(0..version.size, version);
        if version.size == 0 {
            asks.content_range = None;
        }
        return Ok(asks);
    };
    let begin: u64 = parts[..parsed - 1].iter().map(|part| part.size).sum();
    let mut asks = partial(begin..begin + parts[parsed - 1].size, version);
    asks.parts = Some(count);
    Ok(asks)
}

enum Parsed {
    Range(Range<u64>),
    /// What is no range, or several, is as if it were not there.
    NoRange,
    Unsatisfiable,
}

fn parse(text: &str, size: u64) -> Parsed {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-'))
    else {
        return Parsed::NoRange;
    };
    let number = |text: &str| text.parse::<u64>().ok();
    match (first, last) {
        ("", last) => match number(last) {
            None => Parsed::NoRange,
            Some(0) => Parsed::Unsatisfiable,
            Some(_) if size == 0 => Parsed::Unsatisfiable,
            Some(length) => Parsed::Range(size.saturating_sub(length)..size),
        },
        (first, last) => match (number(first), last.is_empty(), number(last)) {
            (None, _, _) | (Some(_), false, None) => Parsed::NoRange,
            (Some(first), _, Some(last)) if last < first => Parsed::NoRange,
            (Some(first), _, _) if first >= size => Parsed::Unsatisfiable,
            (Some(first), _, None) => Parsed::Range(first..size),
            (Some(first), _, Some(last)) => Parsed::Range(first..size.min(last.saturating_add(1))),
        },
    }
}

/// `x-amz-copy-source-range`: both ends, within the source.
pub(super) fn copy_range(text: &str, size: u64) -> Result<Range<u64>, Fault> {
    let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy";
    let refused = || Fault::invalid_argument(message, "x-amz-copy-source-range", text);
    let (first, last) =
        text.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or_else(refused)?;
    let (first, last): (u64, u64) =
        (first.parse().map_err(|_| refused())?, last.parse().map_err(|_| refused())?);
    if first > last {
        return Err(refused());
    }
    if last >= size {
        let message = format!("Range specified is not valid for source object of size: {size}");
        return Err(Fault::invalid_argument(message, "x-amz-copy-source-range", text));
    }
    Ok(first..last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ten_bytes() {
        let range = |text| match parse(text, 10) {
            Parsed::Range(range) => Ok(range),
            Parsed::NoRange => Err("none"),
            Parsed::Unsatisfiable => Err("unsatisfiable"),
        };
        assert_eq!(range("bytes=0-8"), Ok(0..9));
        assert_eq!(range("bytes=1-1000000"), Ok(1..10));
        assert_eq!(range("bytes=5-"), Ok(5..10));
        assert_eq!(range("bytes=-3"), Ok(7..10));
        assert_eq!(range("bytes=-15"), Ok(0..10));
        for none in ["bytes=0--1", "bytes=5-4", "bytes=0-1,3-4", "bytes", "items=0-1", "bytes=a-b"] {
            assert_eq!(range(none), Err("none"), "{none}");
        }
        for unsatisfiable in ["bytes=-0", "bytes=10-12", "bytes=10-"] {
            assert_eq!(range(unsatisfiable), Err("unsatisfiable"), "{unsatisfiable}");
        }
    }

    #[test]
    fn dates_of_http() {
        assert_eq!(seconds("Thu, 01 Jan 1970 00:01:00 GMT"), Some(60));
        assert_eq!(seconds("1970-01-01T00:01:00Z"), Some(60));
        assert_eq!(seconds("yesterday"), None);
    }
}
