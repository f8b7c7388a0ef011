//! What each kind of policy must have, and must not.

use std::collections::BTreeSet;

use crate::document::{Policy, Scope, Statement, Version};
use crate::malformed::Malformed;
use crate::principal::{Who, is_account};

/// What a policy belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user, group or role, or nobody yet; as a policy of its own when `managed`.
    Identity {
        /// Such are of the newer version only.
        managed: bool,
    },
    /// A session.
    Session,
    /// A resource.
    Resource,
    /// A role: who may assume it.
    Trust,
}

impl Policy {
    /// Looks whether it can be a policy of a kind.
    ///
    /// # Errors
    /// Whose `Display` is AWS's text.
    pub fn check(&self, kind: Kind) -> Result<(), Malformed> {
        if kind == (Kind::Identity { managed: true }) && self.version != Some(Version::New) {
            return Err(Malformed::Version);
        }
        if self.statements.iter().flat_map(|one| &one.conditions).any(|condition| !condition.readable) {
            return Err(Malformed::Legacy);
        }
        let mut sids = BTreeSet::new();
        let named = self.statements.iter().filter_map(|one| one.sid.as_deref()).filter(|sid| !sid.is_empty());
        if named.into_iter().any(|sid| !sids.insert(sid)) {
            return Err(Malformed::SidTwice);
        }
        for statement in &self.statements {
            match kind {
                Kind::Identity { .. } | Kind::Session => identity(statement)?,
                Kind::Resource => resource(statement)?,
                Kind::Trust => trust(statement)?,
            }
        }
        Ok(())
    }
}

fn identity(statement: &Statement) -> Result<(), Malformed> {
    if statement.principals.is_some() {
        return Err(Malformed::HasPrincipal);
    }
    actions(statement)?;
    resources(statement)
}

fn resource(statement: &Statement) -> Result<(), Malformed> {
    principals(statement)?;
    actions(statement)?;
    resources(statement)
}

fn trust(statement: &Statement) -> Result<(), Malformed> {
    if statement.resources.is_some() {
        return Err(Malformed::Prohibited("Resource"));
    }
    if matches!(statement.principals, Some(Scope::AllBut(_))) {
        return Err(Malformed::Prohibited("NotPrincipal"));
    }
    principals(statement)?;
    if statement.actions.is_none() {
        return Err(Malformed::Missing("Action"));
    }
    actions(statement)?;
    let found = statement.actions.as_ref().map(Scope::entries).unwrap_or_default();
    // `sts:AssumeRole`, with SAML and web identities, and what goes along with it (tags, source identity, context).
    let about_sessions = |text: &str| {
        let text = text.to_lowercase();
        text == "*" || text.starts_with("sts:")
    };
    if found.iter().all(|entry| about_sessions(&entry.text)) { Ok(()) } else { Err(Malformed::NotAssumeRole) }
}

fn principals(statement: &Statement) -> Result<(), Malformed> {
    let Some(scope) = &statement.principals else { return Err(Malformed::Missing("Principal")) };
    for named in scope.entries() {
        let good = match &named.who {
            Who::Everyone | Who::Account(_) | Who::CanonicalUser => true,
            Who::Aws(text) => is_identity(text),
            Who::Service(_) => named.text == "*" || named.text.contains('.'),
            Who::Federated(text) => !text.is_empty(),
        };
        if !good {
            let kind = named.kind.to_uppercase();
            return Err(Malformed::Principal { kind, value: named.text.clone() });
        }
    }
    Ok(())
}

/// An ARN of a user, a role or a session, or the id of one that is gone.
fn is_identity(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", account, name] => {
            is_account(account)
                && ["user/", "role/"].iter().any(|kind| name.starts_with(kind))
                && !name.contains('*')
        }
        ["arn", _, "sts", "", account, name] => {
            let kinds = ["assumed-role/", "federated-user/"];
            is_account(account) && kinds.iter().any(|kind| name.starts_with(kind)) && !name.contains('*')
        }
        [id] => {
            let known = ["AIDA", "AROA"].iter().any(|kind| id.starts_with(kind));
            known && id.len() >= 16 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
        _ => false,
    }
}

fn actions(statement: &Statement) -> Result<(), Malformed> {
    let found = statement.actions.as_ref().map(Scope::entries).unwrap_or_default();
    if found.is_empty() {
        return Err(Malformed::NoActions);
    }
    for entry in found.iter().filter(|entry| entry.text != "*") {
        let Some((vendor, name)) = entry.text.split_once(':') else { return Err(Malformed::NoVendor) };
        if name.contains(':') {
            return Err(Malformed::Colons);
        }
        let good = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '.';
        if vendor != "*" && !vendor.chars().all(good) {
            return Err(Malformed::Vendor(vendor.to_owned()));
        }
    }
    Ok(())
}

fn resources(statement: &Statement) -> Result<(), Malformed> {
    let found = statement.resources.as_ref().map(Scope::entries).unwrap_or_default();
    if found.is_empty() {
        return Err(Malformed::NoResources);
    }
    // A leading variable or wildcard can make an ARN of anything.
    let is_arn = |text: &str| text.contains(':') || text.starts_with(['*', '$']);
    match found.iter().find(|entry| !is_arn(&entry.text)) {
        Some(entry) => Err(Malformed::Resource(entry.text.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(kind: Kind, statement: &str) -> Result<(), String> {
        let text = format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#);
        Policy::parse(&text).and_then(|policy| policy.check(kind)).map_err(|error| error.to_string())
    }

    const IDENTITY: Kind = Kind::Identity { managed: true };

    #[test]
    fn identities_have_actions_and_resources_and_no_principals() {
        let of = |statement: &str| checked(IDENTITY, statement).unwrap_err();
        assert_eq!(checked(IDENTITY, r#"{"Effect": "Allow", "Action": "s3:*", "NotResource": "*"}"#), Ok(()));
        assert_eq!(of(r#"{"Effect": "Allow", "Resource": "*"}"#), "Policy statement must contain actions.");
        assert_eq!(
            of(r#"{"Effect": "Allow", "Action": "s3:*"}"#),
            "Policy statement must contain resources."
        );
        assert_eq!(
            of(r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Principal": "*"}"#),
            "Policy document should not specify a principal."
        );
        assert_eq!(
            of(r#"{"Effect": "Allow", "Action": "read", "Resource": "*"}"#),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
        );
        assert_eq!(
            of(r#"{"Effect": "Allow", "Action": "a:b:c", "Resource": "*"}"#),
            "Actions/Condition can contain only one colon."
        );
        assert_eq!(
            of(r#"{"Effect": "Allow", "Action": "a b:c", "Resource": "*"}"#),
            "Vendor a b is not valid"
        );
        assert_eq!(
            of(r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "bucket"}"#),
            "Resource bucket must be in ARN format or \"*\"."
        );
        let twice = r#"{"Sid": "a", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#;
        assert_eq!(
            of(&format!("{twice}, {twice}")),
            "Statement IDs (SID) in a single policy must be unique."
        );
        let old = Policy::parse(
            r#"{"Version": "2008-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#,
        )
        .unwrap();
        assert_eq!(old.check(IDENTITY), Err(Malformed::Version));
        assert_eq!(old.check(Kind::Identity { managed: false }), Ok(()));
        assert_eq!(
            of(
                r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"DateLessThan": {"aws:CurrentTime": "soon"}}}"#
            ),
            "The policy failed legacy parsing"
        );
    }

    #[test]
    fn trust_names_principals_and_no_resources() {
        let service = r#""Principal": {"Service": "lambda.amazonaws.com"}"#;
        let of = |rest: &str| checked(Kind::Trust, &format!(r#"{{"Effect": "Allow", {rest}}}"#));
        assert_eq!(of(&format!(r#"{service}, "Action": "sts:AssumeRole""#)), Ok(()));
        assert_eq!(
            of(&format!(r#"{service}, "Action": "sts:AssumeRole", "Resource": "*""#)).unwrap_err(),
            "Has prohibited field Resource"
        );
        assert_eq!(of(r#""Action": "sts:AssumeRole""#).unwrap_err(), "Missing required field Principal");
        assert_eq!(of(service).unwrap_err(), "Missing required field Action");
        assert_eq!(
            of(&format!(r#"{service}, "Action": "s3:GetObject""#)).unwrap_err(),
            "AssumeRole policy may only specify STS AssumeRole actions."
        );
        let aws =
            |text: &str| of(&format!(r#""Principal": {{"AWS": "{text}"}}, "Action": "sts:AssumeRole""#));
        for good in
            ["*", "123456789012", "arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:role/a/b"]
        {
            assert_eq!(aws(good), Ok(()), "{good}");
        }
        assert_eq!(
            aws("arn:aws:iam::123456789012:*").unwrap_err(),
            r#"Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:*""#
        );
        assert!(aws("nobody").is_err() && aws("arn:aws:iam::12:user/a").is_err());
    }
}
