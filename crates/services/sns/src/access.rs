//! What each operation takes. Links in notifications are their own proof: whoever has one may follow it.

use lambent_api_kit::{Context, Guarded, Needs, guards};
use lambent_ports::access::{Need, arn};
use lambent_wire::sns::operations as op;

use crate::{Sns, arn as arns};

impl Guarded for Sns {
    const SIGNING_NAME: &'static str = "sns";

    fn complete(&self, context: &Context, need: &mut Need) {
        if let Ok(topic) = self.topic(&context.scope, &need.resource) {
            need.policy = topic.attributes.get("Policy").map(|text| text.as_str().into());
            need.has_tags(&topic.tags);
        }
    }
}

/// Of a subscription, its topic.
fn topic(action: &'static str, given: &str) -> Need {
    let of_subscription = arns::subscription(given).ok();
    let of_subscription =
        of_subscription.map(|(scope, name, _)| arn("sns", &scope.region, &scope.account, &name));
    Need::new(action, of_subscription.unwrap_or_else(|| given.to_owned()))
}

/// Without a signature it is a link.
fn or_link(context: &Context, need: Need) -> Needs {
    match &context.caller.authority {
        Some(authority) if authority.is_anonymous() => Needs::Open,
        _ => need.into(),
    }
}

guards! { Sns = "sns", op;
    AddPermission => |_, _, input, action| topic(action, &input.topic_arn);
    ConfirmSubscription => |_, context, input, action| or_link(context, topic(action, &input.topic_arn));
    CreateTopic => |_, context, input, action| {
        let resource = arn("sns", &context.scope.region, &context.scope.account, &input.name);
        Need::new(action, resource).request_tags(input.tags.iter().flatten().map(|tag| (&tag.key, &tag.value)))
    };
    DeleteTopic => |_, _, input, action| topic(action, &input.topic_arn);
    GetDataProtectionPolicy => |_, _, input, action| topic(action, &input.resource_arn);
    GetSubscriptionAttributes => |_, _, input, action| topic(action, &input.subscription_arn);
    GetTopicAttributes => |_, _, input, action| topic(action, &input.topic_arn);
    ListPlatformApplications => |_, _, _, action| Need::new(action, "*");
    ListSubscriptions => |_, _, _, action| Need::new(action, "*");
    ListSubscriptionsByTopic => |_, _, input, action| topic(action, &input.topic_arn);
    ListTagsForResource => |_, _, input, action| topic(action, &input.resource_arn);
    ListTopics => |_, _, _, action| Need::new(action, "*");
    Publish => |_, _, input, action| {
        topic(action, input.topic_arn.as_ref().or(input.target_arn.as_ref()).map_or("*", String::as_str))
    };
    PublishBatch => |_, _, input, _| topic("sns:Publish", &input.topic_arn);
    RemovePermission => |_, _, input, action| topic(action, &input.topic_arn);
    SetSubscriptionAttributes => |_, _, input, action| topic(action, &input.subscription_arn);
    SetTopicAttributes => |_, _, input, action| topic(action, &input.topic_arn);
    Subscribe => |_, _, input, action| {
        let need = topic(action, &input.topic_arn).key("sns:Protocol", &input.protocol);
        need.key_if("sns:Endpoint", input.endpoint.as_ref())
    };
    TagResource => |_, _, input, action| {
        topic(action, &input.resource_arn).request_tags(input.tags.iter().map(|tag| (&tag.key, &tag.value)))
    };
    Unsubscribe => |_, context, input, action| or_link(context, topic(action, &input.subscription_arn));
    UntagResource => |_, _, input, action| {
        topic(action, &input.resource_arn).key_all("aws:TagKeys", input.tag_keys.clone())
    };
}
