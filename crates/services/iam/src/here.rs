//! The account that a request is about, and its ARNs.

use lambent_api_kit::Context;
use lambent_domain::AccountId;
use lambent_domain::names::partition;
use lambent_ports::iam_store::Head;

use crate::IamFault;

/// Kinds of entities, as ARNs name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Group,
    Role,
    Policy,
    InstanceProfile,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Group => "group",
            Kind::Role => "role",
            Kind::Policy => "policy",
            Kind::InstanceProfile => "instance-profile",
        }
    }
}

/// An account in its partition.
#[derive(Clone, Debug)]
pub(crate) struct Here {
    pub account: AccountId,
    pub partition: &'static str,
}

impl Here {
    pub(crate) fn of(context: &Context) -> Self {
        Here { account: context.scope.account.clone(), partition: partition(&context.scope.region) }
    }

    /// `arn:aws:iam::123456789012:role/path/name`
    pub(crate) fn arn(&self, kind: Kind, head: &Head) -> String {
        let Here { account, partition } = self;
        format!("arn:{partition}:iam::{account}:{}{}{}", kind.word(), head.path, head.name)
    }
}

/// What an ARN of IAM names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IamArn<'a> {
    /// Whose; `aws` for AWS's policies.
    pub account: &'a str,
    /// `role`
    pub kind: &'a str,
    /// Without its path.
    pub name: &'a str,
    /// With its path, but for the first slash.
    path_and_name: &'a str,
}

impl<'a> IamArn<'a> {
    pub(crate) fn parse(arn: &'a str) -> Result<Self, IamFault> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let parsed = match parts.as_slice() {
            ["arn", partition, "iam", "", account, resource] if partition.starts_with("aws") => {
                let (kind, path) = resource.split_once('/').unwrap_or((resource, ""));
                let name = path.rsplit('/').next().unwrap_or_default();
                Some(IamArn { account, kind, name, path_and_name: path })
            }
            _ => None,
        };
        parsed.ok_or_else(|| IamFault::Validation("Invalid ARN:  Could not be parsed!".into()))
    }

    /// Whether it names what has this head, in whichever partition.
    pub(crate) fn is_of(&self, head: &Head) -> bool {
        self.path_and_name.strip_suffix(&head.name).is_some_and(|path| path == &head.path[1..])
    }

    /// Path and name, from the first slash on.
    pub(crate) fn path_and_name(&self) -> String {
        format!("/{}", self.path_and_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_name_accounts_kinds_and_names() {
        let parsed = IamArn::parse("arn:aws:iam::aws:policy/service-role/AWSLambdaRole").unwrap();
        assert_eq!((parsed.account, parsed.kind, parsed.name), ("aws", "policy", "AWSLambdaRole"));
        let head = |path: &str| Head {
            name: "AWSLambdaRole".into(),
            path: path.into(),
            id: String::new(),
            created_ms: 0,
        };
        assert!(parsed.is_of(&head("/service-role/")) && !parsed.is_of(&head("/")));
        assert!(IamArn::parse("arn:aws:iam::1:role/AWSLambdaRole").unwrap().is_of(&head("/")));
        let root = IamArn::parse("arn:aws-cn:iam::123456789012:root").unwrap();
        assert_eq!((root.kind, root.name), ("root", ""));
        for wrong in ["not-an-arn-at-all-really", "arn:aws:s3:::bucket", "arn:aws:iam:x:1:role/a"] {
            assert!(IamArn::parse(wrong).is_err(), "{wrong}");
        }
    }
}
