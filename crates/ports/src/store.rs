//! Functions, durable. Every write says what it replaces; an error says whether it may have happened.

use std::sync::Arc;

use async_trait::async_trait;
use lambent_domain::{Function, FunctionKey, FunctionName, RevisionId, Scope};

/// Why a write or read failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A create met an existing key. Nothing changed.
    #[error("already exists")]
    AlreadyExists,
    /// The key is not there. Nothing changed.
    #[error("not found")]
    NotFound,
    /// The stored revision is another than the one the write was to replace. Nothing changed.
    #[error("revision is {current}, not the expected one")]
    RevisionMismatch {
        /// What is stored.
        current: RevisionId,
    },
    /// A quota given with the write would be exceeded. Nothing changed.
    #[error("over the code storage quota")]
    CodeStorageExceeded,
    /// The storage failed.
    #[error("store: {message}")]
    Unavailable {
        /// For the log.
        message: String,
        /// Whether the write may nevertheless be there after a restart.
        may_have_happened: bool,
    },
}

/// Sums over the functions of a scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of functions.
    pub function_count: u64,
    /// Zips of all functions, in bytes: each function counts its own, also when the bytes are shared.
    pub total_code_bytes: u64,
}

/// What changed, in commit order.
#[derive(Clone, Debug)]
pub enum Change {
    /// Created or replaced.
    Put(Arc<Function>),
    /// Gone.
    Deleted(FunctionKey),
}

/// Follows the store. Called on the store's writer after the commit and *before* the write is acknowledged: whoever
/// has seen an answer can rely on every listener having seen the change. Must be quick and must not call the store.
pub trait ChangeListener: Send + Sync {
    /// One change.
    fn changed(&self, change: &Change);
}

/// The function table on disk.
#[async_trait]
pub trait FunctionStore: Send + Sync {
    /// Inserts. `AlreadyExists` when the key is taken, `CodeStorageExceeded` when the scope's total would pass
    /// [`lambent_domain::limits::TOTAL_CODE_BYTES`].
    async fn create(&self, function: Function) -> Result<(), StoreError>;

    /// The current record.
    async fn get(&self, key: &FunctionKey) -> Result<Option<Arc<Function>>, StoreError>;

    /// Replaces the record whose revision is `expected`. `RevisionMismatch`, `NotFound`, `CodeStorageExceeded`.
    async fn replace(&self, function: Function, expected: RevisionId) -> Result<(), StoreError>;

    /// Deletes the record; with `expected`, only that revision of it.
    async fn delete(&self, key: &FunctionKey, expected: Option<RevisionId>) -> Result<(), StoreError>;

    /// Up to `limit` functions of a scope with names after `after`, in byte order of their names.
    async fn list(
        &self,
        scope: &Scope,
        after: Option<&FunctionName>,
        limit: usize,
    ) -> Result<Vec<Arc<Function>>, StoreError>;

    /// Every function of every scope: for start-up work.
    async fn all(&self) -> Result<Vec<Arc<Function>>, StoreError>;

    /// Counts for GetAccountSettings and quotas.
    async fn usage(&self, scope: &Scope) -> Result<Usage, StoreError>;

    /// Replays every function as `Put`, then follows. No change is missed or repeated in between.
    async fn subscribe(&self, listener: Arc<dyn ChangeListener>) -> Result<(), StoreError>;
}
