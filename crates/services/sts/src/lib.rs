//! STS: who the caller is, and temporary credentials. Without authentication every caller is its account's root.

mod access;
mod assume_role;
mod fault;
mod get_access_key_info;
mod get_caller_identity;
mod get_session_token;
mod not_yet;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lambent_api_kit::{Entry, Registry};
use lambent_kit::clock::Clock;
use lambent_ports::access::Sessions;
use lambent_ports::api::{ApiRequest, ApiService};
use lambent_ports::identity::Identities;
use lambent_wire::sts;
use lambent_wire::sts::operations as op;

pub use fault::StsFault;

/// The service's state: credentials hold by themselves, and nothing is kept of them.
pub struct Sts {
    /// Makes credentials.
    pub sessions: Arc<dyn Sessions>,
    /// Roles and policies.
    pub identities: Arc<dyn Identities>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
}

/// Every operation.
pub const REGISTRY: Registry<Sts, StsFault> = Registry {
    protocol: sts::PROTOCOL,
    target_prefix: sts::TARGET_PREFIX,
    routes: sts::ROUTES,
    operations: &[
        Entry::of::<op::AssumeRole>(),
        Entry::of::<op::GetAccessKeyInfo>(),
        Entry::of::<op::GetCallerIdentity>(),
        Entry::of::<op::GetSessionToken>(),
    ],
    not_yet: not_yet::NOT_YET,
};

/// STS as a service.
pub struct StsService(pub Arc<Sts>);

#[async_trait]
impl ApiService for StsService {
    fn signing_name(&self) -> &'static str {
        "sts"
    }

    async fn call(&self, request: ApiRequest) -> http::Response<Bytes> {
        REGISTRY.answer(Arc::clone(&self.0), request).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_operation_of_the_model_is_listed_once() {
        lambent_api_kit::assert_complete(&super::REGISTRY, &[], lambent_wire::sts::OPERATIONS);
    }
}
