//! AssumeRole. Whether it may be assumed, the role's trust policy says (`access`); here it is how.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_api_kit::{Context, Handle};
use lambent_domain::AccountId;
use lambent_iam_policy::{Kind, Policy};
use lambent_ports::access::{Session, Who};
use lambent_ports::identity::RoleIdentity;
use lambent_wire::sts::operations::AssumeRole;
use lambent_wire::sts::operations::assume_role::{AssumeRoleRequest, AssumeRoleResponse};
use lambent_wire::sts::types::{AssumedRoleUser, Credentials};

use crate::{Sts, StsFault};

/// Of a session, unless another time is asked for, seconds.
const DEFAULT_S: u32 = 3_600;
/// The longest of a session that another session has opened, seconds.
const CHAINED_S: u32 = 3_600;
/// The longest session policy, characters (AWS documentation).
const MAX_POLICY_CHARS: usize = 2_048;
/// Managed policies that a session can be given (AWS documentation).
const MAX_POLICY_ARNS: usize = 10;

impl Handle<AssumeRole> for Sts {
    type Fault = StsFault;

    async fn handle(
        &self,
        context: Context,
        input: AssumeRoleRequest,
    ) -> Result<AssumeRoleResponse, StsFault> {
        let (account, name) = role_of(&input.role_arn)
            .ok_or_else(|| StsFault::Validation(format!("{} is invalid", input.role_arn)))?;
        let who = context.caller.authority.as_ref().map(|authority| Arc::clone(&authority.who));
        if matches!(who.as_deref(), Some(Who::Root { .. })) {
            return Err(StsFault::AccessDenied("Roles may not be assumed by root accounts.".into()));
        }
        let caller = match who.as_deref() {
            Some(Who::Session(session)) => Some(&**session),
            _ => None,
        };
        let role = self.identities.role(&account, name).filter(|role| role.arn == input.role_arn);
        let lasts_s = lasts_s(&input, role.as_ref(), caller.is_some())?;
        let policies = self.policies(&input)?;
        let (tags, transitive) = tags(&input, caller)?;
        let packed = policies.as_ref().map(|texts| packed(texts));
        let source_identity = input
            .source_identity
            .clone()
            .or_else(|| caller.and_then(|caller| caller.source_identity.clone()));
        // Without `--auth enforce` a role need not be there to be taken.
        let role_id = role.map_or_else(|| format!("AROA{:0>17}", account.as_str()), |role| role.id);
        let session = Who::Session(Box::new(Session {
            account,
            role_arn: input.role_arn,
            role_id,
            name: input.role_session_name,
            policies,
            tags,
            transitive,
            source_identity: source_identity.clone(),
            function_arn: None,
        }));
        let credentials = self.credentials(&session, lasts_s);
        Ok(AssumeRoleResponse {
            credentials: Some(credentials),
            assumed_role_user: Some(AssumedRoleUser {
                assumed_role_id: session.user_id(),
                arn: session.arn(),
            }),
            packed_policy_size: packed,
            source_identity,
            session_token_utilization: None,
            session_token_size: None,
        })
    }
}

impl Sts {
    pub(crate) fn credentials(&self, who: &Who, lasts_s: u32) -> Credentials {
        let expires_at_ms = self.clock.now_ms() + u64::from(lasts_s) * 1_000;
        let issued = self.sessions.issue(who, expires_at_ms);
        Credentials {
            access_key_id: issued.access_key_id,
            secret_access_key: issued.secret_access_key,
            session_token: issued.session_token,
            expiration: (expires_at_ms / 1_000) as f64,
        }
    }

    /// The texts of what the session is kept within.
    fn policies(&self, input: &AssumeRoleRequest) -> Result<Option<Vec<String>>, StsFault> {
        let mut texts = Vec::new();
        if let Some(text) = &input.policy {
            if text.chars().count() > MAX_POLICY_CHARS {
                return Err(StsFault::Validation(format!(
                    "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to {MAX_POLICY_CHARS}"
                )));
            }
            let checked = Policy::parse(text).and_then(|policy| policy.check(Kind::Session));
            checked.map_err(|malformed| StsFault::MalformedPolicy(malformed.to_string()))?;
            texts.push(text.clone());
        }
        let arns: Vec<&String> =
            input.policy_arns.iter().flatten().filter_map(|policy| policy.arn.as_ref()).collect();
        if arns.len() > MAX_POLICY_ARNS {
            return Err(StsFault::Validation(format!(
                "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to {MAX_POLICY_ARNS}"
            )));
        }
        for arn in arns {
            let policy = self.identities.managed_policy(arn);
            let policy = policy.ok_or_else(|| StsFault::Validation(format!("{arn} is invalid")))?;
            texts.push(policy.policy.text().to_owned());
        }
        Ok((!texts.is_empty()).then_some(texts))
    }
}

/// Account and name of a role's ARN.
pub(crate) fn role_of(arn: &str) -> Option<(AccountId, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (prefix, partition, service, region) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let shaped = prefix == "arn" && partition.starts_with("aws") && service == "iam" && region.is_empty();
    let account = AccountId::parse(parts.next()?)?;
    let name = parts.next()?.strip_prefix("role/")?.rsplit('/').next()?;
    (shaped && !name.is_empty()).then_some((account, name))
}

fn lasts_s(input: &AssumeRoleRequest, role: Option<&RoleIdentity>, chained: bool) -> Result<u32, StsFault> {
    let Some(asked) = input.duration_seconds else { return Ok(DEFAULT_S) };
    let asked = u32::try_from(asked).unwrap_or_default();
    if chained && asked > CHAINED_S {
        let text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
        return Err(StsFault::Validation(text.into()));
    }
    if role.is_some_and(|role| asked > role.max_session_s) {
        let text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(StsFault::Validation(text.into()));
    }
    Ok(asked)
}

type Tags = (BTreeMap<String, String>, Vec<String>);

/// The session's tags: those that have to be passed on from the session that asks, and those that are given.
fn tags(input: &AssumeRoleRequest, caller: Option<&Session>) -> Result<Tags, StsFault> {
    let mut tags = BTreeMap::new();
    let mut transitive = Vec::new();
    for key in caller.iter().flat_map(|caller| &caller.transitive) {
        if let Some(value) = caller.and_then(|caller| caller.tags.get(key)) {
            tags.insert(key.clone(), value.clone());
            transitive.push(key.clone());
        }
    }
    let mut seen: Vec<String> = tags.keys().map(|key: &String| key.to_lowercase()).collect();
    for tag in input.tags.iter().flatten() {
        let key = tag.key.to_lowercase();
        if transitive.iter().any(|passed: &String| passed.to_lowercase() == key) {
            return Err(StsFault::InvalidParameter(format!(
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session: {}",
                tag.key
            )));
        }
        if seen.contains(&key) {
            let text = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(StsFault::InvalidParameter(text.into()));
        }
        seen.push(key);
        tags.insert(tag.key.clone(), tag.value.clone());
    }
    for key in input.transitive_tag_keys.iter().flatten() {
        if !input.tags.iter().flatten().any(|tag| tag.key.eq_ignore_ascii_case(key)) {
            let text = "The specified transitive tag key must be included in the requested tags.";
            return Err(StsFault::InvalidParameter(text.into()));
        }
        transitive.push(key.clone());
    }
    Ok((tags, transitive))
}

/// How much of what a token can hold the policies take, in per cent: judgement, AWS's packing is its own.
fn packed(texts: &[String]) -> i32 {
    let chars: usize = texts.iter().map(String::len).sum();
    i32::try_from((chars * 100).div_ceil(MAX_POLICY_CHARS).min(100)).unwrap_or(100)
}
