//! What each operation takes: actions on the function as the caller pointed at it, on layers, mappings and configurations.

use lambent_api_kit::{Context, Guarded, guards};
use lambent_domain::{Fault, FunctionKey, FunctionRef, MappingKey};
use lambent_ports::access::{Need, arn};
use lambent_wire::lambda::operations as op;

use crate::layers::{parse_key, parse_version};
use crate::target::Target;
use crate::{Control, policy};

/// Who takes functions' roles.
const SERVICE: &str = "lambda.amazonaws.com";

impl Guarded for Control {
    const SIGNING_NAME: &'static str = "lambda";

    fn complete(&self, context: &Context, need: &mut Need) {
        if let Some((key, number)) = parse_version(&need.resource) {
            let version = self.layer_version(&key, number);
            need.policy = version.and_then(|version| Some(policy::document(version.policy.as_ref()?).into()));
            return;
        }
        if FunctionRef::parse(&need.resource).is_none() || !need.resource.contains(":function:") {
            return;
        }
        let Ok(target) = Target::parse(&need.resource, None, &context.scope) else { return };
        if let Some(function) = self.parts.store.function(&target.key) {
            let own = function.policies.get(&target.qualifier);
            need.policy = own.map(|own| policy::document(own).into());
            need.has_tags(&function.tags);
        }
    }
}

impl Control {
    /// The trust policy of a function's role lets Lambda assume it; a role that is not there trusts nobody.
    pub(crate) fn check_trust(&self, context: &Context, key: &FunctionKey, role: &str) -> Result<(), Fault> {
        let Some(authority) = &context.caller.authority else { return Ok(()) };
        let keys = [
            ("aws:SourceArn".into(), vec![key.arn()]),
            ("aws:SourceAccount".into(), vec![key.scope.account.to_string()]),
        ];
        if authority.trusts(role, SERVICE, &keys) {
            return Ok(());
        }
        let text = "The role defined for the function cannot be assumed by Lambda.";
        Err(Fault::InvalidParameter(text.into()))
    }
}

/// A function; what is no name of one is refused later, in AWS's words.
fn function(context: &Context, action: &'static str, name: &str, qualifier: Option<&str>) -> Need {
    let shown = || match name.starts_with("arn:") {
        true => name.to_owned(),
        false => arn("lambda", &context.scope.region, &context.scope.account, &format!("function:{name}")),
    };
    let target = Target::parse(name, qualifier, &context.scope);
    Need::new(action, target.map_or_else(|_| shown(), |target| target.shown_arn()))
}

fn layer(context: &Context, action: &'static str, name: &str, version: Option<i64>) -> Need {
    match (parse_key(name, &context.scope), version) {
        (Some(key), Some(number)) => Need::new(action, key.version_arn(number.unsigned_abs())),
        (Some(key), None) => Need::new(action, key.arn()),
        (None, _) => Need::new(action, "*"),
    }
}

fn mapping(control: &Control, context: &Context, action: &'static str, uuid: &str) -> Need {
    let key = MappingKey { scope: context.scope.clone(), uuid: uuid.to_owned() };
    let function = control.parts.store.mapping(&key).map(|mapping| mapping.function.arn());
    Need::new(action, key.arn()).key_if("lambda:FunctionArn", function)
}

/// What is given by its ARN.
fn resource(action: &'static str, given: &str) -> Need {
    Need::new(action, given)
}

/// The use of layers is that of their versions.
fn layers(layers: Option<&Vec<String>>) -> Vec<Need> {
    layers.into_iter().flatten().map(|layer| Need::new("lambda:GetLayerVersion", layer)).collect()
}

/// What a function's settings add to changing it.
fn settings(need: Need, role: Option<&String>, given: Option<&Vec<String>>) -> Vec<Need> {
    let need = match given {
        Some(layers) if !layers.is_empty() => need.key_all("lambda:Layer", layers.clone()),
        _ => need,
    };
    let mut needs = vec![need];
    needs.extend(role.map(|role| Need::pass_role(role, SERVICE)));
    needs.extend(layers(given));
    needs
}

guards! { Control = "lambda", op;
    AddLayerVersionPermission => |_, context, input, action| layer(context, action, &input.layer_name, Some(input.version_number));
    AddPermission => |_, context, input, action| {
        let need = function(context, action, &input.function_name, input.qualifier.as_deref());
        let need = need.key("lambda:Principal", &input.principal);
        need.key_if("lambda:FunctionUrlAuthType", input.function_url_auth_type.as_ref())
    };
    CreateAlias => |_, context, input, action| function(context, action, &input.function_name, None);
    CreateCodeSigningConfig => |_, _, input, action| Need::new(action, "*").request_tags(input.tags.iter().flatten());
    CreateEventSourceMapping => |_, context, input, action| {
        let named = function(context, action, &input.function_name, None).resource;
        Need::new(action, "*").key("lambda:FunctionArn", named).request_tags(input.tags.iter().flatten())
    };
    CreateFunction => |_, context, input, action| {
        let need = function(context, action, &input.function_name, None).request_tags(input.tags.iter().flatten());
        let need = need.key_if("lambda:CodeSigningConfigArn", input.code_signing_config_arn.as_ref());
        settings(need, Some(&input.role), input.layers.as_ref())
    };
    CreateFunctionUrlConfig => |_, context, input, action| {
        let need = function(context, action, &input.function_name, input.qualifier.as_deref());
        need.key("lambda:FunctionUrlAuthType", &input.auth_type)
    };
    DeleteAlias => |_, context, input, action| function(context, action, &input.function_name, None);
    DeleteCodeSigningConfig => |_, _, input, action| resource(action, &input.code_signing_config_arn);
    DeleteEventSourceMapping => |control, context, input, action| mapping(control, context, action, &input.uuid);
    DeleteFunction => |_, context, input, action| function(context, action, &input.function_name, input.qualifier.as_deref());
    DeleteFunctionCodeSigningConfig => |_, context, input, action| function(context, action, &input.function_name, None);
    DeleteFunctionConcurrency => |_, context, input, action| function(context, action, &input.function_name, None);
    DeleteFunctionEventInvokeConfig => |_, context, input, action| function(context, action, &input.function_name, input.qualifier.as_deref());
    DeleteFunctionUrlConfig => |_, context, input, action| function(context, action, &input.function_name, input.qualifier.as_deref());
    DeleteLayerVersion => |_, context, input, action| layer(context, action, &input.layer_name, Some(input.version_number));
    DeleteProvisionedConcurrencyConfig => |_, context, input, action| function(context, action, &input.function_name, Some(&input.qualifier));
    DeleteResourcePolicy => |_, _, input, action| resource(action, &input.resource_arn);
    GetAccountSettings => |_, _, _, action| Need::new(action, "*");
    GetAlias => |_, context, input, action| function(context, action, &input.function_name, None);
    GetCapacityProvider => |_, context, input, action| {
        Need::new(action, arn("lambda", &context.scope.region, &context.scope.account, &format!("capacity-provider:{}", input.capacity_provider_name)))
    };
    GetCodeSigningConfig => |_, _, input, action| resource(action, &input.code_signing_config_arn);
    GetEventSourceMapping => |control, context, input, action| mapping(control, context, action, &input.uuid);
    GetFunction => |_, context, input, action| function(context, action, &input.function_name, input.qualifier.as_deref());
    GetFunctionCodeSigningConfig => |_, context, input, action| function(context, action, &input.function_name, None);
    GetFunctionConcurrency => |_, context, input, action| function(context, action, &input.function_name, None);
    GetFunctionConfiguration => |_, context, input, action| function(context, action, &input.function_name, input.qualifier.as_deref());
    GetFunctionEventInvokeConfig => |_, context, input, action| function(context, action, &input.function_name, input.qualifier.as_deref());
    GetFunctionRecursionConfig => |_, context, input, action| function(context, action, &input.function_name, None);
    GetFunctionScalingConfig => |_, context, input, action| function(context, action, &input.function_name, Some(&input.qualifier));
    GetFunctionUrlConfig => |_, context, input, action| function(context, action, &input.function_name, input.qualifier.as_deref());
    GetLayerVersion => |_, context, input, action| layer(context, action, &input.layer_name, Some(input.version_number));
    GetLayerVersionByArn => |_, _, input, _| Need::new("lambda:GetLayerVersion", &input.arn);
    GetLayerVersionPolicy => |_, context, input, action| layer(context, action, &input.layer_name, Some(input.version_number));
    GetPolicy => |_, context, input, action| function(context, action, &input.function_name, input.qualifier.as_deref());
    GetProvisionedConcurrencyConfig => |_, context, input, action| function(context, action, &input.function_name, Some(&input.qualifier));
    GetResourcePolicy => |_, _, input, action| resource(action, &input.resource_arn);
    GetRuntimeManagementConfig => |_, context, input, action| function(context, action, &input.function_name, input.qualifier.as_deref());
    ListAliases => |_, context, input, action| function(context, action, &input.function_name, None);
    ListCapacityProviders => |_, _, _, action| Need::new(action, "*");
    ListCodeSigningConfigs => |_, _, _, action| Need::new(action, "*");
    ListDurableExecutionsByFunction => |_, context, input, action| function(context, action, &input.function_name, input.qualifier.as_deref());
    ListEventSourceMappings => |_, _, _, action| Need::new(action, "*");
    ListFunctionEventInvokeConfigs => |_, context, input, action| function(context, action, &input.function_name, None);
    ListFunctionUrlConfigs => |_, context, input, action| function(context, action, &input.function_name, None);
    ListFunctionVersionsByCapacityProvider => |_, context, input, action| {
        Need::new(action, arn("lambda", &context.scope.region, &context.scope.account, &format!("capacity-provider:{}", input.capacity_provider_name)))
    };
    ListFunctions => |_, _, _, action| Need::new(action, "*");
    ListFunctionsByCodeSigningConfig => |_, _, input, action| resource(action, &input.code_signing_config_arn);
    ListLayerVersions => |_, _, _, action| Need::new(action, "*");
    ListLayers => |_, _, _, action| Need::new(action, "*");
    ListProvisionedConcurrencyConfigs => |_, context, input, action| function(context, action, &input.function_name, None);
    ListTags => |_, _, input, action| resource(action, &input.resource);
    ListVersionsByFunction => |_, context, input, action| function(context, action, &input.function_name, None);
    PublishLayerVersion => |_, context, input, action| layer(context, action, &input.layer_name, None);
    PublishVersion => |_, context, input, action| function(context, action, &input.function_name, None);
    PutFunctionCodeSigningConfig => |_, context, input, action| {
        let need = function(context, action, &input.function_name, None);
        need.key("lambda:CodeSigningConfigArn", &input.code_signing_config_arn)
    };
    PutFunctionConcurrency => |_, context, input, action| function(context, action, &input.function_name, None);
    PutFunctionEventInvokeConfig => |_, context, input, action| function(context, action, &input.function_name, input.qualifier.as_deref());
    PutFunctionRecursionConfig => |_, context, input, action| function(context, action, &input.function_name, None);
    PutFunctionScalingConfig => |_, context, input, action| function(context, action, &input.function_name, Some(&input.qualifier));
    PutProvisionedConcurrencyConfig => |_, context, input, action| function(context, action, &input.function_name, Some(&input.qualifier));
    PutResourcePolicy => |_, _, input, action| resource(action, &input.resource_arn);
    PutRuntimeManagementConfig => |_, context, input, action| function(context, action, &input.function_name, input.qualifier.as_deref());
    RemoveLayerVersionPermission => |_, context, input, action| layer(context, action, &input.layer_name, Some(input.version_number));
    RemovePermission => |_, context, input, action| function(context, action, &input.function_name, input.qualifier.as_deref());
    TagResource => |_, _, input, action| resource(action, &input.resource).request_tags(&input.tags);
    UntagResource => |_, _, input, action| resource(action, &input.resource).key_all("aws:TagKeys", input.tag_keys.clone());
    UpdateAlias => |_, context, input, action| function(context, action, &input.function_name, None);
    UpdateCodeSigningConfig => |_, _, input, action| resource(action, &input.code_signing_config_arn);
    UpdateEventSourceMapping => |control, context, input, action| mapping(control, context, action, &input.uuid);
    UpdateFunctionCode => |_, context, input, action| function(context, action, &input.function_name, None);
    UpdateFunctionConfiguration => |_, context, input, action| {
        let need = function(context, action, &input.function_name, None);
        settings(need, input.role.as_ref(), input.layers.as_ref())
    };
    UpdateFunctionEventInvokeConfig => |_, context, input, action| function(context, action, &input.function_name, input.qualifier.as_deref());
    UpdateFunctionUrlConfig => |_, context, input, action| {
        let need = function(context, action, &input.function_name, input.qualifier.as_deref());
        need.key_if("lambda:FunctionUrlAuthType", input.auth_type.as_ref())
    };
}
