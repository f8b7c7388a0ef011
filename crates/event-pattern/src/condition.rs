//! What one element of a pattern's array says of a value.

use crate::address::{self, Network};
use crate::event::Value;
use crate::number::Comparable;
use crate::wildcard::Wildcard;

/// One element of a field's array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// This string.
    Text(String),
    /// A string that is an address: any way of writing that address.
    Address(std::net::IpAddr),
    /// This number in this form: `300` is not `300.0` (documented).
    Number(String),
    /// `true`, `false` or `null`.
    Word(&'static str),
    Prefix(String),
    /// Folded, as the others that ignore case.
    PrefixFolded(String),
    Suffix(String),
    SuffixFolded(String),
    Folded(String),
    Wildcard(Wildcard),
    Equal(Comparable),
    Range(Range),
    Network(Network),
    Exists,
    Absent,
    But(But),
}

/// Numbers between two, each within or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) bottom: Comparable,
    pub(crate) open_bottom: bool,
    pub(crate) top: Comparable,
    pub(crate) open_top: bool,
}

/// What a value must not be. It may be of any other kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum But {
    Texts(Vec<String>),
    Numbers(Vec<Comparable>),
    Folded(Vec<String>),
    Prefixes(Vec<String>),
    Suffixes(Vec<String>),
    Wildcards(Vec<Wildcard>),
}

impl Condition {
    /// Whether a value that is there is meant.
    pub(crate) fn matches(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Condition::Exists, _) => true,
            (Condition::Absent, _) => false,
            (Condition::But(but), _) => !but.holds(value),
            (Condition::Word(word), Value::Word(found)) => word == found,
            (Condition::Number(text), Value::Number { text: found, .. }) => text == found,
            (Condition::Equal(number), Value::Number { comparable, .. }) => *comparable == Some(*number),
            (Condition::Range(range), Value::Number { comparable: Some(found), .. }) => {
                range.contains(*found)
            }
            (condition, Value::Text(text)) => condition.matches_text(text),
            _ => false,
        }
    }

    fn matches_text(&self, text: &str) -> bool {
        match self {
            Condition::Text(wanted) => wanted == text,
            Condition::Address(wanted) => address::parse(text) == Some(*wanted),
            Condition::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Condition::PrefixFolded(prefix) => starts_with_folded(text, prefix),
            Condition::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Condition::SuffixFolded(suffix) => fold(text).ends_with(suffix.as_str()),
            Condition::Folded(folded) => equals_folded(text, folded),
            Condition::Wildcard(wildcard) => wildcard.matches(text),
            Condition::Network(network) => network.contains(text),
            _ => false,
        }
    }
}

impl Range {
    fn contains(&self, number: Comparable) -> bool {
        let above = if self.open_bottom { self.bottom < number } else { self.bottom <= number };
        let below = if self.open_top { number < self.top } else { number <= self.top };
        above && below
    }
}

impl But {
    fn holds(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (But::Numbers(numbers), Value::Number { comparable, .. }) => {
                comparable.is_some_and(|number| numbers.contains(&number))
            }
            (But::Texts(texts), Value::Text(text)) => texts.iter().any(|wanted| wanted == text),
            (But::Folded(texts), Value::Text(text)) => texts.iter().any(|folded| equals_folded(text, folded)),
            (But::Prefixes(texts), Value::Text(text)) => texts.iter().any(|prefix| text.starts_with(prefix)),
            (But::Suffixes(texts), Value::Text(text)) => texts.iter().any(|suffix| text.ends_with(suffix)),
            (But::Wildcards(wildcards), Value::Text(text)) => {
                wildcards.iter().any(|wildcard| wildcard.matches(text))
            }
            _ => false,
        }
    }
}

/// Without case.
pub(crate) fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn equals_folded(text: &str, folded: &str) -> bool {
    text.chars().flat_map(char::to_lowercase).eq(folded.chars())
}

fn starts_with_folded(text: &str, folded: &str) -> bool {
    let mut found = text.chars().flat_map(char::to_lowercase);
    folded.chars().all(|wanted| found.next() == Some(wanted))
}
