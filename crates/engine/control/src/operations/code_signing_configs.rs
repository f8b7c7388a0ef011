//! Get-, List-, Update- and DeleteCodeSigningConfig. One that functions use can't be deleted.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_domain::limits::LIST_LONG_PAGE;
use lambent_ports::store::{RecordKey, StoreError, Write};
use lambent_wire::lambda::operations::delete_code_signing_config::{
    DeleteCodeSigningConfigRequest, DeleteCodeSigningConfigResponse,
};
use lambent_wire::lambda::operations::get_code_signing_config::{
    GetCodeSigningConfigRequest, GetCodeSigningConfigResponse,
};
use lambent_wire::lambda::operations::list_code_signing_configs::{
    ListCodeSigningConfigsRequest, ListCodeSigningConfigsResponse,
};
use lambent_wire::lambda::operations::update_code_signing_config::{
    UpdateCodeSigningConfigRequest, UpdateCodeSigningConfigResponse,
};
use lambent_wire::lambda::operations::{
    DeleteCodeSigningConfig, GetCodeSigningConfig, ListCodeSigningConfigs, UpdateCodeSigningConfig,
};

use crate::change::MAX_ATTEMPTS;
use crate::code_signing::{shown, untrusted};
use crate::paging::Page;
use crate::{Control, store_fault};

impl Handle<GetCodeSigningConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: GetCodeSigningConfigRequest,
    ) -> Result<GetCodeSigningConfigResponse, Fault> {
        let config = self.code_signing(&input.code_signing_config_arn, &context.scope)?;
        Ok(GetCodeSigningConfigResponse { code_signing_config: shown(&config) })
    }
}

impl Handle<ListCodeSigningConfigs> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: ListCodeSigningConfigsRequest,
    ) -> Result<ListCodeSigningConfigsResponse, Fault> {
        let page = Page::parse("code-signing", input.marker.as_deref(), input.max_items, LIST_LONG_PAGE)?;
        let found = self.parts.store.code_signings(&context.scope, page.after.as_deref(), page.wanted());
        let (found, next_marker) = page.cut(found, |config| config.key.id.clone());
        let configs = found.iter().map(|config| shown(config)).collect();
        Ok(ListCodeSigningConfigsResponse { next_marker, code_signing_configs: Some(configs) })
    }
}

impl Handle<UpdateCodeSigningConfig> for Control {
    type Fault = Fault;

    /// A merge. What is deployed stays deployed.
    async fn handle(
        &self,
        context: Context,
        input: UpdateCodeSigningConfigRequest,
    ) -> Result<UpdateCodeSigningConfigResponse, Fault> {
        let changed = self
            .change_code_signing(&input.code_signing_config_arn, &context.scope, |config| {
                if let Some(description) = &input.description {
                    config.description.clone_from(description);
                }
                if let Some(publishers) = &input.allowed_publishers {
                    config.publishers.clone_from(&publishers.signing_profile_version_arns);
                }
                if let Some(asked) = untrusted(input.code_signing_policies.as_ref()) {
                    config.untrusted = asked;
                }
                config.modified = self.now();
                Ok(())
            })
            .await?;
        Ok(UpdateCodeSigningConfigResponse { code_signing_config: shown(&changed) })
    }
}

impl Handle<DeleteCodeSigningConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteCodeSigningConfigRequest,
    ) -> Result<DeleteCodeSigningConfigResponse, Fault> {
        let arn = &input.code_signing_config_arn;
        let _turn = self.code_signing_turn(arn).await;
        for _ in 0..MAX_ATTEMPTS {
            // Read before the functions are looked at: one that begins to use it now gives it another state.
            let config = self.code_signing(arn, &context.scope)?;
            if self.signed_functions(&config, None).next().is_some() {
                // AWS's text is not known; its documentation says that no function may use it.
                return Err(Fault::Conflict(format!(
                    "The code signing configuration {arn} is in use by one or more functions. Remove it from them and try again."
                )));
            }
            let delete = Write::Delete(RecordKey::CodeSigning(config.key.clone()), config.epoch);
            match self.parts.store.commit(vec![delete]).await {
                Ok(()) => return Ok(DeleteCodeSigningConfigResponse {}),
                Err(StoreError::Changed) => {}
                Err(other) => return Err(store_fault(other)),
            }
        }
        Err(Fault::UpdateInProgress(arn.clone()))
    }
}
