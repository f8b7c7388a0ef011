//! Terms: all of the plain ones, none of the `-` ones; when there are only `?` ones, any of them.

use super::{Invalid, Regexes};

#[derive(Debug)]
pub(super) struct Terms {
    all: Vec<Term>,
    any: Vec<Term>,
    none: Vec<Term>,
}

#[derive(Debug)]
enum Term {
    Text(String),
    Regex(regex::Regex),
}

impl Term {
    fn is_in(&self, message: &str) -> bool {
        match self {
            Term::Text(text) => message.contains(text.as_str()),
            Term::Regex(regex) => regex.is_match(message),
        }
    }
}

impl Terms {
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let mut terms = Terms { all: Vec::new(), any: Vec::new(), none: Vec::new() };
        let mut regexes = Regexes::default();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first.is_whitespace() {
                rest = rest.trim_start();
                continue;
            }
            let (list, start) = match first {
                '?' => (&mut terms.any, 1),
                '-' => (&mut terms.none, 1),
                _ => (&mut terms.all, 0),
            };
            let (term, after) = term(&rest[start..], &mut regexes)?;
            list.push(term);
            rest = after;
        }
        Ok(terms)
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        // With plain terms beside them, `?` terms are ignored: that is how AWS reads such a pattern.
        let wanted = if self.all.is_empty() && !self.any.is_empty() {
            self.any.iter().any(|term| term.is_in(message))
        } else {
            self.all.iter().all(|term| term.is_in(message))
        };
        wanted && !self.none.iter().any(|term| term.is_in(message))
    }
}

fn term<'a>(text: &'a str, regexes: &mut Regexes) -> Result<(Term, &'a str), Invalid> {
    let unfinished = || Invalid("Invalid filter pattern: a quotation is not closed".into());
    if let Some(inner) = text.strip_prefix('"') {
        let end = inner.find('"').ok_or_else(unfinished)?;
        return Ok((Term::Text(inner[..end].to_owned()), &inner[end + 1..]));
    }
    if let Some(inner) = text.strip_prefix('%') {
        let end = inner.find('%').ok_or_else(unfinished)?;
        return Ok((Term::Regex(regexes.compile(&inner[..end])?), &inner[end + 1..]));
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    if end == 0 {
        return Err(Invalid("Invalid filter pattern: a term is missing".into()));
    }
    Ok((Term::Text(text[..end].to_owned()), &text[end..]))
}
