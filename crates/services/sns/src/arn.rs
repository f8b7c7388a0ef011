//! ARNs of topics and subscriptions, and what is wrong with those that are none (texts recorded).

use lambent_domain::names::partition;
use lambent_domain::{AccountId, Region, Scope};
use lambent_ports::topic_store::{SubscriptionRecord, TopicRecord};

use crate::SnsFault;

/// The ARN.
pub(crate) fn of_topic(topic: &TopicRecord) -> String {
    let Scope { account, region } = &topic.scope;
    format!("arn:{}:sns:{region}:{account}:{}", partition(region), topic.name)
}

/// The ARN.
pub(crate) fn of_subscription(topic: &TopicRecord, subscription: &SubscriptionRecord) -> String {
    format!("{}:{}", of_topic(topic), subscription.id)
}

/// The parts of an ARN of SNS; the last one is whole.
fn parts<'a>(parameter: &str, arn: &'a str) -> Result<(Scope, &'a str), SnsFault> {
    if arn.is_empty() {
        return Err(SnsFault::reason(parameter, "no value for required parameter"));
    }
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [prefix, partition, service, region, account, rest] = parts[..] else {
        let text = format!("An ARN must have at least 6 elements, not {}", parts.len());
        return Err(SnsFault::reason(parameter, text));
    };
    let scope = Region::parse(region).zip(AccountId::parse(account));
    let scope = scope.filter(|_| prefix == "arn" && partition.starts_with("aws") && service == "sns");
    let (region, account) = scope.ok_or_else(|| SnsFault::Parameter(parameter.into()))?;
    Ok((Scope { account, region }, rest))
}

/// Scope and name of a topic. One of another region can't be reached from here (recorded).
pub(crate) fn topic(parameter: &str, here: &Scope, arn: &str) -> Result<(Scope, String), SnsFault> {
    let (scope, name) = parts(parameter, arn)?;
    if scope.region != here.region {
        return Err(SnsFault::Parameter(parameter.into()));
    }
    Ok((scope, name.to_owned()))
}

/// Scope and name of a topic, whichever region it is in: for links, which nobody signs.
pub(crate) fn linked_topic(parameter: &str, arn: &str) -> Result<(Scope, String), SnsFault> {
    let (scope, name) = parts(parameter, arn)?;
    Ok((scope, name.to_owned()))
}

/// Scope and name of the topic, and the id of a subscription.
pub(crate) fn subscription(arn: &str) -> Result<(Scope, String, String), SnsFault> {
    let (scope, rest) = parts("SubscriptionArn", arn)?;
    let (name, id) = rest.split_once(':').ok_or_else(|| SnsFault::Parameter("SubscriptionId".into()))?;
    Ok((scope, name.to_owned(), id.to_owned()))
}

/// Scope and name of a queue.
pub(crate) fn queue(arn: &str) -> Option<(Scope, String)> {
    let mut parts = arn.split(':');
    if parts.next() != Some("arn") || !parts.next()?.starts_with("aws") || parts.next() != Some("sqs") {
        return None;
    }
    let region = Region::parse(parts.next()?)?;
    let account = AccountId::parse(parts.next()?)?;
    let name = parts.next().filter(|name| !name.is_empty())?.to_owned();
    parts.next().is_none().then_some((Scope { account, region }, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_arn_is_told_as_aws_tells_it() {
        let told = |arn: &str| subscription(arn).unwrap_err().message();
        assert_eq!(
            told("randomstring"),
            "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"
        );
        assert_eq!(
            told("arn:aws:sns:us-east-1:random"),
            "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 5"
        );
        assert_eq!(told("arn:aws:sns:us-east-1:111111111111:random"), "Invalid parameter: SubscriptionId");
        assert_eq!(told(""), "Invalid parameter: SubscriptionArn Reason: no value for required parameter");
        let (scope, name, id) = subscription("arn:aws:sns:us-east-1:111111111111:t:id").unwrap();
        assert_eq!((scope.account.as_str(), name.as_str(), id.as_str()), ("111111111111", "t", "id"));
    }
}
