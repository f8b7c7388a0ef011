//! Unsubscribe: also as a link that is followed, unless whoever confirmed wanted it otherwise. One that is not there is no
//! error. An HTTP endpoint is told.

use lambent_api_kit::{Context, Handle};
use lambent_ports::topic_store::{
    Confirmation, Farewell, NewNotification, SubscriptionRecord, TopicRecord, TopicStoreError,
};
use lambent_wire::sns::operations::Unsubscribe;
use lambent_wire::sns::operations::unsubscribe::{UnsubscribeInput, UnsubscribeResponse};

use crate::fault::SUBSCRIPTION_MISSING;
use crate::message::Message;
use crate::{Sns, SnsFault, arn, token};

impl Handle<Unsubscribe> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: UnsubscribeInput,
    ) -> Result<UnsubscribeResponse, SnsFault> {
        let (topic, found) = match self.live_subscription(&input.subscription_arn) {
            Err(fault) if fault == SUBSCRIPTION_MISSING => return Ok(UnsubscribeResponse::default()),
            found => found?,
        };
        let asked = found.confirmation == Confirmation::Confirmed { authenticated: true };
        let known = context.caller.access_key_id.is_some() || context.caller.principal.is_some();
        let by_link = matches!(found.protocol.as_str(), "http" | "https");
        if asked && by_link && !known {
            return Err(SnsFault::Unauthorized);
        }
        let now_ms = self.now_ms();
        let confirmed = matches!(found.confirmation, Confirmation::Confirmed { .. });
        let farewell = match by_link && confirmed {
            true => Some(self.farewell(&topic, &found, now_ms)?),
            false => None,
        };
        let told = farewell.is_some();
        match self.store().unsubscribe(topic.id, &found.id, farewell, now_ms).await {
            Ok(()) if told => {
                self.is_due(&topic, vec![found.id.clone()], now_ms);
                Ok(UnsubscribeResponse::default())
            }
            Ok(()) | Err(TopicStoreError::SubscriptionGone) => Ok(UnsubscribeResponse::default()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Sns {
    /// What an HTTP endpoint is told, so that whoever is behind it may take the end back.
    fn farewell(
        &self,
        topic: &TopicRecord,
        ended: &SubscriptionRecord,
        now_ms: u64,
    ) -> Result<Farewell, SnsFault> {
        let token = token::new(&*self.parts.random);
        let message = Message::farewell(&arn::of_subscription(topic, ended), &token, now_ms);
        let notification = NewNotification {
            uuid: self.uuid(),
            content: message.stored()?,
            group: None,
            deduplication: None,
            to: vec![ended.id.clone()],
        };
        Ok(Farewell { token, notification })
    }
}
