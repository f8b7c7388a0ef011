//! From what was accepted to what runs: `Pending` → `Active`, `InProgress` → `Successful`.
//!
//! The record is on disk before the operation is answered; the work here is done after, and done again from the record
//! if a crash comes in between.

use std::sync::Arc;

use lambent_domain::{Deployment, Function, FunctionKey, LastUpdate, RevisionId, State};
use lambent_ports::store::StoreError;

use crate::ControlParts;

/// Attempts to write the result while others change the record (tags, say).
const MAX_ATTEMPTS: usize = 32;

#[derive(Clone)]
pub(crate) struct Activation {
    parts: ControlParts,
}

/// Whether a record waits for an activation.
pub(crate) fn is_unfinished(function: &Function) -> bool {
    function.state == State::Pending || function.last_update == Some(LastUpdate::InProgress)
}

impl Activation {
    pub(crate) fn new(parts: ControlParts) -> Self {
        Activation { parts }
    }

    /// Goes to work in the background.
    pub(crate) fn spawn(&self, key: FunctionKey) {
        let activation = self.clone();
        tokio::spawn(async move {
            if let Err(error) = activation.run(&key).await {
                tracing::error!(function = %key.name, %error, "a function could not be activated; the next start goes on");
            }
        });
    }

    async fn run(&self, key: &FunctionKey) -> Result<(), StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(function) = self.parts.store.get(key).await? else {
                return Ok(());
            };
            if !is_unfinished(&function) {
                return Ok(());
            }
            let expected = function.revision_id;
            let prepared = self.parts.code.unpacked(function.code.sha256).await;
            let mut next = Function::clone(&function);
            next.revision_id = RevisionId::from_random(self.parts.random.bytes16());
            match prepared {
                Ok(_) => succeed(&mut next, self.parts.random.bytes16()),
                Err(error) => {
                    tracing::error!(function = %key.name, %error, "a package could not be unpacked");
                    fail(&mut next);
                }
            }
            match self.parts.store.replace(next, expected).await {
                Err(StoreError::RevisionMismatch { .. }) => {}
                Err(StoreError::NotFound) => return Ok(()),
                other => return other,
            }
        }
        Ok(())
    }
}

fn succeed(function: &mut Function, id: [u8; 16]) {
    function.state = State::Active;
    function.last_update = Some(LastUpdate::Successful);
    function.deployed = Some(Arc::new(Deployment {
        id: RevisionId::from_random(id),
        configuration: function.configuration.clone(),
        code: function.code,
    }));
}

fn fail(function: &mut Function) {
    let reason = "The package could not be unpacked.".to_owned();
    let code = "InternalError";
    if function.state == State::Pending {
        function.state = State::Failed { reason: reason.clone(), code };
    }
    function.last_update = Some(LastUpdate::Failed { reason, code });
}
