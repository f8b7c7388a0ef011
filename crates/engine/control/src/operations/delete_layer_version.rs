//! DeleteLayerVersion: a version that is not there counts as deleted (recorded). Functions that have it keep it. The
//! layer's record stays when its last version goes: it knows which numbers have been used.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_wire::lambda::operations::DeleteLayerVersion;
use lambent_wire::lambda::operations::delete_layer_version::{
    DeleteLayerVersionRequest, DeleteLayerVersionResponse,
};

use crate::Control;
use crate::layers::{own_key, version_number};

impl Handle<DeleteLayerVersion> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteLayerVersionRequest,
    ) -> Result<DeleteLayerVersionResponse, Fault> {
        let number = version_number(input.version_number)?;
        let key = own_key(&input.layer_name, &context, "lambda:DeleteLayerVersion")?;
        if self.layer_version(&key, number).is_some() {
            self.change_layer(&key, |layer| {
                layer.versions.remove(&number);
                Ok(())
            })
            .await?;
        }
        Ok(DeleteLayerVersionResponse {})
    }
}
