//! Lambda's control plane: one file per operation, and the rules they share.

mod activation;
mod not_yet;
mod operations;
mod package;
mod settings;
mod shown;
mod target;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lambent_api_kit::{Entry, Registry};
use lambent_domain::{Fault, Function, FunctionKey, RevisionId};
use lambent_kit::clock::Clock;
use lambent_kit::random::Random;
use lambent_ports::api::{ApiRequest, ApiService};
use lambent_ports::code::{CodeLinks, CodeStore};
use lambent_ports::runtimes::RuntimeCatalog;
use lambent_ports::store::{FunctionStore, StoreError};
use lambent_wire::lambda;
use lambent_wire::lambda::operations as op;

use activation::Activation;

/// What the control plane is built of.
#[derive(Clone)]
pub struct ControlParts {
    /// Functions on disk.
    pub store: Arc<dyn FunctionStore>,
    /// Packages on disk.
    pub code: Arc<dyn CodeStore>,
    /// Runtimes of this host.
    pub runtimes: Arc<dyn RuntimeCatalog>,
    /// Download links.
    pub links: Arc<dyn CodeLinks>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Revision ids.
    pub random: Arc<dyn Random>,
    /// Concurrent executions of the account, for GetAccountSettings.
    pub account_concurrency: u32,
}

/// The state that operations are handled on.
pub struct Control {
    parts: ControlParts,
    activation: Activation,
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
    Entry::of::<op::CreateFunction>(),
    Entry::of::<op::DeleteFunction>(),
    Entry::of::<op::GetAccountSettings>(),
    Entry::of::<op::GetFunction>(),
    Entry::of::<op::GetFunctionConfiguration>(),
    Entry::of::<op::ListFunctions>(),
    Entry::of::<op::ListTags>(),
    Entry::of::<op::TagResource>(),
    Entry::of::<op::UntagResource>(),
    Entry::of::<op::UpdateFunctionCode>(),
    Entry::of::<op::UpdateFunctionConfiguration>(),
];

/// Operations that the front serves itself, on the hot path.
pub const SERVED_BY_THE_FRONT: &[&str] = &["Invoke"];

impl Control {
    /// Builds it. Call [`Control::resume`] before the first request.
    pub fn new(parts: ControlParts) -> Arc<Self> {
        Arc::new(Control { activation: Activation::new(parts.clone()), parts })
    }

    /// Goes on with what a crash or a stop interrupted, and drops packages that nothing refers to.
    pub async fn resume(&self) -> Result<(), StoreError> {
        let functions = self.parts.store.all().await?;
        let deployed = functions.iter().filter_map(|function| function.deployed.as_ref());
        let mut keep: Vec<_> = deployed.map(|deployed| deployed.code.sha256).collect();
        keep.extend(functions.iter().map(|function| function.code.sha256));
        if let Err(error) = self.parts.code.sweep(&keep, &[]).await {
            tracing::warn!(%error, "packages that nothing refers to could not be removed");
        }
        for function in functions {
            if activation::is_unfinished(&function) {
                self.activation.spawn(function.key.clone());
            }
        }
        Ok(())
    }

    fn new_revision(&self) -> RevisionId {
        RevisionId::from_random(self.parts.random.bytes16())
    }

    /// The stored function, or AWS's "not found" with the ARN as the caller pointed at it.
    async fn function(&self, key: &FunctionKey, shown_arn: &str) -> Result<Arc<Function>, Fault> {
        let found = self.parts.store.get(key).await.map_err(store_fault)?;
        found.ok_or_else(|| Fault::FunctionNotFound(shown_arn.to_owned()))
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
