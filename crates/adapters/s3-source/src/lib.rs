//! Packages from S3: one GET, signed, path-style, of any endpoint that speaks S3's protocol.

mod answer;
mod connection;
mod source;

pub use source::{S3Options, S3OptionsError, S3Source};
