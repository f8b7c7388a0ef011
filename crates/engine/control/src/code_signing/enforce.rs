//! Whether code and layers may be deployed to a function that has a code-signing configuration.

use lambent_domain::code_signing::UntrustedArtifact;
use lambent_domain::{CodeSigningConfig, Fault, Function, LayerRef};
use lambent_ports::signatures::Signature;
use lambent_ports::store::{RecordKey, Write};

use crate::Control;

/// Something that is about to be deployed.
pub(crate) struct Artifact<'a> {
    /// For the log.
    what: &'a str,
    signature: &'a Signature,
}

impl<'a> Artifact<'a> {
    pub(crate) fn code(signature: &'a Signature) -> Self {
        Artifact { what: "the code", signature }
    }
}

/// AWS's rule (documentation): a signature that does not fit the content is refused whatever the configuration says; one
/// that is missing or nobody trusts is refused or noted. The texts are AWS's where they are known.
pub(crate) fn check(config: &CodeSigningConfig, artifact: &Artifact<'_>) -> Result<(), Fault> {
    let problem = match artifact.signature {
        Signature::Broken(reason) => {
            tracing::warn!(config = %config.key.id, %reason, "{} has a broken signature", artifact.what);
            return Err(Fault::InvalidCodeSignature(
                "The code signature failed the integrity check. If the integrity check fails, then Lambda blocks deployment, even if the code signing policy is set to WARN.".into(),
            ));
        }
        Signature::By { profile_version_arn } if config.publishers.contains(profile_version_arn) => {
            return Ok(());
        }
        Signature::By { .. } | Signature::Unknown { .. } => "mismatch",
        Signature::Missing => "unsigned",
    };
    if config.untrusted == UntrustedArtifact::Enforce {
        return Err(Fault::CodeVerificationFailed(format!(
            "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not configured to accept. Check the provided signature for {problem}."
        )));
    }
    tracing::warn!(config = %config.key.id, problem, "{} is deployed though no allowed publisher has signed it", artifact.what);
    Ok(())
}

/// The layers that a function is given. Their signatures were verified when they were published.
pub(crate) fn check_layers(config: &CodeSigningConfig, layers: &[LayerRef]) -> Result<(), Fault> {
    for layer in layers {
        let signature = match &layer.signed_by {
            Some(arn) => Signature::By { profile_version_arn: arn.clone() },
            None => Signature::Missing,
        };
        check(config, &Artifact { what: &layer.arn, signature: &signature })?;
    }
    Ok(())
}

impl Control {
    /// Runs a check of what is about to be deployed against the function's configuration, if there is one. The
    /// configuration must still be the same when the function is written.
    pub(crate) fn enforced(
        &self,
        function: &Function,
        writes: &mut Vec<Write>,
        check: impl FnOnce(&CodeSigningConfig) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Some(arn) = &function.code_signing_config_arn else { return Ok(()) };
        let (config, _) = self.attached(arn, &function.key.scope)?;
        check(&config)?;
        writes.push(Write::Expect(RecordKey::CodeSigning(config.key.clone()), config.epoch));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lambent_domain::{AccountId, CodeSigningKey, Epoch, Region, Scope, TimestampMs};

    use super::*;

    fn config(untrusted: UntrustedArtifact) -> CodeSigningConfig {
        let scope = Scope {
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        CodeSigningConfig {
            key: CodeSigningKey { scope, id: "csc-1".into() },
            epoch: Epoch::NEW,
            description: String::new(),
            publishers: vec!["trusted".into()],
            untrusted,
            modified: TimestampMs(0),
            tags: BTreeMap::new(),
        }
    }

    #[test]
    fn what_nobody_trusts_is_refused_or_noted_and_what_is_broken_always_refused() {
        let by = |arn: &str| Signature::By { profile_version_arn: arn.into() };
        let unknown = Signature::Unknown { profile_version_arn: "trusted".into() };
        let run = |untrusted, signature: &Signature| check(&config(untrusted), &Artifact::code(signature));
        for untrusted in [UntrustedArtifact::Warn, UntrustedArtifact::Enforce] {
            assert_eq!(run(untrusted, &by("trusted")), Ok(()));
            let broken = run(untrusted, &Signature::Broken("x".into()));
            assert!(matches!(broken, Err(Fault::InvalidCodeSignature(_))));
        }
        for signature in [Signature::Missing, unknown, by("other")] {
            assert_eq!(run(UntrustedArtifact::Warn, &signature), Ok(()));
            let refused = run(UntrustedArtifact::Enforce, &signature);
            assert!(matches!(refused, Err(Fault::CodeVerificationFailed(_))), "{signature:?}");
        }
    }
}
