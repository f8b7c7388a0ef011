//! Why a pattern is refused, in AWS's words.

use std::fmt;

/// Characters of a source that a message shows; AWS's JSON reader cuts there.
const SHOWN: usize = 500;

/// A pattern, or an event, that is not understood.
///
/// `Display` is AWS's whole text: the reason and, where AWS says it, the place, on a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    reason: String,
    place: Option<String>,
}

impl PatternError {
    pub(crate) fn bare(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), place: None }
    }

    pub(crate) fn at(reason: impl Into<String>, source: &str, position: usize) -> Self {
        Self { reason: reason.into(), place: Some(place(source, position)) }
    }

    /// The reason without the place.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match &self.place {
            Some(place) => write!(f, "\n at {place}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PatternError {}

/// A place in a source as AWS's JSON reader names it: lines and columns from 1, columns in UTF-16 units.
pub(crate) fn place(source: &str, position: usize) -> String {
    let before = &source[..floor(source, position)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    let column = before[line_start..].encode_utf16().count() + 1;
    let shown: String = source.chars().take(SHOWN).collect();
    let cut = source.chars().count().saturating_sub(SHOWN);
    let truncated = if cut > 0 { format!("[truncated {cut} chars]") } else { String::new() };
    format!("[Source: (String)\"{shown}\"{truncated}; line: {line}, column: {column}]")
}

/// The nearest character boundary that is not after `position`.
fn floor(source: &str, position: usize) -> usize {
    let mut position = position.min(source.len());
    while !source.is_char_boundary(position) {
        position -= 1;
    }
    position
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_utf16_units_and_cuts_long_sources() {
        assert_eq!(place("{\"a\":1}", 5), "[Source: (String)\"{\"a\":1}\"; line: 1, column: 6]");
        assert!(place("{\n\"🚀\":", 8).ends_with("line: 2, column: 5]"));
        let long = "x".repeat(512);
        assert!(place(&long, 0).ends_with("x\"[truncated 12 chars]; line: 1, column: 1]"));
    }
}
