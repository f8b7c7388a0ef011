//! One file per operation.

mod create_function;
mod delete_function;
mod get_account_settings;
mod get_function;
mod get_function_configuration;
mod list_functions;
mod tags;
mod update_function_code;
mod update_function_configuration;

use std::sync::Arc;

use lambent_domain::{Fault, Function, LastUpdate, RevisionId, State, TimestampMs};
use lambent_ports::store::StoreError;

use crate::target::Target;
use crate::{Control, store_fault};

/// Attempts of an update whose record others change at the same time.
const MAX_ATTEMPTS: usize = 8;

impl Control {
    /// Changes a function and starts its activation. `change` sees the current record; it may run more than once, when
    /// another update comes in between.
    async fn update(
        &self,
        target: &Target,
        revision_id: Option<&str>,
        change: impl Fn(&mut Function) -> Result<(), Fault>,
    ) -> Result<Function, Fault> {
        for _ in 0..MAX_ATTEMPTS {
            let current = self.updatable(target, revision_id).await?;
            let mut next = Function::clone(&current);
            change(&mut next)?;
            next.revision_id = self.new_revision();
            next.last_modified = TimestampMs(self.parts.clock.now_ms());
            next.last_update = Some(LastUpdate::InProgress);
            match self.parts.store.replace(next.clone(), current.revision_id).await {
                Ok(()) => {
                    self.activation.spawn(target.key.clone());
                    return Ok(next);
                }
                Err(StoreError::RevisionMismatch { .. }) => {}
                Err(StoreError::NotFound) => return Err(Fault::FunctionNotFound(target.shown_arn())),
                Err(other) => return Err(store_fault(other)),
            }
        }
        Err(Fault::UpdateInProgress(target.key.clone()))
    }

    /// The record, when it may be updated now.
    async fn updatable(&self, target: &Target, revision_id: Option<&str>) -> Result<Arc<Function>, Fault> {
        let current = self.function(&target.key, &target.shown_arn()).await?;
        if let Some(expected) = revision_id
            && RevisionId::parse(expected) != Some(current.revision_id)
        {
            return Err(Fault::RevisionMismatch);
        }
        match (&current.state, &current.last_update) {
            (State::Pending, _) => Err(Fault::NotActive { state: "Pending" }),
            (State::Failed { .. }, _) => Err(Fault::NotActive { state: "Failed" }),
            (State::Active, Some(LastUpdate::InProgress)) => Err(Fault::UpdateInProgress(target.key.clone())),
            (State::Active, _) => Ok(current),
        }
    }
}
