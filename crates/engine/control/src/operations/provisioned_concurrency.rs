//! Get-, List- and DeleteProvisionedConcurrencyConfig: how many environments are kept initialised, and how far that is.

use lambent_api_kit::{Context, Handle};
use lambent_domain::limits::LIST_PAGE;
use lambent_domain::scaling::Provisioned;
use lambent_domain::{Fault, Function, Qualifier};
use lambent_kit::utc::offset_s;
use lambent_wire::lambda::operations::delete_provisioned_concurrency_config::{
    DeleteProvisionedConcurrencyConfigRequest, DeleteProvisionedConcurrencyConfigResponse,
};
use lambent_wire::lambda::operations::get_provisioned_concurrency_config::{
    GetProvisionedConcurrencyConfigRequest, GetProvisionedConcurrencyConfigResponse,
};
use lambent_wire::lambda::operations::list_provisioned_concurrency_configs::{
    ListProvisionedConcurrencyConfigsRequest, ListProvisionedConcurrencyConfigsResponse,
    ProvisionedConcurrencyConfigListItem,
};
use lambent_wire::lambda::operations::{
    DeleteProvisionedConcurrencyConfig, GetProvisionedConcurrencyConfig, ListProvisionedConcurrencyConfigs,
};

use crate::Control;
use crate::paging::Page;
use crate::target::{Target, existing};

impl Handle<GetProvisionedConcurrencyConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: GetProvisionedConcurrencyConfigRequest,
    ) -> Result<GetProvisionedConcurrencyConfigResponse, Fault> {
        let target = Target::parse(&input.function_name, Some(&input.qualifier), &context.scope)?;
        let function = self.function(&target)?;
        let qualifier = published(&target)?;
        existing(&function, &qualifier)?;
        let provisioned = function.provisioned.get(&qualifier).ok_or(Fault::NoProvisionedConcurrency)?;
        let shown = self.progress(&function, &qualifier, *provisioned);
        Ok(GetProvisionedConcurrencyConfigResponse {
            requested_provisioned_concurrent_executions: Some(shown.requested),
            available_provisioned_concurrent_executions: Some(shown.there),
            allocated_provisioned_concurrent_executions: Some(shown.there),
            status: Some(shown.status.into()),
            status_reason: shown.reason,
            last_modified: Some(shown.last_modified),
        })
    }
}

impl Handle<ListProvisionedConcurrencyConfigs> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: ListProvisionedConcurrencyConfigsRequest,
    ) -> Result<ListProvisionedConcurrencyConfigsResponse, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        let page = Page::parse("provisioned", input.marker.as_deref(), input.max_items, LIST_PAGE)?;
        let function = self.function(&target)?;
        let mut configs: Vec<(String, &Qualifier, Provisioned)> =
            function.provisioned.iter().map(|(key, value)| (key.to_string(), key, *value)).collect();
        configs.sort_by(|one, other| one.0.cmp(&other.0));
        let (found, next_marker) = page.of(configs.into_iter(), |(text, ..)| text.clone());
        let item = |(text, qualifier, provisioned): (String, &Qualifier, Provisioned)| {
            let shown = self.progress(&function, qualifier, provisioned);
            ProvisionedConcurrencyConfigListItem {
                function_arn: Some(function.key.qualified_arn(&text)),
                requested_provisioned_concurrent_executions: Some(shown.requested),
                available_provisioned_concurrent_executions: Some(shown.there),
                allocated_provisioned_concurrent_executions: Some(shown.there),
                status: Some(shown.status.into()),
                status_reason: shown.reason,
                last_modified: Some(shown.last_modified),
            }
        };
        Ok(ListProvisionedConcurrencyConfigsResponse {
            provisioned_concurrency_configs: Some(found.into_iter().map(item).collect()),
            next_marker,
        })
    }
}

impl Handle<DeleteProvisionedConcurrencyConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteProvisionedConcurrencyConfigRequest,
    ) -> Result<DeleteProvisionedConcurrencyConfigResponse, Fault> {
        let target = Target::parse(&input.function_name, Some(&input.qualifier), &context.scope)?;
        let qualifier = published(&target)?;
        // One that is not there counts as deleted (recorded).
        self.change(&target, |function| {
            existing(function, &qualifier)?;
            function.provisioned.remove(&qualifier);
            Ok(())
        })
        .await?;
        Ok(DeleteProvisionedConcurrencyConfigResponse {})
    }
}

/// How far provisioning is.
struct Progress {
    requested: i32,
    there: i32,
    status: &'static str,
    reason: Option<String>,
    last_modified: String,
}

impl Control {
    /// Aliases that point at one version share its environments: the first come first.
    fn progress(&self, function: &Function, qualifier: &Qualifier, provisioned: Provisioned) -> Progress {
        let deployed = function.primary(Some(qualifier)).and_then(|version| version.deployed.as_ref());
        let state =
            deployed.map(|deployed| self.parts.provisioned.provisioned(deployed.id)).unwrap_or_default();
        let number = function.primary(Some(qualifier)).map(|version| version.number);
        let before: u32 = function
            .provisioned
            .iter()
            .take_while(|(other, _)| *other != qualifier)
            .filter(|(other, _)| function.primary(Some(other)).map(|version| version.number) == number)
            .map(|(_, other)| other.requested)
            .sum();
        let there = state.environments.saturating_sub(before).min(provisioned.requested);
        let (status, reason) = match state.failure {
            Some(reason) => ("FAILED", Some(reason.to_owned())),
            None if there == provisioned.requested => ("READY", None),
            None => ("IN_PROGRESS", None),
        };
        Progress {
            requested: provisioned.requested as i32,
            there: there as i32,
            status,
            reason,
            last_modified: offset_s(provisioned.modified.0),
        }
    }
}

/// A version or alias.
fn published(target: &Target) -> Result<Qualifier, Fault> {
    match target.qualifier_or_latest() {
        Qualifier::Latest => Err(Fault::InvalidParameter(
            "The function resource provided must be an alias or a published version.".into(),
        )),
        qualifier => Ok(qualifier),
    }
}
