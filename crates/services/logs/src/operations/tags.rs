//! TagResource, UntagResource and ListTagsForResource, on groups.

use lambent_api_kit::{Context, Handle};
use lambent_wire::logs::operations::list_tags_for_resource::{
    ListTagsForResourceRequest, ListTagsForResourceResponse,
};
use lambent_wire::logs::operations::tag_resource::{TagResourceRequest, TagResourceResponse};
use lambent_wire::logs::operations::untag_resource::{UntagResourceRequest, UntagResourceResponse};
use lambent_wire::logs::operations::{ListTagsForResource, TagResource, UntagResource};

use crate::{Logs, LogsFault, group};

fn named(arn: &str) -> Result<String, LogsFault> {
    group::from_arn(arn).ok_or(LogsFault::GroupMissing)
}

impl Handle<TagResource> for Logs {
    type Fault = LogsFault;

    async fn handle(
        &self,
        context: Context,
        input: TagResourceRequest,
    ) -> Result<TagResourceResponse, LogsFault> {
        let name = named(&input.resource_arn)?;
        let mut tags = self.store.group(&context.scope, &name).await?.tags;
        tags.extend(input.tags);
        self.store.set_tags(&context.scope, &name, tags).await?;
        Ok(TagResourceResponse::default())
    }
}

impl Handle<UntagResource> for Logs {
    type Fault = LogsFault;

    async fn handle(
        &self,
        context: Context,
        input: UntagResourceRequest,
    ) -> Result<UntagResourceResponse, LogsFault> {
        let name = named(&input.resource_arn)?;
        let mut tags = self.store.group(&context.scope, &name).await?.tags;
        tags.retain(|key, _| !input.tag_keys.contains(key));
        self.store.set_tags(&context.scope, &name, tags).await?;
        Ok(UntagResourceResponse::default())
    }
}

impl Handle<ListTagsForResource> for Logs {
    type Fault = LogsFault;

    async fn handle(
        &self,
        context: Context,
        input: ListTagsForResourceRequest,
    ) -> Result<ListTagsForResourceResponse, LogsFault> {
        let name = named(&input.resource_arn)?;
        let tags = self.store.group(&context.scope, &name).await?.tags;
        Ok(ListTagsForResourceResponse { tags: Some(tags) })
    }
}
