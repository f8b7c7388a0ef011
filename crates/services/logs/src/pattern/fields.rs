//! Space-delimited patterns: `[ip, user, ..., status_code = 4*, bytes > 1000]`.
//!
//! A message's fields stand between spaces; what is in `[]` or `""` is one field. `...` stands for any number of fields.
//! Without it the last field takes all that is left of the message: AWS's own preset for Lambda's logs,
//! `[timestamp=*Z, request_id="*-*", event]`, lives on that.

use super::compare::{Operand, Operator, Text};
use super::{Invalid, Regexes, invalid};

#[derive(Debug)]
pub(super) struct Fields {
    before: Vec<Condition>,
    /// What follows `...`, if there is one.
    after: Option<Vec<Condition>>,
}

#[derive(Debug)]
enum Condition {
    Any,
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Number(Operator, f64),
    Is(Text),
    IsNot(Text),
}

/// A field of a message.
struct Found<'a> {
    value: &'a str,
    /// From this field's first letter to the message's end.
    rest: &'a str,
}

impl Fields {
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let mut regexes = Regexes::default();
        let mut fields = Fields { before: Vec::new(), after: None };
        for item in items(inner.ok_or_else(|| invalid("a bracket is missing"))?)? {
            match (item, &mut fields.after) {
                ("...", None) => fields.after = Some(Vec::new()),
                ("...", Some(_)) => return Err(invalid("there is more than one ellipsis")),
                (item, Some(after)) => after.push(condition(item, &mut regexes)?),
                (item, None) => fields.before.push(condition(item, &mut regexes)?),
            }
        }
        Ok(fields)
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let mut found = split(message.trim());
        let wanted = self.before.len();
        if self.after.is_none() && found.len() > wanted {
            found.truncate(wanted);
            if let Some(last) = found.last_mut() {
                last.value = last.rest;
            }
        }
        let after = self.after.as_deref().unwrap_or_default();
        if found.len() < wanted + after.len() {
            return false;
        }
        let tail = &found[found.len() - after.len()..];
        let holds = |(condition, found): (&Condition, &Found<'_>)| condition.holds(found.value);
        self.before.iter().zip(&found).all(holds) && after.iter().zip(tail).all(holds)
    }
}

impl Condition {
    fn holds(&self, value: &str) -> bool {
        match self {
            Condition::Any => true,
            Condition::And(parts) => parts.iter().all(|part| part.holds(value)),
            Condition::Or(parts) => parts.iter().any(|part| part.holds(value)),
            // What is no number differs from every number.
            Condition::Number(operator, wanted) => value
                .parse()
                .map_or(*operator == Operator::NotEqual, |number: f64| operator.holds(number, *wanted)),
            Condition::Is(text) => text.matches(value),
            Condition::IsNot(text) => !text.matches(value),
        }
    }
}

/// Splits a message into its fields. A bracket or quotation mark that is never closed is a letter like any other.
fn split(message: &str) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let close = match first {
            '[' => Some(']'),
            '"' => Some('"'),
            _ => None,
        };
        let closed = close.and_then(|close| rest[1..].find(close));
        let (value, length) = match closed {
            Some(end) => (&rest[1..=end], end + 2),
            None => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (&rest[..end], end)
            }
        };
        found.push(Found { value, rest });
        rest = rest[length..].trim_start();
    }
    found
}

/// Splits a pattern at its commas, but for those inside quotations.
fn items(inner: &str) -> Result<Vec<&str>, Invalid> {
    let mut items = Vec::new();
    let (mut start, mut quote) = (0, None);
    for (at, letter) in inner.char_indices() {
        match quote {
            Some(open) if open == letter => quote = None,
            None if matches!(letter, '"' | '%') => quote = Some(letter),
            None if letter == ',' => {
                items.push(inner[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if quote.is_some() {
        return Err(invalid("a quotation is not closed"));
    }
    items.push(inner[start..].trim());
    Ok(items)
}

/// A field of the pattern: nothing, a name, or comparisons joined by `&&` and `||`.
fn condition(item: &str, regexes: &mut Regexes) -> Result<Condition, Invalid> {
    let (name, rest) = split_name(item);
    if rest.is_empty() {
        return Ok(Condition::Any);
    }
    let mut any = Vec::new();
    let mut all = Vec::new();
    let mut rest = rest;
    loop {
        let (comparison, after) = comparison(rest, regexes)?;
        all.push(comparison);
        let after = after.trim_start();
        let next = if let Some(next) = after.strip_prefix("&&") {
            next
        } else if let Some(next) = after.strip_prefix("||") {
            any.push(Condition::And(std::mem::take(&mut all)));
            next
        } else if after.is_empty() {
            any.push(Condition::And(all));
            return Ok(Condition::Or(any));
        } else {
            return Err(invalid("a field's conditions are joined by && and ||"));
        };
        let (again, after) = split_name(next.trim_start());
        if again != name {
            return Err(invalid("conditions of one field have one name"));
        }
        rest = after;
    }
}

fn split_name(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '-')));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    (name, rest.trim_start())
}

fn comparison<'a>(text: &'a str, regexes: &mut Regexes) -> Result<(Condition, &'a str), Invalid> {
    let (operator, rest) = Operator::read(text).ok_or_else(|| invalid("a comparison is missing"))?;
    let (operand, rest) = Operand::read(rest, &['&', '|'], regexes)?;
    let condition = match (operator, operand) {
        (operator, Operand::Number(number)) => Condition::Number(operator, number),
        (Operator::Equal, Operand::Text(text)) => Condition::Is(text),
        (Operator::NotEqual, Operand::Text(text)) => Condition::IsNot(text),
        (_, Operand::Text(_)) => return Err(invalid("text can only be equal or not")),
    };
    Ok((condition, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        r#"127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534"#;

    fn matches(pattern: &str, message: &str) -> bool {
        Fields::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error:?}")).matches(message)
    }

    #[test]
    fn fields_by_their_places() {
        for (pattern, expected) in [
            ("[ip, user, username, timestamp, request = *.html*, status_code = 4*, bytes]", true),
            ("[ip, user, username, timestamp, request = *.php*, status_code = 4*, bytes]", false),
            ("[ip, user, username, timestamp, request, status_code = 404, bytes > 1000]", true),
            ("[ip, user, username, timestamp, request, status_code, bytes > 1534]", false),
            ("[ip, user, username, timestamp, request, status_code, bytes >= 1534]", true),
            ("[ip, user, ..., status_code=4*, bytes>1000]", true),
            ("[..., status_code < 404, bytes]", false),
            ("[..., status_code <= 404, bytes]", true),
            ("[ip = 127.0.0.*, ...]", true),
            ("[ip = 10.*, ...]", false),
            ("[, , = frank, ...]", true),
            ("[ip, user, username, timestamp = \"10/Oct*\", ...]", true),
            ("[..., request = %GET .*html%, status, bytes]", true),
            ("[a, b, c, d, e, f, g, h]", false),
            ("[a, ..., b, c, d, e, f, g, h]", false),
            ("[a, b, c, d, ..., e, f, g]", true),
            ("[...]", true),
        ] {
            assert_eq!(matches(pattern, LINE), expected, "{pattern}");
        }
    }

    #[test]
    fn conditions_are_joined() {
        for (pattern, expected) in [
            ("[w1 = ERROR || w1 = WARN, w2]", true),
            ("[w1=ERROR||w1=INFO, w2]", false),
            ("[w1!=ERROR && w1!=INFO, w2]", true),
            ("[w1!=ERROR && w1!=WARN, w2]", false),
            ("[w1=X && w1=Y || w1=WARN, w2]", true),
            ("[w1, w2 != 5, ...]", true),
            ("[w1, w2 < 5, ...]", false),
        ] {
            assert_eq!(matches(pattern, "WARN disk is full"), expected, "{pattern}");
        }
    }

    #[test]
    fn the_last_field_takes_the_rest() {
        let line = "2024-01-01T00:00:00.000Z 8a-9b one \"two three\" four";
        for (pattern, expected) in [
            ("[timestamp=*Z, request_id=\"*-*\", event]", true),
            ("[timestamp=*Z, request_id=\"*-*\", event=one*four]", true),
            ("[timestamp=*Z, request_id=\"*-*\", event=one]", false),
            ("[timestamp=*Z, request_id=\"*-*\", event, ...]", true),
            ("[timestamp=*Z, request_id=\"*_*\", event]", false),
        ] {
            assert_eq!(matches(pattern, line), expected, "{pattern}");
        }
        assert!(matches("[word, quoted=\"a b\"]", "x \"a b\""));
        assert!(matches("[word, open]", "x [never closed"));
        assert!(matches("[word=\"a b\"]", "a b") && !matches("[word=a]", "a b"));
        assert!(!matches("[word, second]", "alone"));
    }

    #[test]
    fn what_can_not_be_read_is_refused() {
        for pattern in [
            "[u=%a%, v=%b%, w=%c%]",
            "[",
            "[a",
            "[a = ]",
            "[..., ...]",
            "[a > b]",
            "[a b]",
            "[a = 1 2]",
            "[a = 1 || b = 2]",
            "[a = \"x]",
        ] {
            assert!(Fields::parse(pattern).is_err(), "{pattern}");
        }
    }
}
