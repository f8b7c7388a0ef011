//! Buckets and objects as S3 keeps them. What an operation means is the service's to know; this keeps it, in commits
//! that are on disk when they are answered.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lambent_domain::Scope;

/// Names a bucket in this store; a bucket that is made anew has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketId(pub u64);

/// The version of what was stored while its bucket kept no versions.
pub const NULL_VERSION: &str = "null";

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its id.
    pub id: BucketId,
    /// Unique on this server.
    pub name: String,
    /// Owner and region.
    pub scope: Scope,
    /// When it was made.
    pub created_ms: u64,
    /// Counts changes.
    pub revision: u64,
    /// Sub-resources by name: `versioning`, `cors`, `notification`. What is not set is not there.
    pub settings: BTreeMap<String, String>,
}

/// One piece of an object: a part of an upload, or all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Number of the part.
    pub number: u32,
    /// Name of a file.
    pub file: String,
    /// Where it begins in the file.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// The part's own checksum, in base64.
    pub checksum: Option<String>,
}

/// Where an object's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Beside the record, for small objects: they share a sync of the disk with others.
    Inline(Bytes),
    /// In files.
    Files(Vec<Segment>),
}

/// One version of an object, or a delete marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Later versions have larger ones, of all keys.
    pub sequence: u64,
    /// The object's name.
    pub key: String,
    /// [`NULL_VERSION`] without versioning.
    pub id: String,
    /// What a request without a version gets.
    pub latest: bool,
    /// A delete marker.
    pub marker: bool,
    /// When it was stored.
    pub modified_ms: u64,
    /// Bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// Headers that it was stored with and is served with, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its bytes. Listings leave those of small objects away.
    pub content: Content,
}

/// A file that is on disk and that no record names yet. Unless one does, it goes when this does.
pub struct KeptFile {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Removes the file when it is dropped.
    pub unnamed: Box<dyn Unnamed>,
}

/// Removes a file when it is dropped.
pub trait Unnamed: Send + Sync {
    /// A record names the file now, or may do so: it stays.
    fn named(self: Box<Self>);
}

/// A file that is being written. Dropping it removes it.
pub trait Staged: Send {
    /// Appends.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Syncs it and gives it its name.
    fn keep(self: Box<Self>) -> io::Result<KeptFile>;
}

/// Bytes that a version is made of.
pub enum NewContent {
    /// Few.
    Inline(Bytes),
    /// New files, each with its segment, in order.
    Files(Vec<(KeptFile, Segment)>),
    /// Parts of an upload, which ends with this.
    Upload {
        /// Its id.
        id: String,
        /// Which parts, in order.
        segments: Vec<Segment>,
    },
}

/// What must hold for the current version when something is stored or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    None,
    /// There is no object.
    Absent,
    /// There is one.
    Present,
    /// There is one with this ETag.
    ETag(String),
}

/// A version to store.
pub struct NewVersion {
    /// Where.
    pub key: String,
    /// [`NULL_VERSION`] replaces the version of that name.
    pub id: String,
    /// When.
    pub modified_ms: u64,
    /// Bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// See [`Version::headers`].
    pub headers: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its bytes.
    pub content: NewContent,
}

/// What to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delete {
    /// The object, in a bucket without versions.
    Object,
    /// The object, behind a marker with this id. [`NULL_VERSION`] replaces the version of that name.
    Mark(String),
    /// One version, or marker, for good.
    Version(String),
}

/// What has been changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// See [`Version::sequence`].
    pub sequence: u64,
    /// What was deleted: a marker, if it was one. `None` when there was nothing, or only a marker was set.
    pub removed: Option<Removed>,
}

/// What was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// A delete marker.
    pub marker: bool,
    /// Bytes.
    pub size: u64,
}

/// Something that is told to somebody, stored in the same commit as what it tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// ARN of who is told.
    pub target: String,
    /// Of which bucket.
    pub bucket: String,
    /// Account and region of the bucket.
    pub scope: Scope,
    /// The message.
    pub body: String,
    /// `X-Amzn-Trace-Id` of the request that it tells of.
    pub trace: Option<String>,
}

/// A notice that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueNotice {
    /// Names it.
    pub id: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was stored.
    pub stored_ms: u64,
    /// What it says.
    pub notice: Notice,
}

/// What is told of a change, made when the change is known.
pub type Tell = Box<dyn FnOnce(&Change) -> Vec<Notice> + Send>;

/// Which keys to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Keys begin with it.
    pub prefix: String,
    /// What is behind it in a key is not listed.
    pub delimiter: Option<String>,
    /// Keys, and common prefixes, behind this one.
    pub after: Option<String>,
    /// For versions: those of the key `after` that are older than this one come, too.
    pub after_version: Option<String>,
    /// At most.
    pub max: usize,
}

/// A line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed<T> {
    /// An object, a version, or an upload.
    Item(T),
    /// What several keys begin with, up to the delimiter.
    Prefix(String),
}

/// A part of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In order of keys.
    pub lines: Vec<Listed<T>>,
    /// There are more.
    pub more: bool,
}

/// An upload in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its id.
    pub id: String,
    /// What it is going to be.
    pub key: String,
    /// When it began.
    pub initiated_ms: u64,
    /// Headers that the object will have.
    pub headers: BTreeMap<String, String>,
    /// Tags that the object will have.
    pub tags: BTreeMap<String, String>,
}

/// A part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// Bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// When it was stored.
    pub modified_ms: u64,
    /// In base64, in the algorithm of the upload.
    pub checksum: Option<String>,
    /// Where it is.
    pub file: String,
    /// Where it begins there.
    pub offset: u64,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectStoreError {
    /// The name is taken.
    #[error("the bucket exists")]
    BucketExists(Arc<Bucket>),
    /// It has been deleted.
    #[error("the bucket is gone")]
    BucketGone,
    /// Somebody else changed it first. Trying again may succeed.
    #[error("the bucket has changed")]
    BucketChanged,
    /// There are objects in it.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// The condition does not hold.
    #[error("the condition does not hold")]
    ConditionFailed,
    /// The condition needs an object where there is none.
    #[error("there is no such object")]
    ObjectMissing,
    /// It was completed or aborted.
    #[error("the upload is gone")]
    UploadGone,
    /// The disk, or SQLite.
    #[error("{0}")]
    Storage(String),
}

type Result<T> = std::result::Result<T, ObjectStoreError>;

/// Buckets and objects.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// A bucket by name.
    fn bucket(&self, name: &str) -> Option<Arc<Bucket>>;
    /// All of them, by name.
    fn buckets(&self) -> Vec<Arc<Bucket>>;
    /// Makes one.
    async fn create_bucket(
        &self,
        name: &str,
        scope: &Scope,
        settings: BTreeMap<String, String>,
        now_ms: u64,
    ) -> Result<Arc<Bucket>>;
    /// Replaces one in exactly the revision that it has, and stores notices with it.
    async fn replace_bucket(&self, bucket: Bucket, notices: Vec<Notice>, now_ms: u64) -> Result<Arc<Bucket>>;
    /// Deletes an empty one, with its uploads.
    async fn delete_bucket(&self, id: BucketId) -> Result<()>;

    /// Begins a file. Waits for the disk.
    fn stage(&self) -> io::Result<Box<dyn Staged>>;
    /// Another name for a file's content. Waits for the disk.
    fn link(&self, file: &str) -> io::Result<KeptFile>;
    /// A file to read. Waits for the disk.
    fn read(&self, file: &str) -> io::Result<File>;

    /// Stores a version, the current one from now on. The bucket must have the revision that the caller saw.
    async fn put(
        &self,
        bucket: &Bucket,
        version: NewVersion,
        condition: Condition,
        tell: Tell,
    ) -> Result<Change>;
    /// Deletes. The bucket must have the revision that the caller saw.
    async fn delete(
        &self,
        bucket: &Bucket,
        key: &str,
        delete: Delete,
        condition: Condition,
        now_ms: u64,
        tell: Tell,
    ) -> Result<Change>;
    /// A version by its id, or the current one, with its content.
    async fn get(&self, bucket: BucketId, key: &str, version: Option<&str>) -> Result<Option<Version>>;
    /// Replaces headers and tags of a version.
    async fn describe(
        &self,
        bucket: &Bucket,
        version: &Version,
        headers: BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
        notices: Vec<Notice>,
        now_ms: u64,
    ) -> Result<()>;
    /// Current objects that are no markers.
    async fn list(&self, bucket: BucketId, listing: Listing) -> Result<Page<Version>>;
    /// All versions and markers, the newest of a key first.
    async fn list_versions(&self, bucket: BucketId, listing: Listing) -> Result<Page<Version>>;

    /// Begins an upload.
    async fn create_upload(&self, bucket: BucketId, upload: Upload) -> Result<()>;
    /// An upload by id.
    async fn upload(&self, bucket: BucketId, id: &str) -> Result<Option<Upload>>;
    /// Stores a part, in place of one with its number. The part's file and offset are those of the file.
    async fn put_part(&self, bucket: BucketId, upload: &str, part: Part, file: KeptFile) -> Result<()>;
    /// Parts with numbers behind `after`, in order.
    async fn parts(&self, upload: &str, after: u32, max: usize) -> Result<Vec<Part>>;
    /// Ends an upload without an object.
    async fn abort_upload(&self, bucket: BucketId, id: &str) -> Result<()>;
    /// Uploads by key, the oldest of a key first.
    async fn list_uploads(&self, bucket: BucketId, listing: Listing) -> Result<Page<Upload>>;

    /// Notices that are due, the oldest first; they are due again at `again_ms` unless they are settled.
    async fn due_notices(&self, now_ms: u64, again_ms: u64, max: usize) -> Result<Vec<DueNotice>>;
    /// Forgets a notice.
    async fn settle_notice(&self, id: u64) -> Result<()>;
    /// Has a notice tried again later.
    async fn postpone_notice(&self, id: u64, due_ms: u64) -> Result<()>;
    /// When the next notice is due.
    async fn next_notice_ms(&self) -> Result<Option<u64>>;
}
