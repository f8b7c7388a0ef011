//! What each operation takes.

use std::collections::BTreeMap;

use lambent_api_kit::{Context, Guarded, guards};
use lambent_ports::access::Need;
use lambent_wire::events::operations as op;
use lambent_wire::events::operations::put_events::PutEventsRequestEntry;

use crate::Events;
use crate::naming::{self, Tagged};
use crate::record;

/// Who takes roles for rules and targets.
const SERVICE: &str = "events.amazonaws.com";

impl Guarded for Events {
    const SIGNING_NAME: &'static str = "events";

    fn complete(&self, _context: &Context, need: &mut Need) {
        let state = self.state();
        match naming::tagged(&need.resource) {
            Ok(Tagged::Bus(key)) => {
                if let Ok(bus) = state.bus(&key) {
                    need.policy = bus.policy.as_deref().map(Into::into);
                    need.has_tags(&bus.tags);
                }
            }
            Ok(Tagged::Rule(key)) => {
                if let Ok(rule) = state.rule(&key) {
                    need.has_tags(&rule.tags);
                }
            }
            Err(_) => {}
        }
    }
}

fn bus(context: &Context, action: &'static str, given: Option<&str>) -> Need {
    let key = naming::bus(&context.scope, given);
    Need::new(action, record::arn(&key.scope, &format!("event-bus/{}", key.bus)))
}

fn rule(context: &Context, action: &'static str, name: &str, given: Option<&str>) -> Need {
    Need::new(action, naming::bus(&context.scope, given).rule(name).arn())
}

/// `archive/a`, `replay/r`.
fn other(context: &Context, action: &'static str, kind: &str, name: &str) -> Need {
    Need::new(action, record::arn(&context.scope, &format!("{kind}/{name}")))
}

fn roles<'a>(roles: impl Iterator<Item = Option<&'a String>>) -> impl Iterator<Item = Need> {
    let mut roles: Vec<&String> = roles.flatten().collect();
    roles.sort();
    roles.dedup();
    roles.into_iter().map(|role| Need::pass_role(role, SERVICE)).collect::<Vec<_>>().into_iter()
}

/// Each bus with what comes to it.
fn buses(context: &Context, action: &'static str, entries: &[PutEventsRequestEntry]) -> Vec<Need> {
    let mut found = BTreeMap::<Option<&str>, Vec<&PutEventsRequestEntry>>::new();
    for entry in entries {
        found.entry(entry.event_bus_name.as_deref()).or_default().push(entry);
    }
    let values = |texts: Vec<Option<&String>>| texts.into_iter().flatten().cloned().collect::<Vec<_>>();
    let need = |(name, entries): (Option<&str>, Vec<&PutEventsRequestEntry>)| {
        let sources = values(entries.iter().map(|entry| entry.source.as_ref()).collect());
        let types = values(entries.iter().map(|entry| entry.detail_type.as_ref()).collect());
        bus(context, action, name).key_all("events:source", sources).key_all("events:detail-type", types)
    };
    found.into_iter().map(need).collect()
}

guards! { Events = "events", op;
    CancelReplay => |_, context, input, action| other(context, action, "replay", &input.replay_name);
    CreateArchive => |_, context, input, action| other(context, action, "archive", &input.archive_name);
    CreateEventBus => |_, context, input, action| {
        let tags = input.tags.iter().flatten().map(|tag| (&tag.key, &tag.value));
        bus(context, action, Some(&input.name)).request_tags(tags)
    };
    DeleteArchive => |_, context, input, action| other(context, action, "archive", &input.archive_name);
    DeleteEventBus => |_, context, input, action| bus(context, action, Some(&input.name));
    DeleteRule => |_, context, input, action| rule(context, action, &input.name, input.event_bus_name.as_deref());
    DescribeArchive => |_, context, input, action| other(context, action, "archive", &input.archive_name);
    DescribeEventBus => |_, context, input, action| bus(context, action, input.name.as_deref());
    DescribeReplay => |_, context, input, action| other(context, action, "replay", &input.replay_name);
    DescribeRule => |_, context, input, action| rule(context, action, &input.name, input.event_bus_name.as_deref());
    DisableRule => |_, context, input, action| rule(context, action, &input.name, input.event_bus_name.as_deref());
    EnableRule => |_, context, input, action| rule(context, action, &input.name, input.event_bus_name.as_deref());
    ListArchives => |_, _, _, action| Need::new(action, "*");
    ListEventBuses => |_, _, _, action| Need::new(action, "*");
    ListReplays => |_, _, _, action| Need::new(action, "*");
    ListRuleNamesByTarget => |_, _, _, action| Need::new(action, "*");
    ListRules => |_, _, _, action| Need::new(action, "*");
    ListTagsForResource => |_, _, input, action| Need::new(action, &input.resource_arn);
    ListTargetsByRule => |_, context, input, action| rule(context, action, &input.rule, input.event_bus_name.as_deref());
    PutEvents => |_, context, input, action| buses(context, action, &input.entries);
    PutPermission => |_, context, input, action| bus(context, action, input.event_bus_name.as_deref());
    PutRule => |_, context, input, action| {
        let tags = input.tags.iter().flatten().map(|tag| (&tag.key, &tag.value));
        let need = rule(context, action, &input.name, input.event_bus_name.as_deref()).request_tags(tags);
        std::iter::once(need).chain(roles(std::iter::once(input.role_arn.as_ref()))).collect::<Vec<_>>()
    };
    PutTargets => |_, context, input, action| {
        let targets = input.targets.iter().map(|target| target.arn.clone()).collect();
        let need = rule(context, action, &input.rule, input.event_bus_name.as_deref());
        let passed = roles(input.targets.iter().map(|target| target.role_arn.as_ref()));
        std::iter::once(need.key_all("events:TargetArn", targets)).chain(passed).collect::<Vec<_>>()
    };
    RemovePermission => |_, context, input, action| bus(context, action, input.event_bus_name.as_deref());
    RemoveTargets => |_, context, input, action| rule(context, action, &input.rule, input.event_bus_name.as_deref());
    StartReplay => |_, context, input, action| {
        vec![other(context, action, "replay", &input.replay_name), Need::new(action, &input.event_source_arn)]
    };
    TagResource => |_, _, input, action| {
        let tags = input.tags.iter().map(|tag| (&tag.key, &tag.value));
        Need::new(action, &input.resource_arn).request_tags(tags)
    };
    TestEventPattern => |_, _, _, action| Need::new(action, "*");
    UntagResource => |_, _, input, action| {
        Need::new(action, &input.resource_arn).key_all("aws:TagKeys", input.tag_keys.clone())
    };
    UpdateArchive => |_, context, input, action| other(context, action, "archive", &input.archive_name);
    UpdateEventBus => |_, context, input, action| bus(context, action, input.name.as_deref());
}
