//! Policies tried out: who would be allowed what, and by which statements.

use std::sync::Arc;

use lambent_iam_policy::{
    Context, Decision, Kind, Layer, Outcome, Policies, Policy, Position, Principal, Request, evaluate,
};
use lambent_ports::iam_store::{IamAccount, Tags};
use lambent_ports::identity::{NamedPolicy, PolicySource};
use lambent_wire::iam::types;
use lambent_wire::iam::types::SimulatePolicyResponse;

use crate::here::{Here, IamArn, Kind as Entity};
use crate::paging::{numbered, page};
use crate::{IamFault, directory, documents, find};

/// What a simulation is asked for, whichever operation asks.
pub(crate) struct Asked {
    pub policies: Vec<String>,
    pub boundaries: Option<Vec<String>>,
    pub actions: Vec<String>,
    pub resources: Option<Vec<String>>,
    pub resource_policy: Option<String>,
    pub resource_owner: Option<String>,
    pub caller: Option<String>,
    pub context: Vec<types::ContextEntry>,
    pub handling: Option<String>,
    pub max_items: Option<i32>,
    pub marker: Option<String>,
}

/// A policy with the name that results call it by.
#[derive(Clone)]
pub(crate) struct Source {
    pub id: String,
    pub policy: Arc<Policy>,
}

/// Whose policies are tried out.
pub(crate) struct Simulated {
    principal: Principal,
    pub policies: Vec<Source>,
    boundary: Option<Arc<Policy>>,
    context: Context,
}

/// The user, group or role of an ARN with its policies.
pub(crate) fn source(here: &Here, account: &IamAccount, arn: &str) -> Result<Simulated, IamFault> {
    let mut simulated = Simulated::new(Principal::Anonymous);
    simulated.call_as(here, account, arn)?;
    let parsed = IamArn::parse(arn)?;
    let (policies, boundary) = match parsed.kind {
        "user" => {
            let user = directory::user(here, account, parsed.name);
            user.map(|user| (user.policies, user.boundary)).unwrap_or_default()
        }
        "role" => {
            let role = directory::role(here, account, parsed.name);
            role.map(|role| (role.policies, role.boundary)).unwrap_or_default()
        }
        _ => {
            let group = find::group(account, parsed.name)?;
            let arn = here.arn(Entity::Group, &group.head);
            (directory::policies(here, account, &arn, &group.grants), None)
        }
    };
    simulated.policies = policies.iter().map(named).collect();
    simulated.boundary = boundary.map(|boundary| boundary.policy);
    Ok(simulated)
}

fn named(policy: &NamedPolicy) -> Source {
    let id = match &policy.source {
        PolicySource::Managed { arn } => arn.rsplit('/').next().unwrap_or(arn).to_owned(),
        PolicySource::Inline { name, .. } => name.clone(),
    };
    Source { id, policy: Arc::clone(&policy.policy) }
}

impl Simulated {
    pub(crate) fn new(principal: Principal) -> Self {
        let context = Context::of(&principal);
        Simulated { principal, policies: Vec::new(), boundary: None, context }
    }

    pub(crate) fn is_user(&self) -> bool {
        matches!(self.principal, Principal::User { .. })
    }

    /// Makes somebody of this account the one who asks.
    pub(crate) fn call_as(&mut self, here: &Here, account: &IamAccount, arn: &str) -> Result<(), IamFault> {
        let parsed = IamArn::parse(arn)?;
        if parsed.account != here.account.as_str() {
            return Err(IamFault::NoSuchEntity(format!("{arn} is not of account {}.", here.account)));
        }
        let set = |principal: Principal, id: &str, name: Option<&str>, tags: Option<&Tags>| {
            let mut context = Context::of(&principal);
            context.set("aws:userid", id);
            if let Some(name) = name {
                context.set("aws:username", name);
            }
            for (key, value) in tags.into_iter().flatten() {
                context.set(&format!("aws:PrincipalTag/{key}"), value.as_str());
            }
            (principal, context)
        };
        (self.principal, self.context) = match parsed.kind {
            "user" => {
                let user = find::user(account, parsed.name)?;
                let principal = Principal::User { arn: arn.to_owned() };
                set(principal, &user.head.id, Some(&user.head.name), Some(&user.tags))
            }
            "role" => {
                let role = find::role(account, parsed.name)?;
                let Here { account, partition } = here;
                let session =
                    format!("arn:{partition}:sts::{account}:assumed-role/{}/simulated", role.head.name);
                let principal = Principal::Session { arn: session, role: arn.to_owned() };
                set(principal, &format!("{}:simulated", role.head.id), None, Some(&role.tags))
            }
            // Somebody in the group who has nothing else.
            "group" => {
                find::group(account, parsed.name)?;
                (Principal::User { arn: arn.to_owned() }, Context::new())
            }
            _ => return Err(IamFault::Validation("Invalid Entity Arn.".into())),
        };
        Ok(())
    }

    /// Tries every action on every resource.
    pub(crate) fn run(mut self, asked: Asked) -> Result<SimulatePolicyResponse, IamFault> {
        for (index, text) in asked.policies.iter().enumerate() {
            let policy = documents::read(text, Kind::Identity { managed: false })?;
            self.policies.push(Source { id: format!("PolicyInputList.{}", index + 1), policy });
        }
        if let Some(boundaries) = &asked.boundaries {
            let [boundary] = boundaries.as_slice() else {
                let text = "PermissionsBoundaryPolicyInputList can contain one policy.";
                return Err(IamFault::InvalidInput(text.into()));
            };
            self.boundary = Some(documents::read(boundary, Kind::Identity { managed: false })?);
        }
        let resource =
            asked.resource_policy.as_ref().map(|text| documents::read(text, Kind::Resource)).transpose()?;
        for entry in &asked.context {
            let values = entry.context_key_values.clone().unwrap_or_default();
            self.context.set_all(entry.context_key_name.as_deref().unwrap_or_default(), values);
        }
        let owner = match &asked.resource_owner {
            Some(arn) => Some(IamArn::parse(arn)?.account.to_owned()),
            None => None,
        };
        let missing = self.missing(resource.as_deref());
        let resources = asked.resources.unwrap_or_else(|| vec!["*".to_owned()]);
        let mut results = Vec::new();
        for action in &asked.actions {
            for on in &resources {
                let result = self.try_out(action, on, resource.as_deref(), owner.as_deref());
                results.push(types::EvaluationResult {
                    missing_context_values: Some(missing.clone()),
                    ..result
                });
            }
        }
        let page = page(numbered(results), asked.marker.as_deref(), asked.max_items);
        Ok(SimulatePolicyResponse {
            evaluation_results: Some(page.items),
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }

    /// Keys that policies look at and nobody has given.
    fn missing(&self, resource: Option<&Policy>) -> Vec<String> {
        let own = self.policies.iter().map(|source| &*source.policy);
        let keys = own.chain(self.boundary.as_deref()).chain(resource).flat_map(Policy::context_keys);
        let unknown: std::collections::BTreeSet<&str> =
            keys.filter(|key| self.context.get(key).is_none()).collect();
        unknown.into_iter().map(str::to_owned).collect()
    }

    fn try_out(
        &self,
        action: &str,
        on: &str,
        resource: Option<&Policy>,
        owner: Option<&str>,
    ) -> types::EvaluationResult {
        let request = Request { principal: &self.principal, action, resource: on, context: &self.context };
        let identity: Vec<&Policy> = self.policies.iter().map(|source| &*source.policy).collect();
        let policies = Policies {
            identity: &identity,
            boundary: self.boundary.as_deref(),
            resource,
            resource_account: owner,
            ..Policies::default()
        };
        let outcome = evaluate(&request, &policies);
        let boundary = self.boundary.as_deref().map(|boundary| {
            let alone = Policies { identity: &[boundary], ..Policies::default() };
            let allowed = evaluate(&request, &alone).allowed();
            types::PermissionsBoundaryDecisionDetail { allowed_by_permissions_boundary: Some(allowed) }
        });
        types::EvaluationResult {
            eval_action_name: action.to_owned(),
            eval_resource_name: Some(on.to_owned()),
            eval_decision: match outcome.decision {
                Decision::Allowed => "allowed".into(),
                Decision::ExplicitDeny => "explicitDeny".into(),
                Decision::ImplicitDeny => "implicitDeny".into(),
            },
            matched_statements: Some(self.matched(&outcome, resource)),
            permissions_boundary_decision_detail: boundary,
            ..types::EvaluationResult::default()
        }
    }

    /// The statements that decided: none when it was that there are none.
    fn matched(&self, outcome: &Outcome, resource: Option<&Policy>) -> Vec<types::Statement> {
        if outcome.decision == Decision::ImplicitDeny {
            return Vec::new();
        }
        let statements = outcome.matched.iter().filter_map(|matched| {
            let (id, policy) = match matched.layer {
                Layer::Identity => {
                    let source = self.policies.get(matched.policy)?;
                    (source.id.clone(), &*source.policy)
                }
                Layer::Resource => ("ResourcePolicy".to_owned(), resource?),
                Layer::Boundary => {
                    ("PermissionsBoundaryPolicyInputList.1".to_owned(), self.boundary.as_deref()?)
                }
                Layer::Session => return None,
            };
            let (start, end) = policy.place(matched.statement)?;
            Some(types::Statement {
                source_policy_id: Some(id),
                source_policy_type: Some("IAM Policy".into()),
                start_position: Some(position(start)),
                end_position: Some(position(end)),
            })
        });
        statements.collect()
    }
}

fn position(position: Position) -> types::Position {
    types::Position { line: Some(position.line as i32), column: Some(position.column as i32) }
}
