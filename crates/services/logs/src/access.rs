//! What each operation takes. Log groups are named as AWS's refusals name them: with an empty stream behind them, which
//! `log-group:<name>:*` matches.

use lambent_api_kit::{Context, Guarded, guards};
use lambent_ports::access::{Need, arn};
use lambent_wire::logs::operations as op;

use crate::Logs;

impl Guarded for Logs {
    const SIGNING_NAME: &'static str = "logs";
}

fn stream(context: &Context, action: &'static str, group: &str, stream: &str) -> Need {
    let (account, region) = (&context.scope.account, &context.scope.region);
    // A group may be given by its ARN.
    let group = group.split(":log-group:").last().unwrap_or(group).trim_end_matches(":*");
    Need::new(action, arn("logs", region, account, &format!("log-group:{group}:log-stream:{stream}")))
}

fn group(context: &Context, action: &'static str, group: &str) -> Need {
    stream(context, action, group, "")
}

guards! { Logs = "logs", op;
    CreateLogGroup => |_, context, input, action| {
        group(context, action, &input.log_group_name).request_tags(input.tags.iter().flatten())
    };
    CreateLogStream => |_, context, input, action| {
        stream(context, action, &input.log_group_name, &input.log_stream_name)
    };
    DeleteLogGroup => |_, context, input, action| group(context, action, &input.log_group_name);
    DeleteLogStream => |_, context, input, action| {
        stream(context, action, &input.log_group_name, &input.log_stream_name)
    };
    DeleteRetentionPolicy => |_, context, input, action| group(context, action, &input.log_group_name);
    DescribeLogGroups => |_, context, _, action| group(context, action, "");
    DescribeLogStreams => |_, context, input, action| {
        group(context, action, input.log_group_name.as_ref().or(input.log_group_identifier.as_ref()).map_or("", |name| name))
    };
    FilterLogEvents => |_, context, input, action| {
        group(context, action, input.log_group_name.as_ref().or(input.log_group_identifier.as_ref()).map_or("", |name| name))
    };
    GetLogEvents => |_, context, input, action| {
        let group = input.log_group_name.as_ref().or(input.log_group_identifier.as_ref()).map_or("", |name| name);
        stream(context, action, group, &input.log_stream_name)
    };
    ListTagsForResource => |_, _, input, action| Need::new(action, &input.resource_arn);
    PutLogEvents => |_, context, input, action| {
        stream(context, action, &input.log_group_name, &input.log_stream_name)
    };
    PutRetentionPolicy => |_, context, input, action| group(context, action, &input.log_group_name);
    TagResource => |_, _, input, action| Need::new(action, &input.resource_arn).request_tags(&input.tags);
    UntagResource => |_, _, input, action| {
        Need::new(action, &input.resource_arn).key_all("aws:TagKeys", input.tag_keys.clone())
    };
}
