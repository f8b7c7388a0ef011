//! CreateFunctionUrlConfig: 201. One URL for a function, one for each of its aliases.

use lambent_api_kit::{Context, Handle};
use lambent_domain::url::UrlConfig;
use lambent_domain::{Fault, Function};
use lambent_kit::random::Random;
use lambent_wire::lambda::operations::CreateFunctionUrlConfig;
use lambent_wire::lambda::operations::create_function_url_config::{
    CreateFunctionUrlConfigRequest, CreateFunctionUrlConfigResponse,
};

use super::function_urls::{Place, asked_auth, asked_cors, asked_streaming, no_function, shown};
use crate::Control;

impl Handle<CreateFunctionUrlConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: CreateFunctionUrlConfigRequest,
    ) -> Result<CreateFunctionUrlConfigResponse, Fault> {
        let place = Place::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        let now = self.now();
        let url = UrlConfig {
            id: new_id(&*self.parts.random),
            auth: asked_auth(&input.auth_type),
            streaming: input.invoke_mode.as_deref().is_some_and(asked_streaming),
            cors: input.cors.and_then(asked_cors),
            created: now,
            modified: now,
        };
        let change = |function: &mut Function| {
            place.check(function)?;
            if function.urls.contains_key(&place.alias) {
                return Err(Fault::Conflict(format!(
                    "Failed to create function url config for [functionArn = {}]. Error message:  FunctionUrlConfig exists for this Lambda function",
                    place.target.shown_arn()
                )));
            }
            function.urls.insert(place.alias.clone(), url.clone());
            Ok(())
        };
        match self.change(&place.target, change).await {
            Err(Fault::FunctionNotFound(_)) => return Err(no_function()),
            created => created?,
        };
        let url = shown(&place.target.key, place.alias.as_ref(), &url);
        Ok(CreateFunctionUrlConfigResponse {
            function_url: url.function_url,
            function_arn: url.function_arn,
            auth_type: url.auth_type,
            cors: url.cors,
            creation_time: url.creation_time,
            // Only when it was given (recorded).
            invoke_mode: input.invoke_mode,
        })
    }
}

/// 32 characters, each with five bits of chance.
fn new_id(random: &dyn Random) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bytes = [random.bytes16(), random.bytes16()].concat();
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lambent_kit::random::SystemRandom;

    use super::*;

    #[test]
    fn an_id_is_a_label_of_32_characters_that_nobody_else_has() {
        let ids: BTreeSet<String> = (0..100).map(|_| new_id(&SystemRandom)).collect();
        assert_eq!(ids.len(), 100);
        let shaped = |id: &String| {
            id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        assert!(ids.iter().all(shaped));
        let used: BTreeSet<char> = ids.iter().flat_map(|id| id.chars()).collect();
        assert_eq!(used.len(), 32);
    }
}
