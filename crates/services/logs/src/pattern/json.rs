//! JSON selectors: `{ ($.level = "ERROR") && $.status >= 500 }`.

use serde_json::Value;

use super::compare::{Operand, Operator, Text};
use super::{Invalid, Regexes, invalid};

/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 32;

#[derive(Debug)]
pub(super) enum Selector {
    And(Vec<Selector>),
    Or(Vec<Selector>),
    Test(Vec<Step>, Test),
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
    Any,
}

#[derive(Debug)]
pub(super) enum Test {
    Compare(Operator, f64),
    Is(Text),
    IsNot(Text),
    Equals(Value),
    NotExists,
}

impl Selector {
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let mut parser =
            Parser { rest: inner.ok_or_else(|| invalid("a brace is missing"))?, regexes: Regexes::default() };
        let selector = parser.or(0)?;
        parser.skip();
        if !parser.rest.is_empty() {
            return Err(invalid("there is more after its end"));
        }
        Ok(selector)
    }

    pub(super) fn matches(&self, value: &Value) -> bool {
        match self {
            Selector::And(parts) => parts.iter().all(|part| part.matches(value)),
            Selector::Or(parts) => parts.iter().any(|part| part.matches(value)),
            Selector::Test(path, Test::NotExists) => find(value, path).is_empty(),
            Selector::Test(path, test) => find(value, path).into_iter().any(|found| test.holds(found)),
        }
    }
}

impl Test {
    fn holds(&self, found: &Value) -> bool {
        match self {
            Test::Compare(operator, wanted) => {
                found.as_f64().is_some_and(|number| operator.holds(number, *wanted))
            }
            Test::Is(text) => shown(found).is_some_and(|found| text.matches(&found)),
            Test::IsNot(text) => shown(found).is_some_and(|found| !text.matches(&found)),
            Test::Equals(value) => found == value,
            Test::NotExists => false,
        }
    }
}

/// A simple value as text; structures can't be compared.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn find<'a>(value: &'a Value, path: &[Step]) -> Vec<&'a Value> {
    let mut found = vec![value];
    for step in path {
        found = found
            .into_iter()
            .flat_map(|value| match (step, value) {
                (Step::Key(key), Value::Object(members)) => members.get(key).into_iter().collect(),
                (Step::Index(index), Value::Array(items)) => items.get(*index).into_iter().collect(),
                (Step::Any, Value::Array(items)) => items.iter().collect(),
                _ => Vec::new(),
            })
            .collect();
    }
    found
}

struct Parser<'a> {
    rest: &'a str,
    regexes: Regexes,
}

impl Parser<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, word: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn or(&mut self, depth: usize) -> Result<Selector, Invalid> {
        let mut parts = vec![self.and(depth)?];
        while self.take("||") {
            parts.push(self.and(depth)?);
        }
        Ok(Selector::Or(parts))
    }

    fn and(&mut self, depth: usize) -> Result<Selector, Invalid> {
        let mut parts = vec![self.one(depth)?];
        while self.take("&&") {
            parts.push(self.one(depth)?);
        }
        Ok(Selector::And(parts))
    }

    fn one(&mut self, depth: usize) -> Result<Selector, Invalid> {
        if depth > MAX_DEPTH {
            return Err(invalid("it is nested too deep"));
        }
        if self.take("(") {
            let inner = self.or(depth + 1)?;
            return if self.take(")") { Ok(inner) } else { Err(invalid("a parenthesis is not closed")) };
        }
        let path = self.path()?;
        let test = self.test()?;
        Ok(Selector::Test(path, test))
    }

    fn path(&mut self) -> Result<Vec<Step>, Invalid> {
        if !self.take("$") {
            return Err(invalid("a selector begins with $"));
        }
        let mut path = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix('[').or_else(|| self.rest.strip_prefix(".[")) {
                let end = rest.find(']').ok_or_else(|| invalid("a bracket is not closed"))?;
                let inner = rest[..end].trim();
                self.rest = &rest[end + 1..];
                path.push(step(inner)?);
            } else if let Some(rest) = self.rest.strip_prefix('.') {
                let end = rest
                    .find(|letter: char| {
                        !(letter.is_alphanumeric() || matches!(letter, '_' | '-' | '@' | ':'))
                    })
                    .unwrap_or(rest.len());
                if end == 0 {
                    return Err(invalid("a name is missing"));
                }
                path.push(Step::Key(rest[..end].to_owned()));
                self.rest = &rest[end..];
            } else if path.is_empty() {
                return Err(invalid("a selector has a name"));
            } else {
                return Ok(path);
            }
        }
    }

    fn test(&mut self) -> Result<Test, Invalid> {
        if self.take("NOT EXISTS") {
            return Ok(Test::NotExists);
        }
        if self.take("IS") {
            for (word, value) in
                [("TRUE", Value::Bool(true)), ("FALSE", Value::Bool(false)), ("NULL", Value::Null)]
            {
                if self.take(word) {
                    return Ok(Test::Equals(value));
                }
            }
            return Err(invalid("IS is followed by TRUE, FALSE or NULL"));
        }
        self.skip();
        let (operator, rest) = Operator::read(self.rest).ok_or_else(|| invalid("a comparison is missing"))?;
        let (operand, rest) = Operand::read(rest, &[')', '&', '|'], &mut self.regexes)?;
        self.rest = rest;
        match (operator, operand) {
            (operator, Operand::Number(number)) => Ok(Test::Compare(operator, number)),
            (Operator::Equal, Operand::Text(text)) => Ok(Test::Is(text)),
            (Operator::NotEqual, Operand::Text(text)) => Ok(Test::IsNot(text)),
            (_, Operand::Text(_)) => Err(invalid("text can only be equal or not")),
        }
    }
}

fn step(inner: &str) -> Result<Step, Invalid> {
    if inner == "*" {
        return Ok(Step::Any);
    }
    for quote in ['\'', '"'] {
        if let Some(key) = inner.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return Ok(Step::Key(key.to_owned()));
        }
    }
    inner.parse().map(Step::Index).map_err(|_| invalid("an index is a number, * or a quoted name"))
}
