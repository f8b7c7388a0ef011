//! GetSessionToken: temporary credentials of whoever asks. There is no multi-factor authentication here.

use lambent_api_kit::{Context, Handle};
use lambent_ports::access::Who;
use lambent_wire::sts::operations::GetSessionToken;
use lambent_wire::sts::operations::get_session_token::{GetSessionTokenRequest, GetSessionTokenResponse};

use crate::{Sts, StsFault};

/// Unless another time is asked for, seconds.
const DEFAULT_S: u32 = 43_200;
/// The longest of the account itself, seconds (AWS documentation).
const ROOT_S: u32 = 3_600;

impl Handle<GetSessionToken> for Sts {
    type Fault = StsFault;

    async fn handle(
        &self,
        context: Context,
        input: GetSessionTokenRequest,
    ) -> Result<GetSessionTokenResponse, StsFault> {
        if input.serial_number.is_some() || input.token_code.is_some() {
            let text = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";
            return Err(StsFault::AccessDenied(text.into()));
        }
        let root = Who::Root { account: context.caller.account.clone(), temporary: false };
        let who = context.caller.authority.as_ref().map_or(&root, |authority| &authority.who);
        let asked_s = input.duration_seconds.and_then(|seconds| u32::try_from(seconds).ok());
        let asked_s = asked_s.unwrap_or(DEFAULT_S);
        let lasts_s = match who {
            Who::Root { temporary: false, .. } => asked_s.min(ROOT_S),
            Who::User { temporary: false, .. } => asked_s,
            _ => {
                let text = "Cannot call GetSessionToken with session credentials";
                return Err(StsFault::AccessDenied(text.into()));
            }
        };
        Ok(GetSessionTokenResponse {
            credentials: Some(self.credentials(who, lasts_s)),
            session_token_utilization: None,
            session_token_size: None,
        })
    }
}
