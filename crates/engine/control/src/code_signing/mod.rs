//! What operations on code-signing configurations share: finding, changing, showing, and how functions hold on to them.

mod enforce;

use std::sync::Arc;

use lambent_domain::code_signing::UntrustedArtifact;
use lambent_domain::{AccountId, CodeSigningConfig, CodeSigningKey, Fault, Region, Scope};
use lambent_kit::utc::offset_ms;
use lambent_ports::store::{RecordKey, StoreError, Write};
use lambent_wire::lambda::types;

use crate::change::MAX_ATTEMPTS;
use crate::turns::Turn;
use crate::{Control, store_fault};

pub(crate) use enforce::{Artifact, check, check_layers};

fn parse_key(arn: &str) -> Option<CodeSigningKey> {
    let ["arn", _, "lambda", region, account, "code-signing-config", id] =
        arn.split(':').collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let scope = Scope { account: AccountId::parse(account)?, region: Region::parse(region)? };
    Some(CodeSigningKey { scope, id: id.to_owned() })
}

/// A configuration that is read, changed or deleted, and not there.
pub(crate) fn not_found(arn: &str) -> Fault {
    Fault::NotFound(format!("The Lambda code signing configuration {arn} can not be found."))
}

/// `UntrustedArtifactOnDeployment`; the model's values have been checked.
pub(crate) fn untrusted(policies: Option<&types::CodeSigningPolicies>) -> Option<UntrustedArtifact> {
    let asked = policies?.untrusted_artifact_on_deployment.as_deref()?;
    Some(if asked == "Enforce" { UntrustedArtifact::Enforce } else { UntrustedArtifact::Warn })
}

/// As the API shows it.
pub(crate) fn shown(config: &CodeSigningConfig) -> types::CodeSigningConfig {
    let untrusted = match config.untrusted {
        UntrustedArtifact::Warn => "Warn",
        UntrustedArtifact::Enforce => "Enforce",
    };
    types::CodeSigningConfig {
        code_signing_config_id: config.key.id.clone(),
        code_signing_config_arn: config.key.arn(),
        description: Some(config.description.clone()),
        allowed_publishers: types::AllowedPublishers {
            signing_profile_version_arns: config.publishers.clone(),
        },
        code_signing_policies: types::CodeSigningPolicies {
            untrusted_artifact_on_deployment: Some(untrusted.into()),
        },
        last_modified: offset_ms(config.modified.0),
    }
}

impl Control {
    /// A configuration of the caller's account and region.
    pub(crate) fn code_signing(&self, arn: &str, scope: &Scope) -> Result<Arc<CodeSigningConfig>, Fault> {
        parse_key(arn)
            .filter(|key| key.scope == *scope)
            .and_then(|key| self.parts.store.code_signing(&key))
            .ok_or_else(|| not_found(arn))
    }

    /// A configuration that a function is about to use, and the write that goes with the function's: it stores the
    /// configuration as it is. Its state is a new one all the same, so that a deletion which has looked for functions that
    /// use it, and has not seen this one, is decided anew.
    pub(crate) fn attached(
        &self,
        arn: &str,
        scope: &Scope,
    ) -> Result<(Arc<CodeSigningConfig>, Write), Fault> {
        let config = self.code_signing(arn, scope).map_err(|_| {
            Fault::CodeSigningConfigNotFound(format!(
                "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}."
            ))
        })?;
        let write = Write::from(CodeSigningConfig::clone(&config));
        Ok((config, write))
    }

    /// The turn of whoever changes a configuration, or refers to it: both give it another state. Nothing to wait for when
    /// the ARN is none.
    pub(crate) async fn code_signing_turn(&self, arn: &str) -> Option<Turn> {
        Some(self.turns.take(RecordKey::CodeSigning(parse_key(arn)?)).await)
    }

    /// Changes a configuration. `change` may run more than once.
    pub(crate) async fn change_code_signing(
        &self,
        arn: &str,
        scope: &Scope,
        change: impl Fn(&mut CodeSigningConfig) -> Result<(), Fault>,
    ) -> Result<CodeSigningConfig, Fault> {
        let _turn = self.code_signing_turn(arn).await;
        for _ in 0..MAX_ATTEMPTS {
            let mut next = CodeSigningConfig::clone(&*self.code_signing(arn, scope)?);
            change(&mut next)?;
            match self.parts.store.commit(vec![Write::from(next.clone())]).await {
                Ok(()) => return Ok(next),
                Err(StoreError::Changed) => {}
                Err(other) => return Err(store_fault(other)),
            }
        }
        Err(Fault::UpdateInProgress(arn.to_owned()))
    }

    /// Functions that a configuration is in force for, by name.
    pub(crate) fn signed_functions(
        &self,
        config: &CodeSigningConfig,
        after: Option<&str>,
    ) -> impl Iterator<Item = Arc<lambent_domain::Function>> + use<> {
        let arn = config.key.arn();
        let functions = self.parts.store.functions(&config.key.scope, after, usize::MAX);
        functions.into_iter().filter(move |function| function.code_signing_config_arn.as_ref() == Some(&arn))
    }
}
