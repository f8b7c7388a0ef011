//! From a pattern's text to its branches: ways to match, of which one suffices.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::address;
use crate::condition::Condition;
use crate::error::PatternError;
use crate::json::{Reader, Token};
use crate::operators;

/// Branches that one pattern may have: "up to 1,000 combinations of rule conditions" (documented for `$or`).
const MAX_BRANCHES: usize = 1_000;
/// Objects within objects. A pattern of the largest allowed length has less.
const MAX_NESTING: usize = 256;

/// Names that stand for operators and so can't be fields inside `$or`.
const RESERVED: &[&str] = &[
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "html",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// Conditions by the path of the field that has to meet one of them.
pub(crate) type Branch = BTreeMap<Arc<str>, Arc<[Condition]>>;

pub(crate) fn compile(source: &str) -> Result<Vec<Branch>, PatternError> {
    let mut compiler = Compiler { reader: Reader::new(source), path: Vec::new() };
    if compiler.reader.next()? != Some(Token::ObjectStart) {
        return Err(compiler.reader.refuse("Filter is not an object"));
    }
    let mut branches = vec![Branch::new()];
    compiler.object(&mut branches, false)?;
    Ok(branches)
}

struct Compiler<'a> {
    reader: Reader<'a>,
    path: Vec<String>,
}

impl Compiler<'_> {
    /// Reads an object's members into every branch.
    fn object(&mut self, branches: &mut Vec<Branch>, inside_or: bool) -> Result<(), PatternError> {
        let mut empty = true;
        loop {
            let name = match self.reader.next()? {
                Some(Token::Name(name)) => name.into_owned(),
                _ if empty => return Err(self.reader.refuse("Empty objects are not allowed")),
                _ => return Ok(()),
            };
            empty = false;
            if name == "$or" {
                self.alternatives(branches)?;
                continue;
            }
            if inside_or && RESERVED.contains(&name.as_str()) {
                return Err(self
                    .reader
                    .refuse(format!("{name} is Ruler reserved fieldName which cannot be used inside $or.")));
            }
            match self.reader.next()? {
                Some(Token::ObjectStart) => {
                    if self.path.len() == MAX_NESTING {
                        return Err(self
                            .reader
                            .refuse(format!("More than {MAX_NESTING} objects are nested")));
                    }
                    self.path.push(name);
                    self.object(branches, inside_or)?;
                    self.path.pop();
                }
                Some(Token::ArrayStart) => self.field(branches, name)?,
                _ => {
                    return Err(self.reader.refuse(format!("\"{name}\" must be an object or an array")));
                }
            }
        }
    }

    fn alternatives(&mut self, branches: &mut Vec<Branch>) -> Result<(), PatternError> {
        if self.reader.next()? != Some(Token::ArrayStart) {
            return Err(self.reader.refuse("It must be an Array followed with $or."));
        }
        let before = std::mem::take(branches);
        let mut count = 0;
        loop {
            match self.reader.next()? {
                Some(Token::ArrayEnd) => break,
                Some(Token::ObjectStart) => {
                    count += 1;
                    let mut alternative = before.clone();
                    // `$or` within `$or` nests without a path.
                    self.object(&mut alternative, true)?;
                    branches.append(&mut alternative);
                    if branches.len() > MAX_BRANCHES {
                        // The limit is documented, the sentence is not.
                        let text =
                            format!("Rule is too complex - more than {MAX_BRANCHES} combinations of $or");
                        return Err(self.reader.refuse(text));
                    }
                }
                _ => {
                    let text = "Only JSON object is allowed in array of $or relationship.";
                    return Err(self.reader.refuse(text));
                }
            }
        }
        if count < 2 {
            return Err(self.reader.refuse("There must have at least 2 Objects in $or relationship."));
        }
        Ok(())
    }

    fn field(&mut self, branches: &mut [Branch], name: String) -> Result<(), PatternError> {
        let mut conditions = Vec::new();
        loop {
            conditions.push(match self.reader.next()? {
                Some(Token::ArrayEnd) => break,
                Some(Token::ObjectStart) => operators::expression(&mut self.reader)?,
                Some(Token::String) => {
                    let text = self.reader.string()?.into_owned();
                    address::parse(&text).map_or(Condition::Text(text), Condition::Address)
                }
                Some(Token::Number(text)) => Condition::Number(text.to_owned()),
                Some(Token::Word(word)) => Condition::Word(word),
                _ => {
                    let text = "Match value must be String, number, true, false, or null";
                    return Err(self.reader.refuse(text));
                }
            });
        }
        if conditions.is_empty() {
            return Err(self.reader.refuse("Empty arrays are not allowed"));
        }
        self.path.push(name);
        let path: Arc<str> = self.path.join(".").into();
        self.path.pop();
        let conditions: Arc<[Condition]> = conditions.into();
        for branch in branches {
            // A path that is said twice means what is said last.
            branch.insert(path.clone(), conditions.clone());
        }
        Ok(())
    }
}
