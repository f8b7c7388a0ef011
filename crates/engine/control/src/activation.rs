//! From what was accepted to what runs: `Pending` → `Active`, `InProgress` → `Successful`.
//!
//! The record is on disk before the operation is answered; the work here is done after, and done again from the record
//! if a crash comes in between.

use std::sync::Arc;

use lambent_domain::{
    Deployment, Function, FunctionKey, LastUpdate, RevisionId, State, Version, VersionNumber,
};
use lambent_ports::code::CodeError;
use lambent_ports::store::{RecordKey, StoreError, Write};

use crate::ControlParts;
use crate::turns::Turns;

#[derive(Clone)]
pub(crate) struct Activation {
    parts: ControlParts,
    turns: Arc<Turns>,
}

/// A version as it was when its packages were unpacked, and whether they could be.
struct Prepared {
    version: Version,
    unpacked: Result<(), CodeError>,
}

impl Activation {
    pub(crate) fn new(parts: ControlParts, turns: Arc<Turns>) -> Self {
        Activation { parts, turns }
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

    /// Until nothing is left to do. There is no number of attempts after which a function may be left unfinished: each
    /// one that did not end it means that another change has been made.
    async fn run(&self, key: &FunctionKey) -> Result<(), StoreError> {
        loop {
            let Some(function) = self.parts.store.function(key) else {
                return Ok(());
            };
            let mut prepared = Vec::new();
            for version in function.all_versions().filter(|version| version.is_unfinished()) {
                prepared.push(Prepared { version: version.clone(), unpacked: self.unpack(version).await });
            }
            if prepared.is_empty() {
                return Ok(());
            }
            match self.finish(key, &prepared).await {
                Ok(()) | Err(StoreError::Changed) => {}
                Err(other) => return Err(other),
            }
        }
    }

    /// Commits what has been prepared, as far as it is still wanted: tags and the like may have changed meanwhile.
    async fn finish(&self, key: &FunctionKey, prepared: &[Prepared]) -> Result<(), StoreError> {
        let _turn = self.turns.take(RecordKey::Function(key.clone())).await;
        let Some(function) = self.parts.store.function(key) else {
            return Ok(());
        };
        let mut next = Function::clone(&function);
        for Prepared { version: before, unpacked } in prepared {
            let current = function.version(before.number).filter(|version| version.is_unfinished());
            let same = |version: &&Version| {
                version.code == before.code && version.configuration == before.configuration
            };
            let Some(current) = current.filter(same) else { continue };
            let finished = self.finished(key, current.clone(), unpacked);
            match finished.number {
                VersionNumber::Latest => next.latest = finished,
                VersionNumber::Published(number) => {
                    next.versions.insert(number, Arc::new(finished));
                }
            }
        }
        self.parts.store.commit(vec![Write::from(next)]).await
    }

    /// The version as active, or failed.
    fn finished(&self, key: &FunctionKey, mut version: Version, unpacked: &Result<(), CodeError>) -> Version {
        match unpacked {
            Ok(()) => succeed(&mut version, self.parts.random.bytes16()),
            Err(error) => {
                tracing::error!(function = %key.name, version = %version.number, %error, "a package could not be unpacked");
                fail(&mut version);
            }
        }
        version.revision_id = RevisionId::from_random(self.parts.random.bytes16());
        version
    }

    async fn unpack(&self, version: &Version) -> Result<(), CodeError> {
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
