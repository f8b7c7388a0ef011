//! `{"wildcard": "a*b"}`: `*` stands for any characters, `\*` and `\\` for themselves.

use std::collections::{HashSet, VecDeque};

use crate::error::PatternError;

/// Prefixes of a wildcard that an input may match at the same time. AWS's limit is not public; this one refuses
/// `*:*:*:*:*:event-bus/*` and takes `/Users/*/dir/dir/dir/dir/dir/doc.txt`, as recorded.
const MAX_COMPLEXITY: usize = 10;
/// States that the measuring looks at.
const MAX_MEASURED: usize = 5_000;

/// Literal pieces between wildcards; one piece has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wildcard {
    pieces: Vec<String>,
}

impl Wildcard {
    /// The reasons are AWS's; positions count the opening quote.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut pieces = vec![String::new()];
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            let position = at + 1;
            let next = characters.peek().map(|(_, next)| *next);
            match (character, next) {
                ('*', Some('*')) => {
                    return Err(PatternError::bare(format!(
                        "Consecutive wildcard characters at pos {position}"
                    )));
                }
                ('*', _) => pieces.push(String::new()),
                ('\\', Some(escaped @ ('*' | '\\'))) => {
                    characters.next();
                    pieces.last_mut().expect("there is always one").push(escaped);
                }
                ('\\', _) => {
                    return Err(PatternError::bare(format!("Invalid escape character at pos {position}")));
                }
                (other, _) => pieces.last_mut().expect("there is always one").push(other),
            }
        }
        let wildcard = Self { pieces };
        if wildcard.is_too_complex() {
            return Err(PatternError::bare(
                "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character",
            ));
        }
        Ok(wildcard)
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            return self.pieces[0] == text;
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            let Some(found) = rest.find(piece.as_str()) else { return false };
            rest = &rest[found + piece.len()..];
        }
        rest.ends_with(last.as_str())
    }

    /// Walks through every set of states that some input could be in.
    fn is_too_complex(&self) -> bool {
        // None is a wildcard, which its state stays in whatever comes.
        let mut steps: Vec<Option<u8>> = Vec::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            if index > 0 {
                steps.push(None);
            }
            steps.extend(piece.bytes().map(Some));
        }
        let settle = |states: &mut Vec<usize>| {
            for index in 0..states.len() {
                let mut state = states[index];
                while steps.get(state) == Some(&None) {
                    state += 1;
                    states.push(state);
                }
            }
            states.sort_unstable();
            states.dedup();
        };
        let mut alphabet: Vec<u8> = steps.iter().flatten().copied().collect();
        alphabet.sort_unstable();
        alphabet.dedup();
        let mut start = vec![0];
        settle(&mut start);
        let mut seen = HashSet::from([start.clone()]);
        let mut waiting = VecDeque::from([start]);
        while let Some(states) = waiting.pop_front() {
            if states.len() > MAX_COMPLEXITY {
                return true;
            }
            if seen.len() > MAX_MEASURED {
                return false;
            }
            for byte in &alphabet {
                let mut next: Vec<usize> = states
                    .iter()
                    .filter_map(|state| match steps.get(*state)? {
                        None => Some(*state),
                        Some(wanted) => (wanted == byte).then_some(*state + 1),
                    })
                    .collect();
                settle(&mut next);
                if seen.insert(next.clone()) {
                    waiting.push_back(next);
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Wildcard::parse(pattern).unwrap().matches(text)
    }

    #[test]
    fn stars_stand_for_any_characters() {
        assert!(matches("a*b", "ab") && matches("a*b", "axxb") && !matches("a*b", "axxc"));
        assert!(matches("*", "") && matches("*.png", "a.png") && !matches("*.png", "a.png.bak"));
        assert!(matches("a*a", "aa") && !matches("a*a", "a"));
        assert!(matches(r"a\*\\*", r"a*\x") && !matches(r"a\*", "ab"));
        assert!(matches("/Users/*/dir/doc.txt", "/Users/dir/dir/doc.txt"));
        assert!(matches("é*🚀", "é---🚀"));
    }

    #[test]
    fn wrong_and_complex_ones_are_refused() {
        let reason = |text: &str| Wildcard::parse(text).unwrap_err().reason().to_owned();
        assert_eq!(reason("arn:aws:events:us-east-1:**:x"), "Consecutive wildcard characters at pos 26");
        assert_eq!(reason(r"a\b"), "Invalid escape character at pos 2");
        assert!(reason("*:*:*:*:*:event-bus/*").starts_with("Rule is too complex"));
        assert!(Wildcard::parse("/Users/*/dir/dir/dir/dir/dir/doc.txt").is_ok());
        assert!(Wildcard::parse("arn:aws:events:*:*:event-bus/*").is_ok());
    }

    /// The plain definition.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            (['*', rest @ ..], _) => (0..=text.len()).any(|skip| slow(rest, &text[skip..])),
            ([first, rest @ ..], [head, tail @ ..]) => first == head && slow(rest, tail),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_plain_definition(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            if let Ok(wildcard) = Wildcard::parse(&pattern) {
                let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
                prop_assert_eq!(wildcard.matches(&text), slow(&p, &t));
            }
        }
    }
}
