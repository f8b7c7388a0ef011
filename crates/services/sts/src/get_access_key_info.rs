//! GetAccessKeyInfo: whose account a key belongs to. Temporary keys are not kept; all of them are this server's account's.

use lambent_api_kit::{Context, Handle};
use lambent_wire::sts::operations::GetAccessKeyInfo;
use lambent_wire::sts::operations::get_access_key_info::{GetAccessKeyInfoRequest, GetAccessKeyInfoResponse};

use crate::{Sts, StsFault};

impl Handle<GetAccessKeyInfo> for Sts {
    type Fault = StsFault;

    async fn handle(
        &self,
        context: Context,
        input: GetAccessKeyInfoRequest,
    ) -> Result<GetAccessKeyInfoResponse, StsFault> {
        let key = self.identities.access_key(&input.access_key_id);
        let account = key.map_or_else(|| context.caller.account.clone(), |key| key.account);
        Ok(GetAccessKeyInfoResponse { account: Some(account.to_string()) })
    }
}
