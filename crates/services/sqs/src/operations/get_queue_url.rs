//! GetQueueUrl.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{AccountId, Scope};
use lambent_wire::sqs::operations::GetQueueUrl;
use lambent_wire::sqs::operations::get_queue_url::{GetQueueUrlRequest, GetQueueUrlResult};

use crate::{Sqs, SqsFault, name};

impl Handle<GetQueueUrl> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: GetQueueUrlRequest,
    ) -> Result<GetQueueUrlResult, SqsFault> {
        let account = match &input.queue_owner_aws_account_id {
            Some(owner) => AccountId::parse(owner).ok_or(SqsFault::QueueMissing)?,
            None => context.scope.account.clone(),
        };
        let scope = Scope { account, region: context.scope.region.clone() };
        let queue = self.store.queue(&scope, &input.queue_name).ok_or(SqsFault::QueueMissing)?;
        Ok(GetQueueUrlResult { queue_url: Some(name::url(&context.base_url, &queue)) })
    }
}
