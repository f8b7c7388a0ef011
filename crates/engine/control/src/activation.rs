//! From what was accepted to what runs: `Pending` → `Active`, `InProgress` → `Successful`.
//!
//! The record is on disk before the operation is answered; the work here is done after, and done again from the record
//! if a crash comes in between.

use std::sync::Arc;

use lambent_domain::{
    Deployment, Function, FunctionKey, LastUpdate, RevisionId, State, Version, VersionNumber,
};
use lambent_ports::store::{StoreError, Write};

use crate::ControlParts;

/// Attempts to write the result while others change the record (tags, say).
const MAX_ATTEMPTS: usize = 64;

#[derive(Clone)]
pub(crate) struct Activation {
    parts: ControlParts,
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
            let Some(function) = self.parts.store.function(key) else {
                return Ok(());
            };
            let unfinished = function.all_versions().filter(|version| version.is_unfinished());
            let mut finished = Vec::new();
            for version in unfinished {
                finished.push(self.finish(key, version).await);
            }
            if finished.is_empty() {
                return Ok(());
            }
            let mut next = Function::clone(&function);
            for version in finished {
                match version.number {
                    VersionNumber::Latest => next.latest = version,
                    VersionNumber::Published(number) => {
                        next.versions.insert(number, Arc::new(version));
                    }
                }
            }
            match self.parts.store.commit(vec![Write::from(next)]).await {
                Err(StoreError::Changed) => {}
                other => return other,
            }
        }
        Ok(())
    }

    /// The version with its packages unpacked, or failed.
    async fn finish(&self, key: &FunctionKey, version: &Version) -> Version {
        let mut finished = version.clone();
        match self.unpack(version).await {
            Ok(()) => succeed(&mut finished, self.parts.random.bytes16()),
            Err(error) => {
                tracing::error!(function = %key.name, version = %version.number, %error, "a package could not be unpacked");
                fail(&mut finished);
            }
        }
        finished.revision_id = RevisionId::from_random(self.parts.random.bytes16());
        finished
    }

    async fn unpack(&self, version: &Version) -> Result<(), lambent_ports::code::CodeError> {
        self.parts.code.unpacked(version.code.sha256).await?;
        let layers = version.configuration.layer_packages();
        if !layers.is_empty() {
            self.parts.code.merged(&layers).await?;
        }
        Ok(())
    }
}

/// From now on what the version shows is what runs.
pub(crate) fn succeed(version: &mut Version, id: [u8; 16]) {
    version.state = State::Active;
    version.last_update = Some(LastUpdate::Successful);
    version.deployed = Some(Arc::new(Deployment {
        id: RevisionId::from_random(id),
        version: version.number,
        configuration: Arc::clone(&version.configuration),
        code: version.code,
    }));
}

fn fail(version: &mut Version) {
    let reason = "The package could not be unpacked.".to_owned();
    let code = "InternalError";
    if version.state == State::Pending {
        version.state = State::Failed { reason: reason.clone(), code };
    }
    version.last_update = Some(LastUpdate::Failed { reason, code });
}
