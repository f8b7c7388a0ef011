//! How an invocation fails.

use std::error::Error;
use std::fmt::Write;

/// How an invocation fails. Every error becomes one by `?`: its type's name is the kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `errorType` of the answer.
    pub kind: String,
    /// `errorMessage` of the answer.
    pub message: String,
    /// What caused it, outermost first.
    pub causes: Vec<String>,
}

impl Failure {
    /// A failure of a kind of its own.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Failure { kind: kind.into(), message: message.into(), causes: Vec::new() }
    }

    /// As AWS's clients post it.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = String::from("{\"errorMessage\":");
        quote(&self.message, &mut body);
        body.push_str(",\"errorType\":");
        quote(&self.kind, &mut body);
        body.push_str(",\"stackTrace\":[");
        for (place, cause) in self.causes.iter().enumerate() {
            body.push_str(if place == 0 { "" } else { "," });
            quote(cause, &mut body);
        }
        body.push_str("]}");
        body.into_bytes()
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let name = std::any::type_name::<E>();
        // Without the path, but with what a generic type is made of.
        let end = name.find('<').unwrap_or(name.len());
        let start = name[..end].rfind("::").map_or(0, |at| at + 2);
        let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
        Failure {
            kind: name[start..].to_owned(),
            message: error.to_string(),
            causes: causes.map(ToString::to_string).collect(),
        }
    }
}

fn quote(text: &str, json: &mut String) {
    json.push('"');
    for letter in text.chars() {
        match letter {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            control if control < ' ' => {
                // Writing to a string can't fail.
                let _ = write!(json, "\\u{:04x}", control as u32);
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_becomes_its_types_name_its_text_and_its_causes() {
        let failure: Failure = "x".parse::<u8>().unwrap_err().into();
        assert_eq!(failure.kind, "ParseIntError");
        let text = String::from_utf8(failure.body()).unwrap();
        assert_eq!(
            text,
            "{\"errorMessage\":\"invalid digit found in string\",\"errorType\":\"ParseIntError\",\"stackTrace\":[]}"
        );
        let outer = std::io::Error::other("x".parse::<u8>().unwrap_err());
        assert_eq!(Failure::from(outer).kind, "Error");
    }

    #[test]
    fn texts_are_json_whatever_is_in_them() {
        let failure = Failure::new("K", "a \"b\"\\\n\u{1}ä");
        let text = String::from_utf8(failure.body()).unwrap();
        assert!(text.contains(r#""a \"b\"\\\n\u0001ä""#), "{text}");
    }
}
