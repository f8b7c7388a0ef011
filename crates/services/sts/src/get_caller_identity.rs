//! GetCallerIdentity.

use lambent_api_kit::{Context, Handle};
use lambent_domain::names::partition;
use lambent_wire::sts::operations::GetCallerIdentity;
use lambent_wire::sts::operations::get_caller_identity::{
    GetCallerIdentityRequest, GetCallerIdentityResponse,
};

use crate::{Sts, StsFault};

impl Handle<GetCallerIdentity> for Sts {
    type Fault = StsFault;

    async fn handle(
        &self,
        context: Context,
        _input: GetCallerIdentityRequest,
    ) -> Result<GetCallerIdentityResponse, StsFault> {
        let account = context.caller.account.to_string();
        if let Some(authority) = &context.caller.authority {
            return Ok(GetCallerIdentityResponse {
                user_id: Some(authority.who.user_id()),
                account: Some(account),
                arn: Some(authority.who.arn()),
            });
        }
        let arn = format!("arn:{}:iam::{account}:root", partition(&context.scope.region));
        Ok(GetCallerIdentityResponse {
            user_id: Some(account.clone()),
            account: Some(account),
            arn: Some(arn),
        })
    }
}
