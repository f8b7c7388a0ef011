//! Runtimes: data in `runtimes/*.toml`, clients beside them, interpreters from the host or from packages.

mod catalog;
mod definition;
mod host;
mod install;
mod layout;

pub use catalog::Catalog;
pub use install::{InstallError, install};
pub use layout::NODEJS_CERTIFICATES;
