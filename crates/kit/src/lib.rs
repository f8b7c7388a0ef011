//! What any AWS-speaking server needs and nothing that knows Lambent: clocks, randomness, smithy codecs,
//! signatures, telemetry.

pub mod clock;
pub mod crash;
pub mod random;
pub mod sigv4;
pub mod smithy;
pub mod telemetry;
pub mod utc;

/// A JSON object: what structures are written to.
pub type JsonMap = serde_json::Map<String, serde_json::Value>;
