//! Layers of functions: which may be named, and how much they may be together with the function's own code.
//!
//! A layer version that is deleted while a function that names it is created does no harm: the function's record holds
//! the package, not the layer, and packages are dropped only at start-up, when every record is read. It is then as if
//! the function had been created before the deletion.

use lambent_domain::limits::{MAX_LAYERS, MAX_UNZIPPED_BYTES};
use lambent_domain::{CodeRef, Fault, LayerRef, LayerVersion, Scope};
use lambent_ports::store::Store;
use serde_json::Value;

use super::{not_authorized, parse_version};
use crate::Control;

impl Control {
    /// The layers of CreateFunction and UpdateFunctionConfiguration. An empty list takes them away.
    pub(crate) fn layers_of(
        &self,
        asked: Option<&[String]>,
        scope: &Scope,
    ) -> Result<Option<Vec<LayerRef>>, Fault> {
        asked.map(|arns| looked_up(&*self.parts.store, arns, scope)).transpose()
    }
}

fn looked_up(store: &dyn Store, arns: &[String], scope: &Scope) -> Result<Vec<LayerRef>, Fault> {
    if arns.len() > MAX_LAYERS {
        return Err(Fault::InvalidParameter(format!("Cannot reference more than {MAX_LAYERS} layers.")));
    }
    let mut seen = Vec::with_capacity(arns.len());
    let mut layers = Vec::with_capacity(arns.len());
    for arn in arns {
        let missing = || Fault::InvalidParameter(format!("Layer version {arn} does not exist."));
        let (key, number) = parse_version(arn).ok_or_else(missing)?;
        if key.scope.region != scope.region {
            return Err(Fault::InvalidParameter(format!(
                "Layers are not in the same region as the function. Layers are expected to be in region {}.",
                scope.region
            )));
        }
        let layer = store.layer(&key);
        let version = layer.as_ref().and_then(|layer| layer.versions.get(&number));
        // Other accounts are not told what is there.
        if key.scope.account != scope.account && !version.is_some_and(|version| allows(version, scope)) {
            return Err(not_authorized(scope, "lambda:GetLayerVersion", arn));
        }
        let version = version.ok_or_else(missing)?;
        if let Some((_, other)) = seen.iter().find(|(seen, _)| *seen == key) {
            return Err(Fault::InvalidParameter(format!(
                "Two different versions of the same layer are not allowed to be referenced in the same function. {other} and {arn} are versions of the same layer."
            )));
        }
        layers.push(LayerRef { arn: arn.clone(), code: version.code, signed_by: version.signed_by.clone() });
        seen.push((key, arn));
    }
    Ok(layers)
}

/// Whether a version's policy lets another account use it. No account here is in an organization: a statement with a
/// condition on one is for nobody.
pub(crate) fn allows(version: &LayerVersion, scope: &Scope) -> bool {
    let statements = version.policy.iter().flat_map(|policy| &policy.statements);
    statements.into_iter().any(|statement| {
        let Ok(statement) = serde_json::from_str::<Value>(&statement.json) else { return false };
        let principal = &statement["Principal"];
        let named = principal["AWS"].as_str().and_then(|arn| arn.split(':').nth(4));
        let meant = principal == "*" || named == Some(scope.account.as_str());
        meant && statement.get("Condition").is_none()
    })
}

/// A function's code with its layers, unpacked (AWS's text).
pub(crate) fn check_unzipped_size(code: CodeRef, layers: &[LayerRef]) -> Result<(), Fault> {
    let actual = layers.iter().map(|layer| layer.code).chain([code]);
    let actual = actual.fold(0, |sum: u64, code| sum.saturating_add(code.unzipped_bytes));
    if actual > MAX_UNZIPPED_BYTES {
        return Err(Fault::InvalidParameter(format!(
            "Function code combined with layers exceeds the maximum allowed size of {MAX_UNZIPPED_BYTES} bytes. The actual size is {actual} bytes."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use lambent_domain::policy::Statement;
    use lambent_domain::{AccountId, CodeSha256, Policy, Region, RevisionId, TimestampMs};

    use super::*;

    fn code(unzipped_bytes: u64) -> CodeRef {
        CodeRef { sha256: CodeSha256([1; 32]), size_bytes: 1, unzipped_bytes }
    }

    #[test]
    fn code_and_layers_count_together() {
        let layers = [LayerRef { arn: "a".into(), code: code(MAX_UNZIPPED_BYTES - 2), signed_by: None }];
        assert_eq!(check_unzipped_size(code(2), &layers), Ok(()));
        assert!(check_unzipped_size(code(3), &layers).is_err());
    }

    #[test]
    fn a_policy_lets_whom_it_names_use_the_layer() {
        let scope = Scope {
            account: AccountId::parse("210987654321").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let allowed = |json: &str| {
            let mut policy = Policy::empty(RevisionId::from_random([0; 16]));
            policy.statements.push(Statement { sid: None, json: json.to_owned() });
            let version = LayerVersion {
                version: 1,
                code: code(1),
                signed_by: None,
                description: String::new(),
                runtimes: None,
                architectures: None,
                license: None,
                created: TimestampMs(0),
                policy: Some(policy),
            };
            allows(&version, &scope)
        };
        assert!(allowed(r#"{"Principal":"*"}"#));
        assert!(allowed(r#"{"Principal":{"AWS":"arn:aws:iam::210987654321:root"}}"#));
        assert!(!allowed(r#"{"Principal":{"AWS":"arn:aws:iam::123456789012:root"}}"#));
        assert!(!allowed(
            r#"{"Principal":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-0123456789"}}}"#
        ));
        assert!(!allowed("nonsense"));
    }
}
