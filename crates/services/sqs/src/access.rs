//! What each operation takes. Batches take what their entries do.

use lambent_api_kit::{Context, Guarded, guards};
use lambent_domain::AccountId;
use lambent_ports::access::{Need, arn};
use lambent_wire::sqs::operations as op;

use crate::{Sqs, name};

impl Guarded for Sqs {
    const SIGNING_NAME: &'static str = "sqs";

    fn complete(&self, _context: &Context, need: &mut Need) {
        let found = name::from_arn(&need.resource).and_then(|(scope, name)| self.store.queue(&scope, &name));
        if let Some(queue) = found {
            need.policy = queue
                .attributes
                .get("Policy")
                .filter(|text| !text.is_empty())
                .map(|text| text.as_str().into());
            need.has_tags(&queue.tags);
        }
    }
}

fn queue(context: &Context, action: &'static str, url: &str) -> Need {
    match name::from_url(&context.scope, url) {
        Some((scope, name)) => Need::new(action, arn("sqs", &scope.region, &scope.account, &name)),
        None => Need::new(action, "*"),
    }
}

fn named(context: &Context, action: &'static str, name: &str, owner: Option<&str>) -> Need {
    let owner = owner.and_then(AccountId::parse);
    let account = owner.as_ref().unwrap_or(&context.scope.account);
    Need::new(action, arn("sqs", &context.scope.region, account, name))
}

guards! { Sqs = "sqs", op;
    AddPermission => |_, context, input, action| queue(context, action, &input.queue_url);
    CancelMessageMoveTask => |_, _, _, action| Need::new(action, "*");
    ChangeMessageVisibility => |_, context, input, action| queue(context, action, &input.queue_url);
    ChangeMessageVisibilityBatch => |_, context, input, _| queue(context, "sqs:ChangeMessageVisibility", &input.queue_url);
    CreateQueue => |_, context, input, action| {
        named(context, action, &input.queue_name, None).request_tags(input.tags.iter().flatten())
    };
    DeleteMessage => |_, context, input, action| queue(context, action, &input.queue_url);
    DeleteMessageBatch => |_, context, input, _| queue(context, "sqs:DeleteMessage", &input.queue_url);
    DeleteQueue => |_, context, input, action| queue(context, action, &input.queue_url);
    GetQueueAttributes => |_, context, input, action| queue(context, action, &input.queue_url);
    GetQueueUrl => |_, context, input, action| {
        named(context, action, &input.queue_name, input.queue_owner_aws_account_id.as_deref())
    };
    ListDeadLetterSourceQueues => |_, context, input, action| queue(context, action, &input.queue_url);
    ListMessageMoveTasks => |_, _, input, action| Need::new(action, &input.source_arn);
    ListQueueTags => |_, context, input, action| queue(context, action, &input.queue_url);
    ListQueues => |_, _, _, action| Need::new(action, "*");
    PurgeQueue => |_, context, input, action| queue(context, action, &input.queue_url);
    ReceiveMessage => |_, context, input, action| queue(context, action, &input.queue_url);
    RemovePermission => |_, context, input, action| queue(context, action, &input.queue_url);
    SendMessage => |_, context, input, action| queue(context, action, &input.queue_url);
    SendMessageBatch => |_, context, input, _| queue(context, "sqs:SendMessage", &input.queue_url);
    SetQueueAttributes => |_, context, input, action| queue(context, action, &input.queue_url);
    StartMessageMoveTask => |_, _, input, action| {
        // Moving is receiving and deleting here, and sending there (AWS documentation).
        let mut needs = vec![
            Need::new(action, &input.source_arn),
            Need::new("sqs:ReceiveMessage", &input.source_arn),
            Need::new("sqs:DeleteMessage", &input.source_arn),
        ];
        needs.extend(input.destination_arn.as_ref().map(|arn| Need::new("sqs:SendMessage", arn)));
        needs
    };
    TagQueue => |_, context, input, action| queue(context, action, &input.queue_url).request_tags(&input.tags);
    UntagQueue => |_, context, input, action| {
        queue(context, action, &input.queue_url).key_all("aws:TagKeys", input.tag_keys.clone())
    };
}
