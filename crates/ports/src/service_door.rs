//! The way from a function to AWS services: a listener inside its sandbox, whose requests are known to be its own.

use std::os::fd::OwnedFd;

use lambent_domain::AccountId;

/// Whose requests come through a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resident {
    /// The function's account.
    pub account: AccountId,
    /// ARN of the function's role: on its authority everything is done.
    pub role: String,
}

/// A door that is open. Dropping it closes it, and the connections through it.
#[must_use]
pub struct OpenDoor(Option<Box<dyn FnOnce()>>);

impl OpenDoor {
    /// With what closes it.
    pub fn new(close: impl FnOnce() + 'static) -> Self {
        OpenDoor(Some(Box::new(close)))
    }
}

impl Drop for OpenDoor {
    fn drop(&mut self) {
        if let Some(close) = self.0.take() {
            close();
        }
    }
}

/// Listeners inside a sandbox.
#[derive(Debug)]
pub struct DoorListeners {
    /// For HTTP as it is.
    pub plain: OwnedFd,
    /// For HTTP over TLS, under the names of AWS's services.
    pub secure: Option<OwnedFd>,
}

/// Answers functions' requests to services.
pub trait ServiceDoor {
    /// Starts accepting. Must be called on the shard's thread, in a `LocalSet`.
    fn open(&self, listeners: DoorListeners, resident: Resident) -> std::io::Result<OpenDoor>;
}
