//! GetAccountSettings: the limits in force, and what is used of them.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, limits};
use lambent_wire::lambda::operations::GetAccountSettings;
use lambent_wire::lambda::operations::get_account_settings::{
    AccountLimit, AccountUsage, GetAccountSettingsRequest, GetAccountSettingsResponse,
};

use crate::Control;

impl Handle<GetAccountSettings> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        _input: GetAccountSettingsRequest,
    ) -> Result<GetAccountSettingsResponse, Fault> {
        let usage = self.parts.store.usage(&context.scope);
        let unreserved = u64::from(self.parts.account_concurrency).saturating_sub(usage.claimed_concurrency);
        let unreserved = i32::try_from(unreserved).unwrap_or(i32::MAX);
        let concurrency = i32::try_from(self.parts.account_concurrency).unwrap_or(i32::MAX);
        Ok(GetAccountSettingsResponse {
            account_limit: Some(AccountLimit {
                total_code_size: Some(limits::TOTAL_CODE_BYTES as i64),
                code_size_unzipped: Some(limits::MAX_UNZIPPED_BYTES as i64),
                code_size_zipped: Some(limits::MAX_ZIP_BYTES as i64),
                concurrent_executions: Some(concurrency),
                unreserved_concurrent_executions: Some(unreserved),
            }),
            account_usage: Some(AccountUsage {
                total_code_size: Some(usage.code_bytes as i64),
                function_count: Some(usage.function_count as i64),
            }),
        })
    }
}
