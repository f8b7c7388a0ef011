//! CreateCodeSigningConfig.

use lambent_api_kit::{Context, Handle};
use lambent_domain::code_signing::UntrustedArtifact;
use lambent_domain::{CodeSigningConfig, CodeSigningKey, Epoch, Fault};
use lambent_ports::store::Write;
use lambent_wire::lambda::operations::CreateCodeSigningConfig;
use lambent_wire::lambda::operations::create_code_signing_config::{
    CreateCodeSigningConfigRequest, CreateCodeSigningConfigResponse,
};

use crate::code_signing::{shown, untrusted};
use crate::settings::check_tags;
use crate::{Control, store_fault};

impl Handle<CreateCodeSigningConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: CreateCodeSigningConfigRequest,
    ) -> Result<CreateCodeSigningConfigResponse, Fault> {
        let tags = input.tags.unwrap_or_default();
        check_tags(&tags)?;
        let config = CodeSigningConfig {
            key: CodeSigningKey { scope: context.scope, id: id(self.parts.random.bytes16()) },
            epoch: Epoch::NEW,
            description: input.description.unwrap_or_default(),
            publishers: input.allowed_publishers.signing_profile_version_arns,
            untrusted: untrusted(input.code_signing_policies.as_ref()).unwrap_or(UntrustedArtifact::Warn),
            modified: self.now(),
            tags,
        };
        self.parts.store.commit(vec![Write::from(config.clone())]).await.map_err(store_fault)?;
        Ok(CreateCodeSigningConfigResponse { code_signing_config: shown(&config) })
    }
}

/// `csc-` and seventeen hexadecimal digits, the first of which is zero on AWS.
fn id(random: [u8; 16]) -> String {
    let digits: String = random[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("csc-0{digits}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_have_the_models_form() {
        assert_eq!(super::id([0xab; 16]), "csc-0abababababababab");
        assert!(lambent_wire::lambda::shapes::RE_CODE_SIGNING_CONFIG_ID.matches(&super::id([0; 16])));
    }
}
