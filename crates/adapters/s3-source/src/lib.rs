//! Packages from S3: one GET, signed, path-style, of any endpoint that speaks S3's protocol. TLS and the HTTP client stay
//! in this crate.

mod answer;
mod connection;
mod endpoint;
mod source;

pub use source::{S3Options, S3OptionsError, S3Source};
