//! UpdateFunctionUrlConfig: what is given replaces what was; the URL stays.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, Function};
use lambent_wire::lambda::operations::UpdateFunctionUrlConfig;
use lambent_wire::lambda::operations::update_function_url_config::{
    UpdateFunctionUrlConfigRequest, UpdateFunctionUrlConfigResponse,
};

use super::function_urls::{Place, asked_auth, asked_cors, asked_streaming, no_function, none, shown};
use crate::Control;

impl Handle<UpdateFunctionUrlConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateFunctionUrlConfigRequest,
    ) -> Result<UpdateFunctionUrlConfigResponse, Fault> {
        let place = Place::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        let change = |function: &mut Function| {
            place.check(function)?;
            let url = function.urls.get_mut(&place.alias).ok_or_else(none)?;
            if let Some(auth) = &input.auth_type {
                url.auth = asked_auth(auth);
            }
            if let Some(mode) = &input.invoke_mode {
                url.streaming = asked_streaming(mode);
            }
            if let Some(cors) = input.cors.clone() {
                url.cors = asked_cors(cors);
            }
            url.modified = self.now();
            Ok(url.clone())
        };
        let url = match self.change(&place.target, change).await {
            Err(Fault::FunctionNotFound(_)) => return Err(no_function()),
            updated => updated?.1,
        };
        let url = shown(&place.target.key, place.alias.as_ref(), &url);
        Ok(UpdateFunctionUrlConfigResponse {
            function_url: url.function_url,
            function_arn: url.function_arn,
            auth_type: url.auth_type,
            cors: url.cors,
            creation_time: url.creation_time,
            last_modified_time: url.last_modified_time,
            // Only when it was given (recorded).
            invoke_mode: input.invoke_mode,
        })
    }
}
