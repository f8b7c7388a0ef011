//! Paging tokens: places between events, so that they survive restarts and mean the same to every caller.

use lambent_ports::log_store::Position;

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
}
