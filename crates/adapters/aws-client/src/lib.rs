//! AWS services on other machines: whatever speaks their protocols. TLS and the HTTP client stay in here.

mod endpoint;
mod post;
mod remote;
mod trust;

pub use endpoint::Endpoint;
pub use post::HttpPoster;
pub use remote::{Remote, RemoteClient, RemoteError};
pub use trust::{told, trust};
