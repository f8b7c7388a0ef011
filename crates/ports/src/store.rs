//! Functions and what they refer to, durable. The whole table is in memory: reads take no disk and never fail. Every
//! write says which state of a record it replaces; an error says whether it may have happened.

use std::sync::Arc;

use async_trait::async_trait;
use lambent_domain::{
    CodeSigningConfig, CodeSigningKey, Epoch, EventSourceMapping, Function, FunctionKey, Layer, LayerKey,
    MappingKey, Scope,
};

/// Why a commit failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A record is not in the state that the commit was made for: somebody else has changed, made or deleted it.
    /// Nothing happened; read again and decide anew.
    #[error("a record has changed")]
    Changed,
    /// The scope's packages would be more than [`Limits::code_bytes`]. Nothing happened.
    #[error("over the code storage quota")]
    CodeStorageExceeded,
    /// The scope's functions would claim more than [`Limits::claimed_concurrency`]. Nothing happened.
    #[error("over the account's concurrency")]
    ConcurrencyExceeded {
        /// What the function could claim at most.
        available: u32,
    },
    /// The storage failed.
    #[error("store: {message}")]
    Unavailable {
        /// For the log.
        message: String,
        /// Whether the write may nevertheless be there after a restart.
        may_have_happened: bool,
    },
}

/// What the writes of a scope may add up to. A write that makes a sum smaller is never refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Zips of all versions of functions and layers.
    pub code_bytes: u64,
    /// Sum of [`Function::claimed_concurrency`].
    pub claimed_concurrency: u32,
}

/// Sums over a scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of functions.
    pub function_count: u64,
    /// Zips of all versions of functions and layers, in bytes; shared bytes count each time.
    pub code_bytes: u64,
    /// Sum of [`Function::claimed_concurrency`].
    pub claimed_concurrency: u64,
}

/// A record of any kind.
#[derive(Clone, Debug)]
pub enum Record {
    /// With everything that belongs to it.
    Function(Box<Function>),
    /// With its versions.
    Layer(Box<Layer>),
    /// Alone.
    CodeSigning(Box<CodeSigningConfig>),
    /// Alone.
    Mapping(Box<EventSourceMapping>),
}

/// Names a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKey {
    /// A function.
    Function(FunctionKey),
    /// A layer.
    Layer(LayerKey),
    /// A code-signing configuration.
    CodeSigning(CodeSigningKey),
    /// An event source mapping.
    Mapping(MappingKey),
}

/// One part of a commit.
#[derive(Clone, Debug)]
pub enum Write {
    /// Stores a record in place of the state that its epoch names; [`Epoch::NEW`] when it must not be there yet. The
    /// stored record has a new epoch.
    Put(Record),
    /// Deletes the record in this state.
    Delete(RecordKey, Epoch),
    /// Changes nothing: the record must be in this state ([`Epoch::NEW`]: not there) for the rest to happen.
    Expect(RecordKey, Epoch),
}

impl Record {
    /// Its name.
    pub fn key(&self) -> RecordKey {
        match self {
            Record::Function(function) => RecordKey::Function(function.key.clone()),
            Record::Layer(layer) => RecordKey::Layer(layer.key.clone()),
            Record::CodeSigning(config) => RecordKey::CodeSigning(config.key.clone()),
            Record::Mapping(mapping) => RecordKey::Mapping(mapping.key.clone()),
        }
    }

    /// The state it replaces.
    pub fn epoch(&self) -> Epoch {
        match self {
            Record::Function(function) => function.epoch,
            Record::Layer(layer) => layer.epoch,
            Record::CodeSigning(config) => config.epoch,
            Record::Mapping(mapping) => mapping.epoch,
        }
    }
}

impl From<Function> for Write {
    fn from(function: Function) -> Self {
        Write::Put(Record::Function(Box::new(function)))
    }
}

impl From<Layer> for Write {
    fn from(layer: Layer) -> Self {
        Write::Put(Record::Layer(Box::new(layer)))
    }
}

impl From<CodeSigningConfig> for Write {
    fn from(config: CodeSigningConfig) -> Self {
        Write::Put(Record::CodeSigning(Box::new(config)))
    }
}

impl From<EventSourceMapping> for Write {
    fn from(mapping: EventSourceMapping) -> Self {
        Write::Put(Record::Mapping(Box::new(mapping)))
    }
}

/// What changed among functions and event source mappings, in commit order.
#[derive(Clone, Debug)]
pub enum Change {
    /// Created or replaced.
    Put(Arc<Function>),
    /// Gone.
    Deleted(FunctionKey),
    /// A mapping was created or replaced.
    MappingPut(Arc<EventSourceMapping>),
    /// A mapping is gone.
    MappingDeleted(MappingKey),
}

/// Follows the store. Called on the store's writer after the commit and *before* the write is acknowledged: whoever
/// has seen an answer can rely on every listener having seen the change. Must be quick and must not write to the store.
pub trait ChangeListener: Send + Sync {
    /// One change.
    fn changed(&self, change: &Change);
}

/// The table on disk, and in memory.
#[async_trait]
pub trait Store: Send + Sync {
    /// All of the writes or none, in one transaction, on disk before this returns.
    async fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError>;

    /// The current record.
    fn function(&self, key: &FunctionKey) -> Option<Arc<Function>>;

    /// Up to `limit` functions of a scope with names after `after`, in byte order of their names.
    fn functions(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<Arc<Function>>;

    /// Every function of every scope: for start-up work.
    fn all_functions(&self) -> Vec<Arc<Function>>;

    /// The current record.
    fn layer(&self, key: &LayerKey) -> Option<Arc<Layer>>;

    /// Up to `limit` layers of a scope with names after `after`, in byte order of their names.
    fn layers(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<Arc<Layer>>;

    /// Every layer of every scope: for start-up work.
    fn all_layers(&self) -> Vec<Arc<Layer>>;

    /// The current record.
    fn code_signing(&self, key: &CodeSigningKey) -> Option<Arc<CodeSigningConfig>>;

    /// Up to `limit` configurations of a scope with ids after `after`, in byte order of their ids.
    fn code_signings(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<Arc<CodeSigningConfig>>;

    /// The current record.
    fn mapping(&self, key: &MappingKey) -> Option<Arc<EventSourceMapping>>;

    /// Up to `limit` event source mappings of a scope with UUIDs after `after`, in byte order of their UUIDs.
    fn mappings(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<Arc<EventSourceMapping>>;

    /// Sums for GetAccountSettings.
    fn usage(&self, scope: &Scope) -> Usage;

    /// What the sums may be.
    fn limits(&self) -> Limits;

    /// Replays every function as `Put` and every mapping as `MappingPut`, then follows. No change is missed or repeated in between.
    async fn subscribe(&self, listener: Arc<dyn ChangeListener>) -> Result<(), StoreError>;
}
