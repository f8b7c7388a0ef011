//! Lambda's control plane: one file per operation, and the rules they share.

mod access;
mod activation;
mod change;
mod code_signing;
mod event_source;
mod layers;
mod mapping;
mod not_yet;
mod operations;
mod package;
mod paging;
mod policy;
mod settings;
mod shown;
mod target;
mod turns;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lambent_api_kit::{Entry, Registry};
use lambent_domain::{Fault, RevisionId, TimestampMs};
use lambent_kit::clock::Clock;
use lambent_kit::random::Random;
use lambent_ports::api::{ApiRequest, ApiService};
use lambent_ports::code::{CodeLinks, CodeStore};
use lambent_ports::code_source::CodeSource;
use lambent_ports::event_sources::EventSources;
use lambent_ports::invoke::ProvisionedView;
use lambent_ports::runtimes::RuntimeCatalog;
use lambent_ports::signatures::Signatures;
use lambent_ports::store::{Store, StoreError};
use lambent_wire::lambda;
use lambent_wire::lambda::operations as op;

use activation::Activation;
use turns::Turns;

/// What the control plane is built of.
#[derive(Clone)]
pub struct ControlParts {
    /// Functions and what they refer to, on disk.
    pub store: Arc<dyn Store>,
    /// Packages on disk.
    pub code: Arc<dyn CodeStore>,
    /// Packages elsewhere.
    pub s3: Arc<dyn CodeSource>,
    /// Who has signed packages.
    pub signatures: Arc<dyn Signatures>,
    /// Runtimes of this host.
    pub runtimes: Arc<dyn RuntimeCatalog>,
    /// Download links.
    pub links: Arc<dyn CodeLinks>,
    /// How provisioned concurrency stands.
    pub provisioned: Arc<dyn ProvisionedView>,
    /// Queues that functions are called from.
    pub event_sources: Arc<dyn EventSources>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Revision ids.
    pub random: Arc<dyn Random>,
    /// Concurrent executions of the account, for GetAccountSettings and what may be reserved of it.
    pub account_concurrency: u32,
}

/// The state that operations are handled on.
pub struct Control {
    parts: ControlParts,
    activation: Activation,
    turns: Arc<Turns>,
}

/// Every operation, in the model's order of names.
pub const REGISTRY: Registry<Control, Fault> = Registry {
    protocol: lambda::PROTOCOL,
    target_prefix: lambda::TARGET_PREFIX,
    routes: lambda::ROUTES,
    operations: OPERATIONS,
    not_yet: not_yet::NOT_YET,
};

const OPERATIONS: &[Entry<Control, Fault>] = &[
    Entry::of::<op::AddLayerVersionPermission>(),
    Entry::of::<op::AddPermission>(),
    Entry::of::<op::CreateAlias>(),
    Entry::of::<op::CreateCodeSigningConfig>(),
    Entry::of::<op::CreateEventSourceMapping>(),
    Entry::of::<op::CreateFunction>(),
    Entry::of::<op::CreateFunctionUrlConfig>(),
    Entry::of::<op::DeleteAlias>(),
    Entry::of::<op::DeleteCodeSigningConfig>(),
    Entry::of::<op::DeleteEventSourceMapping>(),
    Entry::of::<op::DeleteFunction>(),
    Entry::of::<op::DeleteFunctionCodeSigningConfig>(),
    Entry::of::<op::DeleteFunctionConcurrency>(),
    Entry::of::<op::DeleteFunctionEventInvokeConfig>(),
    Entry::of::<op::DeleteFunctionUrlConfig>(),
    Entry::of::<op::DeleteLayerVersion>(),
    Entry::of::<op::DeleteProvisionedConcurrencyConfig>(),
    Entry::of::<op::DeleteResourcePolicy>(),
    Entry::of::<op::GetAccountSettings>(),
    Entry::of::<op::GetAlias>(),
    Entry::of::<op::GetCapacityProvider>(),
    Entry::of::<op::GetCodeSigningConfig>(),
    Entry::of::<op::GetEventSourceMapping>(),
    Entry::of::<op::GetFunction>(),
    Entry::of::<op::GetFunctionCodeSigningConfig>(),
    Entry::of::<op::GetFunctionConcurrency>(),
    Entry::of::<op::GetFunctionConfiguration>(),
    Entry::of::<op::GetFunctionEventInvokeConfig>(),
    Entry::of::<op::GetFunctionRecursionConfig>(),
    Entry::of::<op::GetFunctionScalingConfig>(),
    Entry::of::<op::GetFunctionUrlConfig>(),
    Entry::of::<op::GetLayerVersion>(),
    Entry::of::<op::GetLayerVersionByArn>(),
    Entry::of::<op::GetLayerVersionPolicy>(),
    Entry::of::<op::GetPolicy>(),
    Entry::of::<op::GetProvisionedConcurrencyConfig>(),
    Entry::of::<op::GetResourcePolicy>(),
    Entry::of::<op::GetRuntimeManagementConfig>(),
    Entry::of::<op::ListAliases>(),
    Entry::of::<op::ListCapacityProviders>(),
    Entry::of::<op::ListCodeSigningConfigs>(),
    Entry::of::<op::ListDurableExecutionsByFunction>(),
    Entry::of::<op::ListEventSourceMappings>(),
    Entry::of::<op::ListFunctionEventInvokeConfigs>(),
    Entry::of::<op::ListFunctionUrlConfigs>(),
    Entry::of::<op::ListFunctionVersionsByCapacityProvider>(),
    Entry::of::<op::ListFunctions>(),
    Entry::of::<op::ListFunctionsByCodeSigningConfig>(),
    Entry::of::<op::ListLayerVersions>(),
    Entry::of::<op::ListLayers>(),
    Entry::of::<op::ListProvisionedConcurrencyConfigs>(),
    Entry::of::<op::ListTags>(),
    Entry::of::<op::ListVersionsByFunction>(),
    Entry::of::<op::PublishLayerVersion>(),
    Entry::of::<op::PublishVersion>(),
    Entry::of::<op::PutFunctionCodeSigningConfig>(),
    Entry::of::<op::PutFunctionConcurrency>(),
    Entry::of::<op::PutFunctionEventInvokeConfig>(),
    Entry::of::<op::PutFunctionRecursionConfig>(),
    Entry::of::<op::PutFunctionScalingConfig>(),
    Entry::of::<op::PutProvisionedConcurrencyConfig>(),
    Entry::of::<op::PutResourcePolicy>(),
    Entry::of::<op::PutRuntimeManagementConfig>(),
    Entry::of::<op::RemoveLayerVersionPermission>(),
    Entry::of::<op::RemovePermission>(),
    Entry::of::<op::TagResource>(),
    Entry::of::<op::UntagResource>(),
    Entry::of::<op::UpdateAlias>(),
    Entry::of::<op::UpdateCodeSigningConfig>(),
    Entry::of::<op::UpdateEventSourceMapping>(),
    Entry::of::<op::UpdateFunctionCode>(),
    Entry::of::<op::UpdateFunctionConfiguration>(),
    Entry::of::<op::UpdateFunctionEventInvokeConfig>(),
    Entry::of::<op::UpdateFunctionUrlConfig>(),
];

/// Operations that the front serves itself, on the hot path.
pub const SERVED_BY_THE_FRONT: &[&str] = &["Invoke", "InvokeAsync"];

impl Control {
    /// Builds it. Call [`Control::resume`] before the first request.
    pub fn new(parts: ControlParts) -> Arc<Self> {
        let turns = Arc::new(Turns::default());
        let activation = Activation::new(parts.clone(), Arc::clone(&turns));
        Arc::new(Control { parts, activation, turns })
    }

    /// Goes on with what a crash or a stop interrupted, and drops packages that nothing refers to.
    pub async fn resume(&self) {
        let functions = self.parts.store.all_functions();
        let versions = || functions.iter().flat_map(|function| function.all_versions());
        let mut keep: Vec<_> =
            versions().flat_map(|version| version.packages()).map(|code| code.sha256).collect();
        for layer in self.parts.store.all_layers() {
            keep.extend(layer.versions.values().map(|version| version.code.sha256));
        }
        let keep_merged: Vec<_> = versions().flat_map(|version| version.layer_lists()).collect();
        if let Err(error) = self.parts.code.sweep(&keep, &keep_merged).await {
            tracing::warn!(%error, "packages that nothing refers to could not be removed");
        }
        for function in functions {
            if function.all_versions().any(|version| version.is_unfinished()) {
                self.activation.spawn(function.key.clone());
            }
        }
    }

    fn new_revision(&self) -> RevisionId {
        RevisionId::from_random(self.parts.random.bytes16())
    }

    fn now(&self) -> TimestampMs {
        TimestampMs(self.parts.clock.now_ms())
    }
}

/// A store's failure that no operation treats by itself.
fn store_fault(error: StoreError) -> Fault {
    match error {
        StoreError::CodeStorageExceeded => Fault::CodeStorageExceeded,
        other => Fault::Internal(other.to_string()),
    }
}

/// Control as a service: state and registry together.
pub struct ControlService(pub Arc<Control>);

#[async_trait]
impl ApiService for ControlService {
    fn signing_name(&self) -> &'static str {
        "lambda"
    }

    async fn call(&self, request: ApiRequest) -> http::Response<Bytes> {
        REGISTRY.answer(Arc::clone(&self.0), request).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_operation_of_the_model_is_listed_once() {
        lambent_api_kit::assert_complete(
            &super::REGISTRY,
            super::SERVED_BY_THE_FRONT,
            lambent_wire::lambda::OPERATIONS,
        );
    }
}
