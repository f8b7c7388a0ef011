//! PutRetentionPolicy and DeleteRetentionPolicy.

use lambent_api_kit::{Context, Handle};
use lambent_wire::logs::operations::delete_retention_policy::{
    DeleteRetentionPolicyRequest, DeleteRetentionPolicyResponse,
};
use lambent_wire::logs::operations::put_retention_policy::{
    PutRetentionPolicyRequest, PutRetentionPolicyResponse,
};
use lambent_wire::logs::operations::{DeleteRetentionPolicy, PutRetentionPolicy};

use crate::{Logs, LogsFault};

/// Days that AWS allows (`facts` 7.1).
const ALLOWED: &[i32] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

impl Handle<PutRetentionPolicy> for Logs {
    type Fault = LogsFault;

    async fn handle(
        &self,
        context: Context,
        input: PutRetentionPolicyRequest,
    ) -> Result<PutRetentionPolicyResponse, LogsFault> {
        let days = input.retention_in_days;
        if !ALLOWED.contains(&days) {
            let set: Vec<String> = ALLOWED.iter().map(ToString::to_string).collect();
            return Err(LogsFault::InvalidParameter(format!(
                "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
                set.join(", ")
            )));
        }
        self.store.set_retention(&context.scope, &input.log_group_name, Some(days.unsigned_abs())).await?;
        Ok(PutRetentionPolicyResponse::default())
    }
}

impl Handle<DeleteRetentionPolicy> for Logs {
    type Fault = LogsFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteRetentionPolicyRequest,
    ) -> Result<DeleteRetentionPolicyResponse, LogsFault> {
        self.store.set_retention(&context.scope, &input.log_group_name, None).await?;
        Ok(DeleteRetentionPolicyResponse::default())
    }
}
