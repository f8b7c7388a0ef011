//! ConfirmSubscription: by whoever has the token, most often as a link that is followed.

use lambent_api_kit::{Context, Handle};
use lambent_ports::topic_store::Confirmation;
use lambent_wire::sns::operations::ConfirmSubscription;
use lambent_wire::sns::operations::confirm_subscription::{
    ConfirmSubscriptionInput, ConfirmSubscriptionResponse,
};

use crate::{Sns, SnsFault, arn, token};

impl Handle<ConfirmSubscription> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: ConfirmSubscriptionInput,
    ) -> Result<ConfirmSubscriptionResponse, SnsFault> {
        let (scope, name) = arn::linked_topic("TopicArn", &input.topic_arn)?;
        if !token::is_one(&input.token) {
            return Err(SnsFault::Text("Invalid token"));
        }
        let unknown = || SnsFault::Parameter("Token".into());
        let topic = self.store().topic(&scope, &name).ok_or_else(unknown)?;
        let subscriptions = self.store().subscriptions(topic.id);
        let asked = |found: &Confirmation| match found {
            // One that was unsubscribed comes back.
            Confirmation::Pending { token, .. } | Confirmation::Ended { token, .. } => *token == input.token,
            Confirmation::Confirmed { .. } => false,
        };
        let found = subscriptions.iter().find(|one| asked(&one.confirmation)).ok_or_else(unknown)?;
        let signed = context.caller.access_key_id.is_some();
        let authenticated = signed && input.authenticate_on_unsubscribe.as_deref() == Some("true");
        let subscription_arn = arn::of_subscription(&topic, found);
        self.change_subscription(&subscription_arn, |_, changed| {
            changed.confirmation = Confirmation::Confirmed { authenticated };
            Ok(())
        })
        .await?;
        Ok(ConfirmSubscriptionResponse { subscription_arn: Some(subscription_arn) })
    }
}
