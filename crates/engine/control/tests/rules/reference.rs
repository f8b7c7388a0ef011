//! AWS's rules for functions, versions, aliases and concurrency, written from its documentation and recorded answers
//! without regard to how they are kept here.
//!
//! A call that breaks several rules may be refused for any of them: which one AWS looks at first is mostly not known.

use std::collections::{BTreeMap, HashSet};

use crate::script::{ALIASES, Number, Package, Qualifier, Setting, Weights};
use crate::world::{ACCOUNT_CONCURRENCY, CODE_BYTES, PACKAGES};

/// A refusal: status, code, and a part of the text.
pub type Refusal = (u16, &'static str, String);

/// Why a call has to be refused; not at all when empty.
pub type Refusals = Vec<Refusal>;

pub fn invalid(text: &str) -> Refusal {
    (400, "InvalidParameterValueException", text.to_owned())
}

/// Constraints of the model.
pub fn malformed() -> Refusal {
    (400, "ValidationException", "failed to satisfy constraint".to_owned())
}

pub fn missing(what: &str) -> Refusal {
    (404, "ResourceNotFoundException", what.to_owned())
}

pub fn conflict(text: &str) -> Refusal {
    (409, "ResourceConflictException", text.to_owned())
}

fn stale() -> Refusal {
    (
        412,
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id.".into(),
    )
}

/// A revision id. Unknown after a change that did not show it: then it must be one that nobody has seen.
#[derive(Clone, Debug, Default)]
pub struct Rev(pub Option<String>);

impl Rev {
    pub fn observe(&mut self, shown: &str, seen: &mut HashSet<String>) -> Result<(), String> {
        match &self.0 {
            Some(known) if known == shown => Ok(()),
            Some(known) => Err(format!("revision {known} became {shown} though nothing changed it")),
            None if !seen.insert(shown.to_owned()) => Err(format!("revision {shown} stayed or came back")),
            None => {
                self.0 = Some(shown.to_owned());
                Ok(())
            }
        }
    }
}

/// What a version is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    pub package: usize,
    pub description: String,
    pub timeout: i64,
    pub memory: i64,
    pub variables: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Life {
    Creating,
    Active,
    /// Active, with an update on its way.
    Updating,
}

#[derive(Clone, Debug)]
pub struct Version {
    pub content: Content,
    pub life: Life,
    pub revision: Rev,
    /// As shown.
    pub modified: String,
}

#[derive(Clone, Debug)]
pub struct Alias {
    pub version: Number,
    pub weighted: Option<(u64, f64)>,
    pub description: String,
    pub revision: Rev,
}

#[derive(Clone, Debug)]
pub struct Function {
    pub latest: Version,
    pub versions: BTreeMap<u64, Version>,
    /// The last number that was given.
    pub last_number: u64,
    /// `$LATEST` when it was published last.
    pub published: Option<Content>,
    pub aliases: BTreeMap<&'static str, Alias>,
    pub tags: BTreeMap<String, String>,
    pub reserved: Option<i64>,
    /// By version number or alias.
    pub provisioned: BTreeMap<String, (i64, String)>,
}

#[derive(Debug, Default)]
pub struct Account {
    pub functions: BTreeMap<&'static str, Function>,
    pub seen: HashSet<String>,
    /// Revisions that have been right.
    pub old: Vec<String>,
}

/// How a qualifier is written.
pub fn text(qualifier: Qualifier) -> String {
    match qualifier {
        Qualifier::Number(number) => number_text(number),
        Qualifier::Alias(alias) => ALIASES[alias].to_owned(),
    }
}

pub fn number_text(number: Number) -> String {
    match number {
        Number::Latest => "$LATEST".to_owned(),
        Number::Version(number) => number.to_string(),
    }
}

pub fn size(package: usize) -> u64 {
    PACKAGES[package].len() as u64
}

impl Function {
    pub fn version(&self, number: Number) -> Option<&Version> {
        match number {
            Number::Latest => Some(&self.latest),
            Number::Version(number) => self.versions.get(&number),
        }
    }

    /// The number that a qualifier comes down to.
    pub fn number(&self, qualifier: Option<Qualifier>) -> Option<Number> {
        let number = match qualifier {
            None => Number::Latest,
            Some(Qualifier::Number(number)) => number,
            Some(Qualifier::Alias(alias)) => self.aliases.get(ALIASES[alias])?.version,
        };
        self.version(number).map(|_| number)
    }

    fn code_bytes(&self) -> u64 {
        size(self.latest.content.package)
            + self.versions.values().map(|version| size(version.content.package)).sum::<u64>()
    }

    pub fn provisioned_sum(&self) -> i64 {
        self.provisioned.values().map(|(count, _)| count).sum()
    }

    /// Whether publishing makes a new version.
    pub fn changed_since_published(&self) -> bool {
        // A version that was deleted is not there to be answered with.
        !self.versions.contains_key(&self.last_number)
            || self.published.as_ref() != Some(&self.latest.content)
    }

    /// `$LATEST` under a number: a new one, or the last when nothing has changed since.
    pub fn publish(&mut self, description: Option<&str>, life: Life) -> u64 {
        if !self.changed_since_published() {
            return self.last_number;
        }
        self.last_number += 1;
        self.published = Some(self.latest.content.clone());
        let mut version = Version { life, revision: Rev::default(), ..self.latest.clone() };
        if let Some(description) = description {
            version.content.description = description.to_owned();
        }
        self.versions.insert(self.last_number, version);
        self.latest.revision = Rev::default();
        self.last_number
    }

    /// Everything that was accepted has happened: each state that changed, changed a revision.
    pub fn settle(&mut self) {
        for version in self.versions.values_mut().chain([&mut self.latest]) {
            if version.life != Life::Active {
                version.life = Life::Active;
                version.revision = Rev::default();
            }
        }
    }

    /// Why `$LATEST` can't be changed or published now.
    pub fn not_now(&self, revision: Option<&str>) -> Refusals {
        let mut refusals = Refusals::new();
        if revision.is_some() && revision != self.latest.revision.0.as_deref() {
            refusals.push(stale());
        }
        match self.latest.life {
            Life::Active => {}
            Life::Creating => {
                refusals.push(conflict("The function is currently in the following state: Pending"));
            }
            Life::Updating => refusals.push(conflict("An update is in progress for resource: ")),
        }
        refusals
    }

    /// Why an alias can't be this. `provisioned` when concurrency is provisioned for it.
    pub fn alias_refusals(
        &self,
        version: Number,
        weights: &[(Number, f64)],
        is_provisioned: bool,
    ) -> Refusals {
        let mut refusals = Refusals::new();
        if self.version(version).is_none() {
            refusals.push(missing("Function not found: "));
        }
        let names: HashSet<String> = weights.iter().map(|(number, _)| number_text(*number)).collect();
        if names.len() > 1 {
            refusals.push(invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"));
        }
        for (other, weight) in weights {
            if *other == Number::Latest || !(0.0..=1.0).contains(weight) {
                refusals.push(malformed());
            }
            if *other == Number::Latest || version == Number::Latest {
                refusals
                    .push(invalid("$LATEST is not supported for an alias pointing to more than 1 version"));
            } else if *other == version {
                refusals.push(invalid("is already included in routing configuration."));
            }
            if self.version(*other).is_none() {
                refusals.push(missing("Function not found: "));
            }
        }
        if is_provisioned && version == Number::Latest {
            refusals.push(invalid("Invalid alias configuration for Provisioned Concurrency"));
        }
        refusals
    }

    pub fn alias_stale(&self, alias: &str, revision: Option<&str>) -> Refusals {
        let current = self.aliases.get(alias).and_then(|alias| alias.revision.0.as_deref());
        if revision.is_some() && revision != current { vec![stale()] } else { Refusals::new() }
    }

    /// Why a version can't be deleted.
    pub fn delete_refusals(&self, qualifier: Qualifier) -> Refusals {
        match qualifier {
            Qualifier::Alias(_) => vec![invalid("Deletion of aliases is not currently supported.")],
            Qualifier::Number(Number::Latest) => {
                vec![invalid("$LATEST version cannot be deleted without deleting the function.")]
            }
            Qualifier::Number(Number::Version(number)) => {
                let mut names = self.aliases.iter().filter(|(_, alias)| {
                    alias.version == Number::Version(number)
                        || alias.weighted.is_some_and(|(other, _)| other == number)
                });
                if names.next().is_none() {
                    return Refusals::new();
                }
                vec![conflict("Unable to delete version because the following aliases reference it: [")]
            }
        }
    }

    /// What a qualifier of provisioned concurrency must be.
    pub fn provisioned_refusals(&self, qualifier: Qualifier) -> Refusals {
        if self.number(Some(qualifier)).is_some() {
            return Refusals::new();
        }
        vec![match qualifier {
            Qualifier::Alias(_) => missing("Cannot find alias arn: "),
            Qualifier::Number(_) => missing("Function not found: "),
        }]
    }
}

/// As `AdditionalVersionWeights` says it; a version that is named twice counts once.
pub fn weight_list(weights: &Weights) -> Vec<(Number, f64)> {
    match weights {
        Weights::Cleared { .. } => Vec::new(),
        Weights::Of(list) => {
            let by_name: BTreeMap<String, (Number, f64)> =
                list.iter().map(|(number, weight)| (number_text(*number), (*number, *weight))).collect();
            by_name.into_values().collect()
        }
    }
}

impl Account {
    pub fn code_bytes(&self) -> u64 {
        self.functions.values().map(Function::code_bytes).sum()
    }

    /// Concurrency that nobody has for itself: reserved, or provisioned outside of what is reserved.
    pub fn unreserved(&self) -> i64 {
        let claimed = |f: &Function| f.reserved.unwrap_or_else(|| f.provisioned_sum());
        i64::from(ACCOUNT_CONCURRENCY) - self.functions.values().map(claimed).sum::<i64>()
    }

    /// A package that is not good, or for which there is no room beside what else there is.
    pub fn package_refusals(&self, package: Package, copies: u64, instead_of: u64) -> Refusals {
        match package {
            Package::Bad => vec![invalid("Could not unzip uploaded file.")],
            Package::Good(package) => self.room_refusals(copies * size(package), instead_of),
        }
    }

    pub fn room_refusals(&self, more: u64, less: u64) -> Refusals {
        if more > less && self.code_bytes() - less + more > CODE_BYTES {
            return vec![(400, "CodeStorageExceededException", String::new())];
        }
        Refusals::new()
    }

    pub fn reserved_refusals(&self, f: &Function, count: i64) -> Refusals {
        let mut refusals = Refusals::new();
        if count < 0 {
            refusals.push(malformed());
        }
        let provisioned = f.provisioned_sum();
        if count < provisioned {
            refusals.push(invalid(&format!(
                " ReservedConcurrentExecutions  {count} should not be lower than function's total provisioned concurrency [{provisioned}]."
            )));
        }
        let claimed = f.reserved.unwrap_or(provisioned);
        if count > claimed && self.unreserved() + claimed - count < 100 {
            refusals.push(invalid(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].",
            ));
        }
        refusals
    }

    /// Why so much can't be provisioned.
    pub fn put_provisioned_refusals(&self, f: &Function, qualifier: Qualifier, count: i64) -> Refusals {
        let mut refusals = f.provisioned_refusals(qualifier);
        if count < 1 {
            refusals.push(malformed());
        }
        let Some(number) = f.number(Some(qualifier)) else { return refusals };
        if number == Number::Latest {
            refusals.push(invalid(
                "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
            ));
        }
        match qualifier {
            Qualifier::Alias(_) if f.provisioned.contains_key(&number_text(number)) => refusals.push(conflict(
                "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
            )),
            Qualifier::Number(Number::Version(number)) => {
                // Through a weight as well: judgement.
                let taken = f.aliases.iter().any(|(name, alias)| {
                    let points = alias.version == Number::Version(number)
                        || alias.weighted.is_some_and(|(other, _)| other == number);
                    points && f.provisioned.contains_key(*name)
                });
                if taken {
                    refusals.push(conflict("Version is pointed by a Provisioned Concurrency alias"));
                }
            }
            _ => {}
        }
        let own = f.provisioned.get(&text(qualifier)).map_or(0, |(count, _)| *count);
        let after = f.provisioned_sum() - own + count;
        match f.reserved {
            Some(reserved) if after > reserved => refusals.push(invalid(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
            )),
            None if count > own && self.unreserved() + own - count < 100 => {
                // Which of the two depends on how far it is over.
                refusals.push(invalid("Specified ConcurrentExecutions for function "));
            }
            _ => {}
        }
        refusals
    }

    /// Applies a setting.
    pub fn set(content: &mut Content, setting: Setting) {
        match setting {
            Setting::Nothing => {}
            Setting::Description(number) => content.description = format!("d{number}"),
            Setting::Timeout(number) => content.timeout = 3 + i64::from(number),
            Setting::Memory(number) => content.memory = 128 + i64::from(number),
            Setting::Variable(number) => {
                let value = (number > 0).then(|| ("KEY".to_owned(), number.to_string()));
                content.variables = Some(value.into_iter().collect());
            }
        }
    }
}
