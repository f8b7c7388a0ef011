//! Reading and changing functions. A change is decided on the record that was read and replaces exactly that one: when
//! another change comes in between, it is decided anew. Changes of functions take turns, so that this is rare.

use std::sync::Arc;

use lambent_domain::{Fault, Function, FunctionKey, LastUpdate, RevisionId, State, Version, VersionNumber};
use lambent_ports::store::{RecordKey, StoreError, Write};

use crate::target::Target;
use crate::{Control, store_fault};

/// Attempts of a change whose record is changed by others that don't take turns: each attempt that loses means that
/// another won.
pub(crate) const MAX_ATTEMPTS: usize = 64;

impl Control {
    /// The stored function, or AWS's "not found" with the ARN as the caller pointed at it.
    pub(crate) fn function(&self, target: &Target) -> Result<Arc<Function>, Fault> {
        self.parts.store.function(&target.key).ok_or_else(|| target.not_found())
    }

    /// Changes a function. `change` sees the current record; it may run more than once.
    pub(crate) async fn change<T>(
        &self,
        target: &Target,
        change: impl Fn(&mut Function) -> Result<T, Fault>,
    ) -> Result<(Function, T), Fault> {
        self.change_if(target, |_| Ok(()), |function, _| change(function), store_fault).await
    }

    /// Changes a function together with other records, or only while they are what they were.
    pub(crate) async fn change_with<T>(
        &self,
        target: &Target,
        change: impl Fn(&mut Function, &mut Vec<Write>) -> Result<T, Fault>,
    ) -> Result<(Function, T), Fault> {
        self.change_if(target, |_| Ok(()), change, store_fault).await
    }

    /// Changes a function with a say in what a refusal of the store is to the caller.
    pub(crate) async fn change_or<T>(
        &self,
        target: &Target,
        change: impl Fn(&mut Function) -> Result<T, Fault>,
        refused: impl Fn(StoreError) -> Fault,
    ) -> Result<(Function, T), Fault> {
        self.change_if(target, |_| Ok(()), |function, _| change(function), refused).await
    }

    async fn change_if<T>(
        &self,
        target: &Target,
        check: impl Fn(&Function) -> Result<(), Fault>,
        change: impl Fn(&mut Function, &mut Vec<Write>) -> Result<T, Fault>,
        refused: impl Fn(StoreError) -> Fault,
    ) -> Result<(Function, T), Fault> {
        let _turn = self.turns.take(RecordKey::Function(target.key.clone())).await;
        for _ in 0..MAX_ATTEMPTS {
            let current = self.function(target)?;
            check(&current)?;
            let mut next = Function::clone(&current);
            let mut writes = Vec::new();
            let result = change(&mut next, &mut writes)?;
            writes.push(Write::from(next.clone()));
            match self.parts.store.commit(writes).await {
                Ok(()) => return Ok((next, result)),
                Err(StoreError::Changed) => {}
                Err(other) => return Err(refused(other)),
            }
        }
        Err(Fault::UpdateInProgress(target.key.arn()))
    }

    /// Changes `$LATEST` and starts its activation, when it may be updated now; other records with it, or only while they
    /// are what they were.
    pub(crate) async fn update<T>(
        &self,
        target: &Target,
        revision_id: Option<&str>,
        change: impl Fn(&mut Function, &mut Vec<Write>) -> Result<T, Fault>,
    ) -> Result<(Function, T), Fault> {
        let check = |function: &Function| updatable(function, revision_id);
        let change = |function: &mut Function, writes: &mut Vec<Write>| {
            function.latest.revision_id = self.new_revision();
            function.latest.last_modified = self.now();
            function.latest.last_update = Some(LastUpdate::InProgress);
            change(function, writes)
        };
        let updated = self.change_if(target, check, change, store_fault).await?;
        self.activation.spawn(target.key.clone());
        Ok(updated)
    }

    /// The version that a target points at, with its function. A version that an alias weights stands behind its main one.
    pub(crate) fn version(&self, target: &Target) -> Result<(Arc<Function>, Version), Fault> {
        let function = self.function(target)?;
        let version = function.primary(target.qualifier.as_ref()).ok_or_else(|| target.not_found())?.clone();
        Ok((function, version))
    }

    /// What `$LATEST` is now, published: a new version, or the newest one when nothing has changed since (recorded).
    /// `pending` when its package is not unpacked yet.
    pub(crate) fn publish(
        &self,
        function: &mut Function,
        description: Option<&str>,
        pending: bool,
    ) -> Arc<Version> {
        if let Some(same) = function.published_as_is() {
            return Arc::clone(same);
        }
        let mut version = function.latest.clone();
        version.number = VersionNumber::Published(function.next_version);
        version.revision_id = self.new_revision();
        function.published_description = Some(version.configuration.description.clone());
        if let Some(description) = description {
            Arc::make_mut(&mut version.configuration).description = description.to_owned();
        }
        (version.state, version.last_update, version.deployed) = (State::Pending, None, None);
        if !pending {
            crate::activation::succeed(&mut version, self.parts.random.bytes16());
        }
        let version = Arc::new(version);
        function.versions.insert(function.next_version, Arc::clone(&version));
        function.next_version += 1;
        function.latest.revision_id = self.new_revision();
        version
    }

    /// Deletes a function in whatever state it is.
    pub(crate) async fn delete_function(&self, key: &FunctionKey) -> Result<bool, Fault> {
        let _turn = self.turns.take(RecordKey::Function(key.clone())).await;
        for _ in 0..MAX_ATTEMPTS {
            let Some(current) = self.parts.store.function(key) else {
                return Ok(false);
            };
            let record = RecordKey::Function(key.clone());
            match self.parts.store.commit(vec![Write::Delete(record, current.epoch)]).await {
                Ok(()) => return Ok(true),
                Err(StoreError::Changed) => {}
                Err(other) => return Err(store_fault(other)),
            }
        }
        Err(Fault::UpdateInProgress(key.arn()))
    }
}

/// Whether `$LATEST` may be updated now.
pub(crate) fn updatable(function: &Function, revision_id: Option<&str>) -> Result<(), Fault> {
    check_revision(function.latest.revision_id, revision_id)?;
    match (&function.latest.state, &function.latest.last_update) {
        (State::Pending, _) => Err(Fault::NotActive { state: "Pending" }),
        (State::Failed { .. }, _) => Err(Fault::NotActive { state: "Failed" }),
        (State::Active, Some(LastUpdate::InProgress)) => Err(Fault::UpdateInProgress(function.key.arn())),
        (State::Active, _) => Ok(()),
    }
}

/// A caller's `RevisionId` is the current one, if there is one.
pub(crate) fn check_revision(current: RevisionId, expected: Option<&str>) -> Result<(), Fault> {
    match expected {
        Some(expected) if RevisionId::parse(expected) != Some(current) => Err(Fault::RevisionMismatch),
        _ => Ok(()),
    }
}
