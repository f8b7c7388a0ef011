//! What each operation takes.

use lambent_api_kit::{Context, Guarded, guards};
use lambent_ports::access::{Need, arn};
use lambent_wire::scheduler::operations as op;

use crate::Scheduler;

/// Who takes the targets' roles.
const SERVICE: &str = "scheduler.amazonaws.com";

impl Guarded for Scheduler {
    const SIGNING_NAME: &'static str = "scheduler";
}

fn schedule(context: &Context, action: &'static str, group: Option<&str>, name: &str) -> Need {
    let (account, region) = (&context.scope.account, &context.scope.region);
    let resource = format!("schedule/{}/{name}", group.unwrap_or("default"));
    Need::new(action, arn("scheduler", region, account, &resource))
}

fn group(context: &Context, action: &'static str, name: &str) -> Need {
    let (account, region) = (&context.scope.account, &context.scope.region);
    Need::new(action, arn("scheduler", region, account, &format!("schedule-group/{name}")))
}

guards! { Scheduler = "scheduler", op;
    CreateSchedule => |_, context, input, action| vec![
        schedule(context, action, input.group_name.as_deref(), &input.name),
        Need::pass_role(&input.target.role_arn, SERVICE),
    ];
    CreateScheduleGroup => |_, context, input, action| {
        let tags = input.tags.iter().flatten().map(|tag| (&tag.key, &tag.value));
        group(context, action, &input.name).request_tags(tags)
    };
    DeleteSchedule => |_, context, input, action| schedule(context, action, input.group_name.as_deref(), &input.name);
    DeleteScheduleGroup => |_, context, input, action| group(context, action, &input.name);
    GetSchedule => |_, context, input, action| schedule(context, action, input.group_name.as_deref(), &input.name);
    GetScheduleGroup => |_, context, input, action| group(context, action, &input.name);
    ListScheduleGroups => |_, _, _, action| Need::new(action, "*");
    ListSchedules => |_, _, _, action| Need::new(action, "*");
    ListTagsForResource => |_, _, input, action| Need::new(action, &input.resource_arn);
    TagResource => |_, _, input, action| {
        let tags = input.tags.iter().map(|tag| (&tag.key, &tag.value));
        Need::new(action, &input.resource_arn).request_tags(tags)
    };
    UntagResource => |_, _, input, action| {
        Need::new(action, &input.resource_arn).key_all("aws:TagKeys", input.tag_keys.clone())
    };
    UpdateSchedule => |_, context, input, action| vec![
        schedule(context, action, input.group_name.as_deref(), &input.name),
        Need::pass_role(&input.target.role_arn, SERVICE),
    ];
}
