//! TagResource, UntagResource, ListTags: on functions. Tagging changes a function's revision (`facts` 1.6), and nothing
//! that runs.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, Function, Scope};
use lambent_wire::lambda::operations::list_tags::{ListTagsRequest, ListTagsResponse};
use lambent_wire::lambda::operations::tag_resource::{TagResourceRequest, TagResourceResponse};
use lambent_wire::lambda::operations::untag_resource::{UntagResourceRequest, UntagResourceResponse};
use lambent_wire::lambda::operations::{ListTags, TagResource, UntagResource};

use crate::Control;
use crate::settings::check_tags;
use crate::target::Target;

impl Handle<TagResource> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: TagResourceRequest,
    ) -> Result<TagResourceResponse, Fault> {
        let target = tagged(&input.resource, &context.scope)?;
        if input.tags.is_empty() {
            self.function(&target)?;
            let text = "An error occurred and the request cannot be processed.";
            return Err(Fault::InvalidParameter(text.into()));
        }
        let change = |function: &mut Function| {
            function.tags.extend(input.tags.clone());
            check_tags(&function.tags)
        };
        self.retag(&target, change).await.map(|()| TagResourceResponse::default())
    }
}

impl Handle<UntagResource> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: UntagResourceRequest,
    ) -> Result<UntagResourceResponse, Fault> {
        let target = tagged(&input.resource, &context.scope)?;
        let change = |function: &mut Function| {
            function.tags.retain(|key, _| !input.tag_keys.contains(key));
            Ok(())
        };
        self.retag(&target, change).await.map(|()| UntagResourceResponse::default())
    }
}

impl Handle<ListTags> for Control {
    type Fault = Fault;

    async fn handle(&self, context: Context, input: ListTagsRequest) -> Result<ListTagsResponse, Fault> {
        let target = tagged(&input.resource, &context.scope)?;
        let function = self.function(&target)?;
        Ok(ListTagsResponse { tags: Some(function.tags.clone()) })
    }
}

/// The function of an ARN. Other resources that AWS can tag are not there.
fn tagged(resource: &str, scope: &Scope) -> Result<Target, Fault> {
    if !resource.contains(":function:") {
        return Err(Fault::NotFound(format!("Resource not found: {resource}")));
    }
    let target = Target::parse(resource, None, scope)?;
    if target.qualifier.is_some() {
        return Err(Fault::InvalidParameter(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.".into(),
        ));
    }
    Ok(target)
}

impl Control {
    async fn retag(
        &self,
        target: &Target,
        change: impl Fn(&mut Function) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let change = |function: &mut Function| {
            function.latest.revision_id = self.new_revision();
            change(function)
        };
        self.change(target, change).await.map(|_| ())
    }
}
