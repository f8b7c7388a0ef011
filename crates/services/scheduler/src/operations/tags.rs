//! TagResource, UntagResource and ListTagsForResource, of groups.

use std::collections::BTreeMap;

use lambent_api_kit::{Context, Handle};
use lambent_targets::Arn;
use lambent_wire::scheduler::operations::list_tags_for_resource::{
    ListTagsForResourceInput, ListTagsForResourceOutput,
};
use lambent_wire::scheduler::operations::tag_resource::{TagResourceInput, TagResourceOutput};
use lambent_wire::scheduler::operations::untag_resource::{UntagResourceInput, UntagResourceOutput};
use lambent_wire::scheduler::operations::{ListTagsForResource, TagResource, UntagResource};
use lambent_wire::scheduler::types::Tag;

use crate::record::{Group, GroupKey};
use crate::state::Write;
use crate::{Scheduler, SchedulerFault};

/// Tags of one group (AWS documentation).
const MAX_TAGS: usize = 50;

/// The model sees to it that it is a group's.
fn group(arn: &str) -> Result<GroupKey, SchedulerFault> {
    let named =
        Arn::parse(arn).and_then(|arn| Some((arn.scope?, arn.resource.strip_prefix("schedule-group/")?)));
    let (scope, group) =
        named.ok_or_else(|| SchedulerFault::NotFound(format!("Resource {arn} does not exist.")))?;
    Ok(GroupKey { scope, group: group.to_owned() })
}

impl Scheduler {
    async fn retag(
        &self,
        arn: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), SchedulerFault> {
        let key = group(arn)?;
        let now_ms = self.parts.clock.now_ms();
        self.change(|state| {
            let mut group = Group::clone(&*state.group(&key)?);
            change(&mut group.tags);
            group.modified_ms = now_ms;
            if group.tags.len() > MAX_TAGS {
                return Err(SchedulerFault::Validation(format!("A resource has at most {MAX_TAGS} tags.")));
            }
            Ok((vec![Write::Group(key, group)], ()))
        })
        .await
    }
}

impl Handle<TagResource> for Scheduler {
    type Fault = SchedulerFault;

    async fn handle(&self, _: Context, input: TagResourceInput) -> Result<TagResourceOutput, SchedulerFault> {
        let new = input.tags.into_iter().map(|tag| (tag.key, tag.value));
        self.retag(&input.resource_arn, |tags| tags.extend(new)).await?;
        Ok(TagResourceOutput::default())
    }
}

impl Handle<UntagResource> for Scheduler {
    type Fault = SchedulerFault;

    async fn handle(
        &self,
        _: Context,
        input: UntagResourceInput,
    ) -> Result<UntagResourceOutput, SchedulerFault> {
        self.retag(&input.resource_arn, |tags| tags.retain(|key, _| !input.tag_keys.contains(key))).await?;
        Ok(UntagResourceOutput::default())
    }
}

impl Handle<ListTagsForResource> for Scheduler {
    type Fault = SchedulerFault;

    async fn handle(
        &self,
        _: Context,
        input: ListTagsForResourceInput,
    ) -> Result<ListTagsForResourceOutput, SchedulerFault> {
        let tags = self.state().group(&group(&input.resource_arn)?)?.tags.clone();
        let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
        Ok(ListTagsForResourceOutput { tags: Some(tags) })
    }
}
