//! The decision.
//!
//! An explicit deny, wherever it stands, wins. A resource's policy that names who asks is enough within one account; between
//! accounts both sides have to allow. What an identity is allowed is what its policies, its boundary and its session's
//! policies have in common.

use crate::context::Context;
use crate::document::{Effect, Entry, Policy, Scope, Statement};
use crate::principal::{Named, Principal};

/// Who wants to do what to which.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// `s3:GetObject`
    pub action: &'a str,
    /// An ARN; `*` for what is about no resource.
    pub resource: &'a str,
    /// What else is known.
    pub context: &'a Context,
}

/// What applies to a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// The user's, with those of its groups; of a session, its role's or user's.
    pub identity: &'a [&'a Policy],
    /// The most that the identity's policies can allow.
    pub boundary: Option<&'a Policy>,
    /// The most that a session can do, when it was given policies.
    pub session: Option<&'a [&'a Policy]>,
    /// The resource's own.
    pub resource: Option<&'a Policy>,
    /// Whose the resource is; nothing for the account of who asks.
    pub resource_account: Option<&'a str>,
    /// Nothing is allowed that the resource's policy doesn't: roles (their trust policy) and keys.
    pub resource_must_allow: bool,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may be done.
    Allowed,
    /// A statement forbids it.
    ExplicitDeny,
    /// Nothing allows it.
    ImplicitDeny,
}

/// Kinds of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Of users, groups and roles.
    Identity,
    /// Permissions boundaries.
    Boundary,
    /// Of sessions.
    Session,
    /// Of resources.
    Resource,
}

/// A statement that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matched {
    /// Which of the [`Policies`].
    pub layer: Layer,
    /// Its place among them.
    pub policy: usize,
    /// Its place in the policy.
    pub statement: usize,
}

/// A decision with its grounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was decided.
    pub decision: Decision,
    /// What allowed it, what forbade it, or the first that would have had to allow it.
    pub layer: Layer,
    /// The statements that allow it; the ones that forbid it, when some do.
    pub matched: Vec<Matched>,
}

impl Outcome {
    /// Whether it may be done.
    pub fn allowed(&self) -> bool {
        self.decision == Decision::Allowed
    }

    /// The end of AWS's refusal.
    pub fn reason(&self, action: &str) -> String {
        let kind = match self.layer {
            Layer::Identity => "identity-based policy",
            Layer::Boundary => "permissions boundary",
            Layer::Session => "session policy",
            Layer::Resource => "resource-based policy",
        };
        match self.decision {
            Decision::ExplicitDeny => {
                let article = if self.layer == Layer::Identity { "an" } else { "a" };
                format!("with an explicit deny in {article} {kind}")
            }
            Decision::Allowed | Decision::ImplicitDeny => {
                format!("because no {kind} allows the {action} action")
            }
        }
    }
}

/// The statements of one layer that match.
#[derive(Debug, Default)]
struct Found {
    allow: Vec<Matched>,
    deny: Vec<Matched>,
    /// How closely the allowing statements of a resource's policy name who asks.
    named: Option<Named>,
}

/// Decides.
pub fn evaluate(request: &Request<'_>, policies: &Policies<'_>) -> Outcome {
    let action = request.action.to_lowercase();
    let look = |layer, policies: &[&Policy]| find(request, &action, layer, policies);
    let has_identity = matches!(
        request.principal,
        Principal::User { .. } | Principal::Session { .. } | Principal::FederatedUser { .. }
    );
    let of_identity = |layer, policies: &[&Policy]| match has_identity {
        true => look(layer, policies),
        false => Found::default(),
    };
    let identity = of_identity(Layer::Identity, policies.identity);
    let boundary = policies.boundary.map(|policy| of_identity(Layer::Boundary, &[policy]));
    let session = policies.session.map(|session| of_identity(Layer::Session, session));
    let resource = policies.resource.map(|policy| look(Layer::Resource, &[policy]));

    let layers = [Some(&identity), boundary.as_ref(), session.as_ref(), resource.as_ref()];
    let denied: Vec<Matched> = layers.iter().flatten().flat_map(|found| &found.deny).copied().collect();
    if let Some(first) = denied.first() {
        return Outcome { decision: Decision::ExplicitDeny, layer: first.layer, matched: denied };
    }
    let matched = layers.iter().flatten().flat_map(|found| &found.allow).copied().collect();
    let (decision, layer) = match missing(
        request.principal,
        policies,
        &Layers {
            identity: &identity,
            boundary: boundary.as_ref(),
            session: session.as_ref(),
            resource: resource.as_ref(),
        },
    ) {
        Ok(layer) => (Decision::Allowed, layer),
        Err(layer) => (Decision::ImplicitDeny, layer),
    };
    Outcome { decision, layer, matched }
}

struct Layers<'a> {
    identity: &'a Found,
    boundary: Option<&'a Found>,
    session: Option<&'a Found>,
    resource: Option<&'a Found>,
}

/// What allows it, else the first that would have to.
fn missing(principal: &Principal, policies: &Policies<'_>, layers: &Layers<'_>) -> Result<Layer, Layer> {
    let named = layers.resource.and_then(|found| found.named);
    let own = principal.account();
    let elsewhere = policies.resource_account.is_some_and(|account| own != Some(account));
    // Where a boundary or a session's policies are, they must allow, too.
    let within = |found: Option<&Found>, layer| match found {
        Some(found) if found.allow.is_empty() => Err(layer),
        _ => Ok(()),
    };
    let bounded = || {
        within(layers.boundary, Layer::Boundary)?;
        within(layers.session, Layer::Session)
    };
    let identity = || match layers.identity.allow.is_empty() {
        true => Err(Layer::Identity),
        false => bounded().map(|()| Layer::Identity),
    };
    let by_resource = named.is_some();
    match principal {
        Principal::Service { .. } | Principal::Federated { .. } | Principal::Anonymous => {
            if by_resource {
                Ok(Layer::Resource)
            } else {
                Err(Layer::Resource)
            }
        }
        // It may do everything in its account; elsewhere, what it is allowed there.
        Principal::Root { .. } => match elsewhere || policies.resource_must_allow {
            true if !by_resource => Err(Layer::Resource),
            true => Ok(Layer::Resource),
            false => Ok(Layer::Identity),
        },
        Principal::User { .. } | Principal::Session { .. } | Principal::FederatedUser { .. } => {
            if elsewhere {
                identity()?;
                return if by_resource { Ok(Layer::Resource) } else { Err(Layer::Resource) };
            }
            match named {
                Some(Named::Itself) => Ok(Layer::Resource),
                Some(Named::Role) => bounded().map(|()| Layer::Resource),
                Some(Named::Account) => identity(),
                None if policies.resource_must_allow => Err(Layer::Resource),
                None => identity(),
            }
        }
    }
}

fn find(request: &Request<'_>, action: &str, layer: Layer, policies: &[&Policy]) -> Found {
    let mut found = Found::default();
    for (policy, document) in policies.iter().enumerate() {
        for (index, statement) in document.statements.iter().enumerate() {
            let Some(named) = applies(request, action, layer, statement) else { continue };
            let matched = Matched { layer, policy, statement: index };
            match statement.effect {
                Effect::Deny => found.deny.push(matched),
                Effect::Allow => {
                    found.named = found.named.max(Some(named));
                    found.allow.push(matched);
                }
            }
        }
    }
    found
}

/// Whether a statement is about the request, and how closely it names who asks.
fn applies(request: &Request<'_>, action: &str, layer: Layer, statement: &Statement) -> Option<Named> {
    let named = match (layer, &statement.principals) {
        (Layer::Resource, Some(principals)) => names(principals, request.principal)?,
        (Layer::Resource, None) => return None,
        // A policy of an identity is about that identity.
        (Layer::Identity | Layer::Boundary | Layer::Session, None) => Named::Itself,
        (Layer::Identity | Layer::Boundary | Layer::Session, Some(_)) => return None,
    };
    let no_variables = Context::default();
    let about = covers(statement.actions.as_ref()?, action, &no_variables)
        && statement
            .resources
            .as_ref()
            .is_none_or(|resources| covers(resources, request.resource, request.context));
    (about && statement.conditions.iter().all(|condition| condition.holds(request.context))).then_some(named)
}

fn covers(scope: &Scope<Entry>, text: &str, context: &Context) -> bool {
    let on_list = |entries: &[Entry]| entries.iter().any(|entry| entry.glob.matches(text, context));
    match scope {
        Scope::Of(entries) => on_list(entries),
        Scope::AllBut(entries) => !on_list(entries),
    }
}

fn names(scope: &Scope<crate::document::Named>, principal: &Principal) -> Option<Named> {
    let on_list = |entries: &[crate::document::Named]| {
        entries.iter().filter_map(|entry| entry.who.names(principal)).max()
    };
    match scope {
        Scope::Of(entries) => on_list(entries),
        Scope::AllBut(entries) => match on_list(entries) {
            Some(_) => None,
            // Everybody but them: as closely as everybody is.
            None => crate::principal::Who::Everyone.names(principal),
        },
    }
}

#[cfg(test)]
mod tests;
