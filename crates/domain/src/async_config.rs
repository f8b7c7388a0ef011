//! `EventInvokeConfig`: what happens to events that were accepted and could not be handled.

use crate::ident::TimestampMs;

/// Settings of `$LATEST`, a version or an alias. Absent members were never given, and are not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventInvokeConfig {
    /// 0 to 2; AWS retries twice when it is not set.
    pub maximum_retry_attempts: Option<u32>,
    /// 60 to 21,600; six hours when it is not set.
    pub maximum_event_age_s: Option<u32>,
    /// ARN of what hears of success.
    pub on_success: Option<String>,
    /// ARN of what hears of failure.
    pub on_failure: Option<String>,
    /// Of this configuration.
    pub last_modified: TimestampMs,
}
