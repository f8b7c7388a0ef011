//! TagResource, UntagResource and ListTagsForResource.

use std::collections::BTreeMap;

use lambent_api_kit::{Context, Handle};
use lambent_wire::sns::operations::list_tags_for_resource::{
    ListTagsForResourceRequest, ListTagsForResourceResponse,
};
use lambent_wire::sns::operations::tag_resource::{TagResourceRequest, TagResourceResponse};
use lambent_wire::sns::operations::untag_resource::{UntagResourceRequest, UntagResourceResponse};
use lambent_wire::sns::operations::{ListTagsForResource, TagResource, UntagResource};
use lambent_wire::sns::types::Tag;

use crate::fault::TOPIC_MISSING;
use crate::{Sns, SnsFault};

/// Tags of one topic (AWS documentation).
const MAX_TAGS: usize = 50;

/// By key; each may come once (recorded).
pub(super) fn of(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, SnsFault> {
    let count = tags.len();
    let tags: BTreeMap<String, String> = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    match tags.len() == count {
        true => Ok(tags),
        false => Err(SnsFault::Parameter("Duplicated keys are not allowed.".into())),
    }
}

fn of_resource(fault: SnsFault) -> SnsFault {
    if fault == TOPIC_MISSING { SnsFault::ResourceMissing } else { fault }
}

impl Handle<TagResource> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: TagResourceRequest,
    ) -> Result<TagResourceResponse, SnsFault> {
        let tags = of(input.tags)?;
        let add = |topic: &mut lambent_ports::topic_store::TopicRecord| {
            topic.tags.extend(tags.clone());
            if topic.tags.len() > MAX_TAGS { Err(SnsFault::TooManyTags) } else { Ok(()) }
        };
        self.change_topic(&context.scope, &input.resource_arn, add).await.map_err(of_resource)?;
        Ok(TagResourceResponse::default())
    }
}

impl Handle<UntagResource> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: UntagResourceRequest,
    ) -> Result<UntagResourceResponse, SnsFault> {
        let remove = |topic: &mut lambent_ports::topic_store::TopicRecord| {
            topic.tags.retain(|key, _| !input.tag_keys.contains(key));
            Ok(())
        };
        self.change_topic(&context.scope, &input.resource_arn, remove).await.map_err(of_resource)?;
        Ok(UntagResourceResponse::default())
    }
}

impl Handle<ListTagsForResource> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: ListTagsForResourceRequest,
    ) -> Result<ListTagsForResourceResponse, SnsFault> {
        let topic = self.topic(&context.scope, &input.resource_arn).map_err(of_resource)?;
        let tags = topic.tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() });
        Ok(ListTagsForResourceResponse { tags: Some(tags.collect()) })
    }
}
