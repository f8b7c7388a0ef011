//! Match expressions, `{"prefix": "x"}` and the like, and AWS's words for wrong ones.

use crate::address::Network;
use crate::condition::{But, Condition, Range, fold};
use crate::error::PatternError;
use crate::json::{Reader, Token};
use crate::number::{self, Comparable};
use crate::wildcard::Wildcard;

/// Least and greatest number that is compared.
const BOTTOM: Comparable = -5_000_000_000_000_000;
const TOP: Comparable = 5_000_000_000_000_000;
const ONE_KEY: &str = "Only one key allowed in match expression";
const TOO_MANY: &str = "Too many elements in numeric expression";

/// Reads from behind the opening brace to behind the closing one.
pub(crate) fn expression(reader: &mut Reader<'_>) -> Result<Condition, PatternError> {
    let Some(Token::Name(name)) = reader.next()? else {
        return Err(reader.refuse("Match expression name not found"));
    };
    match name.as_ref() {
        "exactly" => {
            let text = only_text(reader, "exact match pattern must be a string")?;
            Ok(Condition::Text(text))
        }
        "prefix" => affix(reader, "prefix", Condition::Prefix, Condition::PrefixFolded),
        "suffix" => affix(reader, "suffix", Condition::Suffix, Condition::SuffixFolded),
        "numeric" => numeric(reader),
        "anything-but" => anything_but(reader),
        "exists" => exists(reader),
        "cidr" => {
            // Its text is recorded to speak of a prefix.
            let text = text(reader, "prefix match pattern must be a string")?;
            let network = Network::parse(&text)?;
            end(reader, ONE_KEY)?;
            Ok(Condition::Network(network))
        }
        "equals-ignore-case" => {
            let text = only_text(reader, "equals-ignore-case match pattern must be a string")?;
            Ok(Condition::Folded(fold(&text)))
        }
        "wildcard" => {
            let text = text(reader, "wildcard match pattern must be a string")?;
            let wildcard = wildcard(reader, &text)?;
            end(reader, ONE_KEY)?;
            Ok(Condition::Wildcard(wildcard))
        }
        other => Err(reader.refuse(format!("Unrecognized match type {other}"))),
    }
}

fn text(reader: &mut Reader<'_>, otherwise: &str) -> Result<String, PatternError> {
    match reader.next()? {
        Some(Token::String) => Ok(reader.string()?.into_owned()),
        _ => Err(reader.refuse(otherwise)),
    }
}

fn only_text(reader: &mut Reader<'_>, otherwise: &str) -> Result<String, PatternError> {
    let text = text(reader, otherwise)?;
    end(reader, ONE_KEY)?;
    Ok(text)
}

fn end(reader: &mut Reader<'_>, otherwise: &str) -> Result<(), PatternError> {
    match reader.next()? {
        Some(Token::ObjectEnd) => Ok(()),
        _ => Err(reader.refuse(otherwise)),
    }
}

fn wildcard(reader: &Reader<'_>, text: &str) -> Result<Wildcard, PatternError> {
    Wildcard::parse(text).map_err(|error| reader.refuse(error.reason()))
}

fn affix(
    reader: &mut Reader<'_>,
    name: &str,
    plain: fn(String) -> Condition,
    folded: fn(String) -> Condition,
) -> Result<Condition, PatternError> {
    match reader.next()? {
        Some(Token::String) => {
            let text = reader.string()?.into_owned();
            end(reader, ONE_KEY)?;
            Ok(plain(text))
        }
        Some(Token::ObjectStart) => {
            let mut capital = name.to_owned();
            capital[..1].make_ascii_uppercase();
            let Some(Token::Name(inner)) = reader.next()? else {
                return Err(reader.refuse(format!("{capital} expression name not found")));
            };
            if inner != "equals-ignore-case" {
                return Err(reader.refuse(format!("Unsupported {name} pattern: {inner}")));
            }
            let text = only_text(reader, "equals-ignore-case match pattern must be a string")?;
            end(reader, ONE_KEY)?;
            Ok(folded(fold(&text)))
        }
        _ => Err(reader.refuse(format!("{name} match pattern must be a string"))),
    }
}

fn exists(reader: &mut Reader<'_>) -> Result<Condition, PatternError> {
    let condition = match reader.next()? {
        Some(Token::Word("true")) => Condition::Exists,
        Some(Token::Word("false")) => Condition::Absent,
        _ => return Err(reader.refuse("exists match pattern must be either true or false.")),
    };
    end(reader, ONE_KEY)?;
    Ok(condition)
}

fn numeric(reader: &mut Reader<'_>) -> Result<Condition, PatternError> {
    if reader.next()? != Some(Token::ArrayStart) {
        return Err(reader.refuse("Value of numeric must be an array."));
    }
    let token = reader.next()?;
    if token != Some(Token::String) {
        let found = reader.text_of(token.as_ref())?;
        return Err(reader.refuse(format!("Invalid member in numeric match: {found}")));
    }
    let operator = reader.string()?.into_owned();
    let token = reader.next()?;
    let name = match operator.as_str() {
        "=" => "equals",
        "<" | "<=" | ">" | ">=" => &operator,
        _ => return Err(reader.refuse(format!("Unrecognized numeric range operator: {operator}"))),
    };
    let Some(Token::Number(value)) = token else {
        return Err(reader.refuse(format!("Value of {name} must be numeric")));
    };
    let next = reader.next()?;
    let open = operator.len() == 1;
    let condition = match operator.as_str() {
        ">" | ">=" if next != Some(Token::ArrayEnd) => {
            Condition::Range(upper_bound(reader, next, value, open)?)
        }
        _ if next != Some(Token::ArrayEnd) => return Err(reader.refuse(TOO_MANY)),
        "=" => Condition::Equal(comparable(reader, value)?),
        ">" | ">=" => {
            let bottom = comparable(reader, value)?;
            Condition::Range(Range { bottom, open_bottom: open, top: TOP, open_top: false })
        }
        _ => {
            let top = comparable(reader, value)?;
            Condition::Range(Range { bottom: BOTTOM, open_bottom: false, top, open_top: open })
        }
    };
    end(reader, TOO_MANY)?;
    Ok(condition)
}

/// The second half of `[">", 0, "<=", 5]`.
fn upper_bound<'a>(
    reader: &mut Reader<'a>,
    token: Option<Token<'a>>,
    bottom: &str,
    open_bottom: bool,
) -> Result<Range, PatternError> {
    if token != Some(Token::String) {
        let found = reader.text_of(token.as_ref())?;
        return Err(reader.refuse(format!("Bad value in numeric range: {found}")));
    }
    let operator = reader.string()?.into_owned();
    if operator != "<" && operator != "<=" {
        return Err(reader.refuse(format!("Bad numeric range operator: {operator}")));
    }
    let Some(Token::Number(top)) = reader.next()? else {
        return Err(reader.refuse(format!("Value of {operator} must be numeric")));
    };
    if reader.next()? != Some(Token::ArrayEnd) {
        return Err(reader.refuse("Too many terms in numeric range expression"));
    }
    let (bottom, top) = (comparable(reader, bottom)?, comparable(reader, top)?);
    if bottom >= top {
        return Err(reader.refuse("Bottom must be less than top"));
    }
    Ok(Range { bottom, open_bottom, top, open_top: operator == "<" })
}

fn comparable(reader: &Reader<'_>, text: &str) -> Result<Comparable, PatternError> {
    number::parse(text).map_err(|error| reader.refuse(error.reason()))
}

/// What `anything-but` says of its texts: nothing, or the name of an operator.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ButKind {
    Values,
    Folded,
    Prefixes,
    Suffixes,
    Wildcards,
}

fn anything_but(reader: &mut Reader<'_>) -> Result<Condition, PatternError> {
    let mut kind = ButKind::Values;
    let mut token = reader.next()?;
    if token == Some(Token::ObjectStart) {
        let Some(Token::Name(name)) = reader.next()? else {
            return Err(reader.refuse("Anything-But expression name not found"));
        };
        kind = match name.as_ref() {
            "equals-ignore-case" => ButKind::Folded,
            "prefix" => ButKind::Prefixes,
            "suffix" => ButKind::Suffixes,
            "wildcard" => ButKind::Wildcards,
            other => return Err(reader.refuse(format!("Unsupported anything-but pattern: {other}"))),
        };
        token = reader.next()?;
    }
    let but = match token {
        // The refusal of an element is quoted with its place, and the place is said again, as on AWS.
        Some(Token::ArrayStart) if kind == ButKind::Values => but_values(reader),
        Some(Token::ArrayStart) => but_texts(reader, kind)
            .map_err(|error| reader.refuse(error.to_string()))
            .and_then(|texts| but(reader, kind, texts)),
        Some(Token::String) => {
            let text = reader.string()?.into_owned();
            check_affix(reader, kind, &text)?;
            but(reader, kind, vec![text])
        }
        Some(Token::Number(text)) if kind == ButKind::Values => Ok(But::Numbers(vec![number::parse(text)?])),
        Some(Token::Number(_)) => Err(reader.refuse(not_a_text(kind))),
        _ => Err(reader.refuse("Value of anything-but must be an array or single string/number value.")),
    }?;
    end(reader, TOO_MANY)?;
    if kind != ButKind::Values {
        end(reader, TOO_MANY)?;
    }
    Ok(Condition::But(but))
}

fn not_a_text(kind: ButKind) -> &'static str {
    match kind {
        ButKind::Values => "Inside anything but list, start|null|boolean is not supported.",
        ButKind::Folded => {
            "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
        }
        ButKind::Wildcards => "wildcard match pattern must be a string",
        ButKind::Prefixes | ButKind::Suffixes => "prefix/suffix match pattern must be a string",
    }
}

/// A prefix that everything has would match nothing.
fn check_affix(reader: &Reader<'_>, kind: ButKind, text: &str) -> Result<(), PatternError> {
    if matches!(kind, ButKind::Prefixes | ButKind::Suffixes) && text.is_empty() {
        return Err(reader.refuse("Null prefix/suffix not allowed"));
    }
    Ok(())
}

fn but(reader: &Reader<'_>, kind: ButKind, texts: Vec<String>) -> Result<But, PatternError> {
    Ok(match kind {
        ButKind::Values => But::Texts(texts),
        ButKind::Folded => But::Folded(texts.iter().map(|text| fold(text)).collect()),
        ButKind::Prefixes => But::Prefixes(texts),
        ButKind::Suffixes => But::Suffixes(texts),
        ButKind::Wildcards => {
            let parsed: Result<_, _> = texts.iter().map(|text| wildcard(reader, text)).collect();
            But::Wildcards(parsed?)
        }
    })
}

fn but_texts(reader: &mut Reader<'_>, kind: ButKind) -> Result<Vec<String>, PatternError> {
    let mut texts = Vec::new();
    loop {
        match reader.next()? {
            Some(Token::ArrayEnd) => return Ok(texts),
            Some(Token::String) => {
                let text = reader.string()?.into_owned();
                check_affix(reader, kind, &text)?;
                texts.push(text);
            }
            _ => return Err(reader.refuse(not_a_text(kind))),
        }
    }
}

fn but_values(reader: &mut Reader<'_>) -> Result<But, PatternError> {
    let (mut texts, mut numbers) = (Vec::new(), Vec::new());
    loop {
        let token = reader.next().map_err(|error| reader.refuse(error.to_string()))?;
        match token {
            Some(Token::ArrayEnd) => break,
            Some(Token::String) => {
                let text = reader.string();
                texts.push(text.map_err(|error| reader.refuse(error.to_string()))?.into_owned());
            }
            Some(Token::Number(text)) => numbers.push(comparable(reader, text)?),
            _ => {
                let inner = reader.refuse(not_a_text(ButKind::Values));
                return Err(reader.refuse(inner.to_string()));
            }
        }
    }
    match (texts.is_empty(), numbers.is_empty()) {
        (false, true) => Ok(But::Texts(texts)),
        (true, false) => Ok(But::Numbers(numbers)),
        _ => Err(reader.refuse(
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        )),
    }
}
