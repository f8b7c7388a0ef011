//! Paging tokens: places between events, so that they survive restarts and mean the same to every caller.

use lambent_ports::log_store::{LogStream, Position, StreamOrder, StreamPlace};

use crate::LogsFault;

/// Decimal digits of AWS's tokens and event ids.
const DIGITS: usize = 56;

/// An event's id: its time and the store's id, unique and stable.
pub(crate) fn event_id(position: Position) -> String {
    format!("{:020}{:0width$}", position.timestamp_ms, position.id, width = DIGITS - 20)
}

/// `f/<56 digits>/s` or `b/<56 digits>/s`.
pub(crate) fn page(direction: char, position: Position) -> String {
    format!("{direction}/{}/s", event_id(position))
}

/// The inverse of [`page`].
pub(crate) fn read_page(token: &str) -> Result<(char, Position), LogsFault> {
    let read = || {
        let mut parts = token.split('/');
        let direction = match parts.next()? {
            "f" => 'f',
            "b" => 'b',
            _ => return None,
        };
        let position = read_event_id(parts.next()?)?;
        (parts.next()? == "s" && parts.next().is_none()).then_some((direction, position))
    };
    read().ok_or_else(invalid)
}

/// The inverse of [`event_id`].
pub(crate) fn read_event_id(digits: &str) -> Option<Position> {
    if digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Position { timestamp_ms: digits[..20].parse().ok()?, id: digits[20..].parse().ok()? })
}

/// The place behind a stream: `s/<name>`, or `t/<time>/<name>` where the order is by time.
pub(crate) fn stream(order: StreamOrder, stream: &LogStream) -> String {
    match order {
        StreamOrder::Name => format!("s/{}", stream.name),
        StreamOrder::LastEvent => {
            let time = stream.last_event_ms.map_or_else(String::new, |time| time.to_string());
            format!("t/{time}/{}", stream.name)
        }
    }
}

/// The inverse of [`stream`]; a token of the other order is none.
pub(crate) fn read_stream(order: StreamOrder, token: &str) -> Result<StreamPlace, LogsFault> {
    let read = || match order {
        StreamOrder::Name => {
            let name = token.strip_prefix("s/")?.to_owned();
            Some(StreamPlace { last_event_ms: None, name })
        }
        StreamOrder::LastEvent => {
            let (time, name) = token.strip_prefix("t/")?.split_once('/')?;
            let last_event_ms = if time.is_empty() { None } else { Some(time.parse().ok()?) };
            Some(StreamPlace { last_event_ms, name: name.to_owned() })
        }
    };
    read().ok_or_else(invalid)
}

/// A token that was not made here.
pub(crate) fn invalid() -> LogsFault {
    LogsFault::InvalidParameter("The specified nextToken is invalid.".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_garbage_does_not() {
        let position = Position { timestamp_ms: 1_700_000_000_000, id: 42 };
        let token = page('f', position);
        assert_eq!(token.len(), DIGITS + 4);
        assert_eq!(read_page(&token).unwrap(), ('f', position));
        for garbage in ["", "f//s", "x/0/s", "f/é/s", &token[1..], &format!("{token}/")] {
            assert!(read_page(garbage).is_err(), "{garbage}");
        }
    }

    #[test]
    fn tokens_of_streams_come_back_and_belong_to_their_order() {
        let stream_at = |last_event_ms| LogStream {
            name: "2024/01/01/[$LATEST]a".into(),
            created_ms: 1,
            first_event_ms: None,
            last_event_ms,
            last_ingestion_ms: None,
        };
        let place = |last_event_ms| StreamPlace { last_event_ms, name: "2024/01/01/[$LATEST]a".into() };
        let by_name = stream(StreamOrder::Name, &stream_at(Some(7)));
        assert_eq!(read_stream(StreamOrder::Name, &by_name).unwrap(), place(None));
        for time in [Some(7), None] {
            let by_time = stream(StreamOrder::LastEvent, &stream_at(time));
            assert_eq!(read_stream(StreamOrder::LastEvent, &by_time).unwrap(), place(time));
            assert!(read_stream(StreamOrder::Name, &by_time).is_err());
        }
        for garbage in ["", "t/", "t/x/a", "t/-1/a"] {
            assert!(read_stream(StreamOrder::LastEvent, garbage).is_err(), "{garbage}");
        }
    }
}
