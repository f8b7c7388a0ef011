//! Event patterns: the language of EventBridge's rules, of the filters of event source mappings and of SNS's filter policies.
//!
//! ```
//! use lambent_event_pattern::{Event, Pattern};
//!
//! let pattern = Pattern::compile(r#"{"detail": {"state": ["failed", {"prefix": "cancel"}]}}"#).unwrap();
//! let event = Event::parse(r#"{"source": "orders", "detail": {"state": "cancelled"}}"#).unwrap();
//! assert!(pattern.matches(&event));
//! ```
//!
//! A pattern is compiled once and an event read once; `PatternSet` finds those of many patterns that match.
//! Where neither recordings nor documentation say how AWS decides, its published rule engine does.

mod address;
mod compile;
mod condition;
mod consistency;
mod error;
mod event;
mod json;
mod number;
mod operators;
mod set;
mod wildcard;

pub use error::PatternError;
pub use event::Event;
pub use set::PatternSet;

use compile::Branch;
use condition::Condition;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    branches: Vec<Branch>,
}

impl Pattern {
    /// Compiles a pattern from its JSON text.
    ///
    /// # Errors
    /// Whose `Display` is AWS's text: EventBridge's behind `Event pattern is not valid. Reason: `, SNS's behind
    /// `Invalid parameter: Attributes Reason: FilterPolicy: `.
    pub fn compile(source: &str) -> Result<Self, PatternError> {
        Ok(Self { branches: compile::compile(source)? })
    }

    /// Whether the event matches.
    pub fn matches(&self, event: &Event<'_>) -> bool {
        self.branches.iter().any(|branch| branch_matches(branch, event))
    }

    /// The ways to match, of which one suffices: for each, the paths of its fields (names joined with dots) and how many
    /// conditions each has. What counts keys, nesting or combinations counts these.
    pub fn branches(&self) -> impl Iterator<Item = impl Iterator<Item = (&str, usize)>> {
        self.branches.iter().map(|branch| branch.iter().map(|(path, conditions)| (&**path, conditions.len())))
    }
}

fn branch_matches(branch: &Branch, event: &Event<'_>) -> bool {
    // Of fields that only values inside of arrays meet: where.
    let mut inside = Vec::new();
    for (path, conditions) in branch {
        let found = event.at(path);
        if found.is_empty() {
            if conditions.contains(&Condition::Absent) {
                continue;
            }
            return false;
        }
        let mut contexts = Vec::new();
        let mut free = false;
        for value in found {
            if conditions.iter().any(|condition| condition.matches(&value.value)) {
                free = value.context == 0;
                if free {
                    break;
                }
                if contexts.last() != Some(&value.context) {
                    contexts.push(value.context);
                }
            }
        }
        match (free, contexts.is_empty()) {
            (true, _) => {}
            (false, true) => return false,
            (false, false) => inside.push(contexts),
        }
    }
    consistency::possible(event, &inside)
}
