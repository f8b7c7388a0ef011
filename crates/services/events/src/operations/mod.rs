//! The operations, a file or a family each.

mod archives;
mod describe_rule;
mod event_buses;
mod lists;
mod permissions;
mod put_events;
mod put_rule;
mod put_targets;
mod replays;
mod rules;
mod tags;
mod test_event_pattern;
