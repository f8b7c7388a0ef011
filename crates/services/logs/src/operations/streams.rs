//! CreateLogStream and DeleteLogStream.

use lambent_api_kit::{Context, Handle};
use lambent_wire::logs::operations::create_log_stream::{CreateLogStreamRequest, CreateLogStreamResponse};
use lambent_wire::logs::operations::delete_log_stream::{DeleteLogStreamRequest, DeleteLogStreamResponse};
use lambent_wire::logs::operations::{CreateLogStream, DeleteLogStream};

use crate::{Logs, LogsFault};

impl Handle<CreateLogStream> for Logs {
    type Fault = LogsFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateLogStreamRequest,
    ) -> Result<CreateLogStreamResponse, LogsFault> {
        self.store.create_stream(&context.scope, &input.log_group_name, &input.log_stream_name).await?;
        Ok(CreateLogStreamResponse::default())
    }
}

impl Handle<DeleteLogStream> for Logs {
    type Fault = LogsFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteLogStreamRequest,
    ) -> Result<DeleteLogStreamResponse, LogsFault> {
        self.store.delete_stream(&context.scope, &input.log_group_name, &input.log_stream_name).await?;
        Ok(DeleteLogStreamResponse::default())
    }
}
