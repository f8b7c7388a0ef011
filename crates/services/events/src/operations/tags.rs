//! TagResource, UntagResource and ListTagsForResource, of buses and rules.

use std::collections::BTreeMap;

use lambent_api_kit::{Context, Handle};
use lambent_wire::events::operations::list_tags_for_resource::{
    ListTagsForResourceRequest, ListTagsForResourceResponse,
};
use lambent_wire::events::operations::tag_resource::{TagResourceRequest, TagResourceResponse};
use lambent_wire::events::operations::untag_resource::{UntagResourceRequest, UntagResourceResponse};
use lambent_wire::events::operations::{ListTagsForResource, TagResource, UntagResource};
use lambent_wire::events::types::Tag;

use crate::naming::{Tagged, tagged};
use crate::record::{Bus, Rule};
use crate::state::{State, Write};
use crate::{Events, EventsFault};

/// Tags of one resource (AWS documentation).
const MAX_TAGS: usize = 50;

type Tags = BTreeMap<String, String>;

/// The write that changes the tags of what an ARN names.
fn retagged(state: &State, arn: &str, change: impl FnOnce(&mut Tags)) -> Result<Write, EventsFault> {
    let limited = |tags: &Tags| if tags.len() > MAX_TAGS { Err(EventsFault::Limit) } else { Ok(()) };
    match tagged(arn)? {
        Tagged::Bus(key) => {
            let mut bus = Bus::clone(&*state.bus(&key)?);
            change(&mut bus.tags);
            limited(&bus.tags)?;
            Ok(Write::Bus(key, bus))
        }
        Tagged::Rule(key) => {
            state.bus(&key.bus)?;
            let mut rule = Rule::clone(&*state.rule(&key)?);
            change(&mut rule.tags);
            limited(&rule.tags)?;
            Ok(Write::Rule(key, rule))
        }
    }
}

impl Handle<TagResource> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        _: Context,
        input: TagResourceRequest,
    ) -> Result<TagResourceResponse, EventsFault> {
        let new = input.tags.into_iter().map(|tag| (tag.key, tag.value));
        self.change(|state| Ok((vec![retagged(state, &input.resource_arn, |tags| tags.extend(new))?], ())))
            .await?;
        Ok(TagResourceResponse::default())
    }
}

impl Handle<UntagResource> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        _: Context,
        input: UntagResourceRequest,
    ) -> Result<UntagResourceResponse, EventsFault> {
        let without = |tags: &mut Tags| tags.retain(|key, _| !input.tag_keys.contains(key));
        self.change(|state| Ok((vec![retagged(state, &input.resource_arn, without)?], ()))).await?;
        Ok(UntagResourceResponse::default())
    }
}

impl Handle<ListTagsForResource> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        _: Context,
        input: ListTagsForResourceRequest,
    ) -> Result<ListTagsForResourceResponse, EventsFault> {
        let state = self.state();
        let tags = match tagged(&input.resource_arn)? {
            Tagged::Bus(key) => state.bus(&key)?.tags.clone(),
            Tagged::Rule(key) => {
                state.bus(&key.bus)?;
                state.rule(&key)?.tags.clone()
            }
        };
        let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
        Ok(ListTagsForResourceResponse { tags: Some(tags) })
    }
}
