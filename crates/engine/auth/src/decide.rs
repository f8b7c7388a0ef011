//! The decision: which policies apply to whom, and AWS's words for a no.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use lambent_iam_policy::{Context, Policies, Policy, Principal, Request, evaluate};
use lambent_kit::utc::rfc3339_s;
use lambent_ports::access::{Circumstances, Key, Need, Refusal, Session, Who};
use lambent_ports::identity::NamedPolicy;

use crate::{Auth, role_of};

/// Texts of resources' and sessions' policies that are kept read.
const MAX_TEXTS: usize = 1_024;

/// Policies by their texts; `None` is one that can't be read.
#[derive(Default)]
pub(crate) struct Texts(HashMap<Arc<str>, Option<Arc<Policy>>>);

impl Texts {
    fn read(&mut self, text: &str) -> Option<Arc<Policy>> {
        if let Some(found) = self.0.get(text) {
            return found.clone();
        }
        let policy = Policy::parse(text).map(Arc::new).ok();
        if self.0.len() == MAX_TEXTS {
            self.0.clear();
        }
        self.0.insert(text.into(), policy.clone());
        policy
    }
}

/// What applies to whoever asks.
#[derive(Default)]
struct Own {
    identity: Vec<NamedPolicy>,
    boundary: Option<NamedPolicy>,
    session: Option<Vec<Arc<Policy>>>,
    tags: Vec<(String, String)>,
}

impl Auth {
    pub(crate) fn decide(
        &self,
        who: &Who,
        circumstances: &Circumstances,
        need: &Need,
    ) -> Result<(), Refusal> {
        // Credentials of GetSessionToken without a second factor are not for IAM (AWS documentation).
        let temporary = matches!(who, Who::Root { temporary: true, .. } | Who::User { temporary: true, .. });
        if temporary && need.action.starts_with("iam:") && need.action != "iam:PassRole" {
            return Err(Refusal::InvalidToken);
        }
        if is_services_own(who, need) {
            return Ok(());
        }
        let own =
            self.own(who).ok_or_else(|| denied(who, need, "because its session is not valid any more"))?;
        let principal = principal(who);
        let mut context = self.context(who, &principal, circumstances, &need.keys);
        for (name, value) in &own.tags {
            context.set(&format!("aws:PrincipalTag/{name}"), value);
        }
        let owner = owner(need);
        if let Some(owner) = owner {
            context.set("aws:ResourceAccount", owner);
        }
        let resource = match &need.policy {
            None => None,
            Some(text) => match self.texts().read(text) {
                Some(policy) => Some(policy),
                // Who can't read what it forbids, forbids; but the account has to be able to mend it.
                None if matches!(who, Who::Root { .. }) => None,
                None => return Err(denied(who, need, "because the resource's policy can't be read")),
            },
        };
        let identity: Vec<&Policy> = own.identity.iter().map(|named| &*named.policy).collect();
        let session: Option<Vec<&Policy>> =
            own.session.as_ref().map(|policies| policies.iter().map(|policy| &**policy).collect());
        let policies = Policies {
            identity: &identity,
            boundary: own.boundary.as_ref().map(|named| &*named.policy),
            session: session.as_deref(),
            resource: resource.as_deref(),
            resource_account: owner,
            resource_must_allow: matches!(
                &*need.action,
                "sts:AssumeRole" | "sts:TagSession" | "sts:SetSourceIdentity"
            ),
        };
        let request = Request {
            principal: &principal,
            action: &need.action,
            resource: &need.resource,
            context: &context,
        };
        let outcome = evaluate(&request, &policies);
        if outcome.allowed() {
            return Ok(());
        }
        if *who == Who::Anonymous && need.policy.is_none() {
            return Err(Refusal::Missing);
        }
        Err(denied(who, need, &outcome.reason(&shown_action(&need.action))))
    }

    /// `None` when it is over: the user or role is not there any more, or is another one of its name.
    fn own(&self, who: &Who) -> Option<Own> {
        match who {
            Who::Anonymous | Who::Root { .. } | Who::Service { .. } => Some(Own::default()),
            Who::User { account, name, id, .. } => {
                let user = self.identities.user(account, name).filter(|user| user.id == *id)?;
                let tags = user.tags.into_iter().collect();
                Some(Own { identity: user.policies, boundary: user.boundary, session: None, tags })
            }
            Who::Session(session) => self.of_session(session),
        }
    }

    fn of_session(&self, session: &Session) -> Option<Own> {
        let (account, name) = role_of(&session.role_arn)?;
        let role = self.identities.role(&account, name).filter(|role| role.id == session.role_id)?;
        let mut tags: std::collections::BTreeMap<String, String> = role.tags;
        tags.extend(session.tags.clone());
        let policies = match &session.policies {
            None => None,
            Some(texts) => {
                Some(texts.iter().map(|text| self.texts().read(text)).collect::<Option<Vec<_>>>()?)
            }
        };
        let tags = tags.into_iter().collect();
        Some(Own { identity: role.policies, boundary: role.boundary, session: policies, tags })
    }

    fn context(
        &self,
        who: &Who,
        principal: &Principal,
        circumstances: &Circumstances,
        keys: &[Key],
    ) -> Context {
        let mut context = Context::of(principal);
        let now_ms = self.clock.now_ms();
        context.set("aws:CurrentTime", rfc3339_s(now_ms));
        context.set("aws:EpochTime", (now_ms / 1_000).to_string());
        context.set("aws:SecureTransport", circumstances.secure.to_string());
        context.set("aws:ViaAWSService", circumstances.via_service.to_string());
        if !circumstances.region.is_empty() {
            context.set("aws:RequestedRegion", circumstances.region.as_str());
        }
        if let Some(address) = circumstances.source_ip {
            context.set("aws:SourceIp", address.to_canonical().to_string());
        }
        if let Some(agent) = &circumstances.user_agent {
            context.set("aws:UserAgent", agent.as_str());
        }
        if *who != Who::Anonymous && !matches!(who, Who::Service { .. }) {
            context.set("aws:userid", who.user_id());
        }
        match who {
            Who::User { name, .. } => context.set("aws:username", name.as_str()),
            Who::Service { source_arn, account, .. } => {
                if !source_arn.is_empty() {
                    context.set("aws:SourceArn", source_arn.as_str());
                }
                context.set("aws:SourceAccount", account.as_str());
            }
            Who::Session(session) => {
                if let Some(function) = &session.function_arn {
                    context.set("lambda:SourceFunctionArn", function.as_str());
                }
                if let Some(source) = &session.source_identity {
                    context.set("aws:SourceIdentity", source.as_str());
                }
            }
            Who::Root { .. } | Who::Anonymous => {}
        }
        for (name, values) in keys {
            context.set_all(name, values.iter().cloned());
        }
        context
    }

    /// Whether a service may assume a role.
    pub(crate) fn role_trusts(&self, role_arn: &str, service: &str, keys: &[Key]) -> bool {
        let Some((account, name)) = role_of(role_arn) else { return false };
        let Some(role) = self.identities.role(&account, name).filter(|role| role.arn == role_arn) else {
            return false;
        };
        let who = Who::Service { name: service.to_owned(), source_arn: String::new(), account };
        let principal = principal(&who);
        let context = self.context(&who, &principal, &Circumstances::default(), keys);
        let request = Request {
            principal: &principal,
            action: "sts:AssumeRole",
            resource: role_arn,
            context: &context,
        };
        let policies =
            Policies { resource: Some(&role.trust), resource_must_allow: true, ..Policies::default() };
        evaluate(&request, &policies).allowed()
    }
}

/// What services do by what they are: Lambda calls the functions of its mappings, S3 tells the default bus, and
/// EventBridge writes to log groups under `/aws/events/`, for which AWS's console gives it the permission.
fn is_services_own(who: &Who, need: &Need) -> bool {
    let Who::Service { name, .. } = who else { return false };
    match (name.as_str(), &*need.action) {
        ("lambda.amazonaws.com", "lambda:InvokeFunction") | ("s3.amazonaws.com", "events:PutEvents") => true,
        ("events.amazonaws.com", action) => {
            action.starts_with("logs:") && need.resource.contains(":log-group:/aws/events/")
        }
        _ => false,
    }
}

fn principal(who: &Who) -> Principal {
    match who {
        Who::Anonymous => Principal::Anonymous,
        Who::Root { account, .. } => Principal::Root { account: account.to_string() },
        Who::User { arn, .. } => Principal::User { arn: arn.clone() },
        Who::Session(session) => Principal::Session { arn: who.arn(), role: session.role_arn.clone() },
        Who::Service { name, .. } => Principal::Service { name: name.clone() },
    }
}

/// Whose the resource is: its ARN says so, or the service.
fn owner(need: &Need) -> Option<&str> {
    if let Some(owner) = &need.owner {
        return Some(owner.as_str());
    }
    need.resource.split(':').nth(4).filter(|account| account.len() == 12)
}

/// AWS's text.
fn denied(who: &Who, need: &Need, reason: &str) -> Refusal {
    let resource = need.shown.as_deref().unwrap_or(&need.resource);
    let resource =
        if need.action.starts_with("s3:") { format!("\"{resource}\"") } else { resource.to_owned() };
    // Of roles AWS says no more: not even whether they are there.
    let reason = if need.action.starts_with("sts:") { String::new() } else { format!(" {reason}") };
    Refusal::Denied(format!(
        "User: {} is not authorized to perform: {} on resource: {resource}{reason}",
        who.arn(),
        shown_action(&need.action)
    ))
}

/// SQS and SNS have spellings of their own.
fn shown_action(action: &str) -> Cow<'_, str> {
    match action.split_once(':') {
        Some(("sqs", name)) => Cow::Owned(format!("sqs:{}", name.to_lowercase())),
        Some(("sns", name)) => Cow::Owned(format!("SNS:{name}")),
        _ => Cow::Borrowed(action),
    }
}
