//! What is known of a request besides who does what to which: the keys of conditions and variables.

use std::collections::BTreeMap;

use crate::principal::Principal;

/// Keys with their values. Keys are the same whatever their case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// With no keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// With what a principal says of itself: `aws:PrincipalArn`, `aws:PrincipalAccount`, `aws:PrincipalType`, and of a
    /// service its name.
    pub fn of(principal: &Principal) -> Self {
        let mut context = Context::new();
        let kind = match principal {
            Principal::Root { .. } => "Account",
            Principal::User { .. } => "User",
            Principal::Session { .. } => "AssumedRole",
            Principal::FederatedUser { .. } => "FederatedUser",
            Principal::Federated { .. } | Principal::Service { .. } | Principal::Anonymous => "Anonymous",
        };
        context.set("aws:PrincipalType", kind);
        if let Some(arn) = principal.principal_arn() {
            context.set("aws:PrincipalArn", arn);
        }
        if let Some(account) = principal.account() {
            context.set("aws:PrincipalAccount", account);
        }
        if let Principal::Service { name } = principal {
            context.set("aws:PrincipalServiceName", name);
        }
        let is_service = matches!(principal, Principal::Service { .. });
        context.set("aws:PrincipalIsAWSService", is_service.to_string());
        context
    }

    /// Gives a key one value, in place of those it had.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_lowercase(), vec![value.into()]);
    }

    /// Gives a key several values, in place of those it had.
    pub fn set_all(&mut self, key: &str, values: impl IntoIterator<Item = impl Into<String>>) {
        self.0.insert(key.to_lowercase(), values.into_iter().map(Into::into).collect());
    }

    /// A key's values; nothing when the request has no such key.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        match key.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
            true => self.get_lower(&key.to_lowercase()),
            false => self.get_lower(key),
        }
    }

    pub(crate) fn get_lower(&self, key: &str) -> Option<&[String]> {
        self.0.get(key).map(Vec::as_slice)
    }
}
