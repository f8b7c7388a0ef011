//! Patterns of actions, resources and conditions: `*` stands for any characters, `?` for one, and `${…}` for what the
//! request's context says.

use crate::context::Context;

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Itself.
    Char(char),
    /// `?`
    One,
    /// `*`
    Any,
    /// `${key}` or `${key, 'default'}`.
    Variable {
        /// As it was written.
        key: String,
        /// Stands in where the context has none.
        default: Option<String>,
    },
}

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    steps: Vec<Step>,
    variables: bool,
}

/// What is special in a pattern's text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Special {
    /// `*` and `?` are.
    pub wildcards: bool,
    /// `${…}` is.
    pub variables: bool,
}

impl Glob {
    pub(crate) fn compile(text: &str, special: Special) -> Self {
        let mut steps = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if special.variables
                && let Some((step, after)) = variable(rest)
            {
                steps.push(step);
                rest = after;
                continue;
            }
            steps.push(match first {
                '*' if special.wildcards => Step::Any,
                '?' if special.wildcards => Step::One,
                other => Step::Char(other),
            });
            rest = &rest[first.len_utf8()..];
        }
        let variables = steps.iter().any(|step| matches!(step, Step::Variable { .. }));
        Glob { steps, variables }
    }

    /// Whether `text` is what the pattern describes. A variable that the context has no value for makes it none.
    pub(crate) fn matches(&self, text: &str, context: &Context) -> bool {
        if !self.variables {
            return matches(&self.steps, text);
        }
        resolve(&self.steps, context).is_some_and(|steps| matches(&steps, text))
    }

    /// The same for two texts that differ in case only: this must have been compiled from lower case.
    pub(crate) fn matches_ignoring_case(&self, text: &str, context: &Context) -> bool {
        let lower = text.to_lowercase();
        if !self.variables {
            return matches(&self.steps, &lower);
        }
        let Some(mut steps) = resolve(&self.steps, context) else { return false };
        for step in &mut steps {
            if let Step::Char(letter) = step {
                *letter = letter.to_lowercase().next().unwrap_or(*letter);
            }
        }
        matches(&steps, &lower)
    }

    /// An ARN against a pattern of one: its six parts are compared one by one. A pattern that has fewer is none of an ARN
    /// and is compared as a whole (judgement).
    pub(crate) fn matches_arn(&self, arn: &str, context: &Context) -> bool {
        let patterns: Vec<&[Step]> = self.steps.splitn(PARTS, |step| *step == Step::Char(':')).collect();
        if patterns.len() < PARTS {
            return self.matches(arn, context);
        }
        let parts: Vec<&str> = arn.splitn(PARTS, ':').collect();
        parts.len() == PARTS
            && patterns
                .iter()
                .zip(parts)
                .all(|(pattern, part)| resolve(pattern, context).is_some_and(|steps| matches(&steps, part)))
    }

    /// The variables' keys.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::Variable { key, .. } => Some(key.as_str()),
            _ => None,
        })
    }
}

/// Partition, service, region, account and resource behind `arn`.
const PARTS: usize = 6;

/// Reads `${…}` at the beginning; what comes after it is left.
fn variable(text: &str) -> Option<(Step, &str)> {
    let (inside, rest) = text.strip_prefix("${")?.split_once('}')?;
    let step = match inside {
        "*" => Step::Char('*'),
        "?" => Step::Char('?'),
        "$" => Step::Char('$'),
        _ => {
            let (key, default) = match inside.split_once(',') {
                Some((key, default)) => {
                    let quoted = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
                    (key, Some(quoted.to_owned()))
                }
                None => (inside, None),
            };
            Step::Variable { key: key.trim().to_owned(), default }
        }
    };
    Some((step, rest))
}

/// Puts values, which stand for themselves, in place of variables. A key with several values has none that could be put.
fn resolve(steps: &[Step], context: &Context) -> Option<Vec<Step>> {
    let mut resolved = Vec::with_capacity(steps.len() * 2);
    for step in steps {
        match step {
            Step::Variable { key, default } => {
                let value = match (context.get(key), default) {
                    (Some([value]), _) => value,
                    (None | Some([]), Some(default)) => default,
                    _ => return None,
                };
                resolved.extend(value.chars().map(Step::Char));
            }
            other => resolved.push(other.clone()),
        }
    }
    Some(resolved)
}

/// Goes back to the last `*` only: what an earlier one could take, the last one can, too.
fn matches(steps: &[Step], text: &str) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while let Some(letter) = text[position..].chars().next() {
        let taken = match steps.get(at) {
            Some(Step::Any) => {
                last_star = Some((at, position));
                at += 1;
                continue;
            }
            Some(Step::One) => true,
            Some(Step::Char(wanted)) => *wanted == letter,
            Some(Step::Variable { .. }) | None => false,
        };
        if taken {
            at += 1;
            position += letter.len_utf8();
            continue;
        }
        let Some((star, from)) = last_star else { return false };
        let Some(skipped) = text[from..].chars().next() else { return false };
        last_star = Some((star, from + skipped.len_utf8()));
        at = star + 1;
        position = from + skipped.len_utf8();
    }
    steps[at..].iter().all(|step| *step == Step::Any)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Special = Special { wildcards: true, variables: true };

    fn matched(pattern: &str, text: &str) -> bool {
        Glob::compile(pattern, ALL).matches(text, &Context::new())
    }

    #[test]
    fn wildcards_cross_every_boundary() {
        assert!(matched("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b") && matched("*", ""));
        assert!(matched("arn:*:role/x", "arn:aws:iam::1:role/x") && matched("a?c", "aéc"));
        assert!(!matched("a?c", "ac") && !matched("a*b", "abc") && !matched("", "a"));
    }

    #[test]
    fn variables_stand_for_the_contexts_values_literally() {
        let mut context = Context::new();
        context.set("aws:username", "a*");
        let home = Glob::compile("home/${AWS:UserName}/*", ALL);
        assert!(home.matches("home/a*/x", &context) && !home.matches("home/ab/x", &context));
        assert!(!home.matches("home//x", &Context::new()));
        let default = Glob::compile("${aws:PrincipalTag/team, 'none'}-x", ALL);
        assert!(default.matches("none-x", &context));
        context.set("aws:PrincipalTag/team", "red");
        assert!(default.matches("red-x", &context) && !default.matches("none-x", &context));
        context.set_all("aws:TagKeys", ["a", "b"]);
        assert!(!Glob::compile("${aws:TagKeys}", ALL).matches("a", &context));
        assert!(matched("${*}${?}${$}", "*?$") && !matched("${*}", "x"));
        let literal = Glob::compile("${aws:username}", Special { variables: false, wildcards: true });
        assert!(literal.matches("${aws:username}", &context));
        assert!(matched("${open", "${open") && matched("${a, b}", "${a, b}"));
    }

    #[test]
    fn an_arns_parts_are_compared_one_by_one() {
        let matched =
            |pattern: &str, arn: &str| Glob::compile(pattern, ALL).matches_arn(arn, &Context::new());
        assert!(matched("arn:aws:sns:*:123456789012:*", "arn:aws:sns:eu-west-1:123456789012:t"));
        assert!(matched("arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a:b"));
        assert!(!matched("arn:aws:sns:*:t", "arn:aws:sns:eu-west-1:123456789012:t2"));
        assert!(!matched("arn:*:*:*:*:t", "arn:aws:sns:eu-west-1:1:x:t"));
        assert!(matched("*", "arn:aws:sns:eu-west-1:1:x") && !matched("arn:aws:s3:::*", "no arn"));
    }

    /// The plain definition.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            (['*', rest @ ..], _) => (0..=text.len()).any(|skip| slow(rest, &text[skip..])),
            (['?', rest @ ..], [_, tail @ ..]) => slow(rest, tail),
            ([first, rest @ ..], [head, tail @ ..]) => first == head && slow(rest, tail),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_plain_definition(pattern in "[abé*?]{0,8}", text in "[abé]{0,10}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(matched(&pattern, &text), slow(&p, &t));
        }
    }
}
