//! Unsubscribe: also as a link that is followed, unless whoever confirmed wanted it otherwise. One that is not there is no
//! error.

use lambent_api_kit::{Context, Handle};
use lambent_ports::topic_store::{Confirmation, TopicStoreError};
use lambent_wire::sns::operations::Unsubscribe;
use lambent_wire::sns::operations::unsubscribe::{UnsubscribeInput, UnsubscribeResponse};

use crate::fault::SUBSCRIPTION_MISSING;
use crate::{Sns, SnsFault};

impl Handle<Unsubscribe> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: UnsubscribeInput,
    ) -> Result<UnsubscribeResponse, SnsFault> {
        let (topic, found) = match self.subscription(&input.subscription_arn) {
            Err(fault) if fault == SUBSCRIPTION_MISSING => return Ok(UnsubscribeResponse::default()),
            found => found?,
        };
        let asked = found.confirmation == Confirmation::Confirmed { authenticated: true };
        let known = context.caller.access_key_id.is_some() || context.caller.principal.is_some();
        let by_link = matches!(found.protocol.as_str(), "http" | "https");
        if asked && by_link && !known {
            return Err(SnsFault::Unauthorized);
        }
        match self.store().unsubscribe(topic.id, &found.id).await {
            Ok(()) | Err(TopicStoreError::SubscriptionGone) => Ok(UnsubscribeResponse::default()),
            Err(error) => Err(error.into()),
        }
    }
}
