//! Documents: read strictly, and compiled into what is evaluated.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::condition::{Condition, Operator};
use crate::glob::{Glob, Special};
use crate::malformed::Malformed;
use crate::principal::Who;

/// A policy, compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    text: String,
    /// Which version it says it is of; variables are of the newer one.
    pub(crate) version: Option<Version>,
    pub(crate) statements: Vec<Statement>,
}

/// `Version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// `2008-10-17`
    Old,
    /// `2012-10-17`
    New,
}

/// What a statement does to what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Allows it.
    Allow,
    /// Forbids it, whoever allows it.
    Deny,
}

/// A list, or everything but what is on it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scope<T> {
    /// `Action`, `Resource`, `Principal`.
    Of(Vec<T>),
    /// `NotAction`, `NotResource`, `NotPrincipal`.
    AllBut(Vec<T>),
}

impl<T> Scope<T> {
    pub(crate) fn entries(&self) -> &[T] {
        match self {
            Scope::Of(entries) | Scope::AllBut(entries) => entries,
        }
    }
}

/// A pattern with its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub text: String,
    pub glob: Glob,
}

/// A principal as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Named {
    pub kind: String,
    pub text: String,
    pub who: Who,
}

/// A statement, compiled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    pub sid: Option<String>,
    pub effect: Effect,
    pub principals: Option<Scope<Named>>,
    pub actions: Option<Scope<Entry>>,
    pub resources: Option<Scope<Entry>>,
    pub conditions: Vec<Condition>,
    /// Where it stands in the text, in bytes.
    pub place: (usize, usize),
}

/// A place in a document. Lines and columns count as AWS's do: a column is one behind its character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, and one more.
    pub column: usize,
}

impl Policy {
    /// Reads a document.
    ///
    /// # Errors
    /// Whose `Display` is AWS's text.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let whole: &RawValue = serde_json::from_str(text).map_err(|_| Malformed::Json)?;
        let (mut version, mut statements) = (None, None);
        for (name, value) in members(whole)? {
            match name.as_str() {
                "Version" => {
                    version = Some(match string(value)?.as_str() {
                        "2012-10-17" => Version::New,
                        "2008-10-17" => Version::Old,
                        _ => return Err(Malformed::Syntax),
                    });
                }
                "Id" => drop(string(value)?),
                "Statement" => statements = Some(one_or_many(value)?),
                _ => return Err(Malformed::Syntax),
            }
        }
        let statements = statements.ok_or(Malformed::Syntax)?;
        if statements.is_empty() {
            return Err(Malformed::Syntax);
        }
        let variables = version == Some(Version::New);
        let statements =
            statements.iter().map(|value| statement(text, value, variables)).collect::<Result<_, _>>()?;
        Ok(Policy { text: text.to_owned(), version, statements })
    }

    /// As it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many statements it has.
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// Whether it has no statements, which no document that can be read is.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// What a statement is called.
    pub fn sid(&self, statement: usize) -> Option<&str> {
        self.statements.get(statement)?.sid.as_deref()
    }

    /// Where a statement begins and ends.
    pub fn place(&self, statement: usize) -> Option<(Position, Position)> {
        let (start, end) = self.statements.get(statement)?.place;
        Some((self.position(start + 1), self.position(end)))
    }

    fn position(&self, at: usize) -> Position {
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// Whom its statements name: the kind (`AWS`, `Service`) and the text.
    pub fn principals(&self) -> impl Iterator<Item = (&str, &str)> {
        let scopes = self.statements.iter().filter_map(|one| one.principals.as_ref());
        scopes.flat_map(Scope::entries).map(|named| (named.kind.as_str(), named.text.as_str()))
    }

    /// The keys that its conditions and variables look at, as they are written.
    pub fn context_keys(&self) -> BTreeSet<&str> {
        let conditions = self.statements.iter().flat_map(|one| &one.conditions).flat_map(Condition::keys);
        let resources = self.statements.iter().filter_map(|one| one.resources.as_ref());
        let variables = resources.flat_map(Scope::entries).flat_map(|entry| entry.glob.variables());
        conditions.chain(variables).collect()
    }
}

fn statement(text: &str, value: &RawValue, variables: bool) -> Result<Statement, Malformed> {
    // Raw values are slices of the text.
    let start = value.get().as_ptr() as usize - text.as_ptr() as usize;
    let (mut sid, mut effect, mut conditions) = (None, None, Vec::new());
    let (mut principals, mut actions, mut resources) = (None, None, None);
    let once = |set: bool| if set { Err(Malformed::Syntax) } else { Ok(()) };
    for (name, value) in members(value)? {
        match name.as_str() {
            "Sid" => sid = Some(string(value)?),
            "Effect" => {
                effect = Some(match string(value)?.as_str() {
                    "Allow" => Effect::Allow,
                    "Deny" => Effect::Deny,
                    _ => return Err(Malformed::Syntax),
                });
            }
            "Principal" | "NotPrincipal" => {
                once(principals.is_some())?;
                principals = Some(scope(name.starts_with("Not"), principal(value)?));
            }
            "Action" | "NotAction" => {
                once(actions.is_some())?;
                actions = Some(scope(name.starts_with("Not"), patterns(value, true, false)?));
            }
            "Resource" | "NotResource" => {
                once(resources.is_some())?;
                resources = Some(scope(name.starts_with("Not"), patterns(value, false, variables)?));
            }
            "Condition" => conditions = self::conditions(value, variables)?,
            _ => return Err(Malformed::Syntax),
        }
    }
    Ok(Statement {
        sid,
        effect: effect.ok_or(Malformed::Missing("Effect"))?,
        principals,
        actions,
        resources,
        conditions,
        place: (start, start + value.get().len()),
    })
}

fn scope<T>(all_but: bool, entries: Vec<T>) -> Scope<T> {
    if all_but { Scope::AllBut(entries) } else { Scope::Of(entries) }
}

fn patterns(value: &RawValue, lower: bool, variables: bool) -> Result<Vec<Entry>, Malformed> {
    let special = Special { wildcards: true, variables };
    let compile = |text: String| {
        let glob = match lower {
            true => Glob::compile(&text.to_lowercase(), special),
            false => Glob::compile(&text, special),
        };
        Entry { text, glob }
    };
    Ok(strings(value)?.into_iter().map(compile).collect())
}

fn principal(value: &RawValue) -> Result<Vec<Named>, Malformed> {
    let named = |kind: &str, text: String| {
        let who = Who::parse(kind, &text).ok_or(Malformed::Syntax)?;
        Ok(Named { kind: kind.to_owned(), text, who })
    };
    if let Ok(text) = string(value) {
        return if text == "*" { Ok(vec![named("AWS", text)?]) } else { Err(Malformed::Syntax) };
    }
    let mut found = Vec::new();
    for (kind, value) in members(value)? {
        for text in strings(value)? {
            found.push(named(&kind, text)?);
        }
    }
    if found.is_empty() { Err(Malformed::Syntax) } else { Ok(found) }
}

fn conditions(value: &RawValue, variables: bool) -> Result<Vec<Condition>, Malformed> {
    let mut found = Vec::new();
    for (operator, keys) in members(value)? {
        let operator = Operator::parse(&operator).ok_or(Malformed::Syntax)?;
        for (key, values) in members(keys)? {
            let values = one_or_many(values)?.into_iter().map(scalar).collect::<Result<Vec<_>, _>>()?;
            found.push(Condition::compile(operator, &key, &values, variables));
        }
    }
    Ok(found)
}

/// A string, or what JSON has for numbers and truth values, as text.
fn scalar(value: &RawValue) -> Result<String, Malformed> {
    match value.get() {
        text @ ("true" | "false") => Ok(text.to_owned()),
        text if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => Ok(text.to_owned()),
        _ => string(value),
    }
}

fn string(value: &RawValue) -> Result<String, Malformed> {
    serde_json::from_str(value.get()).map_err(|_| Malformed::Syntax)
}

fn strings(value: &RawValue) -> Result<Vec<String>, Malformed> {
    one_or_many(value)?.into_iter().map(string).collect()
}

/// One alone may stand without a list around it.
fn one_or_many(value: &RawValue) -> Result<Vec<&RawValue>, Malformed> {
    match value.get().starts_with('[') {
        true => serde_json::from_str(value.get()).map_err(|_| Malformed::Syntax),
        false => Ok(vec![value]),
    }
}

/// An object's members in their order; none may be there twice.
fn members(value: &RawValue) -> Result<Vec<(String, &RawValue)>, Malformed> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found: Self::Value = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                if found.iter().any(|(known, _)| *known == name) {
                    return Err(serde::de::Error::custom("twice"));
                }
                found.push((name, value));
            }
            Ok(found)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(value.get());
    reader.deserialize_map(Members).map_err(|_| Malformed::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Malformed {
        Policy::parse(text).expect_err(text)
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        assert_eq!(refused("{"), Malformed::Json);
        for wrong in [
            "[]",
            "{}",
            r#"{"Statement": []}"#,
            r#"{"Statement": [1]}"#,
            r#"{"Version": "2012-10-18", "Statement": {"Effect": "Allow"}}"#,
            r#"{"Statement": {"Effect": "allow", "Action": "s3:*"}}"#,
            r#"{"Statement": {"Effect": "Allow", "Effect": "Deny"}}"#,
            r#"{"Statement": {"Effect": "Allow", "Action": "a:b", "NotAction": "a:b"}}"#,
            r#"{"Statement": {"Effect": "Allow", "Action": [["a:b"]]}}"#,
            r#"{"Statement": {"Effect": "Allow", "Actions": "a:b"}}"#,
            r#"{"Statement": {"Effect": "Allow", "Condition": {"Equals": {"a": "b"}}}}"#,
            r#"{"Statement": {"Effect": "Allow", "Condition": {"Bool": {"a": {}}}}}"#,
            r#"{"Statement": {"Effect": "Allow", "Principal": "me"}}"#,
            r#"{"Statement": {"Effect": "Allow", "Principal": {"Who": "*"}}}"#,
        ] {
            assert_eq!(refused(wrong), Malformed::Syntax, "{wrong}");
        }
        assert_eq!(refused(r#"{"Statement": {"Action": "a:b"}}"#), Malformed::Missing("Effect"));
    }

    #[test]
    fn statements_have_places_as_aws_counts_them() {
        let policy = Policy::parse(concat!(
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","#,
            r#""Condition":{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}"#
        ))
        .unwrap();
        let (start, end) = policy.place(0).unwrap();
        assert_eq!((start.line, start.column, end.line, end.column), (1, 38, 1, 167));
        let lines = "{\n    \"Statement\": {\n        \"Effect\": \"Allow\"\n    }\n}";
        let (start, end) = Policy::parse(lines).unwrap().place(0).unwrap();
        assert_eq!((start.line, start.column, end.line, end.column), (2, 19, 4, 6));
    }

    #[test]
    fn it_knows_the_keys_it_looks_at() {
        let policy = Policy::parse(
            r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*",
                "Resource": "arn:aws:s3:::home/${aws:username}/*",
                "Condition": {"StringLike": {"s3:prefix": "${aws:userid}*"}, "Bool": {"aws:SecureTransport": true}}}]}"#,
        )
        .unwrap();
        let keys: Vec<&str> = policy.context_keys().into_iter().collect();
        assert_eq!(keys, ["aws:SecureTransport", "aws:userid", "aws:username", "s3:prefix"]);
    }
}
