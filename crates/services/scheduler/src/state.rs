//! Everything that is kept, in memory, and the way onto the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use lambent_domain::{AccountId, Region, Scope};
use lambent_ports::outbox::{Change, Record};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::SchedulerFault;
use crate::record::{DEFAULT_GROUP, Group, GroupKey, Schedule, ScheduleKey};

#[derive(Default)]
pub(crate) struct State {
    pub(crate) groups: BTreeMap<GroupKey, Arc<Group>>,
    pub(crate) schedules: BTreeMap<ScheduleKey, Arc<Schedule>>,
    /// By when they are due.
    pub(crate) due: BTreeSet<(u64, ScheduleKey)>,
}

/// What a request changes.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Group(GroupKey, Group),
    DeleteGroup(GroupKey),
    Schedule(ScheduleKey, Box<Schedule>),
    DeleteSchedule(ScheduleKey),
}

impl State {
    /// From the disk.
    pub(crate) fn read(records: Vec<Record>) -> Result<Self, SchedulerFault> {
        let mut state = State::default();
        for record in records {
            let write = read(&record).ok_or_else(|| {
                SchedulerFault::Internal(format!(
                    "a stored {} is not understood: {}",
                    record.kind, record.key
                ))
            })?;
            state.apply(write);
        }
        Ok(state)
    }

    /// What has been committed is true from now on.
    pub(crate) fn apply(&mut self, write: Write) {
        match write {
            Write::Group(key, group) => drop(self.groups.insert(key, Arc::new(group))),
            Write::DeleteGroup(key) => drop(self.groups.remove(&key)),
            Write::Schedule(key, schedule) => {
                self.forget(&key);
                self.due.extend(schedule.due_ms().map(|due_ms| (due_ms, key.clone())));
                self.schedules.insert(key, Arc::from(schedule));
            }
            Write::DeleteSchedule(key) => self.forget(&key),
        }
    }

    fn forget(&mut self, key: &ScheduleKey) {
        if let Some(known) = self.schedules.remove(key)
            && let Some(due_ms) = known.due_ms()
        {
            self.due.remove(&(due_ms, key.clone()));
        }
    }

    /// A group; the default one is there before anybody has asked for it.
    pub(crate) fn group(&self, key: &GroupKey) -> Result<Arc<Group>, SchedulerFault> {
        match self.groups.get(key) {
            Some(group) => Ok(Arc::clone(group)),
            None if key.group == DEFAULT_GROUP => Ok(Arc::default()),
            None => Err(SchedulerFault::no_group(&key.group)),
        }
    }

    pub(crate) fn schedule(&self, key: &ScheduleKey) -> Result<Arc<Schedule>, SchedulerFault> {
        self.schedules.get(key).cloned().ok_or_else(|| SchedulerFault::no_schedule(&key.name))
    }
}

impl Write {
    /// As a change of the outbox.
    pub(crate) fn change(&self) -> Change {
        match self {
            Write::Group(key, group) => put("group", group_key(key), group),
            Write::DeleteGroup(key) => Change::Delete { kind: "group".into(), key: group_key(key) },
            Write::Schedule(key, schedule) => put("schedule", schedule_key(key), schedule),
            Write::DeleteSchedule(key) => Change::Delete { kind: "schedule".into(), key: schedule_key(key) },
        }
    }
}

fn put(kind: &str, key: String, body: &impl Serialize) -> Change {
    let body = serde_json::to_vec(body).map(Bytes::from).unwrap_or_default();
    Change::Put(Record { kind: kind.into(), key, body })
}

/// A space is in none of the names.
fn group_key(key: &GroupKey) -> String {
    format!("{} {} {}", key.scope.account, key.scope.region, key.group)
}

fn schedule_key(key: &ScheduleKey) -> String {
    format!("{} {}", group_key(&key.group), key.name)
}

fn read(record: &Record) -> Option<Write> {
    let mut parts = record.key.split(' ');
    let (account, region) = (AccountId::parse(parts.next()?)?, Region::parse(parts.next()?)?);
    let group = GroupKey { scope: Scope { account, region }, group: parts.next()?.to_owned() };
    Some(match record.kind.as_str() {
        "group" => Write::Group(group, body(record)?),
        "schedule" => {
            let key = ScheduleKey { group, name: parts.next()?.to_owned() };
            Write::Schedule(key, Box::new(body(record)?))
        }
        _ => return None,
    })
}

fn body<T: DeserializeOwned>(record: &Record) -> Option<T> {
    serde_json::from_slice(&record.body).ok()
}
