//! PublishLayerVersion: numbers go on from the last, also when that one is deleted.

use std::sync::Arc;

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, LayerVersion};
use lambent_kit::utc::offset_ms;
use lambent_wire::lambda::operations::PublishLayerVersion;
use lambent_wire::lambda::operations::publish_layer_version::{
    PublishLayerVersionRequest, PublishLayerVersionResponse,
};

use crate::Control;
use crate::layers::{content, own_key};
use crate::package::Source;
use crate::settings::Unsupported;

impl Handle<PublishLayerVersion> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: PublishLayerVersionRequest,
    ) -> Result<PublishLayerVersionResponse, Fault> {
        let key = own_key(&input.layer_name, &context, "lambda:PublishLayerVersion")?;
        let reference = input.content.s3_object_storage_mode.as_deref() == Some("REFERENCE");
        Unsupported::default().note("Content.S3ObjectStorageMode", reference).refuse()?;
        let source = Source::of_layer(&input.content, &context);
        let checked = source.check(&self.parts).await?;
        let signed_by = checked.signature.signer().map(str::to_owned);
        let code = checked.store(&*self.parts.code).await?;
        let created = self.now();
        let version = self
            .change_layer(&key, |layer| {
                let version = Arc::new(LayerVersion {
                    version: layer.next_version,
                    code,
                    signed_by: signed_by.clone(),
                    description: input.description.clone().unwrap_or_default(),
                    runtimes: input.compatible_runtimes.clone(),
                    architectures: input.compatible_architectures.clone(),
                    license: input.license_info.clone(),
                    created,
                    policy: None,
                });
                layer.versions.insert(layer.next_version, Arc::clone(&version));
                layer.next_version += 1;
                Ok(version)
            })
            .await?;
        Ok(PublishLayerVersionResponse {
            content: Some(content(&version, self.layer_link(&context, &key, &version))),
            layer_arn: Some(key.arn()),
            layer_version_arn: Some(key.version_arn(version.version)),
            description: Some(version.description.clone()),
            created_date: Some(offset_ms(version.created.0)),
            version: Some(version.version as i64),
            compatible_architectures: version.architectures.clone(),
            compatible_runtimes: version.runtimes.clone(),
            license_info: version.license.clone(),
        })
    }
}
