//! AWS's words: types, codecs, routes and errors of each service, generated from `models/`. No behaviour.

#[rustfmt::skip]
pub mod cloudwatch;
#[rustfmt::skip]
pub mod events;
#[rustfmt::skip]
pub mod iam;
#[rustfmt::skip]
pub mod lambda;
#[rustfmt::skip]
pub mod logs;
#[rustfmt::skip]
pub mod scheduler;
#[rustfmt::skip]
pub mod sns;
#[rustfmt::skip]
pub mod sqs;
#[rustfmt::skip]
pub mod sts;

#[cfg(test)]
mod tests;
