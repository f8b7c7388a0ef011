//! What operations on layers share: which layer a request points at, reading and changing its record, how a version is
//! shown.

mod references;

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_api_kit::Context;
use lambent_domain::{AccountId, Epoch, Fault, Layer, LayerKey, LayerVersion, Region, Scope};
use lambent_kit::utc::offset_ms;
use lambent_ports::store::{RecordKey, StoreError, Write};
use lambent_wire::lambda::types::{LayerVersionContentOutput, LayerVersionsListItem};

use crate::change::MAX_ATTEMPTS;
use crate::{Control, store_fault};

pub(crate) use references::{allows, check_unzipped_size};

/// The layer that a name or an ARN without a version stands for, of this account unless the ARN says otherwise.
pub(crate) fn parse_key(text: &str, scope: &Scope) -> Option<LayerKey> {
    if !text.contains(':') {
        return Some(LayerKey { scope: scope.clone(), name: text.to_owned() });
    }
    let parts: Vec<&str> = text.split(':').collect();
    let ["arn", _, "lambda", region, account, "layer", name] = parts.as_slice() else { return None };
    let scope = Scope { account: AccountId::parse(account)?, region: Region::parse(region)? };
    Some(LayerKey { scope, name: (*name).to_owned() })
}

/// The layer version that an ARN stands for; `None` for AWS's own `awslayer`s, which are not there.
pub(crate) fn parse_version(arn: &str) -> Option<(LayerKey, u64)> {
    let (layer, version) = arn.rsplit_once(':')?;
    let ["arn", _, "lambda", region, account, "layer", name] = layer.split(':').collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let scope = Scope { account: AccountId::parse(account)?, region: Region::parse(region)? };
    Some((LayerKey { scope, name: name.to_owned() }, version.parse().ok()?))
}

/// Of an account's own layers; `action` is what others are told that they may not do. AWS's answer for another region
/// is not known: a region has no layers but its own.
pub(crate) fn own_key(text: &str, context: &Context, action: &str) -> Result<LayerKey, Fault> {
    let key = parse_key(text, &context.scope).ok_or_else(no_such_resource)?;
    if key.scope.region != context.scope.region {
        return Err(no_such_resource());
    }
    if key.scope.account != context.scope.account {
        return Err(not_authorized(&context.scope, action, &key.arn()));
    }
    Ok(key)
}

/// The number as it is in a path (recorded).
pub(crate) fn version_number(number: i64) -> Result<u64, Fault> {
    u64::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| Fault::InvalidParameter("Layer Version Cannot be less than 1".into()))
}

/// A layer or version that is read and not there (recorded).
pub(crate) fn no_such_resource() -> Fault {
    Fault::NotFound("The resource you requested does not exist.".into())
}

/// A version whose policy is asked for or changed, and that is not there.
pub(crate) fn no_such_version(key: &LayerKey, number: u64) -> Fault {
    Fault::NotFound(format!("Layer version {} does not exist.", key.version_arn(number)))
}

/// Another account's layer, and no policy that lets this one use it.
pub(crate) fn not_authorized(caller: &Scope, action: &str, resource: &str) -> Fault {
    let account = &caller.account;
    Fault::AccessDenied(format!(
        "User: arn:aws:iam::{account}:root is not authorized to perform: {action} on resource: {resource} because no resource-based policy allows the {action} action"
    ))
}

/// Where a version's package can be downloaded, and what it is.
pub(crate) fn content(version: &LayerVersion, location: String) -> LayerVersionContentOutput {
    LayerVersionContentOutput {
        location: Some(location),
        code_sha256: Some(version.code.sha256.to_base64()),
        code_size: Some(version.code.size_bytes as i64),
        signing_profile_version_arn: version.signed_by.clone(),
        ..Default::default()
    }
}

/// A version in lists.
pub(crate) fn listed(key: &LayerKey, version: &LayerVersion) -> LayerVersionsListItem {
    LayerVersionsListItem {
        layer_version_arn: Some(key.version_arn(version.version)),
        version: Some(version.version as i64),
        description: Some(version.description.clone()),
        created_date: Some(offset_ms(version.created.0)),
        compatible_architectures: version.architectures.clone(),
        compatible_runtimes: version.runtimes.clone(),
        license_info: version.license.clone(),
    }
}

/// `CompatibleRuntime` and `CompatibleArchitecture` of lists: versions that name what is asked for.
pub(crate) struct Filter {
    pub(crate) runtime: Option<String>,
    pub(crate) architecture: Option<String>,
}

impl Filter {
    pub(crate) fn takes(&self, version: &LayerVersion) -> bool {
        let names = |asked: &Option<String>, named: &Option<Vec<String>>| {
            asked.as_ref().is_none_or(|asked| named.as_ref().is_some_and(|named| named.contains(asked)))
        };
        names(&self.runtime, &version.runtimes) && names(&self.architecture, &version.architectures)
    }
}

impl Control {
    /// A download link for a version's package.
    pub(crate) fn layer_link(&self, context: &Context, key: &LayerKey, version: &LayerVersion) -> String {
        self.parts.links.link(&context.base_url, &key.name, version.code.sha256)
    }

    /// A layer version, if it is there.
    pub(crate) fn layer_version(&self, key: &LayerKey, number: u64) -> Option<Arc<LayerVersion>> {
        self.parts.store.layer(key)?.versions.get(&number).cloned()
    }

    /// Changes a layer's record, which begins with its first version. `change` may run more than once.
    pub(crate) async fn change_layer<T>(
        &self,
        key: &LayerKey,
        change: impl Fn(&mut Layer) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let _turn = self.turns.take(RecordKey::Layer(key.clone())).await;
        for _ in 0..MAX_ATTEMPTS {
            let mut next = match self.parts.store.layer(key) {
                Some(layer) => Layer::clone(&layer),
                None => {
                    Layer { key: key.clone(), epoch: Epoch::NEW, next_version: 1, versions: BTreeMap::new() }
                }
            };
            let result = change(&mut next)?;
            match self.parts.store.commit(vec![Write::from(next)]).await {
                Ok(()) => return Ok(result),
                Err(StoreError::Changed) => {}
                Err(other) => return Err(store_fault(other)),
            }
        }
        Err(Fault::UpdateInProgress(key.arn()))
    }

    /// Changes a version that is there.
    pub(crate) async fn change_layer_version<T>(
        &self,
        key: &LayerKey,
        number: u64,
        change: impl Fn(&mut LayerVersion) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.change_layer(key, |layer| {
            let version = layer.versions.get_mut(&number).ok_or_else(|| no_such_version(key, number))?;
            change(Arc::make_mut(version))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope {
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        }
    }

    #[test]
    fn names_and_arns_stand_for_layers() {
        let own = parse_key("l", &scope()).unwrap();
        assert_eq!(own.arn(), "arn:aws:lambda:us-east-1:123456789012:layer:l");
        let other = parse_key("arn:aws:lambda:eu-west-1:210987654321:layer:l", &scope()).unwrap();
        assert_eq!(
            (other.scope.region.as_str(), other.scope.account.as_str()),
            ("eu-west-1", "210987654321")
        );
        assert_eq!(parse_key("arn:aws:lambda:us-east-1:123456789012:function:l", &scope()), None);
        assert_eq!(parse_version(&format!("{}:12", own.arn())), Some((own, 12)));
        assert_eq!(parse_version("arn:aws:lambda:::awslayer:AmazonLinux1803"), None);
    }

    #[test]
    fn versions_count_from_one() {
        assert_eq!(version_number(1), Ok(1));
        for number in [0, -1, i64::MIN] {
            assert!(version_number(number).is_err());
        }
    }
}
