//! Everything that is kept, in memory, with what makes events find their rules; and the way onto the disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use lambent_domain::{AccountId, Region, Scope};
use lambent_event_pattern::{Event, Pattern, PatternSet};
use lambent_ports::outbox::{Change, Record};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::EventsFault;
use crate::record::{Archive, Bus, BusKey, DEFAULT_BUS, NameKey, Replay, Rule, RuleKey};

/// Who wants an event of a bus.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subscriber {
    /// The rule of that name.
    Rule(String),
    /// The archive of that name.
    Archive(String),
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) buses: BTreeMap<BusKey, Arc<Bus>>,
    pub(crate) rules: BTreeMap<RuleKey, Arc<Rule>>,
    pub(crate) archives: BTreeMap<NameKey, Arc<Archive>>,
    pub(crate) replays: BTreeMap<NameKey, Arc<Replay>>,
    /// Patterns of what is enabled, by bus.
    patterns: HashMap<BusKey, PatternSet<Subscriber>>,
    /// Rules with a schedule, by when they are due.
    pub(crate) due: BTreeSet<(u64, RuleKey)>,
}

/// What a request changes.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Bus(BusKey, Bus),
    DeleteBus(BusKey),
    Rule(RuleKey, Rule),
    DeleteRule(RuleKey),
    Archive(NameKey, Archive),
    DeleteArchive(NameKey),
    Replay(NameKey, Replay),
}

impl State {
    /// From the disk.
    pub(crate) fn read(records: Vec<Record>) -> Result<Self, EventsFault> {
        let mut state = State::default();
        for record in records {
            let write = read(&record).ok_or_else(|| {
                EventsFault::Internal(format!("a stored {} is not understood: {}", record.kind, record.key))
            })?;
            state.apply(write)?;
        }
        Ok(state)
    }

    /// What has been committed is true from now on.
    pub(crate) fn apply(&mut self, write: Write) -> Result<(), EventsFault> {
        match write {
            Write::Bus(key, bus) => drop(self.buses.insert(key, Arc::new(bus))),
            Write::DeleteBus(key) => drop(self.buses.remove(&key)),
            Write::Rule(key, rule) => {
                let pattern = rule.pattern.as_deref().filter(|_| rule.is_enabled());
                self.subscribe(&key.bus, Subscriber::Rule(key.name.clone()), pattern)?;
                self.unschedule(&key);
                self.due.extend(rule.next_ms().map(|at_ms| (at_ms, key.clone())));
                self.rules.insert(key, Arc::new(rule));
            }
            Write::DeleteRule(key) => {
                self.subscribe(&key.bus, Subscriber::Rule(key.name.clone()), None)?;
                self.unschedule(&key);
                self.rules.remove(&key);
            }
            Write::Archive(key, archive) => {
                let bus = BusKey { scope: key.scope.clone(), bus: archive.bus.clone() };
                // Every event has a source.
                let pattern = archive.pattern.as_deref().unwrap_or(r#"{"source":[{"exists":true}]}"#);
                self.subscribe(&bus, Subscriber::Archive(key.name.clone()), Some(pattern))?;
                self.archives.insert(key, Arc::new(archive));
            }
            Write::DeleteArchive(key) => {
                if let Some(archive) = self.archives.remove(&key) {
                    let bus = BusKey { scope: key.scope, bus: archive.bus.clone() };
                    self.subscribe(&bus, Subscriber::Archive(key.name), None)?;
                }
            }
            Write::Replay(key, replay) => drop(self.replays.insert(key, Arc::new(replay))),
        }
        Ok(())
    }

    fn unschedule(&mut self, key: &RuleKey) {
        if let Some(at_ms) = self.rules.get(key).and_then(|rule| rule.next_ms()) {
            self.due.remove(&(at_ms, key.clone()));
        }
    }

    fn subscribe(&mut self, bus: &BusKey, who: Subscriber, pattern: Option<&str>) -> Result<(), EventsFault> {
        match pattern {
            Some(pattern) => {
                let pattern = Pattern::compile(pattern)?;
                self.patterns.entry(bus.clone()).or_default().insert(who, pattern);
            }
            None => {
                if let Some(patterns) = self.patterns.get_mut(bus) {
                    patterns.remove(&who);
                    if patterns.is_empty() {
                        self.patterns.remove(bus);
                    }
                }
            }
        }
        Ok(())
    }

    /// Who wants an event, in the order of names.
    pub(crate) fn subscribers(&self, bus: &BusKey, event: &Event<'_>) -> (Vec<String>, Vec<String>) {
        let (mut rules, mut archives) = (Vec::new(), Vec::new());
        for subscriber in self.patterns.get(bus).map(|patterns| patterns.matches(event)).unwrap_or_default() {
            match subscriber {
                Subscriber::Rule(name) => rules.push(name.clone()),
                Subscriber::Archive(name) => archives.push(name.clone()),
            }
        }
        rules.sort_unstable();
        archives.sort_unstable();
        (rules, archives)
    }

    /// A bus; the default one is there before anybody has changed it.
    pub(crate) fn bus(&self, key: &BusKey) -> Result<Arc<Bus>, EventsFault> {
        match self.buses.get(key) {
            Some(bus) => Ok(Arc::clone(bus)),
            None if key.bus == DEFAULT_BUS => Ok(Arc::default()),
            None => Err(EventsFault::no_bus(&key.bus)),
        }
    }

    pub(crate) fn rule(&self, key: &RuleKey) -> Result<Arc<Rule>, EventsFault> {
        let found = self.rules.get(key).cloned();
        found.ok_or_else(|| EventsFault::no_rule(&key.name, &key.bus.bus))
    }

    pub(crate) fn archive(&self, key: &NameKey) -> Result<Arc<Archive>, EventsFault> {
        self.archives.get(key).cloned().ok_or_else(|| EventsFault::no_archive(&key.name))
    }

    /// Rules of a bus whose names begin with a prefix, in order.
    pub(crate) fn rules_of<'a>(
        &'a self,
        bus: &'a BusKey,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a RuleKey, &'a Arc<Rule>)> {
        let behind = self.rules.range(bus.rule(prefix)..);
        behind.take_while(move |(key, _)| key.bus == *bus && key.name.starts_with(prefix))
    }
}

impl Write {
    /// As a change of the outbox.
    pub(crate) fn change(&self) -> Change {
        match self {
            Write::Bus(key, bus) => put("bus", bus_key(key), bus),
            Write::DeleteBus(key) => delete("bus", bus_key(key)),
            Write::Rule(key, rule) => put("rule", rule_key(key), rule),
            Write::DeleteRule(key) => delete("rule", rule_key(key)),
            Write::Archive(key, archive) => put("archive", name_key(key), archive),
            Write::DeleteArchive(key) => delete("archive", name_key(key)),
            Write::Replay(key, replay) => put("replay", name_key(key), replay),
        }
    }
}

fn put(kind: &str, key: String, body: &impl Serialize) -> Change {
    let body = serde_json::to_vec(body).map(Bytes::from).unwrap_or_default();
    Change::Put(Record { kind: kind.into(), key, body })
}

fn delete(kind: &str, key: String) -> Change {
    Change::Delete { kind: kind.into(), key }
}

/// A space is in none of the names.
fn bus_key(key: &BusKey) -> String {
    format!("{} {} {}", key.scope.account, key.scope.region, key.bus)
}

fn rule_key(key: &RuleKey) -> String {
    format!("{} {}", bus_key(&key.bus), key.name)
}

fn name_key(key: &NameKey) -> String {
    format!("{} {} {}", key.scope.account, key.scope.region, key.name)
}

fn read(record: &Record) -> Option<Write> {
    let mut parts = record.key.splitn(3, ' ');
    let (account, region) = (AccountId::parse(parts.next()?)?, Region::parse(parts.next()?)?);
    let (scope, name) = (Scope { account, region }, parts.next()?);
    let named = || NameKey { scope: scope.clone(), name: name.to_owned() };
    let bus = |bus: &str| BusKey { scope: scope.clone(), bus: bus.to_owned() };
    Some(match record.kind.as_str() {
        "bus" => Write::Bus(bus(name), body(record)?),
        "rule" => {
            let (on, name) = name.split_once(' ')?;
            Write::Rule(bus(on).rule(name), body(record)?)
        }
        "archive" => Write::Archive(named(), body(record)?),
        "replay" => Write::Replay(named(), body(record)?),
        _ => return None,
    })
}

fn body<T: DeserializeOwned>(record: &Record) -> Option<T> {
    serde_json::from_slice(&record.body).ok()
}
