//! Get-, List- and DeleteFunctionUrlConfig, and the rules that every operation on function URLs shares.

use lambent_api_kit::{Context, Handle};
use lambent_domain::limits::LIST_PAGE;
use lambent_domain::url::{Cors, UrlAuth, UrlConfig};
use lambent_domain::{Fault, Function, FunctionKey, Qualifier, Scope};
use lambent_kit::utc::rfc3339_ms;
use lambent_wire::lambda::operations::delete_function_url_config::{
    DeleteFunctionUrlConfigRequest, DeleteFunctionUrlConfigResponse,
};
use lambent_wire::lambda::operations::get_function_url_config::{
    GetFunctionUrlConfigRequest, GetFunctionUrlConfigResponse,
};
use lambent_wire::lambda::operations::list_function_url_configs::{
    FunctionUrlConfig, ListFunctionUrlConfigsRequest, ListFunctionUrlConfigsResponse,
};
use lambent_wire::lambda::operations::{
    DeleteFunctionUrlConfig, GetFunctionUrlConfig, ListFunctionUrlConfigs,
};
use lambent_wire::lambda::types;

use super::permissions::NO_RESOURCE;
use crate::Control;
use crate::paging::Page;
use crate::target::Target;

impl Handle<GetFunctionUrlConfig> for Control {
    type Fault = Fault;

    /// Whatever is missing, the function, the alias or the URL: one answer (recorded).
    async fn handle(
        &self,
        context: Context,
        input: GetFunctionUrlConfigRequest,
    ) -> Result<GetFunctionUrlConfigResponse, Fault> {
        let place = Place::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        let function = self.parts.store.function(&place.target.key);
        let url = function.as_ref().and_then(|function| function.urls.get(&place.alias));
        let url = shown(&place.target.key, place.alias.as_ref(), url.ok_or_else(none)?);
        Ok(GetFunctionUrlConfigResponse {
            function_url: url.function_url,
            function_arn: url.function_arn,
            auth_type: url.auth_type,
            cors: url.cors,
            creation_time: url.creation_time,
            last_modified_time: url.last_modified_time,
            invoke_mode: url.invoke_mode,
        })
    }
}

impl Handle<ListFunctionUrlConfigs> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: ListFunctionUrlConfigsRequest,
    ) -> Result<ListFunctionUrlConfigsResponse, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        let page = Page::parse("urls", input.marker.as_deref(), input.max_items, LIST_PAGE)?;
        let function = self.parts.store.function(&target.key).ok_or_else(no_function)?;
        // The function's own comes first, in the map and as a key: no alias begins with a dollar.
        let key = |alias: &Option<String>| alias.clone().unwrap_or_else(|| Qualifier::Latest.to_string());
        let (found, next_marker) = page.of(function.urls.iter(), |(alias, _)| key(alias));
        let show = |(alias, url): (&Option<String>, &UrlConfig)| shown(&target.key, alias.as_ref(), url);
        Ok(ListFunctionUrlConfigsResponse {
            function_url_configs: found.into_iter().map(show).collect(),
            next_marker,
        })
    }
}

impl Handle<DeleteFunctionUrlConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteFunctionUrlConfigRequest,
    ) -> Result<DeleteFunctionUrlConfigResponse, Fault> {
        let place = Place::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        let change = |function: &mut Function| function.urls.remove(&place.alias).ok_or_else(none);
        match self.change(&place.target, change).await {
            Err(Fault::FunctionNotFound(_)) => Err(none()),
            deleted => deleted.map(|_| DeleteFunctionUrlConfigResponse::default()),
        }
    }
}

/// Where a URL is: at a function or one of its aliases.
pub(super) struct Place {
    pub(super) target: Target,
    pub(super) alias: Option<String>,
}

impl Place {
    /// The model's patterns have been checked: they let only aliases through.
    pub(super) fn parse(text: &str, qualifier: Option<&str>, scope: &Scope) -> Result<Self, Fault> {
        let target = Target::parse(text, qualifier, scope)?;
        let alias = target.qualifier.as_ref().map(Qualifier::to_string);
        Ok(Place { target, alias })
    }

    /// The function has the alias, if it is one's place.
    pub(super) fn check(&self, function: &Function) -> Result<(), Fault> {
        match &self.alias {
            Some(alias) if !function.aliases.contains_key(alias) => Err(no_function()),
            _ => Ok(()),
        }
    }
}

/// As the API shows it in Get and lists.
pub(super) fn shown(key: &FunctionKey, alias: Option<&String>, url: &UrlConfig) -> FunctionUrlConfig {
    FunctionUrlConfig {
        function_url: format!("https://{}.lambda-url.{}.on.aws/", url.id, key.scope.region),
        function_arn: alias.map_or_else(|| key.arn(), |alias| key.qualified_arn(alias)),
        // The form that AWS documents; unlike a function's, with `Z`.
        creation_time: rfc3339_ms(url.created.0),
        last_modified_time: rfc3339_ms(url.modified.0),
        cors: url.cors.as_ref().map(shown_cors),
        auth_type: match url.auth {
            UrlAuth::None => "NONE".into(),
            UrlAuth::AwsIam => "AWS_IAM".into(),
        },
        invoke_mode: Some(if url.streaming { "RESPONSE_STREAM" } else { "BUFFERED" }.into()),
    }
}

fn shown_cors(cors: &Cors) -> types::Cors {
    types::Cors {
        allow_credentials: cors.allow_credentials,
        allow_headers: cors.allow_headers.clone(),
        allow_methods: cors.allow_methods.clone(),
        allow_origins: cors.allow_origins.clone(),
        expose_headers: cors.expose_headers.clone(),
        max_age: cors.max_age_s.map(|seconds| seconds as i32),
    }
}

/// What was asked for; an object without members takes everything away (clients send it to do so).
pub(super) fn asked_cors(given: types::Cors) -> Option<Cors> {
    let cors = Cors {
        allow_credentials: given.allow_credentials,
        allow_headers: given.allow_headers,
        allow_methods: given.allow_methods,
        allow_origins: given.allow_origins,
        expose_headers: given.expose_headers,
        max_age_s: given.max_age.map(i32::unsigned_abs),
    };
    (cors != Cors::default()).then_some(cors)
}

/// The model's enumeration has been checked.
pub(super) fn asked_auth(text: &str) -> UrlAuth {
    if text == "AWS_IAM" { UrlAuth::AwsIam } else { UrlAuth::None }
}

/// The model's enumeration has been checked.
pub(super) fn asked_streaming(text: &str) -> bool {
    text == "RESPONSE_STREAM"
}

/// AWS's answer where there is no URL.
pub(super) fn none() -> Fault {
    Fault::NotFound(NO_RESOURCE.into())
}

/// These operations' answer where a function or alias is missing.
pub(super) fn no_function() -> Fault {
    Fault::NotFound("Function does not exist".into())
}
