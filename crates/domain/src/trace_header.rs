//! `X-Amzn-Trace-Id`: `Root=1-…;Parent=…;Sampled=0;Lineage=1:…:0`. Its lineage says through which functions a chain of
//! requests has come and how often, by which loops are known. SDKs inside functions send it on with what they ask for.
//!
//! AWS writes `<requests>:<function>:<rounds>`, a function as eight hexadecimal digits, and has written
//! `<function>:<rounds>|<function>:<rounds>` for several; what the digits are made of is not documented.

use std::fmt;
use std::ops::Range;

use crate::limits::MAX_CHAINED_INVOCATIONS;
use crate::names::FunctionKey;

/// Functions that a lineage can name. In longer chains the first ones are forgotten: a header has no room for more.
const MAX_PASSED: usize = 16;

/// Where the value of a field stands.
pub fn place(header: &str, name: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for part in header.split(';') {
        let value = part.trim_start().strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
        if let Some(value) = value {
            let end = start + part.len();
            return Some(end - value.len()..end);
        }
        start += part.len() + 1;
    }
    None
}

/// The value of a field.
pub fn field<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    place(header, name).map(|place| &header[place])
}

/// A function that a chain has come through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Passed {
    function: u32,
    /// How often it was called again.
    rounds: u32,
}

/// Through which functions a chain of requests has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    requests: u32,
    passed: Vec<Passed>,
}

impl Lineage {
    /// The lineage in a header. What can't be read is none: it is written anew.
    pub fn of(header: &str) -> Lineage {
        field(header, "Lineage").and_then(Lineage::parse).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Lineage> {
        let mut lineage = Lineage::default();
        for part in text.trim().split('|') {
            let (requests, part) = match part.split(':').count() {
                3 => part.split_once(':').map(|(requests, part)| (requests.parse().ok(), part))?,
                _ => (Some(0), part),
            };
            let (function, rounds) = part.split_once(':')?;
            let function = u32::from_str_radix(function, 16).ok()?;
            lineage.passed.push(Passed { function, rounds: rounds.parse().ok()? });
            lineage.requests = lineage.requests.max(requests?);
        }
        (lineage.passed.len() <= MAX_PASSED).then_some(lineage)
    }

    /// Whether a function has been called so often in this chain that it is a loop.
    pub fn is_loop(&self, function: &FunctionKey) -> bool {
        let function = digits(function);
        let found = self.passed.iter().find(|passed| passed.function == function);
        found.is_some_and(|passed| passed.rounds + 1 >= MAX_CHAINED_INVOCATIONS)
    }

    /// Whether nothing is known of the chain, or this is its first request.
    pub fn is_none(&self) -> bool {
        self.passed.is_empty()
    }

    /// How often the function was called again that was called again most often.
    pub fn rounds(&self) -> u32 {
        self.passed.iter().map(|passed| passed.rounds).max().unwrap_or_default()
    }

    /// With one more call of a function.
    pub fn call(&mut self, function: &FunctionKey) {
        let function = digits(function);
        self.requests = self.requests.saturating_add(1);
        match self.passed.iter_mut().find(|passed| passed.function == function) {
            Some(passed) => passed.rounds = passed.rounds.saturating_add(1),
            None => {
                if self.passed.len() == MAX_PASSED {
                    self.passed.remove(0);
                }
                self.passed.push(Passed { function, rounds: 0 });
            }
        }
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.requests)?;
        for (index, passed) in self.passed.iter().enumerate() {
            let before = if index == 0 { ':' } else { '|' };
            write!(f, "{before}{:08x}:{}", passed.function, passed.rounds)?;
        }
        Ok(())
    }
}

/// FNV-1a of what names a function: the same in every server, and cheap enough for every invoke.
fn digits(function: &FunctionKey) -> u32 {
    let scope = &function.scope;
    let parts = [scope.account.as_str(), scope.region.as_str(), function.name.as_str()];
    let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([b':']));
    bytes.fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, FunctionName, Region, Scope};

    fn function(name: &str) -> FunctionKey {
        let (account, region) = (AccountId::parse("123456789012"), Region::parse("us-east-1"));
        let scope = Scope { account: account.unwrap(), region: region.unwrap() };
        FunctionKey { scope, name: FunctionName::parse(name).unwrap() }
    }

    #[test]
    fn a_chain_through_one_function_is_a_loop_after_sixteen_calls() {
        let (own, other) = (function("own"), function("other"));
        let mut header = "Root=1-a-b;Sampled=0".to_owned();
        for number in 0..MAX_CHAINED_INVOCATIONS {
            let mut lineage = Lineage::of(&header);
            assert!(!lineage.is_loop(&own), "{header}");
            lineage.call(&own);
            let shown = lineage.to_string();
            assert!(shown.starts_with(&format!("{}:", number + 1)) && shown.ends_with(&format!(":{number}")));
            header = format!("Root=1-a-b;Sampled=0;Lineage={shown}");
        }
        let lineage = Lineage::of(&header);
        assert!(lineage.is_loop(&own) && !lineage.is_loop(&other));
        assert_eq!(lineage.rounds(), MAX_CHAINED_INVOCATIONS - 1);
    }

    #[test]
    fn a_loop_behind_the_first_function_is_found() {
        let mut lineage = Lineage::default();
        lineage.call(&function("first"));
        let (a, b) = (function("a"), function("b"));
        for _ in 0..MAX_CHAINED_INVOCATIONS {
            lineage = Lineage::of(&format!("Lineage={lineage};Root=1"));
            assert!(!lineage.is_loop(&a) && !lineage.is_loop(&b));
            lineage.call(&a);
            lineage.call(&b);
        }
        assert!(lineage.is_loop(&a) && lineage.is_loop(&b) && !lineage.is_loop(&function("first")));
    }

    #[test]
    fn older_lineages_are_read_and_garbage_is_none() {
        let older = Lineage::of("Root=1-a-b;Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2");
        assert_eq!((older.passed.len(), older.rounds()), (3, 5));
        assert_eq!(Lineage::of("Lineage=1:fe460cdd:0").to_string(), "1:fe460cdd:0");
        for garbage in ["", "Lineage=", "Lineage=x", "Lineage=1:zz:0", "Lineage=1:0:-1", "Lineage=1:1:1:1"] {
            assert_eq!(Lineage::of(garbage), Lineage::default(), "{garbage}");
        }
        let long = vec!["00000001:1"; MAX_PASSED + 1].join("|");
        assert_eq!(Lineage::of(&format!("Lineage={long}")), Lineage::default());
    }

    #[test]
    fn fields_are_read_wherever_they_stand() {
        let header = "Self=1-2;Root=1-a-b; Parent=00;Sampled=?";
        assert_eq!((field(header, "Root"), field(header, "Parent")), (Some("1-a-b"), Some("00")));
        assert_eq!((field(header, "Other"), field(header, "Sample")), (None, None));
    }
}
