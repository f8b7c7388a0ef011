//! What the runtime does at its Runtime API, as its environment takes it.

use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;
use lambent_domain::RequestId;
use lambent_ports::runtime_api::{Refused, RuntimeEvents};

use super::{Environment, Phase};
use crate::failure::Failure;

/// The Runtime API's view of an environment.
pub(super) struct Events(pub(super) Weak<Environment>);

impl Events {
    fn environment(&self) -> Result<Rc<Environment>, Refused> {
        self.0.upgrade().ok_or(Refused::WrongState { from: "Exited", to: "Ready" })
    }

    fn finish(&self, request_id: RequestId, result: Result<Bytes, Failure>) -> Result<(), Refused> {
        let environment = self.environment()?;
        let running = environment.state.borrow().flight.as_ref().map(|flight| flight.request_id);
        if running != Some(request_id) {
            return Err(Refused::UnknownRequestId);
        }
        environment.end(result);
        Ok(())
    }
}

impl RuntimeEvents for Events {
    fn next_requested(&self, had_handler: Option<Duration>) -> Result<(), Refused> {
        let environment = self.environment()?;
        let phase = environment.state.borrow().phase;
        match phase {
            Phase::Starting => {
                let mut state = environment.state.borrow_mut();
                state.phase = Phase::Ready;
                if let Some(booting) = state.booting.take() {
                    let _ = booting.send(Ok(had_handler));
                }
            }
            Phase::Responded => {
                let mut state = environment.state.borrow_mut();
                state.phase = Phase::Ready;
                state.back_by = None;
                drop(state);
                environment.pool.release(Rc::clone(&environment));
            }
            Phase::Ready => {}
            Phase::Busy => {
                let undelivered = environment
                    .state
                    .borrow()
                    .flight
                    .as_ref()
                    .is_some_and(|flight| flight.undelivered.is_some());
                if !undelivered {
                    return Err(Refused::WrongState { from: "Running", to: "Ready" });
                }
                let channel = environment.channel.borrow().clone();
                if let Some(channel) = channel {
                    environment.deliver(&*channel);
                }
            }
            Phase::Stopped => {
                return Err(Refused::WrongState { from: "Exited", to: "Ready" });
            }
        }
        Ok(())
    }

    fn response(&self, request_id: RequestId, body: Option<Bytes>) -> Result<(), Refused> {
        self.finish(request_id, body.ok_or(Failure::ResponseTooLarge))
    }

    fn error(&self, request_id: RequestId, error_type: Option<&str>, body: Bytes) -> Result<(), Refused> {
        self.finish(request_id, Err(Failure::Reported { error_type: error_type.map(str::to_owned), body }))
    }

    fn init_error(&self, error_type: Option<&str>, body: Bytes) -> Result<(), Refused> {
        let environment = self.environment()?;
        let phase = environment.state.borrow().phase;
        if phase != Phase::Starting {
            return Err(Refused::WrongState { from: "Ready", to: "InitError" });
        }
        environment.boot_failed(Failure::Reported { error_type: error_type.map(str::to_owned), body });
        Ok(())
    }
}
