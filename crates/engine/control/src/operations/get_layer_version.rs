//! GetLayerVersion and GetLayerVersionByArn: a version with a link to its package that works for ten minutes. The one
//! operation on layers that a policy can allow to other accounts.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, LayerKey};
use lambent_kit::utc::offset_ms;
use lambent_wire::lambda::operations::get_layer_version::GetLayerVersionRequest;
use lambent_wire::lambda::operations::get_layer_version_by_arn::GetLayerVersionByArnRequest;
use lambent_wire::lambda::operations::{GetLayerVersion, GetLayerVersionByArn};
use lambent_wire::lambda::types::GetLayerVersionResponse;

use crate::Control;
use crate::layers::{
    allows, content, no_such_resource, not_authorized, parse_key, parse_version, version_number,
};

impl Handle<GetLayerVersion> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: GetLayerVersionRequest,
    ) -> Result<GetLayerVersionResponse, Fault> {
        let key = parse_key(&input.layer_name, &context.scope).ok_or_else(no_such_resource)?;
        self.shown_layer_version(&context, &key, version_number(input.version_number)?)
    }
}

impl Handle<GetLayerVersionByArn> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: GetLayerVersionByArnRequest,
    ) -> Result<GetLayerVersionResponse, Fault> {
        let (key, number) = parse_version(&input.arn).ok_or_else(no_such_resource)?;
        let number = version_number(i64::try_from(number).map_err(|_| no_such_resource())?)?;
        self.shown_layer_version(&context, &key, number)
    }
}

impl Control {
    fn shown_layer_version(
        &self,
        context: &Context,
        key: &LayerKey,
        number: u64,
    ) -> Result<GetLayerVersionResponse, Fault> {
        if key.scope.region != context.scope.region {
            return Err(no_such_resource());
        }
        let version = self.layer_version(key, number);
        // Other accounts are not told what is there.
        if key.scope.account != context.scope.account
            && !version.as_ref().is_some_and(|version| allows(version, &context.scope))
        {
            let arn = key.version_arn(number);
            return Err(not_authorized(&context.scope, "lambda:GetLayerVersion", &arn));
        }
        let version = version.ok_or_else(no_such_resource)?;
        Ok(GetLayerVersionResponse {
            content: Some(content(&version, self.layer_link(context, key, &version))),
            layer_arn: Some(key.arn()),
            layer_version_arn: Some(key.version_arn(number)),
            description: Some(version.description.clone()),
            created_date: Some(offset_ms(version.created.0)),
            version: Some(number as i64),
            compatible_architectures: version.architectures.clone(),
            compatible_runtimes: version.runtimes.clone(),
            license_info: version.license.clone(),
        })
    }
}
