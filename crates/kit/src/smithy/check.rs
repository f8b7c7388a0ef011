//! Constraint failures, in AWS's words.

use std::fmt::{self, Write};

/// Why a request can't be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The body is not of the operation's form; the text is for the caller.
    Serialization(String),
    /// Constraints failed; the text is AWS's joined message.
    Validation(String),
}

/// Where in a request a value stands, as a chain on the stack.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Segment<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Segment<'a> {
    Root,
    Member(&'a str),
    /// Position in a list, counted from one as AWS does.
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// The request itself.
    pub const ROOT: Path<'static> = Path { parent: None, segment: Segment::Root };

    /// A structure's member.
    pub fn member(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), segment: Segment::Member(name) }
    }

    /// A list's item, from zero.
    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), segment: Segment::Index(index) }
    }

    /// A map's value.
    pub fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { parent: Some(self), segment: Segment::Key(key) }
    }
}

impl fmt::Display for Path<'_> {
    /// `vpcConfig.subnetIds`: members begin with a small letter, whatever the model says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else { return Ok(()) };
        write!(f, "{parent}")?;
        if !matches!(parent.segment, Segment::Root) {
            f.write_char('.')?;
        }
        match self.segment {
            Segment::Root => Ok(()),
            Segment::Member(name) => {
                let mut letters = name.chars();
                if let Some(first) = letters.next() {
                    f.write_char(first.to_ascii_lowercase())?;
                }
                f.write_str(letters.as_str())
            }
            Segment::Index(index) => write!(f, "{}.member", index + 1),
            Segment::Key(key) => f.write_str(key),
        }
    }
}

/// What has been found wrong so far.
#[derive(Debug, Default)]
pub struct Check {
    violations: Vec<String>,
    serialization: Option<String>,
}

impl Check {
    /// A value that does not meet a constraint; `shown` is the value as AWS prints it.
    pub fn violation(&mut self, shown: &str, at: &Path<'_>, constraint: &str) {
        self.violations.push(format!("Value '{shown}' at '{at}' failed to satisfy constraint: {constraint}"));
    }

    /// A required member is not there.
    pub fn null(&mut self, at: &Path<'_>) {
        self.violations
            .push(format!("Value null at '{at}' failed to satisfy constraint: Member must not be null"));
    }

    /// A value of the wrong JSON type.
    pub fn wrong_type(&mut self, at: &Path<'_>, expected: &str) {
        self.serialization.get_or_insert_with(|| format!("Expected {expected} at '{at}'"));
    }

    /// Takes over that something was of the wrong type, and leaves the violations: for items of a collection, which
    /// are reported with the whole of it.
    pub(super) fn take_wrong_types(&mut self, of: Check) {
        self.serialization = self.serialization.take().or(of.serialization);
    }

    /// The result of the pass.
    pub fn finish<T>(self, value: T) -> Result<T, Refused> {
        if let Some(text) = self.serialization {
            return Err(Refused::Serialization(text));
        }
        match self.violations.len() {
            0 => Ok(value),
            count => {
                let plural = if count == 1 { "" } else { "s" };
                Err(Refused::Validation(format!(
                    "{count} validation error{plural} detected: {}",
                    self.violations.join("; ")
                )))
            }
        }
    }
}
