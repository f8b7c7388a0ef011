//! A pull reader of JSON that reads ahead exactly as far as AWS's does, because refusals name the place: with a name
//! its value's first token has been read, and of a string only its opening quote until the text is asked for.

use std::borrow::Cow;

use crate::error::{PatternError, place};

/// Nesting that is read; deeper is refused.
const MAX_DEPTH: usize = 1000;

/// A step through a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    /// A member's name.
    Name(Cow<'a, str>),
    /// A string: `Reader::string` reads it.
    String,
    /// A number as it is written.
    Number(&'a str),
    /// `true`, `false` or `null`.
    Word(&'static str),
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    object: bool,
    start: usize,
    empty: bool,
}

/// Reads one document, token by token.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    source: &'a str,
    position: usize,
    frames: Vec<Frame>,
    ahead: Option<(Token<'a>, usize)>,
    unread_string: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        Self { source, position: 0, frames: Vec::new(), ahead: None, unread_string: false }
    }

    /// A refusal at the place that has been read to.
    pub(crate) fn refuse(&self, reason: impl Into<String>) -> PatternError {
        PatternError::at(reason, self.source, self.position)
    }

    /// Whether nothing but white space follows.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.position == self.source.len()
    }

    /// The next token; none at the document's end.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'a>>, PatternError> {
        if std::mem::take(&mut self.unread_string) {
            self.read_string("a string value")?;
        }
        if let Some((token, start)) = self.ahead.take() {
            return self.enter(token, start).map(Some);
        }
        self.skip_space();
        let Some(byte) = self.peek() else { return self.at_the_end() };
        if byte == b'}' || byte == b']' {
            return self.close(byte).map(Some);
        }
        if let Some(frame) = self.frames.last_mut()
            && !std::mem::take(&mut frame.empty)
        {
            self.separator()?;
        }
        let in_object = self.frames.last().is_some_and(|frame| frame.object);
        if !in_object {
            let start = self.position;
            let token = self.value()?;
            return self.enter(token, start).map(Some);
        }
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("was expecting double-quote to start field name"));
        }
        self.position += 1;
        let name = self.read_string("name")?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("was expecting a colon to separate field name and value"));
        }
        self.position += 1;
        self.skip_space();
        let start = self.position;
        self.ahead = Some((self.value()?, start));
        Ok(Some(Token::Name(name)))
    }

    /// The text of the string that `next` gave last.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, PatternError> {
        debug_assert!(self.unread_string && self.ahead.is_none());
        self.unread_string = false;
        self.read_string("a string value")
    }

    /// A token in words, for AWS's messages that quote it.
    pub(crate) fn text_of(&mut self, token: Option<&Token<'a>>) -> Result<Cow<'a, str>, PatternError> {
        Ok(match token {
            None => "null".into(),
            Some(Token::ObjectStart) => "{".into(),
            Some(Token::ObjectEnd) => "}".into(),
            Some(Token::ArrayStart) => "[".into(),
            Some(Token::ArrayEnd) => "]".into(),
            Some(Token::Name(name)) => name.clone(),
            Some(Token::String) => self.string()?,
            Some(Token::Number(text)) => (*text).into(),
            Some(Token::Word(word)) => (*word).into(),
        })
    }

    fn enter(&mut self, token: Token<'a>, start: usize) -> Result<Token<'a>, PatternError> {
        match token {
            Token::ObjectStart | Token::ArrayStart => {
                if self.frames.len() == MAX_DEPTH {
                    let depth = MAX_DEPTH + 1;
                    let text =
                        format!("Document nesting depth ({depth}) exceeds the maximum allowed ({MAX_DEPTH})");
                    return Err(self.refuse(text));
                }
                self.frames.push(Frame { object: token == Token::ObjectStart, start, empty: true });
            }
            Token::String => self.unread_string = true,
            _ => {}
        }
        Ok(token)
    }

    fn at_the_end(&self) -> Result<Option<Token<'a>>, PatternError> {
        let Some(frame) = self.frames.last() else { return Ok(None) };
        let kind = if frame.object { "Object" } else { "Array" };
        let start = place(self.source, frame.start);
        Err(self.refuse(format!(
            "Unexpected end-of-input: expected close marker for {kind} (start marker at {start})"
        )))
    }

    fn close(&mut self, byte: u8) -> Result<Token<'a>, PatternError> {
        self.position += 1;
        match self.frames.last() {
            Some(frame) if frame.object == (byte == b'}') => {
                let token = if frame.object { Token::ObjectEnd } else { Token::ArrayEnd };
                self.frames.pop();
                Ok(token)
            }
            Some(frame) => {
                let (kind, expected) = if frame.object { ("Object", '}') } else { ("Array", ']') };
                let (found, start) = (char::from(byte), place(self.source, frame.start));
                Err(self.refuse(format!(
                    "Unexpected close marker '{found}': expected '{expected}' (for {kind} starting at {start})"
                )))
            }
            None => {
                self.position -= 1;
                Err(self.unexpected(VALID_VALUE))
            }
        }
    }

    fn separator(&mut self) -> Result<(), PatternError> {
        if self.peek() != Some(b',') {
            let object = self.frames.last().is_some_and(|frame| frame.object);
            let kind = if object { "Object" } else { "Array" };
            return Err(self.unexpected(&format!("was expecting comma to separate {kind} entries")));
        }
        self.position += 1;
        self.skip_space();
        Ok(())
    }

    /// Reads a value as far as its first token goes; of a string that is the opening quote.
    fn value(&mut self) -> Result<Token<'a>, PatternError> {
        let start = self.position;
        match self.peek() {
            None => Err(self.refuse("Unexpected end-of-input within/between entries")),
            Some(b'{') => self.taken(Token::ObjectStart),
            Some(b'[') => self.taken(Token::ArrayStart),
            Some(b'"') => self.taken(Token::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$' || byte >= 0x80 => {
                let word = &self.source[start..];
                let end = word.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$');
                let word = &word[..end.unwrap_or(word.len())];
                self.position += word.len();
                match ["true", "false", "null"].into_iter().find(|known| *known == word) {
                    Some(known) => Ok(Token::Word(known)),
                    None if word.is_empty() => Err(self.unexpected(VALID_VALUE)),
                    None => Err(self.refuse(format!(
                        "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
                    ))),
                }
            }
            Some(_) => Err(self.unexpected(VALID_VALUE)),
        }
    }

    fn taken(&mut self, token: Token<'a>) -> Result<Token<'a>, PatternError> {
        self.position += 1;
        Ok(token)
    }

    fn number(&mut self) -> Result<Token<'a>, PatternError> {
        let start = self.position;
        if self.peek() == Some(b'-') {
            self.position += 1;
        }
        let first = self.peek();
        self.digits("expected digit (0-9) to follow minus sign, for valid numeric value")?;
        if first == Some(b'0') && self.source.as_bytes()[start..self.position].trim_ascii().len() > 1 {
            let written = self.source[start..self.position].trim_start_matches('-');
            if written.len() > 1 {
                return Err(self.refuse("Invalid numeric value: Leading zeroes not allowed"));
            }
        }
        if self.peek() == Some(b'.') {
            self.position += 1;
            self.digits("Decimal point not followed by a digit")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.position += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.position += 1;
            }
            self.digits("Exponent indicator not followed by a digit")?;
        }
        Ok(Token::Number(&self.source[start..self.position]))
    }

    fn digits(&mut self, missing: &str) -> Result<(), PatternError> {
        let start = self.position;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.position += 1;
        }
        if self.position > start {
            return Ok(());
        }
        let Some(found) = self.source[self.position..].chars().next() else {
            return Err(self.refuse("Unexpected end-of-input in a Number value"));
        };
        self.position += found.len_utf8();
        let code = u32::from(found);
        Err(self
            .refuse(format!("Unexpected character ('{found}' (code {code})) in numeric value: {missing}")))
    }

    /// Reads from behind the opening quote to behind the closing one.
    fn read_string(&mut self, what: &str) -> Result<Cow<'a, str>, PatternError> {
        let start = self.position;
        let bytes = self.source.as_bytes();
        let mut owned: Option<String> = None;
        loop {
            let run = self.position;
            while bytes.get(self.position).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)) {
                self.position += 1;
            }
            let plain = &self.source[run..self.position];
            if let Some(text) = &mut owned {
                text.push_str(plain);
            }
            match bytes.get(self.position) {
                None => {
                    let closing = if what == "name" { "closing '\"' for" } else { "closing quote for" };
                    return Err(
                        self.refuse(format!("Unexpected end-of-input: was expecting {closing} {what}"))
                    );
                }
                Some(b'"') => {
                    self.position += 1;
                    return Ok(owned.map_or_else(|| self.source[start..self.position - 1].into(), Cow::Owned));
                }
                Some(b'\\') => {
                    self.position += 1;
                    let escaped = self.escape()?;
                    owned.get_or_insert_with(|| self.source[start..run + plain.len()].into()).push(escaped);
                }
                Some(control) => {
                    self.position += 1;
                    return Err(self.refuse(format!(
                        "Illegal unquoted character ((CTRL-CHAR, code {control})): has to be escaped using backslash to be included in {}",
                        if what == "name" { "name" } else { "string value" }
                    )));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, PatternError> {
        let Some(escaped) = self.source[self.position..].chars().next() else {
            return Err(self.refuse("Unexpected end-of-input in character escape sequence"));
        };
        self.position += escaped.len_utf8();
        Ok(match escaped {
            '"' | '\\' | '/' => escaped,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode_escape(),
            other => {
                let code = u32::from(other);
                return Err(self.refuse(format!("Unrecognized character escape '{other}' (code {code})")));
            }
        })
    }

    /// A character by its UTF-16 units; a surrogate without its other half is no character.
    fn unicode_escape(&mut self) -> Result<char, PatternError> {
        let unit = self.hex4()?;
        if (0xD800..0xDC00).contains(&unit) && self.source[self.position..].starts_with("\\u") {
            let back = self.position;
            self.position += 2;
            let low = self.hex4()?;
            if (0xDC00..0xE000).contains(&low) {
                let code = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.position = back;
        }
        Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, PatternError> {
        let mut unit = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return Err(self.unexpected("expected a hex-digit for character escape sequence"));
            };
            self.position += 1;
            unit = unit << 4 | digit;
        }
        Ok(unit)
    }

    /// A refusal of the character that comes next.
    fn unexpected(&mut self, expected: &str) -> PatternError {
        let Some(found) = self.source[self.position..].chars().next() else {
            return self.refuse("Unexpected end-of-input within/between entries");
        };
        self.position += found.len_utf8();
        let code = u32::from(found);
        self.refuse(format!("Unexpected character ('{found}' (code {code})): {expected}"))
    }

    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.position).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.position += 1;
        }
    }
}

const VALID_VALUE: &str =
    "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(source: &str) -> String {
        let mut reader = Reader::new(source);
        loop {
            match reader.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{source} is read"),
                Err(error) => return error.reason().to_owned(),
            }
        }
    }

    #[test]
    fn broken_json_is_refused_in_aws_words() {
        for (source, expected) in [
            (
                "{",
                "Unexpected end-of-input: expected close marker for Object (start marker at [Source: (String)\"{\"; line: 1, column: 1])",
            ),
            ("{a}", "Unexpected character ('a' (code 97)): was expecting double-quote to start field name"),
            (
                "{\"a\" 1}",
                "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value",
            ),
            (
                "{\"a\":[1 2]}",
                "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries",
            ),
            (
                "{\"a\":[}",
                "Unexpected close marker '}': expected ']' (for Array starting at [Source: (String)\"{\"a\":[}\"; line: 1, column: 6])",
            ),
            (
                "[nul]",
                "Unrecognized token 'nul': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
            ),
            (
                "[1,]",
                "Unexpected character (']' (code 93)): expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
            ),
            ("[01]", "Invalid numeric value: Leading zeroes not allowed"),
            ("[\"a", "Unexpected end-of-input: was expecting closing quote for a string value"),
        ] {
            assert_eq!(refusal(source), expected);
        }
    }

    #[test]
    fn strings_are_unescaped() {
        let mut reader = Reader::new(r#"["a\n\u00e9\ud83d\ude80\ud800x"]"#);
        assert_eq!(reader.next(), Ok(Some(Token::ArrayStart)));
        assert_eq!(reader.next(), Ok(Some(Token::String)));
        assert_eq!(reader.string().unwrap(), "a\né🚀\u{fffd}x");
    }
}
