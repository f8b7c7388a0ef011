//! `FunctionUrlConfig`: an HTTP address of a function or alias.

use crate::ident::TimestampMs;

/// A function URL.
#[derive(Clone, Debug, PartialEq)]
pub struct UrlConfig {
    /// First label of its host name: 32 characters of `[a-z0-9]`.
    pub id: String,
    /// Whether callers must sign.
    pub auth: UrlAuth,
    /// `InvokeMode` is `RESPONSE_STREAM`.
    pub streaming: bool,
    /// Shown when it was given.
    pub cors: Option<Cors>,
    /// When it was made.
    pub created: TimestampMs,
    /// When it was last changed.
    pub modified: TimestampMs,
}

/// `AuthType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlAuth {
    /// Anybody may call it, if the resource policy says so.
    None,
    /// IAM decides.
    AwsIam,
}

/// Answers for browsers. Absent members were never given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// `Access-Control-Allow-Credentials`.
    pub allow_credentials: Option<bool>,
    /// `Access-Control-Allow-Headers`.
    pub allow_headers: Option<Vec<String>>,
    /// `Access-Control-Allow-Methods`.
    pub allow_methods: Option<Vec<String>>,
    /// `Access-Control-Allow-Origin`.
    pub allow_origins: Option<Vec<String>>,
    /// `Access-Control-Expose-Headers`.
    pub expose_headers: Option<Vec<String>>,
    /// `Access-Control-Max-Age`, seconds.
    pub max_age_s: Option<u32>,
}
