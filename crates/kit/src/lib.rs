//! What any AWS-speaking server needs and nothing that knows Lambent: clocks, randomness, smithy codecs, SigV4,
//! telemetry.

pub mod clock;
pub mod random;
pub mod utc;
