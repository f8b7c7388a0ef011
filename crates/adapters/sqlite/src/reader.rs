//! Connections that only read: looks that do not hold the writer up, off the threads that serve.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};

use crate::{OpenError, WriteError};

/// Takes turns among its connections.
pub struct Reader {
    connections: Vec<Arc<Mutex<Connection>>>,
    next: AtomicUsize,
}

impl Reader {
    /// Opens so many connections to a file that is open for writing.
    pub fn open(path: &Path, connections: usize) -> Result<Self, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open =
            |_| Connection::open_with_flags(path, flags).map(|connection| Arc::new(Mutex::new(connection)));
        let connections = (0..connections).map(open).collect::<Result<_, _>>()?;
        Ok(Reader { connections, next: AtomicUsize::new(0) })
    }

    /// Looks. `lost` says in the caller's words that nobody could.
    pub async fn run<T: Send + 'static, E: Send + 'static>(
        &self,
        lost: fn(WriteError) -> E,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let connection = Arc::clone(&self.connections[turn]);
        let reading = tokio::task::spawn_blocking(move || {
            work(&connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        reading.await.unwrap_or_else(|error| Err(lost(WriteError::nothing_happened(error))))
    }
}
