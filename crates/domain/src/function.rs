//! A function with all that belongs to it: one record, changed as a whole. What must hold between its parts (an alias
//! points at a version that is there, reserved concurrency covers what is provisioned) holds because a write replaces
//! exactly the record that was read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alias::Alias;
use crate::async_config::EventInvokeConfig;
use crate::configuration::Configuration;
use crate::ident::Epoch;
use crate::names::{FunctionKey, Qualifier};
use crate::policy::Policy;
use crate::runtime::RuntimeManagement;
use crate::scaling::Provisioned;
use crate::url::UrlConfig;
use crate::version::{Version, VersionNumber};

/// A function.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Account, region and name.
    pub key: FunctionKey,
    /// Changes with every write of the record; the store gives it.
    pub epoch: Epoch,
    /// `$LATEST`.
    pub latest: Version,
    /// By number.
    pub versions: BTreeMap<u64, Arc<Version>>,
    /// The number that the next published version gets.
    pub next_version: u64,
    /// The description that `$LATEST` had when the newest version was published: the version may have got another.
    pub published_description: Option<String>,
    /// By name.
    pub aliases: BTreeMap<String, Alias>,
    /// At most [`crate::limits::MAX_TAGS`].
    pub tags: BTreeMap<String, String>,
    /// Resource policies: of the function (`None`), of a version, of an alias.
    pub policies: BTreeMap<Option<Qualifier>, Policy>,
    /// `ReservedConcurrentExecutions`.
    pub reserved_concurrency: Option<u32>,
    /// Of versions and aliases.
    pub provisioned: BTreeMap<Qualifier, Provisioned>,
    /// Of `$LATEST`, versions and aliases.
    pub event_invoke: BTreeMap<Qualifier, EventInvokeConfig>,
    /// Function URLs: of the function (`None`) or of an alias.
    pub urls: BTreeMap<Option<String>, UrlConfig>,
    /// Of `$LATEST` and versions; absent is the default.
    pub runtime_management: BTreeMap<VersionNumber, RuntimeManagement>,
    /// `RecursiveLoop` is `Allow`.
    pub allow_recursive_loop: bool,
    /// Which code-signing configuration is in force.
    pub code_signing_config_arn: Option<String>,
}

impl Function {
    /// A function with nothing but its `$LATEST`.
    pub fn new(key: FunctionKey, latest: Version) -> Self {
        Function {
            key,
            epoch: Epoch::NEW,
            latest,
            versions: BTreeMap::new(),
            next_version: 1,
            published_description: None,
            aliases: BTreeMap::new(),
            tags: BTreeMap::new(),
            policies: BTreeMap::new(),
            reserved_concurrency: None,
            provisioned: BTreeMap::new(),
            event_invoke: BTreeMap::new(),
            urls: BTreeMap::new(),
            runtime_management: BTreeMap::new(),
            allow_recursive_loop: false,
            code_signing_config_arn: None,
        }
    }

    /// `$LATEST` or a published version.
    pub fn version(&self, number: VersionNumber) -> Option<&Version> {
        match number {
            VersionNumber::Latest => Some(&self.latest),
            VersionNumber::Published(number) => self.versions.get(&number).map(|version| &**version),
        }
    }

    /// What a qualifier stands for. `draw` is asked for a number in `0.0..1.0` when an alias has two versions.
    pub fn resolve(&self, qualifier: Option<&Qualifier>, draw: impl FnOnce() -> f64) -> Option<&Version> {
        self.version(match qualifier {
            None | Some(Qualifier::Latest) => VersionNumber::Latest,
            Some(Qualifier::Version(number)) => VersionNumber::Published(*number),
            Some(Qualifier::Alias(name)) => self.aliases.get(name)?.pick(draw),
        })
    }

    /// The version that a qualifier names first: an alias's main version.
    pub fn primary(&self, qualifier: Option<&Qualifier>) -> Option<&Version> {
        self.resolve(qualifier, || 1.0)
    }

    /// `$LATEST` first, then the published versions by number.
    pub fn all_versions(&self) -> impl Iterator<Item = &Version> {
        std::iter::once(&self.latest).chain(self.versions.values().map(|version| &**version))
    }

    /// Bytes that count against the account's code storage: every version has its own package (recorded).
    pub fn code_bytes(&self) -> u64 {
        self.all_versions().map(|version| version.code.size_bytes).sum()
    }

    /// Sum of what is provisioned for versions and aliases.
    pub fn provisioned_concurrency(&self) -> u32 {
        self.provisioned.values().map(|provisioned| provisioned.requested).sum()
    }

    /// What the function takes away from the account's unreserved concurrency: provisioned concurrency lies within the
    /// reserved one where there is one.
    pub fn claimed_concurrency(&self) -> u32 {
        self.reserved_concurrency.unwrap_or_else(|| self.provisioned_concurrency())
    }

    /// The newest version, when `$LATEST` is what it was published from: publishing again would make the same.
    pub fn published_as_is(&self) -> Option<&Arc<Version>> {
        let newest = self.versions.get(&(self.next_version - 1))?;
        let mut as_published = Configuration::clone(&self.latest.configuration);
        if self.published_description.as_ref() == Some(&as_published.description) {
            as_published.description.clone_from(&newest.configuration.description);
        }
        let same = newest.code == self.latest.code && *newest.configuration == as_published;
        same.then_some(newest)
    }

    /// A version with all that was said of it is gone. Nothing may point at it any more.
    pub fn remove_version(&mut self, number: u64) {
        let qualifier = Qualifier::Version(number);
        self.versions.remove(&number);
        self.policies.remove(&Some(qualifier.clone()));
        self.provisioned.remove(&qualifier);
        self.event_invoke.remove(&qualifier);
        self.runtime_management.remove(&VersionNumber::Published(number));
    }

    /// An alias with all that was said of it is gone.
    pub fn remove_alias(&mut self, name: &str) {
        let qualifier = Qualifier::Alias(name.to_owned());
        self.aliases.remove(name);
        self.policies.remove(&Some(qualifier.clone()));
        self.provisioned.remove(&qualifier);
        self.event_invoke.remove(&qualifier);
        self.urls.remove(&Some(name.to_owned()));
    }

    /// Aliases that point at a version, with or without weight.
    pub fn aliases_of(&self, number: VersionNumber) -> impl Iterator<Item = (&String, &Alias)> {
        self.aliases.iter().filter(move |(_, alias)| alias.points_at(number))
    }
}
