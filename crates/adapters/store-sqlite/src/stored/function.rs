//! A function on disk: its `$LATEST` and everything but the published versions, which have rows of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_domain::async_config::EventInvokeConfig;
use lambent_domain::runtime::RuntimeManagement;
use lambent_domain::scaling::Provisioned;
use lambent_domain::url::{Cors, UrlAuth, UrlConfig};
use lambent_domain::{
    Alias, Epoch, Function, FunctionKey, Qualifier, TimestampMs, Version, VersionNumber, Weighted,
};
use serde::{Deserialize, Serialize};

use super::version::{StoredVersion, VersionSecrets};
use super::{PolicyV1, damaged, revision};

/// Every form that was ever written.
#[derive(Serialize, Deserialize)]
#[serde(tag = "version")]
pub(crate) enum StoredFunction {
    #[serde(rename = "1")]
    V1(FunctionV1),
}

/// Qualifiers are spelled as on the wire; the unqualified function is the empty text.
#[derive(Serialize, Deserialize)]
pub(crate) struct FunctionV1 {
    latest: StoredVersion,
    next_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published_description: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    aliases: BTreeMap<String, AliasV1>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    policies: BTreeMap<String, PolicyV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reserved_concurrency: Option<u32>,
    /// How many, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    provisioned: BTreeMap<String, (u32, u64)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    event_invoke: BTreeMap<String, EventInvokeV1>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    urls: BTreeMap<String, UrlV1>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    runtime_management: BTreeMap<String, RuntimeManagementV1>,
    #[serde(default)]
    allow_recursive_loop: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code_signing_config_arn: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct AliasV1 {
    version: String,
    description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weighted: Option<(u64, f64)>,
    revision_id: String,
}

#[derive(Serialize, Deserialize)]
struct EventInvokeV1 {
    maximum_retry_attempts: Option<u32>,
    maximum_event_age_s: Option<u32>,
    on_success: Option<String>,
    on_failure: Option<String>,
    last_modified_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct UrlV1 {
    id: String,
    iam_auth: bool,
    streaming: bool,
    cors: Option<CorsV1>,
    created_ms: u64,
    modified_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct CorsV1 {
    allow_credentials: Option<bool>,
    allow_headers: Option<Vec<String>>,
    allow_methods: Option<Vec<String>>,
    allow_origins: Option<Vec<String>>,
    expose_headers: Option<Vec<String>>,
    max_age_s: Option<u32>,
}

#[derive(Serialize, Deserialize)]
enum RuntimeManagementV1 {
    Auto,
    FunctionUpdate,
    Manual(String),
}

/// `Option<Qualifier>` and its text.
fn text(qualifier: Option<&Qualifier>) -> String {
    qualifier.map(Qualifier::to_string).unwrap_or_default()
}

fn qualifier(text: &str) -> Result<Qualifier, String> {
    Qualifier::parse(text).ok_or_else(|| damaged("a qualifier"))
}

fn number(text: &str) -> Result<VersionNumber, String> {
    VersionNumber::parse(text).ok_or_else(|| damaged("a version number"))
}

impl StoredFunction {
    pub(crate) fn of(function: &Function) -> Self {
        let provisioned = |(qualifier, provisioned): (&Qualifier, &Provisioned)| {
            (qualifier.to_string(), (provisioned.requested, provisioned.modified.0))
        };
        StoredFunction::V1(FunctionV1 {
            latest: StoredVersion::of(&function.latest),
            next_version: function.next_version,
            published_description: function.published_description.clone(),
            aliases: function.aliases.iter().map(|(name, alias)| (name.clone(), alias.into())).collect(),
            tags: function.tags.clone(),
            policies: function
                .policies
                .iter()
                .map(|(key, policy)| (text(key.as_ref()), policy.into()))
                .collect(),
            reserved_concurrency: function.reserved_concurrency,
            provisioned: function.provisioned.iter().map(provisioned).collect(),
            event_invoke: function
                .event_invoke
                .iter()
                .map(|(key, config)| (key.to_string(), config.into()))
                .collect(),
            urls: function
                .urls
                .iter()
                .map(|(key, url)| (key.clone().unwrap_or_default(), url.into()))
                .collect(),
            runtime_management: function
                .runtime_management
                .iter()
                .map(|(version, management)| (version.to_string(), management.into()))
                .collect(),
            allow_recursive_loop: function.allow_recursive_loop,
            code_signing_config_arn: function.code_signing_config_arn.clone(),
        })
    }

    /// Back into the domain, with the published versions and the environments of `$LATEST`.
    pub(crate) fn into_function(
        self,
        key: FunctionKey,
        epoch: Epoch,
        secrets: VersionSecrets,
        versions: BTreeMap<u64, Arc<Version>>,
    ) -> Result<Function, String> {
        let StoredFunction::V1(stored) = self;
        let mut function = Function::new(key, stored.latest.into_version(VersionNumber::Latest, secrets)?);
        function.epoch = epoch;
        function.versions = versions;
        function.next_version = stored.next_version;
        function.published_description = stored.published_description;
        function.tags = stored.tags;
        function.reserved_concurrency = stored.reserved_concurrency;
        function.allow_recursive_loop = stored.allow_recursive_loop;
        function.code_signing_config_arn = stored.code_signing_config_arn;
        for (name, alias) in stored.aliases {
            function.aliases.insert(name, alias.into_alias()?);
        }
        for (key, policy) in stored.policies {
            let key = if key.is_empty() { None } else { Some(qualifier(&key)?) };
            function.policies.insert(key, policy.into_policy()?);
        }
        for (key, (requested, modified_ms)) in stored.provisioned {
            let provisioned = Provisioned { requested, modified: TimestampMs(modified_ms) };
            function.provisioned.insert(qualifier(&key)?, provisioned);
        }
        for (key, config) in stored.event_invoke {
            function.event_invoke.insert(qualifier(&key)?, config.into_config());
        }
        for (key, url) in stored.urls {
            function.urls.insert((!key.is_empty()).then_some(key), url.into_url());
        }
        for (version, management) in stored.runtime_management {
            function.runtime_management.insert(number(&version)?, management.into_management());
        }
        Ok(function)
    }
}

impl From<&Alias> for AliasV1 {
    fn from(alias: &Alias) -> Self {
        AliasV1 {
            version: alias.version.to_string(),
            description: alias.description.clone(),
            weighted: alias.weighted.map(|weighted| (weighted.version, weighted.weight)),
            revision_id: alias.revision_id.to_string(),
        }
    }
}

impl AliasV1 {
    fn into_alias(self) -> Result<Alias, String> {
        Ok(Alias {
            version: number(&self.version)?,
            description: self.description,
            weighted: self.weighted.map(|(version, weight)| Weighted { version, weight }),
            revision_id: revision(&self.revision_id)?,
        })
    }
}

impl From<&EventInvokeConfig> for EventInvokeV1 {
    fn from(config: &EventInvokeConfig) -> Self {
        EventInvokeV1 {
            maximum_retry_attempts: config.maximum_retry_attempts,
            maximum_event_age_s: config.maximum_event_age_s,
            on_success: config.on_success.clone(),
            on_failure: config.on_failure.clone(),
            last_modified_ms: config.last_modified.0,
        }
    }
}

impl EventInvokeV1 {
    fn into_config(self) -> EventInvokeConfig {
        EventInvokeConfig {
            maximum_retry_attempts: self.maximum_retry_attempts,
            maximum_event_age_s: self.maximum_event_age_s,
            on_success: self.on_success,
            on_failure: self.on_failure,
            last_modified: TimestampMs(self.last_modified_ms),
        }
    }
}

impl From<&UrlConfig> for UrlV1 {
    fn from(url: &UrlConfig) -> Self {
        UrlV1 {
            id: url.id.clone(),
            iam_auth: url.auth == UrlAuth::AwsIam,
            streaming: url.streaming,
            cors: url.cors.as_ref().map(CorsV1::from),
            created_ms: url.created.0,
            modified_ms: url.modified.0,
        }
    }
}

impl UrlV1 {
    fn into_url(self) -> UrlConfig {
        UrlConfig {
            id: self.id,
            auth: if self.iam_auth { UrlAuth::AwsIam } else { UrlAuth::None },
            streaming: self.streaming,
            cors: self.cors.map(CorsV1::into_cors),
            created: TimestampMs(self.created_ms),
            modified: TimestampMs(self.modified_ms),
        }
    }
}

impl From<&Cors> for CorsV1 {
    fn from(cors: &Cors) -> Self {
        CorsV1 {
            allow_credentials: cors.allow_credentials,
            allow_headers: cors.allow_headers.clone(),
            allow_methods: cors.allow_methods.clone(),
            allow_origins: cors.allow_origins.clone(),
            expose_headers: cors.expose_headers.clone(),
            max_age_s: cors.max_age_s,
        }
    }
}

impl CorsV1 {
    fn into_cors(self) -> Cors {
        Cors {
            allow_credentials: self.allow_credentials,
            allow_headers: self.allow_headers,
            allow_methods: self.allow_methods,
            allow_origins: self.allow_origins,
            expose_headers: self.expose_headers,
            max_age_s: self.max_age_s,
        }
    }
}

impl From<&RuntimeManagement> for RuntimeManagementV1 {
    fn from(management: &RuntimeManagement) -> Self {
        match management {
            RuntimeManagement::Auto => RuntimeManagementV1::Auto,
            RuntimeManagement::FunctionUpdate => RuntimeManagementV1::FunctionUpdate,
            RuntimeManagement::Manual { runtime_version_arn } => {
                RuntimeManagementV1::Manual(runtime_version_arn.clone())
            }
        }
    }
}

impl RuntimeManagementV1 {
    fn into_management(self) -> RuntimeManagement {
        match self {
            RuntimeManagementV1::Auto => RuntimeManagement::Auto,
            RuntimeManagementV1::FunctionUpdate => RuntimeManagement::FunctionUpdate,
            RuntimeManagementV1::Manual(runtime_version_arn) => {
                RuntimeManagement::Manual { runtime_version_arn }
            }
        }
    }
}
