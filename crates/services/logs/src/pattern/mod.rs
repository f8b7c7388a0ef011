//! The filter pattern language (`facts` 7.3): terms, phrases, `?any`, `-not`, regular expressions, JSON selectors and
//! space-delimited fields.

mod compare;
mod fields;
mod json;
mod terms;

use fields::Fields;
use json::Selector;
use terms::Terms;

/// Longest pattern (model).
const MAX_PATTERN_CHARS: usize = 1_024;

/// Regular expressions in one pattern (AWS documentation). Each takes memory and time out of proportion to its length.
const MAX_REGEXES: usize = 2;

/// A pattern that has been understood.
#[derive(Debug)]
pub struct Pattern(Kind);

#[derive(Debug)]
enum Kind {
    Everything,
    Terms(Terms),
    Json(Selector),
    Fields(Fields),
}

/// Why a pattern can't be used; the text is for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub String);

impl Pattern {
    /// Reads a pattern; an empty one matches everything.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.chars().count() > MAX_PATTERN_CHARS {
            return Err(Invalid("Invalid filter pattern: it is too long".into()));
        }
        Ok(Pattern(match text.chars().next() {
            None => Kind::Everything,
            Some('{') => Kind::Json(Selector::parse(text)?),
            Some('[') => Kind::Fields(Fields::parse(text)?),
            Some(_) => Kind::Terms(Terms::parse(text)?),
        }))
    }

    /// Whether an event's message matches.
    pub fn matches(&self, message: &str) -> bool {
        match &self.0 {
            Kind::Everything => true,
            Kind::Terms(terms) => terms.matches(message),
            Kind::Fields(fields) => fields.matches(message),
            Kind::Json(selector) => {
                serde_json::from_str(message.trim()).is_ok_and(|value| selector.matches(&value))
            }
        }
    }
}

fn invalid(reason: &str) -> Invalid {
    Invalid(format!("Invalid filter pattern: {reason}"))
}

/// The regular expressions of one pattern. AWS allows a subset, without look-around and back-references, as this engine
/// does.
#[derive(Default)]
struct Regexes {
    count: usize,
}

impl Regexes {
    fn compile(&mut self, text: &str) -> Result<regex::Regex, Invalid> {
        self.count += 1;
        if self.count > MAX_REGEXES {
            return Err(Invalid(format!(
                "Invalid filter pattern: it has more than {MAX_REGEXES} regular expressions"
            )));
        }
        regex::RegexBuilder::new(text)
            .size_limit(1 << 20)
            .build()
            .map_err(|_| Invalid(format!("Invalid filter pattern: bad regular expression %{text}%")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, message: &str) -> bool {
        Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error:?}")).matches(message)
    }

    #[test]
    fn terms() {
        let message = "[ERROR] 404 Internal Server Error in main";
        for (pattern, expected) in [
            ("", true),
            ("ERROR", true),
            ("error", false),
            ("ERROR main", true),
            ("ERROR missing", false),
            ("\"Internal Server\"", true),
            ("\"Server Internal\"", false),
            ("ERROR -main", false),
            ("ERROR -\"Exit Code\"", true),
            ("?missing ?main", true),
            ("?missing ?absent", false),
            ("-missing", true),
            ("%4[0-9]{2}%", true),
            ("%5[0-9]{2}%", false),
            ("\"[ERROR]\"", true),
        ] {
            assert_eq!(matches(pattern, message), expected, "{pattern}");
        }
    }

    #[test]
    fn json_selectors() {
        let message = r#"{"level": "ERROR", "n": 5, "ok": true, "none": null, "a": [{"b": 1}, {"b": 2}], "x": {"y.z": "v"}, "ip": "10.0.0.1"}"#;
        for (pattern, expected) in [
            ("{ $.level = \"ERROR\" }", true),
            ("{ $.level = ERROR }", true),
            ("{ $.level = \"E*R\" }", true),
            ("{ $.level != \"ERROR\" }", false),
            ("{ $.n = 5 }", true),
            ("{ $.n > 4.5 && $.n <= 5 }", true),
            ("{ $.n < 5 || $.level = \"ERROR\" }", true),
            ("{ ($.n = 1 || $.n = 5) && $.ok IS TRUE }", true),
            ("{ $.ok IS FALSE }", false),
            ("{ $.none IS NULL }", true),
            ("{ $.absent NOT EXISTS }", true),
            ("{ $.level NOT EXISTS }", false),
            ("{ $.a[1].b = 2 }", true),
            ("{ $.a[*].b = 2 }", true),
            ("{ $.a[*].b = 3 }", false),
            ("{ $.x.['y.z'] = \"v\" }", true),
            ("{ $.ip = %10\\.0% }", true),
            ("{ $.ip = 10.0.* }", true),
        ] {
            assert_eq!(matches(pattern, message), expected, "{pattern}");
        }
        assert!(!matches("{ $.level = \"ERROR\" }", "level ERROR"));
    }

    #[test]
    fn what_can_not_be_read_is_refused() {
        for pattern in [
            "%a% %b% %c%",
            "\"open",
            "{ $.a }",
            "{ $.a = }",
            "{ a = 1 }",
            "{ ($.a = 1 }",
            "%[%",
            "{ $.a = 1 } x",
            "[a, b",
        ] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
        assert!(Pattern::parse(&format!("{{ {}$.a = 1", "(".repeat(500))).is_err());
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(pattern in "[ -~]{0,60}", message in "[ -~]{0,60}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let _ = pattern.matches(&message);
            }
        }

        #[test]
        fn no_fields_make_it_panic(inner in "[a-c.,\"%é=!<>&|* 0-9]{0,40}", message in "[a-cé\\[\\]\" 0-9]{0,40}") {
            if let Ok(pattern) = Pattern::parse(&format!("[{inner}]")) {
                let _ = pattern.matches(&message);
            }
        }

        #[test]
        fn no_selector_makes_it_panic(inner in "[$.a-c\\[\\]*'\"=!<>&|() 0-9]{0,40}") {
            let _ = Pattern::parse(&format!("{{{inner}}}"));
        }
    }
}
