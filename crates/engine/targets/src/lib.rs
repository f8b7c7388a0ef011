//! What rules and schedules send to their targets: stored before anybody is told that it was accepted, sent over the
//! wire of the target's service, tried again as AWS does, and put into a dead-letter queue when it is over. At least once:
//! what a crash interrupts is done again.

mod arn;
pub mod decide;
mod dispatch;
mod failure;
mod request;
mod sender;

pub use arn::{Arn, TargetKind};
pub use decide::Retries;
pub use dispatch::{Authority, BusEntry, Call, Codes, DeadLetter, Dispatch, Service};
pub use request::{Universal, universal};
pub use sender::{Sender, SenderParts};

/// Header of an event that one bus hands to another, whatever authority it has. Who is not of this server is not believed.
pub const PASSED_ON: &str = "x-lambent-passed-on";
