//! Who asks, proven, and what they may do. With `--auth off` there is none of this: nobody is asked for proof, and
//! everybody may do everything.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use lambent_domain::AccountId;
use lambent_domain::names::partition;
use lambent_kit::sigv4::chunks::Chunks;
use lambent_kit::sigv4::claim::{Malformed, Received};

use crate::aws_client::Principal;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nobody signed.
    Anonymous,
    /// The account itself.
    Root {
        /// Which account.
        account: AccountId,
        /// With credentials of GetSessionToken.
        temporary: bool,
    },
    /// A user with a key of its own.
    User {
        /// Its account.
        account: AccountId,
        /// Its name.
        name: String,
        /// `AIDA…`.
        id: String,
        /// Its ARN.
        arn: String,
        /// With credentials of GetSessionToken.
        temporary: bool,
    },
    /// Who has assumed a role.
    Session(Box<Session>),
    /// A service on its own account.
    Service {
        /// `s3.amazonaws.com`.
        name: String,
        /// `aws:SourceArn`.
        source_arn: String,
        /// `aws:SourceAccount`.
        account: AccountId,
    },
}

/// A role, assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The role's account.
    pub account: AccountId,
    /// ARN of the role, with its path.
    pub role_arn: String,
    /// `AROA…`: a role that is made again under its name is another one.
    pub role_id: String,
    /// Name of the session.
    pub name: String,
    /// Policies that take away from what the role may do: texts.
    pub policies: Option<Vec<String>>,
    /// `aws:PrincipalTag/…` besides the role's own.
    pub tags: BTreeMap<String, String>,
    /// Tags that a role has to take on that is assumed from here.
    pub transitive: Vec<String>,
    /// `aws:SourceIdentity`.
    pub source_identity: Option<String>,
    /// `lambda:SourceFunctionArn`: the function whose environment has these credentials.
    pub function_arn: Option<String>,
}

impl Session {
    /// The role's name, without its path.
    pub fn role_name(&self) -> &str {
        self.role_arn.rsplit('/').next().unwrap_or_default()
    }
}

impl Who {
    /// The account that what they do belongs to.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Who::Anonymous => None,
            Who::Root { account, .. } | Who::User { account, .. } | Who::Service { account, .. } => {
                Some(account)
            }
            Who::Session(session) => Some(&session.account),
        }
    }

    /// As errors and GetCallerIdentity name them.
    pub fn arn(&self) -> String {
        match self {
            Who::Anonymous => "anonymous".into(),
            Who::Root { account, .. } => format!("arn:aws:iam::{account}:root"),
            Who::User { arn, .. } => arn.clone(),
            Who::Session(session) => {
                let partition = session.role_arn.split(':').nth(1).unwrap_or("aws");
                let (account, role, name) = (&session.account, session.role_name(), &session.name);
                format!("arn:{partition}:sts::{account}:assumed-role/{role}/{name}")
            }
            Who::Service { name, .. } => name.clone(),
        }
    }

    /// `aws:userid`.
    pub fn user_id(&self) -> String {
        match self {
            Who::Anonymous => "anonymous".into(),
            Who::Root { account, .. } => account.to_string(),
            Who::User { id, .. } => id.clone(),
            Who::Session(session) => format!("{}:{}", session.role_id, session.name),
            Who::Service { name, .. } => name.clone(),
        }
    }
}

/// What a request is made under, besides by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// `aws:SourceIp`; none within this server, and in a sandbox.
    pub source_ip: Option<IpAddr>,
    /// `aws:SecureTransport`.
    pub secure: bool,
    /// `aws:RequestedRegion`.
    pub region: String,
    /// `aws:UserAgent`.
    pub user_agent: Option<String>,
    /// `aws:ViaAWSService`.
    pub via_service: bool,
}

/// Values of a condition key.
pub type Key = (Cow<'static, str>, Vec<String>);

/// One thing that an operation does: an action on a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// `sqs:SendMessage`.
    pub action: Cow<'static, str>,
    /// An ARN, or `*`.
    pub resource: String,
    /// Condition keys that only the service knows.
    pub keys: Vec<Key>,
    /// The resource's own policy.
    pub policy: Option<Arc<str>>,
    /// Whose the resource is, where its ARN doesn't say so.
    pub owner: Option<AccountId>,
    /// What the service shows instead of the resource.
    pub shown: Option<String>,
}

impl Need {
    /// An action on a resource.
    pub fn new(action: impl Into<Cow<'static, str>>, resource: impl Into<String>) -> Self {
        Need { action: action.into(), resource: resource.into(), ..Need::default() }
    }

    /// With a condition key.
    pub fn key(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.keys.push((name.into(), vec![value.into()]));
        self
    }

    /// With a condition key, where it has a value.
    pub fn key_if<V: Into<String>>(self, name: &'static str, value: Option<V>) -> Self {
        match value {
            Some(value) => self.key(name, value),
            None => self,
        }
    }

    /// With a condition key of any number of values.
    pub fn key_all(mut self, name: &'static str, values: Vec<String>) -> Self {
        self.keys.push((Cow::Borrowed(name), values));
        self
    }

    /// With the tags that the request gives to the resource.
    pub fn request_tags(
        mut self,
        tags: impl IntoIterator<Item = (impl AsRef<str>, impl Into<String>)>,
    ) -> Self {
        let mut names = Vec::new();
        for (name, value) in tags {
            names.push(name.as_ref().to_owned());
            self = self.key(format!("aws:RequestTag/{}", name.as_ref()), value);
        }
        if names.is_empty() { self } else { self.key_all("aws:TagKeys", names) }
    }

    /// With the tags that the resource has.
    pub fn has_tags(&mut self, tags: impl IntoIterator<Item = (impl AsRef<str>, impl Into<String>)>) {
        for (name, value) in tags {
            self.keys.push((format!("aws:ResourceTag/{}", name.as_ref()).into(), vec![value.into()]));
        }
    }

    /// `iam:PassRole`: the role is handed to a service.
    pub fn pass_role(role: impl Into<String>, service: &'static str) -> Self {
        Need::new("iam:PassRole", role).key("iam:PassedToService", service)
    }
}

/// Why a request is not answered. How it looks on the wire is the protocol's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not signed, where it has to be.
    Missing,
    /// The signature is none.
    Malformed(Malformed),
    /// An S3 signature of version 2 that is none.
    MalformedOlder,
    /// There is no such key, or it is not active.
    UnknownKey(String),
    /// The session's token is none, or another's.
    InvalidToken,
    /// The session is over.
    ExpiredToken,
    /// Signed too long ago, or in the future.
    Skewed {
        /// When, by the client's clock, seconds.
        signed_at_s: u64,
        /// Ours, seconds.
        now_s: u64,
        /// What is allowed, seconds.
        allowed_s: u64,
    },
    /// A presigned URL is over: how long it held, until when, and now, seconds.
    UrlExpired {
        /// `X-Amz-Expires`; none in version 2.
        lasted_s: Option<u64>,
        /// Until when.
        until_s: u64,
        /// Ours.
        now_s: u64,
    },
    /// Another has signed it, or it has been changed since.
    Mismatch {
        /// Whose signature it should be.
        access_key_id: String,
        /// What should have been signed.
        string_to_sign: String,
    },
    /// It may not be done; with AWS's text.
    Denied(String),
}

/// A sender that is known, and whose signature has not been looked at.
pub trait Recognised: Send + Sync {
    /// Looks at it. `payload_hash` is the body's, or what stands for it.
    fn prove(self: Box<Self>, received: &Received<'_>, payload_hash: &str) -> Result<Proven, Refusal>;
}

/// What a signature that holds is with, and for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedFor {
    /// Names the key.
    pub access_key_id: String,
    /// The service.
    pub service: String,
    /// The region; none in version 2.
    pub region: Option<String>,
}

/// A sender whose signature holds.
pub struct Proven {
    /// Who it is.
    pub who: Arc<Who>,
    /// What it was signed with, and for.
    pub signed: Option<SignedFor>,
    /// The signatures of the body's chunks, if it has any.
    pub chunks: Option<Chunks>,
}

/// Knows keys, and decides.
pub trait Gate: Send + Sync {
    /// Whose signature it would be; [`Who::Anonymous`]'s when there is none. `bucket` is the one in the host.
    fn recognise(
        &self,
        received: &Received<'_>,
        bucket: Option<&str>,
    ) -> Result<Box<dyn Recognised>, Refusal>;

    /// Who a request within this server is from.
    fn within(&self, principal: &Principal, account: &AccountId) -> Arc<Who>;

    /// Decides.
    fn may(&self, who: &Who, circumstances: &Circumstances, need: &Need) -> Result<(), Refusal>;

    /// Whether a service may assume the role, by the role's trust policy.
    fn trusts(&self, role_arn: &str, service: &str, keys: &[Key]) -> bool;
}

/// Who asks, and whom to ask what they may do.
#[derive(Clone)]
pub struct Authority {
    /// Who decides.
    pub gate: Arc<dyn Gate>,
    /// Who it is.
    pub who: Arc<Who>,
    /// Under which circumstances.
    pub circumstances: Arc<Circumstances>,
    /// The signatures of the body's chunks, if it has any.
    pub chunks: Option<Chunks>,
}

impl Authority {
    /// Of who was proven to ask.
    pub fn new(gate: Arc<dyn Gate>, proven: Proven, circumstances: Circumstances) -> Self {
        let Proven { who, chunks, .. } = proven;
        Authority { gate, who, circumstances: Arc::new(circumstances), chunks }
    }

    /// Whether it may be done.
    pub fn check(&self, need: &Need) -> Result<(), Refusal> {
        self.gate.may(&self.who, &self.circumstances, need)
    }

    /// Whether a service may assume a role.
    pub fn trusts(&self, role_arn: &str, service: &str, keys: &[Key]) -> bool {
        self.gate.trusts(role_arn, service, keys)
    }

    /// Nobody signed.
    pub fn is_anonymous(&self) -> bool {
        *self.who == Who::Anonymous
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Authority").field(&self.who.arn()).finish()
    }
}

impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        self.who == other.who && self.circumstances == other.circumstances
    }
}

impl Eq for Authority {}

/// Credentials that are over at some time.
#[derive(Clone, PartialEq, Eq)]
pub struct Temporary {
    /// `ASIA…`.
    pub access_key_id: String,
    /// Signs.
    pub secret_access_key: String,
    /// Goes with every request.
    pub session_token: String,
    /// Milliseconds since the epoch.
    pub expires_at_ms: u64,
}

impl fmt::Debug for Temporary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Temporary")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// Makes temporary credentials.
pub trait Sessions: Send + Sync {
    /// For who they say; that it may be so is decided before.
    fn issue(&self, who: &Who, expires_at_ms: u64) -> Temporary;

    /// For a role as it is now, by the role's ARN; what is not there gets credentials that may do nothing.
    fn of_role(&self, role_arn: &str, name: &str, function_arn: Option<String>) -> Arc<Who>;
}

/// An ARN of a service that has regions.
pub fn arn(service: &str, region: &lambent_domain::Region, account: &AccountId, resource: &str) -> String {
    format!("arn:{}:{service}:{region}:{account}:{resource}", partition(region))
}
