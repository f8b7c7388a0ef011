//! `Condition`: operators, each with keys, each with values.

use std::net::IpAddr;

use crate::context::Context;
use crate::glob::{Glob, Special};
use crate::values::{Block, date_ms, number};

/// What an operator compares, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    String,
    StringIgnoringCase,
    StringLike,
    Numeric(Order),
    Date(Order),
    Bool,
    Binary,
    Ip,
    Arn,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Order::Equal => left == right,
            Order::Less => left < right,
            Order::LessOrEqual => left <= right,
            Order::Greater => left > right,
            Order::GreaterOrEqual => left >= right,
        }
    }
}

/// How a key's several values count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    /// Not said: for keys of one value.
    Single,
    /// `ForAnyValue:`
    Any,
    /// `ForAllValues:`
    All,
}

/// An operator as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    quantifier: Quantifier,
    comparison: Comparison,
    negated: bool,
    if_exists: bool,
}

impl Operator {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (quantifier, rest) = match text.split_once(':') {
            Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
            Some(("ForAllValues", rest)) => (Quantifier::All, rest),
            Some(_) => return None,
            None => (Quantifier::Single, text),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let (comparison, negated) = comparison(name)?;
        // What asks whether a key exists has nothing to say if it does.
        if comparison == Comparison::Null && (if_exists || quantifier != Quantifier::Single) {
            return None;
        }
        Some(Operator { quantifier, comparison, negated, if_exists })
    }
}

fn comparison(name: &str) -> Option<(Comparison, bool)> {
    Some(match name {
        "StringEquals" => (Comparison::String, false),
        "StringNotEquals" => (Comparison::String, true),
        "StringEqualsIgnoreCase" => (Comparison::StringIgnoringCase, false),
        "StringNotEqualsIgnoreCase" => (Comparison::StringIgnoringCase, true),
        "StringLike" => (Comparison::StringLike, false),
        "StringNotLike" => (Comparison::StringLike, true),
        "Bool" => (Comparison::Bool, false),
        "BinaryEquals" => (Comparison::Binary, false),
        "IpAddress" => (Comparison::Ip, false),
        "NotIpAddress" => (Comparison::Ip, true),
        "ArnEquals" | "ArnLike" => (Comparison::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Comparison::Arn, true),
        "Null" => (Comparison::Null, false),
        _ => {
            let (numeric, order) = match name.strip_prefix("Numeric") {
                Some(order) => (true, order),
                None => (false, name.strip_prefix("Date")?),
            };
            let (order, negated) = match order {
                "Equals" => (Order::Equal, false),
                "NotEquals" => (Order::Equal, true),
                "LessThan" => (Order::Less, false),
                "LessThanEquals" => (Order::LessOrEqual, false),
                "GreaterThan" => (Order::Greater, false),
                "GreaterThanEquals" => (Order::GreaterOrEqual, false),
                _ => return None,
            };
            (if numeric { Comparison::Numeric(order) } else { Comparison::Date(order) }, negated)
        }
    })
}

/// A value that a statement names. What can't be read as what its operator compares equals nothing.
#[derive(Clone, Debug, PartialEq)]
enum Wanted {
    Glob(Glob),
    Number(f64),
    Date(i64),
    Block(Block),
    Text(String),
    Nothing,
}

impl Wanted {
    fn compile(comparison: Comparison, text: &str, variables: bool) -> Self {
        let glob =
            |text: &str, wildcards| Wanted::Glob(Glob::compile(text, Special { wildcards, variables }));
        match comparison {
            Comparison::String => glob(text, false),
            // Keys of variables are the same in any case.
            Comparison::StringIgnoringCase => glob(&text.to_lowercase(), false),
            Comparison::StringLike | Comparison::Arn => glob(text, true),
            Comparison::Numeric(_) => number(text).map_or(Wanted::Nothing, Wanted::Number),
            Comparison::Date(_) => date_ms(text).map_or(Wanted::Nothing, Wanted::Date),
            Comparison::Ip => Block::parse(text).map_or(Wanted::Nothing, Wanted::Block),
            Comparison::Bool | Comparison::Null => Wanted::Text(text.to_lowercase()),
            Comparison::Binary => Wanted::Text(text.to_owned()),
        }
    }

    fn is_met(&self, comparison: Comparison, value: &str, context: &Context) -> bool {
        match (self, comparison) {
            (Wanted::Glob(glob), Comparison::Arn) => glob.matches_arn(value, context),
            (Wanted::Glob(glob), Comparison::StringIgnoringCase) => {
                glob.matches_ignoring_case(value, context)
            }
            (Wanted::Glob(glob), _) => glob.matches(value, context),
            (Wanted::Number(wanted), Comparison::Numeric(order)) => {
                number(value).is_some_and(|value| order.holds(value, *wanted))
            }
            (Wanted::Date(wanted), Comparison::Date(order)) => {
                date_ms(value).is_some_and(|value| order.holds(value, *wanted))
            }
            (Wanted::Block(block), _) => value.parse::<IpAddr>().is_ok_and(|address| block.contains(address)),
            (Wanted::Text(wanted), Comparison::Bool) => value.eq_ignore_ascii_case(wanted),
            (Wanted::Text(wanted), _) => value == wanted,
            (Wanted::Number(_) | Wanted::Date(_) | Wanted::Nothing, _) => false,
        }
    }
}

/// A key under an operator, with its values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    operator: Operator,
    /// As it was written.
    key: String,
    lower_key: String,
    wanted: Vec<Wanted>,
    /// Every value could be read as what the operator compares.
    pub(crate) readable: bool,
}

impl Condition {
    pub(crate) fn compile(operator: Operator, key: &str, values: &[String], variables: bool) -> Self {
        let wanted: Vec<Wanted> =
            values.iter().map(|value| Wanted::compile(operator.comparison, value, variables)).collect();
        let readable = !wanted.contains(&Wanted::Nothing);
        Condition { operator, key: key.to_owned(), lower_key: key.to_lowercase(), wanted, readable }
    }

    /// Whether the request meets it.
    pub(crate) fn holds(&self, context: &Context) -> bool {
        let Operator { quantifier, comparison, negated, if_exists } = self.operator;
        let values = context.get_lower(&self.lower_key).filter(|values| !values.is_empty());
        if comparison == Comparison::Null {
            let absent = values.is_none().to_string();
            return self.wanted.iter().any(|wanted| wanted.is_met(comparison, &absent, context));
        }
        let Some(values) = values else {
            return match quantifier {
                Quantifier::All => true,
                Quantifier::Any => if_exists,
                Quantifier::Single => negated || if_exists,
            };
        };
        let met = |value: &String| {
            self.wanted.iter().any(|wanted| wanted.is_met(comparison, value, context)) != negated
        };
        match quantifier {
            Quantifier::All => values.iter().all(met),
            Quantifier::Any => values.iter().any(met),
            // Several values where one was expected (judgement): a positive operator is met by any, a negated one by all.
            Quantifier::Single if negated => values.iter().all(met),
            Quantifier::Single => values.iter().any(met),
        }
    }

    /// The keys that it looks at, its variables' included.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let globs = self.wanted.iter().filter_map(|wanted| match wanted {
            Wanted::Glob(glob) => Some(glob),
            _ => None,
        });
        std::iter::once(self.key.as_str()).chain(globs.flat_map(Glob::variables))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(operator: &str, wanted: &[&str], values: Option<&[&str]>) -> bool {
        let wanted: Vec<String> = wanted.iter().map(|value| (*value).to_owned()).collect();
        let mut context = Context::new();
        context.set("aws:username", "Ana");
        if let Some(values) = values {
            context.set_all("Test:Key", values.iter().copied());
        }
        let operator = Operator::parse(operator).unwrap_or_else(|| panic!("{operator}"));
        Condition::compile(operator, "test:KEY", &wanted, true).holds(&context)
    }

    fn one(operator: &str, wanted: &str, value: &str) -> bool {
        holds(operator, &[wanted], Some(&[value]))
    }

    #[test]
    fn strings() {
        assert!(
            one("StringEquals", "a", "a")
                && !one("StringEquals", "a*", "ab")
                && !one("StringEquals", "a", "A")
        );
        assert!(one("StringNotEquals", "a", "b") && !one("StringNotEquals", "a", "a"));
        assert!(one("StringEqualsIgnoreCase", "aB", "Ab") && !one("StringNotEqualsIgnoreCase", "a", "A"));
        assert!(one("StringEqualsIgnoreCase", "X-${aws:username}", "x-aNA"));
        assert!(one("StringLike", "a*c?", "abbcd") && one("StringNotLike", "a*", "b"));
        assert!(one("StringEquals", "${aws:username}", "Ana") && !one("StringEquals", "${aws:userid}", ""));
    }

    #[test]
    fn numbers_dates_and_addresses() {
        assert!(one("NumericEquals", "10", "10.0") && one("NumericNotEquals", "10", "11"));
        assert!(one("NumericLessThan", "10", "9") && !one("NumericLessThan", "10", "10"));
        assert!(one("NumericLessThanEquals", "10", "10") && one("NumericGreaterThanEquals", "10", "10"));
        assert!(one("NumericGreaterThan", "9", "10") && !one("NumericGreaterThan", "9", "x"));
        assert!(one("DateLessThan", "2030-01-01T00:00:00Z", "2029-12-31T23:59:59Z"));
        assert!(
            one("DateGreaterThan", "2030-01-01", "1900000000") && one("DateEquals", "2030", "2030-01-01")
        );
        assert!(one("IpAddress", "10.0.0.0/8", "10.1.2.3") && one("NotIpAddress", "10.0.0.0/8", "11.1.2.3"));
        assert!(!one("IpAddress", "x", "10.1.2.3") && one("NotIpAddress", "x", "10.1.2.3"));
        assert!(
            one("Bool", "true", "TRUE")
                && !one("Bool", "true", "false")
                && one("BinaryEquals", "QQ==", "QQ==")
        );
        assert!(one("ArnLike", "arn:aws:s3:::*", "arn:aws:s3:::b"));
        assert!(one("ArnEquals", "arn:aws:sns:*:1:t", "arn:aws:sns:eu-west-1:1:t"));
        assert!(one("ArnNotLike", "arn:aws:sns:*:1:t", "arn:aws:sns:eu-west-1:2:t"));
    }

    #[test]
    fn missing_keys() {
        assert!(!holds("StringEquals", &["a"], None) && holds("StringNotEquals", &["a"], None));
        assert!(holds("StringEqualsIfExists", &["a"], None) && !one("StringEqualsIfExists", "a", "b"));
        assert!(holds("Null", &["true"], None) && !holds("Null", &["false"], None));
        assert!(one("Null", "false", "x") && !one("Null", "true", "x"));
        assert!(holds("ForAllValues:StringEquals", &["a"], None));
        assert!(!holds("ForAnyValue:StringEquals", &["a"], None));
        assert!(!holds("ForAnyValue:StringNotEquals", &["a"], None));
        assert!(
            !holds("NumericLessThan", &["1"], None) && holds("ForAllValues:StringLike", &["a"], Some(&[]))
        );
    }

    #[test]
    fn several_values() {
        assert!(holds("StringEquals", &["a", "b"], Some(&["b"])));
        assert!(!holds("StringNotEquals", &["a", "b"], Some(&["b"])));
        assert!(holds("ForAllValues:StringEquals", &["a", "b"], Some(&["b", "a"])));
        assert!(!holds("ForAllValues:StringEquals", &["a", "b"], Some(&["b", "c"])));
        assert!(holds("ForAnyValue:StringEquals", &["a", "b"], Some(&["b", "c"])));
        assert!(holds("ForAnyValue:StringNotEquals", &["a"], Some(&["a", "c"])));
        assert!(!holds("ForAllValues:StringNotEquals", &["a"], Some(&["a", "c"])));
    }

    #[test]
    fn wrong_operators_are_none() {
        for wrong in
            ["", "Equals", "stringEquals", "NullIfExists", "ForAllValues:Null", "Some:Bool", "StringLess"]
        {
            assert_eq!(Operator::parse(wrong), None, "{wrong}");
        }
    }
}
