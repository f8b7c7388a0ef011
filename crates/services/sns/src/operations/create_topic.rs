//! CreateTopic. A topic that is there is returned, unless something else is said of it.

use std::collections::BTreeMap;

use lambent_api_kit::{Context, Handle};
use lambent_ports::topic_store::{TopicRecord, TopicStoreError};
use lambent_wire::sns::operations::CreateTopic;
use lambent_wire::sns::operations::create_topic::{CreateTopicInput, CreateTopicResponse};

use super::tags;
use crate::{Sns, SnsFault, arn, topic};

impl Handle<CreateTopic> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateTopicInput,
    ) -> Result<CreateTopicResponse, SnsFault> {
        if input.data_protection_policy.is_some_and(|policy| !policy.is_empty()) {
            let text = "messages are not searched for sensitive data here";
            return Err(SnsFault::reason("DataProtectionPolicy", text));
        }
        let mut given = input.attributes.unwrap_or_default();
        let fifo = given.remove("FifoTopic").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        topic::check_name(&input.name, fifo)?;
        let mut attributes = BTreeMap::new();
        for (name, value) in &given {
            topic::set(&mut attributes, fifo, name, value).map_err(behind_attributes)?;
        }
        let tags = tags::of(input.tags.unwrap_or_default())?;
        let made =
            self.store().create_topic(&context.scope, &input.name, attributes.clone(), tags.clone()).await;
        let arn = match made {
            Ok(made) => arn::of_topic(&made),
            Err(TopicStoreError::TopicExists(known)) => {
                same(&known, &attributes, &tags)?;
                arn::of_topic(&known)
            }
            Err(error) => return Err(error.into()),
        };
        Ok(CreateTopicResponse { topic_arn: Some(arn) })
    }
}

/// What is wrong with one of several attributes (recorded of subscriptions).
pub(super) fn behind_attributes(fault: SnsFault) -> SnsFault {
    match fault {
        SnsFault::Parameter(text) => SnsFault::reason("Attributes", text),
        other => other,
    }
}

/// What is said of a topic that is there has to be true of it (recorded).
fn same(
    known: &TopicRecord,
    attributes: &BTreeMap<String, String>,
    tags: &BTreeMap<String, String>,
) -> Result<(), SnsFault> {
    let has = topic::shown(known, &[]);
    if attributes.iter().any(|(name, value)| has.get(name) != Some(value)) {
        return Err(SnsFault::reason("Attributes", "Topic already exists with different attributes"));
    }
    if tags.iter().any(|(key, value)| known.tags.get(key) != Some(value)) {
        return Err(SnsFault::reason("Tags", "Topic already exists with different tags"));
    }
    Ok(())
}
