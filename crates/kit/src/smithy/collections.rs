//! Lists and maps. Simple items that don't fit are reported with the whole collection, as AWS does; structures inside are
//! checked member by member.

use std::collections::BTreeMap;

use serde_json::Value;

use super::check::{Check, Path};
use super::shapes::{Codec, StringShape, at_least, at_most};

/// A list.
#[derive(Clone, Copy, Debug)]
pub struct ListShape<C> {
    /// Its items.
    pub member: C,
    /// Fewest items.
    pub min: Option<u64>,
    /// Most items.
    pub max: Option<u64>,
}

impl<C: Codec> Codec for ListShape<C> {
    type Rust = Vec<C::Rust>;

    fn decode(&self, value: Value, at: &Path<'_>, check: &mut Check) -> Self::Rust {
        let Value::Array(values) = value else {
            check.wrong_type(at, "a list");
            return Vec::new();
        };
        let mut scratch = Check::default();
        let items: Vec<C::Rust> = values
            .into_iter()
            .enumerate()
            .map(|(index, value)| {
                let at = at.index(index);
                // Simple items are reported below, with the whole list.
                if C::IS_STRUCTURE || !matches!(value, Value::String(_) | Value::Number(_)) {
                    self.member.decode(value, &at, check)
                } else {
                    self.member.decode(value, &at, &mut scratch)
                }
            })
            .collect();
        check.take_wrong_types(scratch);
        let count = items.len() as u64;
        if let Some(max) = self.max.filter(|max| count > *max) {
            check.violation(&self.show(&items), at, &at_most("length", max));
        }
        if let Some(min) = self.min.filter(|min| count < *min) {
            check.violation(&self.show(&items), at, &at_least("length", min));
        }
        if !C::IS_STRUCTURE && !items.iter().all(|item| self.member.fits(item)) {
            let mut constraints = self.member.constraints();
            constraints.push("Member must not be null".to_owned());
            let text = format!("Member must satisfy constraint: [{}]", constraints.join(", "));
            check.violation(&self.show(&items), at, &text);
        }
        items
    }

    fn encode(&self, rust: &Self::Rust) -> Value {
        Value::Array(rust.iter().map(|item| self.member.encode(item)).collect())
    }

    fn show(&self, rust: &Self::Rust) -> String {
        let items: Vec<String> = rust.iter().map(|item| self.member.show(item)).collect();
        format!("[{}]", items.join(", "))
    }
}

/// A list of words whose constraint AWS reports bare, with the whole list but without what surrounds it elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct BareListShape<C> {
    /// Its items.
    pub member: C,
    /// Fewest items.
    pub min: Option<u64>,
    /// Most items.
    pub max: Option<u64>,
}

impl<C: Codec> Codec for BareListShape<C> {
    type Rust = Vec<C::Rust>;

    fn decode(&self, value: Value, at: &Path<'_>, check: &mut Check) -> Self::Rust {
        let any = ListShape { member: Unchecked(self.member), min: self.min, max: self.max };
        let items = any.decode(value, at, check);
        if !items.iter().all(|item| self.member.fits(item)) {
            check.violation(&self.show(&items), at, &self.member.constraints().join(", "));
        }
        items
    }

    fn encode(&self, rust: &Self::Rust) -> Value {
        Value::Array(rust.iter().map(|item| self.member.encode(item)).collect())
    }

    fn show(&self, rust: &Self::Rust) -> String {
        let items: Vec<String> = rust.iter().map(|item| self.member.show(item)).collect();
        format!("[{}]", items.join(", "))
    }
}

/// An item whose constraints its list looks after.
#[derive(Clone, Copy, Debug)]
struct Unchecked<C>(C);

impl<C: Codec> Codec for Unchecked<C> {
    type Rust = C::Rust;

    fn decode(&self, value: Value, at: &Path<'_>, check: &mut Check) -> C::Rust {
        self.0.decode(value, at, check)
    }

    fn encode(&self, rust: &C::Rust) -> Value {
        self.0.encode(rust)
    }

    fn show(&self, rust: &C::Rust) -> String {
        self.0.show(rust)
    }
}

/// A map from text.
#[derive(Clone, Copy, Debug)]
pub struct MapShape<C> {
    /// Its keys.
    pub key: StringShape,
    /// Its values.
    pub value: C,
    /// Fewest entries.
    pub min: Option<u64>,
    /// Most entries.
    pub max: Option<u64>,
    /// Not echoed in messages.
    pub sensitive: bool,
}

impl<C: Codec> Codec for MapShape<C> {
    type Rust = BTreeMap<String, C::Rust>;

    fn decode(&self, value: Value, at: &Path<'_>, check: &mut Check) -> Self::Rust {
        let Value::Object(values) = value else {
            check.wrong_type(at, "a map");
            return BTreeMap::new();
        };
        let mut scratch = Check::default();
        let mut entries = BTreeMap::new();
        for (key, value) in values {
            let at = at.key(&key);
            let value = if C::IS_STRUCTURE || !matches!(value, Value::String(_) | Value::Number(_)) {
                self.value.decode(value, &at, check)
            } else {
                self.value.decode(value, &at, &mut scratch)
            };
            entries.insert(key, value);
        }
        check.take_wrong_types(scratch);
        if !entries.keys().all(|key| self.key.fits(key)) {
            let text = format!("Map keys must satisfy constraint: [{}]", with_null(self.key.constraints()));
            check.violation(&self.show(&entries), at, &text);
        }
        if !C::IS_STRUCTURE && !entries.values().all(|value| self.value.fits(value)) {
            let text =
                format!("Map value must satisfy constraint: [{}]", with_null(self.value.constraints()));
            check.violation(&self.show(&entries), at, &text);
        }
        let count = entries.len() as u64;
        if let Some(max) = self.max.filter(|max| count > *max) {
            check.violation(&self.show(&entries), at, &at_most("length", max));
        }
        if let Some(min) = self.min.filter(|min| count < *min) {
            check.violation(&self.show(&entries), at, &at_least("length", min));
        }
        entries
    }

    fn encode(&self, rust: &Self::Rust) -> Value {
        Value::Object(rust.iter().map(|(key, value)| (key.clone(), self.value.encode(value))).collect())
    }

    fn show(&self, rust: &Self::Rust) -> String {
        if self.sensitive {
            return "***".to_owned();
        }
        let entries: Vec<String> =
            rust.iter().map(|(key, value)| format!("{key}={}", self.value.show(value))).collect();
        format!("{{{}}}", entries.join(", "))
    }
}

fn with_null(mut constraints: Vec<String>) -> String {
    constraints.push("Member must not be null".to_owned());
    constraints.join(", ")
}
