//! Comparisons that JSON selectors and space-delimited patterns share.

use super::{Invalid, Regexes, invalid};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    /// The operator that `text` begins with, and what follows it.
    pub(super) fn read(text: &str) -> Option<(Self, &str)> {
        let operators = [
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        operators.into_iter().find_map(|(word, operator)| Some((operator, text.strip_prefix(word)?)))
    }

    pub(super) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Operator::Equal => left == right,
            Operator::NotEqual => left != right,
            Operator::Less => left < right,
            Operator::LessOrEqual => left <= right,
            Operator::Greater => left > right,
            Operator::GreaterOrEqual => left >= right,
        }
    }
}

/// What stands behind an operator.
#[derive(Debug)]
pub(super) enum Operand {
    Number(f64),
    Text(Text),
}

impl Operand {
    /// The operand that `text` begins with, and what follows it. What is not quoted goes on to a space or to one of `ends`.
    pub(super) fn read<'a>(
        text: &'a str,
        ends: &[char],
        regexes: &mut Regexes,
    ) -> Result<(Self, &'a str), Invalid> {
        let text = text.trim_start();
        for (quote, is_regex) in [('"', false), ('%', true)] {
            if let Some(rest) = text.strip_prefix(quote) {
                let end = rest.find(quote).ok_or_else(|| invalid("a quotation is not closed"))?;
                let (value, after) = (&rest[..end], &rest[end + 1..]);
                let text =
                    if is_regex { Text::Regex(regexes.compile(value)?) } else { Text::wildcard(value) };
                return Ok((Operand::Text(text), after));
            }
        }
        let ends = |letter: char| letter.is_whitespace() || ends.contains(&letter);
        let (value, after) = text.split_at(text.find(ends).unwrap_or(text.len()));
        if value.is_empty() {
            return Err(invalid("there is nothing to compare with"));
        }
        let operand = value.parse().map_or_else(|_| Operand::Text(Text::wildcard(value)), Operand::Number);
        Ok((operand, after))
    }
}

/// Text to compare with.
#[derive(Debug)]
pub(super) enum Text {
    /// Parts between `*`.
    Wildcard(Vec<String>),
    Regex(regex::Regex),
}

impl Text {
    fn wildcard(value: &str) -> Self {
        Text::Wildcard(value.split('*').map(str::to_owned).collect())
    }

    pub(super) fn matches(&self, found: &str) -> bool {
        match self {
            Text::Regex(regex) => regex.is_match(found),
            Text::Wildcard(parts) => wildcard(parts, found),
        }
    }
}

fn wildcard(parts: &[String], found: &str) -> bool {
    let [first, middle @ .., last] = parts else {
        return parts.first().is_some_and(|only| only == found);
    };
    let Some(mut rest) = found.strip_prefix(first.as_str()) else {
        return false;
    };
    for part in middle {
        match rest.find(part.as_str()) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}
