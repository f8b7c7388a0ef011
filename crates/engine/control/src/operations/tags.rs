//! TagResource, UntagResource, ListTags: on functions, code-signing configurations and event source mappings. Tagging changes a function's
//! revision (`facts` 1.6), and nothing that runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_api_kit::{Context, Handle};
use lambent_domain::{EventSourceMapping, Fault, Scope};
use lambent_wire::lambda::operations::list_tags::{ListTagsRequest, ListTagsResponse};
use lambent_wire::lambda::operations::tag_resource::{TagResourceRequest, TagResourceResponse};
use lambent_wire::lambda::operations::untag_resource::{UntagResourceRequest, UntagResourceResponse};
use lambent_wire::lambda::operations::{ListTags, TagResource, UntagResource};

use crate::Control;
use crate::settings::check_tags;
use crate::target::Target;

type Tags = BTreeMap<String, String>;

impl Handle<TagResource> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: TagResourceRequest,
    ) -> Result<TagResourceResponse, Fault> {
        let tagged = tagged(&input.resource, &context.scope)?;
        if input.tags.is_empty() {
            self.tags(&tagged, &context.scope)?;
            let text = "An error occurred and the request cannot be processed.";
            return Err(Fault::InvalidParameter(text.into()));
        }
        let change = |tags: &mut Tags| {
            tags.extend(input.tags.clone());
            check_tags(tags)
        };
        self.retag(&tagged, &context.scope, change).await.map(|()| TagResourceResponse::default())
    }
}

impl Handle<UntagResource> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: UntagResourceRequest,
    ) -> Result<UntagResourceResponse, Fault> {
        let tagged = tagged(&input.resource, &context.scope)?;
        let change = |tags: &mut Tags| {
            tags.retain(|key, _| !input.tag_keys.contains(key));
            Ok(())
        };
        self.retag(&tagged, &context.scope, change).await.map(|()| UntagResourceResponse::default())
    }
}

impl Handle<ListTags> for Control {
    type Fault = Fault;

    async fn handle(&self, context: Context, input: ListTagsRequest) -> Result<ListTagsResponse, Fault> {
        let tagged = tagged(&input.resource, &context.scope)?;
        Ok(ListTagsResponse { tags: Some(self.tags(&tagged, &context.scope)?) })
    }
}

/// What tags are on.
#[derive(Debug)]
enum Tagged<'a> {
    Function(Target),
    CodeSigning(&'a str),
    Mapping(&'a str),
}

/// The resource of an ARN. Of the other kinds that AWS can tag there are none here; those that the recordings don't have
/// are named like those that they have.
fn tagged<'a>(arn: &'a str, scope: &Scope) -> Result<Tagged<'a>, Fault> {
    match arn.split(':').nth(5).unwrap_or_default() {
        "function" => {
            let target = Target::parse(arn, None, scope)?;
            if target.qualifier.is_some() {
                return Err(Fault::InvalidParameter(
                    "Tags on function aliases and versions are not supported. Please specify a function ARN."
                        .into(),
                ));
            }
            Ok(Tagged::Function(target))
        }
        "code-signing-config" => Ok(Tagged::CodeSigning(arn)),
        "event-source-mapping" => Ok(Tagged::Mapping(arn)),
        "capacity-provider" => Err(Fault::NotFound(format!("Capacity provider not found: {arn}"))),
        "network-connector" => Err(Fault::NotFound(format!("Network connector not found: {arn}"))),
        _ => Err(Fault::NotFound(format!("Resource not found: {arn}"))),
    }
}

impl Control {
    fn tagged_mapping(&self, arn: &str, scope: &Scope) -> Result<Arc<EventSourceMapping>, Fault> {
        let uuid = arn.split(':').nth(6).unwrap_or_default();
        let found = self.mapping(uuid, scope).ok().filter(|mapping| mapping.key.arn() == arn);
        found.ok_or_else(|| Fault::NotFound(format!("Event source mapping not found: {arn}")))
    }

    fn tags(&self, tagged: &Tagged<'_>, scope: &Scope) -> Result<Tags, Fault> {
        match tagged {
            Tagged::Function(target) => Ok(self.function(target)?.tags.clone()),
            Tagged::CodeSigning(arn) => Ok(self.code_signing(arn, scope)?.tags.clone()),
            Tagged::Mapping(arn) => Ok(self.tagged_mapping(arn, scope)?.tags.clone()),
        }
    }

    async fn retag(
        &self,
        tagged: &Tagged<'_>,
        scope: &Scope,
        change: impl Fn(&mut Tags) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match tagged {
            Tagged::Function(target) => {
                self.change(target, |function| {
                    function.latest.revision_id = self.new_revision();
                    change(&mut function.tags)
                })
                .await?;
            }
            Tagged::CodeSigning(arn) => {
                self.change_code_signing(arn, scope, |config| change(&mut config.tags)).await?;
            }
            Tagged::Mapping(arn) => {
                let uuid = self.tagged_mapping(arn, scope)?.key.uuid.clone();
                self.change_mapping(&uuid, scope, |mapping| change(&mut mapping.tags)).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lambent_domain::{AccountId, Region};

    use super::*;

    #[test]
    fn kinds_that_are_not_here_have_awss_words() {
        let scope = Scope {
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        for (resource, words) in [
            ("capacity-provider:c", "Capacity provider not found: "),
            ("network-connector:n", "Network connector not found: "),
        ] {
            let arn = scope.arn(resource);
            assert_eq!(tagged(&arn, &scope).unwrap_err(), Fault::NotFound(format!("{words}{arn}")));
        }
    }
}
