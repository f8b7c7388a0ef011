//! Provisioned concurrency: environments that are kept initialised.

use crate::ident::TimestampMs;

/// Of one version or alias. How many are there right now is the invoke path's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provisioned {
    /// At least 1.
    pub requested: u32,
    /// When it was last set.
    pub modified: TimestampMs,
}
