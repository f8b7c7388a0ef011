//! What adapters on SQLite have in common: how a file is opened, and a writer that commits in groups.

mod open;
mod reader;
mod sealing;
mod writer;

pub use open::{OpenError, Schema, open};
pub use reader::Reader;
pub use sealing::{KeyError, SealingKey};
pub use writer::{Bounds, WriteError, Writer};
