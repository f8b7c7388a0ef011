//! AddPermission and RemovePermission.

use lambent_api_kit::{Context, Handle};
use lambent_wire::sqs::operations::add_permission::{AddPermissionRequest, AddPermissionResponse};
use lambent_wire::sqs::operations::remove_permission::{RemovePermissionRequest, RemovePermissionResponse};
use lambent_wire::sqs::operations::{AddPermission, RemovePermission};

use crate::{Sqs, SqsFault, policy};

impl Handle<AddPermission> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: AddPermissionRequest,
    ) -> Result<AddPermissionResponse, SqsFault> {
        let add = |queue: &mut _| policy::add(queue, &input.label, &input.aws_account_ids, &input.actions);
        self.change(&context.scope, &input.queue_url, add).await?;
        Ok(AddPermissionResponse::default())
    }
}

impl Handle<RemovePermission> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: RemovePermissionRequest,
    ) -> Result<RemovePermissionResponse, SqsFault> {
        self.change(&context.scope, &input.queue_url, |queue| policy::remove(queue, &input.label)).await?;
        Ok(RemovePermissionResponse::default())
    }
}
