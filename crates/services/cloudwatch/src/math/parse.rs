//! Expressions as text.

use super::Reason;

/// Parentheses, calls and signs within each other.
const MAX_DEPTH: usize = 32;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Number(f64),
    /// A quoted text; an argument of some functions.
    Text(String),
    /// Another query, or a word such as `REPEAT`.
    Name(String),
    List(Vec<Expression>),
    Negated(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    Call(String, Vec<Expression>),
}

/// Between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
    Plus,
    Minus,
    Times,
    Over,
    Power,
}

/// What binds weakest comes first; a text that another one begins with comes behind that.
const LEVELS: &[&[(&str, Operator)]] = &[
    &[("||", Operator::Or), ("OR", Operator::Or)],
    &[("&&", Operator::And), ("AND", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::Unequal),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[("*", Operator::Times), ("/", Operator::Over)],
];

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

/// Reads an expression, all of it.
pub(crate) fn parse(text: &str) -> Result<Expression, Reason> {
    let mut parser = Parser { rest: text.trim(), depth: 0 };
    let expression = parser.level(0)?;
    match parser.rest {
        "" => Ok(expression),
        rest => Err(format!("Unexpected text at '{}'", short(rest))),
    }
}

fn short(text: &str) -> String {
    text.chars().take(20).collect()
}

impl Parser<'_> {
    fn take(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        // A word ends where letters do.
        let is_word = token.bytes().all(|byte| byte.is_ascii_alphabetic());
        if is_word && rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_') {
            return false;
        }
        self.rest = rest.trim_start();
        true
    }

    fn level(&mut self, level: usize) -> Result<Expression, Reason> {
        let Some(operators) = LEVELS.get(level) else { return self.power() };
        let mut left = self.level(level + 1)?;
        loop {
            let found = operators.iter().find(|(token, _)| self.take(token));
            let Some((_, operator)) = found else { return Ok(left) };
            let right = self.level(level + 1)?;
            left = Expression::Binary(*operator, Box::new(left), Box::new(right));
        }
    }

    fn power(&mut self) -> Result<Expression, Reason> {
        self.deeper()?;
        let base = self.signed()?;
        let power = match self.take("^") {
            true => Expression::Binary(Operator::Power, Box::new(base), Box::new(self.power()?)),
            false => base,
        };
        self.depth -= 1;
        Ok(power)
    }

    fn signed(&mut self) -> Result<Expression, Reason> {
        if self.take("-") {
            return Ok(Expression::Negated(Box::new(self.power()?)));
        }
        self.single()
    }

    fn deeper(&mut self) -> Result<(), Reason> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err("The expression nests too deep".to_owned()) } else { Ok(()) }
    }

    fn single(&mut self) -> Result<Expression, Reason> {
        if self.take("(") {
            let inner = self.level(0)?;
            return if self.take(")") { Ok(inner) } else { Err("A parenthesis is not closed".to_owned()) };
        }
        if self.take("[") {
            return Ok(Expression::List(self.items("]")?));
        }
        if let Some(quote) = self.rest.chars().next().filter(|first| matches!(first, '"' | '\'')) {
            let (text, rest) = self.rest[1..].split_once(quote).ok_or("A quotation is not closed")?;
            self.rest = rest.trim_start();
            return Ok(Expression::Text(text.to_owned()));
        }
        let length = self
            .rest
            .find(|next: char| !next.is_ascii_alphanumeric() && next != '_' && next != '.')
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(length);
        if word.is_empty() {
            return Err(match rest {
                "" => "The expression ends too early".to_owned(),
                _ => format!("Unexpected text at '{}'", short(rest)),
            });
        }
        self.rest = rest.trim_start();
        if word.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
            let number = word.parse().ok().filter(|number: &f64| number.is_finite());
            return number.map(Expression::Number).ok_or_else(|| format!("'{}' is no number", short(word)));
        }
        if self.take("(") {
            return Ok(Expression::Call(word.to_ascii_uppercase(), self.items(")")?));
        }
        Ok(Expression::Name(word.to_owned()))
    }

    fn items(&mut self, end: &str) -> Result<Vec<Expression>, Reason> {
        let mut items = Vec::new();
        if self.take(end) {
            return Ok(items);
        }
        loop {
            items.push(self.level(0)?);
            if self.take(end) {
                return Ok(items);
            }
            if !self.take(",") {
                return Err(format!("'{end}' is missing at '{}'", short(self.rest)));
            }
        }
    }
}
