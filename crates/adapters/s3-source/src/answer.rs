//! S3's errors: a flat XML document with `Code` and `Message`.

use http::StatusCode;
use lambent_ports::code_source::CodeSourceError;

/// Longest message that is passed on, in characters.
const MAX_MESSAGE_CHARS: usize = 1_024;

/// What S3 said. Where it said nothing that can be read, the status has to do.
pub(crate) fn refusal(status: StatusCode, body: &[u8]) -> CodeSourceError {
    let text = String::from_utf8_lossy(body);
    let error = text.split_once("<Error").map_or("", |(_, error)| error);
    let code = element(error, "Code").filter(|code| !code.is_empty());
    let message = element(error, "Message");
    CodeSourceError::Refused {
        code: code.unwrap_or_else(|| status.as_u16().to_string()),
        message: message.unwrap_or_else(|| status.canonical_reason().unwrap_or("no reason given").to_owned()),
    }
}

/// The text of the first element of this name.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(unescaped(text).chars().take(MAX_MESSAGE_CHARS).collect())
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        match after.split_once(';').and_then(|(name, left)| Some((entity(name)?, left))) {
            Some((letter, left)) => {
                plain.push(letter);
                rest = left;
            }
            None => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> (String, String) {
        match refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes()) {
            CodeSourceError::Refused { code, message } => (code, message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_errors_code_and_message_are_read() {
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&amp;b</Key></Error>";
        assert_eq!(said(404, body), ("NoSuchKey".into(), "The specified key does not exist.".into()));
        let spaced = "<Error xmlns=\"x\">\n  <Code>Odd</Code>\n  <Message>&lt;a&gt; &#38; &#x62; &unknown; &</Message>\n</Error>";
        assert_eq!(said(400, spaced), ("Odd".into(), "<a> & b &unknown; &".into()));
    }

    #[test]
    fn an_answer_that_is_no_s3_error_is_told_by_its_status() {
        assert_eq!(said(502, "<html>Bad gateway</html>"), ("502".into(), "Bad Gateway".into()));
        assert_eq!(said(403, ""), ("403".into(), "Forbidden".into()));
        let endless = format!("<Error><Code>X</Code><Message>{}</Message></Error>", "m".repeat(9_000));
        assert_eq!(said(500, &endless).1.len(), MAX_MESSAGE_CHARS);
    }
}
