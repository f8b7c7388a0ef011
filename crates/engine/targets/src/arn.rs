//! ARNs of targets.

use lambent_domain::{AccountId, Region, Scope};

/// An ARN taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `sqs`.
    pub service: &'a str,
    /// Where it is; none of them in ARNs such as a bucket's.
    pub scope: Option<Scope>,
    /// What comes last: `function:f`.
    pub resource: &'a str,
}

/// What can be a target here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// A function, a version or an alias.
    Function,
    /// A queue of SQS.
    Queue,
    /// A topic of SNS.
    Topic,
    /// A log group.
    LogGroup,
    /// An event bus.
    EventBus,
}

impl<'a> Arn<'a> {
    /// `arn:partition:service:region:account:resource`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        if arn != "arn" || partition.is_empty() || service.is_empty() || resource.is_empty() {
            return None;
        }
        let scope = Region::parse(region).zip(AccountId::parse(account));
        let scope = scope.map(|(region, account)| Scope { account, region });
        Some(Arn { service, scope, resource })
    }

    /// What it names as a target; `None` for what can't be one here.
    pub fn target_kind(&self) -> Option<TargetKind> {
        self.scope.as_ref()?;
        match self.service {
            "lambda" => self.resource.strip_prefix("function:").map(|_| TargetKind::Function),
            "sqs" => (!self.resource.contains(':')).then_some(TargetKind::Queue),
            "sns" => (!self.resource.contains(':')).then_some(TargetKind::Topic),
            "logs" => self.resource.strip_prefix("log-group:").map(|_| TargetKind::LogGroup),
            "events" => self.resource.strip_prefix("event-bus/").map(|_| TargetKind::EventBus),
            _ => None,
        }
    }

    /// A log group's name.
    pub(crate) fn log_group(&self) -> Option<&'a str> {
        let name = self.resource.strip_prefix("log-group:")?;
        Some(name.strip_suffix(":*").unwrap_or(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_known_by_their_arn() {
        let kind = |text: &str| Arn::parse(text).and_then(|arn| arn.target_kind());
        let at = "us-east-1:123456789012";
        assert_eq!(kind(&format!("arn:aws:lambda:{at}:function:f:live")), Some(TargetKind::Function));
        assert_eq!(kind(&format!("arn:aws:sqs:{at}:q.fifo")), Some(TargetKind::Queue));
        assert_eq!(kind(&format!("arn:aws:sns:{at}:t")), Some(TargetKind::Topic));
        assert_eq!(kind(&format!("arn:aws:logs:{at}:log-group:/aws/events/x:*")), Some(TargetKind::LogGroup));
        assert_eq!(kind(&format!("arn:aws:events:{at}:event-bus/b")), Some(TargetKind::EventBus));
        for other in [
            "arn:aws:states:us-east-1:123456789012:stateMachine:s",
            "arn:aws:s3:::b",
            "x",
            "arn:aws:sqs:us-east-1:1:q",
            "",
        ] {
            assert_eq!(kind(other), None, "{other}");
        }
    }
}
