//! Simple shapes: values that know their constraints. Every shape of a model is a constant of one of
//! these types.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use super::check::{Check, Path};

/// Reads and writes one shape.
pub trait Codec: Copy {
    /// What it is in Rust.
    type Rust: Default;

    /// Reads a JSON value, recording what is wrong with it.
    fn decode(&self, value: Value, at: &Path<'_>, check: &mut Check) -> Self::Rust;

    /// Writes it.
    fn encode(&self, rust: &Self::Rust) -> Value;

    /// The constraints as AWS lists them for the items of a collection.
    fn constraints(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether a value meets its own constraints, without recording anything.
    fn fits(&self, _rust: &Self::Rust) -> bool {
        true
    }

    /// A value as AWS prints it in messages.
    fn show(&self, rust: &Self::Rust) -> String;

    /// A structure is checked member by member; a simple item of a collection is reported with the collection.
    const IS_STRUCTURE: bool = false;
}

/// A regular expression of the model, compiled when it is first needed. Java's syntax is close enough to that of the
/// engine; a test compiles them all.
pub struct Pattern {
    text: &'static str,
    compiled: OnceLock<Option<fancy_regex::Regex>>,
}

impl Pattern {
    /// The model's text.
    pub const fn new(text: &'static str) -> Self {
        Pattern { text, compiled: OnceLock::new() }
    }

    /// The model's text.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// Whether the engine understands it.
    pub fn compiles(&self) -> bool {
        self.regex().is_some()
    }

    fn regex(&self) -> Option<&fancy_regex::Regex> {
        // Java takes a hyphen after a class as itself.
        let compile =
            || fancy_regex::Regex::new(&format!("^(?:{})$", self.text.replace(r"\w-", r"\w\-"))).ok();
        self.compiled.get_or_init(compile).as_ref()
    }

    /// Whether the whole of `value` matches. An engine that gives up counts as a mismatch.
    pub fn matches(&self, value: &str) -> bool {
        self.regex().is_none_or(|regex| regex.is_match(value).unwrap_or(false))
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text)
    }
}

/// Text.
#[derive(Clone, Copy, Debug)]
pub struct StringShape {
    /// Least length, in characters.
    pub min: Option<u64>,
    /// Greatest length, in characters.
    pub max: Option<u64>,
    /// What the whole text has to match.
    pub pattern: Option<&'static Pattern>,
    /// The only values allowed, in the model's order.
    pub values: &'static [&'static str],
    /// Not echoed in messages.
    pub sensitive: bool,
}

impl StringShape {
    /// Any text.
    pub const ANY: StringShape =
        StringShape { min: None, max: None, pattern: None, values: &[], sensitive: false };

    fn failures(&self, text: &str) -> Vec<String> {
        let length = text.chars().count() as u64;
        let mut failures = Vec::new();
        if let Some(max) = self.max.filter(|max| length > *max) {
            failures.push(at_most("length", max));
        }
        if let Some(min) = self.min.filter(|min| length < *min) {
            failures.push(at_least("length", min));
        }
        if let Some(pattern) = self.pattern.filter(|pattern| !pattern.matches(text)) {
            failures.push(matches_pattern(pattern));
        }
        if !self.values.is_empty() && !self.values.contains(&text) {
            failures.push(one_of(self.values));
        }
        failures
    }
}

impl Codec for StringShape {
    type Rust = String;

    fn decode(&self, value: Value, at: &Path<'_>, check: &mut Check) -> String {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => {
                check.wrong_type(at, "a string");
                return String::new();
            }
        };
        for failure in self.failures(&text) {
            check.violation(&self.show(&text), at, &failure);
        }
        text
    }

    fn encode(&self, rust: &String) -> Value {
        Value::String(rust.clone())
    }

    fn constraints(&self) -> Vec<String> {
        let mut all = Vec::new();
        all.extend(self.max.map(|max| at_most("length", max)));
        all.extend(self.min.map(|min| at_least("length", min)));
        all.extend(self.pattern.map(matches_pattern));
        if !self.values.is_empty() {
            all.push(one_of(self.values));
        }
        all
    }

    fn fits(&self, rust: &String) -> bool {
        self.failures(rust).is_empty()
    }

    fn show(&self, rust: &String) -> String {
        if self.sensitive { "***".to_owned() } else { rust.clone() }
    }
}

pub(super) fn at_most(what: &str, bound: impl std::fmt::Display) -> String {
    format!("Member must have {what} less than or equal to {bound}")
}

pub(super) fn at_least(what: &str, bound: impl std::fmt::Display) -> String {
    format!("Member must have {what} greater than or equal to {bound}")
}

fn matches_pattern(pattern: &'static Pattern) -> String {
    format!("Member must satisfy regular expression pattern: {}", pattern.text)
}

fn one_of(values: &[&str]) -> String {
    format!("Member must satisfy enum value set: [{}]", values.join(", "))
}

/// The whole part of a number that has one of 64 bits.
fn whole(number: f64) -> Option<i64> {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    (-BOUND..BOUND).contains(&number).then_some(number as i64)
}

/// A number in text. `NaN` and infinities are none: they meet every bound, and JSON can't carry them back.
fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

macro_rules! integer_shape {
    ($(#[$doc:meta])* $name:ident, $rust:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            /// Least value.
            pub min: Option<i64>,
            /// Greatest value.
            pub max: Option<i64>,
        }

        impl Codec for $name {
            type Rust = $rust;

            fn decode(&self, value: Value, at: &Path<'_>, check: &mut Check) -> $rust {
                let number = match &value {
                    Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
                    // Query strings, headers and forms carry text.
                    Value::String(text) => text.parse().ok(),
                    _ => None,
                };
                let Some(number) = number else {
                    check.wrong_type(at, "an integer");
                    return 0;
                };
                if let Some(max) = self.max.filter(|max| number > *max) {
                    check.violation(&number.to_string(), at, &at_most("value", max));
                }
                if let Some(min) = self.min.filter(|min| number < *min) {
                    check.violation(&number.to_string(), at, &at_least("value", min));
                }
                <$rust>::try_from(number).unwrap_or_else(|_| {
                    check.wrong_type(at, "an integer within its range");
                    0
                })
            }

            fn encode(&self, rust: &$rust) -> Value {
                Value::from(*rust)
            }

            fn constraints(&self) -> Vec<String> {
                let max = self.max.map(|max| at_most("value", max));
                let min = self.min.map(|min| at_least("value", min));
                max.into_iter().chain(min).collect()
            }

            fn fits(&self, rust: &$rust) -> bool {
                let number = i64::from(*rust);
                self.max.is_none_or(|max| number <= max) && self.min.is_none_or(|min| number >= min)
            }

            fn show(&self, rust: &$rust) -> String {
                rust.to_string()
            }
        }
    };
}

integer_shape!(
    /// 32 bits.
    IntegerShape,
    i32
);
integer_shape!(
    /// 64 bits.
    LongShape,
    i64
);

/// A floating-point number.
#[derive(Clone, Copy, Debug)]
pub struct DoubleShape {
    /// Least value.
    pub min: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
}

impl Codec for DoubleShape {
    type Rust = f64;

    fn decode(&self, value: Value, at: &Path<'_>, check: &mut Check) -> f64 {
        let number = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => finite(text),
            _ => None,
        };
        let Some(number) = number else {
            check.wrong_type(at, "a number");
            return 0.0;
        };
        if let Some(max) = self.max.filter(|max| number > *max) {
            check.violation(&number.to_string(), at, &at_most("value", max));
        }
        if let Some(min) = self.min.filter(|min| number < *min) {
            check.violation(&number.to_string(), at, &at_least("value", min));
        }
        number
    }

    fn encode(&self, rust: &f64) -> Value {
        Value::from(*rust)
    }

    fn constraints(&self) -> Vec<String> {
        let max = self.max.map(|max| at_most("value", max));
        let min = self.min.map(|min| at_least("value", min));
        max.into_iter().chain(min).collect()
    }

    fn fits(&self, rust: &f64) -> bool {
        self.max.is_none_or(|max| *rust <= max) && self.min.is_none_or(|min| *rust >= min)
    }

    fn show(&self, rust: &f64) -> String {
        rust.to_string()
    }
}

/// True or false.
#[derive(Clone, Copy, Debug)]
pub struct BooleanShape;

impl Codec for BooleanShape {
    type Rust = bool;

    fn decode(&self, value: Value, at: &Path<'_>, check: &mut Check) -> bool {
        match value {
            Value::Bool(flag) => flag,
            Value::String(text) if text == "true" => true,
            Value::String(text) if text == "false" => false,
            _ => {
                check.wrong_type(at, "a boolean");
                false
            }
        }
    }

    fn encode(&self, rust: &bool) -> Value {
        Value::Bool(*rust)
    }

    fn show(&self, rust: &bool) -> String {
        rust.to_string()
    }
}

/// Seconds since the Unix epoch in JSON; ISO 8601 in queries.
#[derive(Clone, Copy, Debug)]
pub struct TimestampShape;

impl Codec for TimestampShape {
    type Rust = f64;

    fn decode(&self, value: Value, at: &Path<'_>, check: &mut Check) -> f64 {
        let seconds = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => finite(text).or_else(|| {
                text.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond() as f64 / 1_000.0)
            }),
            _ => None,
        };
        seconds.unwrap_or_else(|| {
            check.wrong_type(at, "a timestamp");
            0.0
        })
    }

    fn encode(&self, rust: &f64) -> Value {
        Value::from(*rust)
    }

    fn show(&self, rust: &f64) -> String {
        rust.to_string()
    }
}

/// Bytes, base64 in JSON.
#[derive(Clone, Copy, Debug)]
pub struct BlobShape;

impl Codec for BlobShape {
    type Rust = Bytes;

    fn decode(&self, value: Value, at: &Path<'_>, check: &mut Check) -> Bytes {
        let Value::String(text) = value else {
            check.wrong_type(at, "base64-encoded bytes");
            return Bytes::new();
        };
        match STANDARD.decode(text) {
            Ok(bytes) => Bytes::from(bytes),
            Err(_) => {
                check.wrong_type(at, "base64-encoded bytes");
                Bytes::new()
            }
        }
    }

    fn encode(&self, rust: &Bytes) -> Value {
        Value::String(STANDARD.encode(rust))
    }

    fn show(&self, rust: &Bytes) -> String {
        format!("java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", rust.len())
    }
}

/// Any JSON.
#[derive(Clone, Copy, Debug)]
pub struct DocumentShape;

impl Codec for DocumentShape {
    type Rust = Value;

    fn decode(&self, value: Value, _: &Path<'_>, _: &mut Check) -> Value {
        value
    }

    fn encode(&self, rust: &Value) -> Value {
        rust.clone()
    }

    fn show(&self, rust: &Value) -> String {
        rust.to_string()
    }
}
