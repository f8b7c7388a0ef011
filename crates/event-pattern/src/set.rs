//! Many patterns, of which an event finds those that match without looking at the others.
//!
//! Of each branch one field is its anchor: the one whose values the fewest other branches wait for. An event's values
//! lead to the branches anchored there, and only those are matched in full.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use crate::compile::Branch;
use crate::condition::Condition;
use crate::event::{Event, Value};
use crate::{Pattern, branch_matches};

type BranchId = u64;

/// Patterns by key.
#[derive(Clone, Debug)]
pub struct PatternSet<K> {
    patterns: HashMap<K, Vec<BranchId>>,
    branches: HashMap<BranchId, (K, Branch)>,
    paths: HashMap<Arc<str>, Waiting>,
    /// Branches that an event with none of their fields matches.
    anywhere: HashSet<BranchId>,
    next: BranchId,
}

/// Branches that wait for a value of one path.
#[derive(Clone, Debug, Default)]
struct Waiting {
    texts: HashMap<String, HashSet<BranchId>>,
    numbers: HashMap<String, HashSet<BranchId>>,
    words: HashMap<&'static str, HashSet<BranchId>>,
    prefixes: HashMap<String, HashSet<BranchId>>,
    /// How many prefixes there are of each length, in bytes.
    lengths: BTreeMap<usize, usize>,
    /// Those that any value there may meet.
    others: HashSet<BranchId>,
}

impl<K> Default for PatternSet<K> {
    fn default() -> Self {
        Self {
            patterns: HashMap::new(),
            branches: HashMap::new(),
            paths: HashMap::new(),
            anywhere: HashSet::new(),
            next: 0,
        }
    }
}

impl<K: Clone + Eq + Hash> PatternSet<K> {
    /// Adds a pattern, or replaces the one of that key.
    pub fn insert(&mut self, key: K, pattern: Pattern) {
        self.remove(&key);
        let mut ids = Vec::with_capacity(pattern.branches.len());
        for branch in pattern.branches {
            let id = self.next;
            self.next += 1;
            match self.anchor(&branch) {
                Some((path, conditions)) => self.paths.entry(path).or_default().add(id, &conditions),
                None => {
                    self.anywhere.insert(id);
                }
            }
            self.branches.insert(id, (key.clone(), branch));
            ids.push(id);
        }
        self.patterns.insert(key, ids);
    }

    /// Takes a pattern out; says whether there was one.
    pub fn remove(&mut self, key: &K) -> bool {
        let Some(ids) = self.patterns.remove(key) else { return false };
        for id in ids {
            let Some((_, branch)) = self.branches.remove(&id) else { continue };
            self.anywhere.remove(&id);
            for (path, conditions) in &branch {
                if let Some(waiting) = self.paths.get_mut(path)
                    && waiting.take(id, conditions)
                {
                    self.paths.remove(path);
                }
            }
        }
        true
    }

    /// How many patterns there are.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The keys of the patterns that match, each once, in no order.
    pub fn matches(&self, event: &Event<'_>) -> Vec<&K> {
        let mut candidates: HashSet<BranchId> = self.anywhere.clone();
        for (path, found) in event.fields() {
            let Some(waiting) = self.paths.get(path) else { continue };
            candidates.extend(&waiting.others);
            for value in found {
                waiting.met(&value.value, &mut candidates);
            }
        }
        let mut matched = HashSet::new();
        for id in candidates {
            let (key, branch) = &self.branches[&id];
            if !matched.contains(key) && branch_matches(branch, event) {
                matched.insert(key);
            }
        }
        matched.into_iter().collect()
    }

    /// The field by which a branch is found; none when it matches where none of its fields are.
    fn anchor(&self, branch: &Branch) -> Option<(Arc<str>, Arc<[Condition]>)> {
        let fields = branch.iter().filter(|(_, conditions)| !conditions.contains(&Condition::Absent));
        let (path, conditions) = fields.min_by_key(|(path, conditions)| self.cost(path, conditions))?;
        Some((path.clone(), conditions.clone()))
    }

    /// Whether all values of a path lead to a branch (worse), and with how many others it would share its place.
    fn cost(&self, path: &str, conditions: &[Condition]) -> (bool, usize) {
        let waiting = self.paths.get(path);
        if !conditions.iter().all(is_indexed) {
            return (true, waiting.map_or(0, |waiting| waiting.others.len()));
        }
        let shared = |condition| waiting.and_then(|waiting| waiting.place(condition)).map_or(0, HashSet::len);
        (false, conditions.iter().map(shared).max().unwrap_or(0))
    }
}

fn is_indexed(condition: &Condition) -> bool {
    matches!(condition, Condition::Text(_) | Condition::Number(_) | Condition::Word(_) | Condition::Prefix(_))
}

impl Waiting {
    fn place(&self, condition: &Condition) -> Option<&HashSet<BranchId>> {
        match condition {
            Condition::Text(text) => self.texts.get(text),
            Condition::Number(text) => self.numbers.get(text),
            Condition::Word(word) => self.words.get(word),
            Condition::Prefix(prefix) => self.prefixes.get(prefix),
            _ => Some(&self.others),
        }
    }

    fn add(&mut self, id: BranchId, conditions: &[Condition]) {
        if !conditions.iter().all(is_indexed) {
            self.others.insert(id);
            return;
        }
        for condition in conditions {
            match condition {
                Condition::Text(text) => self.texts.entry(text.clone()).or_default(),
                Condition::Number(text) => self.numbers.entry(text.clone()).or_default(),
                Condition::Word(word) => self.words.entry(word).or_default(),
                Condition::Prefix(prefix) => {
                    if !self.prefixes.contains_key(prefix) {
                        *self.lengths.entry(prefix.len()).or_default() += 1;
                    }
                    self.prefixes.entry(prefix.clone()).or_default()
                }
                _ => &mut self.others,
            }
            .insert(id);
        }
    }

    /// Takes a branch out; says whether nothing waits here any more.
    fn take(&mut self, id: BranchId, conditions: &[Condition]) -> bool {
        self.others.remove(&id);
        for condition in conditions {
            match condition {
                Condition::Text(text) => leave(&mut self.texts, text, id),
                Condition::Number(text) => leave(&mut self.numbers, text, id),
                Condition::Word(word) => leave(&mut self.words, word, id),
                Condition::Prefix(prefix) => {
                    if leave(&mut self.prefixes, prefix, id) {
                        let count = self.lengths.entry(prefix.len()).or_default();
                        *count -= 1;
                        if *count == 0 {
                            self.lengths.remove(&prefix.len());
                        }
                    }
                    false
                }
                _ => false,
            };
        }
        self.others.is_empty()
            && self.texts.is_empty()
            && self.numbers.is_empty()
            && self.words.is_empty()
            && self.prefixes.is_empty()
    }

    fn met(&self, value: &Value<'_>, candidates: &mut HashSet<BranchId>) {
        match value {
            Value::Text(text) => {
                candidates.extend(self.texts.get(text.as_ref()).into_iter().flatten());
                for length in self.lengths.keys() {
                    let Some(prefix) = text.get(..*length) else { continue };
                    candidates.extend(self.prefixes.get(prefix).into_iter().flatten());
                }
            }
            Value::Number { text, .. } => candidates.extend(self.numbers.get(*text).into_iter().flatten()),
            Value::Word(word) => candidates.extend(self.words.get(word).into_iter().flatten()),
        }
    }
}

/// Takes a branch out of a place; says whether the place went with it.
fn leave<P, Q>(places: &mut HashMap<P, HashSet<BranchId>>, place: &Q, id: BranchId) -> bool
where
    P: Eq + Hash + std::borrow::Borrow<Q>,
    Q: Eq + Hash + ?Sized,
{
    let Some(waiting) = places.get_mut(place) else { return false };
    waiting.remove(&id);
    let empty = waiting.is_empty();
    if empty {
        places.remove(place);
    }
    empty
}
