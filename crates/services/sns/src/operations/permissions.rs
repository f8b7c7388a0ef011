//! AddPermission and RemovePermission.

use lambent_api_kit::{Context, Handle};
use lambent_wire::sns::operations::add_permission::{AddPermissionInput, AddPermissionResponse};
use lambent_wire::sns::operations::remove_permission::{RemovePermissionInput, RemovePermissionResponse};
use lambent_wire::sns::operations::{AddPermission, RemovePermission};

use crate::{Sns, SnsFault, policy};

impl Handle<AddPermission> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: AddPermissionInput,
    ) -> Result<AddPermissionResponse, SnsFault> {
        let add = |topic: &mut _| policy::add(topic, &input.label, &input.aws_account_id, &input.action_name);
        self.change_topic(&context.scope, &input.topic_arn, add).await?;
        Ok(AddPermissionResponse::default())
    }
}

impl Handle<RemovePermission> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: RemovePermissionInput,
    ) -> Result<RemovePermissionResponse, SnsFault> {
        let remove = |topic: &mut _| {
            policy::remove(topic, &input.label);
            Ok(())
        };
        self.change_topic(&context.scope, &input.topic_arn, remove).await?;
        Ok(RemovePermissionResponse::default())
    }
}
