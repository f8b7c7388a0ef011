//! Get-, List- and DeleteFunctionEventInvokeConfig: what happens to events that were accepted and could not be handled.

use lambent_api_kit::{Context, Handle};
use lambent_domain::async_config::EventInvokeConfig;
use lambent_domain::limits::LIST_PAGE;
use lambent_domain::{Fault, FunctionKey, Qualifier};
use lambent_wire::lambda::operations::delete_function_event_invoke_config::{
    DeleteFunctionEventInvokeConfigRequest, DeleteFunctionEventInvokeConfigResponse,
};
use lambent_wire::lambda::operations::get_function_event_invoke_config::GetFunctionEventInvokeConfigRequest;
use lambent_wire::lambda::operations::list_function_event_invoke_configs::{
    ListFunctionEventInvokeConfigsRequest, ListFunctionEventInvokeConfigsResponse,
};
use lambent_wire::lambda::operations::{
    DeleteFunctionEventInvokeConfig, GetFunctionEventInvokeConfig, ListFunctionEventInvokeConfigs,
};
use lambent_wire::lambda::types;

use crate::Control;
use crate::paging::Page;
use crate::target::Target;

impl Handle<GetFunctionEventInvokeConfig> for Control {
    type Fault = Fault;

    /// Whatever is missing, the function, the alias or the configuration: one answer (recorded).
    async fn handle(
        &self,
        context: Context,
        input: GetFunctionEventInvokeConfigRequest,
    ) -> Result<types::FunctionEventInvokeConfig, Fault> {
        let target = Target::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        let qualifier = target.qualifier_or_latest();
        let function = self.parts.store.function(&target.key);
        let config = function.as_ref().and_then(|function| function.event_invoke.get(&qualifier));
        config
            .map(|config| shown(&target.key, &qualifier, config))
            .ok_or_else(|| none(&target.key, &qualifier))
    }
}

impl Handle<ListFunctionEventInvokeConfigs> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: ListFunctionEventInvokeConfigsRequest,
    ) -> Result<ListFunctionEventInvokeConfigsResponse, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        let page = Page::parse("event-invoke", input.marker.as_deref(), input.max_items, LIST_PAGE)?;
        let function = self.parts.store.function(&target.key).ok_or_else(no_function)?;
        let mut configs: Vec<(String, _)> = function
            .event_invoke
            .iter()
            .map(|(qualifier, config)| (qualifier.to_string(), shown(&target.key, qualifier, config)))
            .collect();
        configs.sort_by(|one, other| one.0.cmp(&other.0));
        let (found, next_marker) = page.of(configs.into_iter(), |(text, _)| text.clone());
        Ok(ListFunctionEventInvokeConfigsResponse {
            function_event_invoke_configs: Some(found.into_iter().map(|(_, config)| config).collect()),
            next_marker,
        })
    }
}

impl Handle<DeleteFunctionEventInvokeConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteFunctionEventInvokeConfigRequest,
    ) -> Result<DeleteFunctionEventInvokeConfigResponse, Fault> {
        let target = Target::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        let qualifier = target.qualifier_or_latest();
        let deleted = self
            .change(&target, |function| {
                function
                    .event_invoke
                    .remove(&qualifier)
                    .map(|_| ())
                    .ok_or_else(|| none(&target.key, &qualifier))
            })
            .await;
        match deleted {
            // As of one without a configuration (recorded).
            Err(Fault::FunctionNotFound(_)) => Err(none(&target.key, &qualifier)),
            deleted => deleted.map(|_| DeleteFunctionEventInvokeConfigResponse::default()),
        }
    }
}

/// As the API shows it: both destinations always, the numbers when they were given (recorded).
pub(super) fn shown(
    key: &FunctionKey,
    qualifier: &Qualifier,
    config: &EventInvokeConfig,
) -> types::FunctionEventInvokeConfig {
    types::FunctionEventInvokeConfig {
        last_modified: Some(config.last_modified.0 as f64 / 1_000.0),
        function_arn: Some(key.qualified_arn(&qualifier.to_string())),
        maximum_retry_attempts: config.maximum_retry_attempts.map(|count| count as i32),
        maximum_event_age_in_seconds: config.maximum_event_age_s.map(|seconds| seconds as i32),
        destination_config: Some(types::DestinationConfig {
            on_success: Some(types::OnSuccess { destination: config.on_success.clone() }),
            on_failure: Some(types::OnFailure { destination: config.on_failure.clone() }),
        }),
    }
}

/// AWS's answer where there is no configuration.
pub(super) fn none(key: &FunctionKey, qualifier: &Qualifier) -> Fault {
    let arn = key.qualified_arn(&qualifier.to_string());
    Fault::NotFound(format!("The function {arn} doesn't have an EventInvokeConfig"))
}

/// These operations' answer where a function, version or alias is missing.
pub(super) fn no_function() -> Fault {
    Fault::NotFound("The function doesn't exist.".into())
}
