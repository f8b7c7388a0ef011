//! JSON in attributes, and what AWS says of what is none: the words of the parser it uses, for the two mistakes that are
//! recorded.

use serde_json::{Map, Value};

const PLACE: &str =
    "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: ";

/// An object, or what is wrong with it.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("failed to parse JSON. An object is expected".into()),
        Err(error) => Err(format!("failed to parse JSON. {}", told(text, &error))),
    }
}

fn told(text: &str, error: &serde_json::Error) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some('{'), Some(found)) if !found.is_whitespace() && found != '"' => format!(
            "Unexpected character ('{found}' (code {})): was expecting double-quote to start field name{PLACE}2]",
            found as u32
        ),
        (Some(first), _) if first.is_ascii_alphabetic() => {
            let token: String = text.chars().take_while(|letter| letter.is_alphanumeric()).collect();
            format!(
                "Unrecognized token '{token}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false'){PLACE}{}]",
                token.chars().count() + 1
            )
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_in_recorded_words() {
        assert_eq!(
            object("{invalidjson}").unwrap_err(),
            "failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to start field name\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 2]"
        );
        assert!(object("invalid json").unwrap_err().starts_with("failed to parse JSON. Unrecognized token 'invalid': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')\n at"));
        assert!(object("invalid json").unwrap_err().ends_with("column: 8]"));
        assert!(object("{}").is_ok() && object("[]").is_err());
    }
}
