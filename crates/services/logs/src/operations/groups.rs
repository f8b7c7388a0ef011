//! CreateLogGroup and DeleteLogGroup.

use lambent_api_kit::{Context, Handle};
use lambent_wire::logs::operations::create_log_group::{CreateLogGroupRequest, CreateLogGroupResponse};
use lambent_wire::logs::operations::delete_log_group::{DeleteLogGroupRequest, DeleteLogGroupResponse};
use lambent_wire::logs::operations::{CreateLogGroup, DeleteLogGroup};

use crate::{Logs, LogsFault};

impl Handle<CreateLogGroup> for Logs {
    type Fault = LogsFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateLogGroupRequest,
    ) -> Result<CreateLogGroupResponse, LogsFault> {
        let other_class = input.log_group_class.as_deref().is_some_and(|class| class != "STANDARD");
        if other_class || input.kms_key_id.is_some() || input.deletion_protection_enabled == Some(true) {
            return Err(LogsFault::InvalidParameter(
                "Classes other than STANDARD, kmsKeyId and deletionProtectionEnabled are not available here yet.".into(),
            ));
        }
        let tags = input.tags.unwrap_or_default();
        self.store.create_group(&context.scope, &input.log_group_name, tags).await?;
        Ok(CreateLogGroupResponse::default())
    }
}

impl Handle<DeleteLogGroup> for Logs {
    type Fault = LogsFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteLogGroupRequest,
    ) -> Result<DeleteLogGroupResponse, LogsFault> {
        self.store.delete_group(&context.scope, &input.log_group_name).await?;
        Ok(DeleteLogGroupResponse::default())
    }
}
