//! Who asks, and whom a statement names.

use crate::context::Context;
use crate::glob::{Glob, Special};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// An account's root user.
    Root {
        /// Twelve digits.
        account: String,
    },
    /// A user.
    User {
        /// `arn:aws:iam::123456789012:user/ana`
        arn: String,
    },
    /// Somebody who has assumed a role.
    Session {
        /// `arn:aws:sts::123456789012:assumed-role/backup/nightly`
        arn: String,
        /// The role's, with its path: `arn:aws:iam::123456789012:role/jobs/backup`.
        role: String,
    },
    /// Whom a user has given a federation token to.
    FederatedUser {
        /// `arn:aws:sts::123456789012:federated-user/ana`
        arn: String,
    },
    /// Whom an identity provider has vouched for.
    Federated {
        /// The provider's ARN or host.
        provider: String,
    },
    /// A service on its own behalf.
    Service {
        /// `lambda.amazonaws.com`
        name: String,
    },
    /// Nobody known.
    Anonymous,
}

impl Principal {
    /// The account it belongs to.
    pub fn account(&self) -> Option<&str> {
        match self {
            Principal::Root { account } => Some(account),
            Principal::User { arn } | Principal::Session { arn, .. } | Principal::FederatedUser { arn } => {
                arn.split(':').nth(4)
            }
            Principal::Federated { .. } | Principal::Service { .. } | Principal::Anonymous => None,
        }
    }

    /// What `aws:PrincipalArn` is: of a session, its role's.
    pub fn principal_arn(&self) -> Option<String> {
        match self {
            Principal::Root { account } => Some(format!("arn:aws:iam::{account}:root")),
            Principal::User { arn } | Principal::FederatedUser { arn } => Some(arn.clone()),
            Principal::Session { role, .. } => Some(role.clone()),
            Principal::Federated { .. } | Principal::Service { .. } | Principal::Anonymous => None,
        }
    }
}

/// How closely a statement names whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    /// By its account: what the account's own policies allow.
    Account,
    /// By its role, or with everybody.
    Role,
    /// By its own ARN or name.
    Itself,
}

/// An entry of `Principal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// `*`
    Everyone,
    /// `"AWS": "123456789012"` or its root's ARN.
    Account(String),
    /// `"AWS": "arn:…"`, or an id, which belongs to nobody once its role or user is gone.
    Aws(String),
    /// `"Service": "…"`; may have wildcards nowhere but in conditions, yet `*` stands for all.
    Service(Glob),
    /// `"Federated": "…"`
    Federated(String),
    /// `"CanonicalUser": "…"`: S3's ids of accounts, which nobody here has.
    CanonicalUser,
}

impl Who {
    /// Reads an entry. The error is the kind's name in AWS's refusal.
    pub(crate) fn parse(kind: &str, text: &str) -> Option<Self> {
        Some(match kind {
            "AWS" if text == "*" => Who::Everyone,
            "AWS" if is_account(text) => Who::Account(text.to_owned()),
            "AWS" => match text.strip_suffix(":root").and_then(|arn| arn.rsplit(':').next()) {
                Some(account) if is_account(account) && text.starts_with("arn:") => {
                    Who::Account(account.to_owned())
                }
                _ => Who::Aws(text.to_owned()),
            },
            "Service" => {
                let special = Special { wildcards: text == "*", variables: false };
                Who::Service(Glob::compile(&text.to_lowercase(), special))
            }
            "Federated" => Who::Federated(text.to_owned()),
            "CanonicalUser" => Who::CanonicalUser,
            _ => return None,
        })
    }

    /// Whether it names `principal`, and how.
    pub(crate) fn names(&self, principal: &Principal) -> Option<Named> {
        match (self, principal) {
            // A session that everybody is allowed with is kept within its boundary, like one whose role is named.
            (Who::Everyone, Principal::Session { .. }) => Some(Named::Role),
            (Who::Everyone, _) => Some(Named::Itself),
            (Who::Account(account), Principal::Root { account: own }) if account == own => {
                Some(Named::Itself)
            }
            (Who::Account(account), _) => (principal.account() == Some(account)).then_some(Named::Account),
            (Who::Aws(arn), Principal::User { arn: own } | Principal::FederatedUser { arn: own }) => {
                (arn == own).then_some(Named::Itself)
            }
            (Who::Aws(arn), Principal::Session { arn: own, role }) => match () {
                () if arn == own => Some(Named::Itself),
                () if arn == role => Some(Named::Role),
                () => None,
            },
            (Who::Service(pattern), Principal::Service { name }) => {
                pattern.matches_ignoring_case(name, &Context::new()).then_some(Named::Itself)
            }
            (Who::Federated(wanted), Principal::Federated { provider }) => {
                (wanted == provider || wanted == "*").then_some(Named::Itself)
            }
            _ => None,
        }
    }
}

/// Twelve digits.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
