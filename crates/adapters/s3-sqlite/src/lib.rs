//! Buckets and objects: records in SQLite, in a file of their own, with one writer that commits in groups; bodies as files
//! beside it, those of small objects in the records' own commits. Buckets are in memory as well.

mod buckets;
mod files;
mod listing;
mod notices;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod uploads;
mod versions;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use lambent_domain::Scope;
use lambent_kit::random::Random;
use lambent_ports::object_store::{
    Bucket, BucketId, Change, Condition, Delete, DueNotice, KeptFile, Listing, NewVersion, Notice,
    ObjectStore, ObjectStoreError, Page, Part, Staged, Tell, Upload, Version,
};
use lambent_sqlite::{Bounds, OpenError, Reader, WriteError, Writer, open};
use rusqlite::Connection;

use files::Files;
use rows::storage;
use versions::Done;

/// Jobs that may wait hold small objects in memory: this many times their size is the worst case.
const BOUNDS: Bounds = Bounds { queued: 512, group: 512 };
/// Connections that read.
const READERS: usize = 4;

type Result<T> = std::result::Result<T, ObjectStoreError>;

/// `<data dir>/s3.sqlite` and the files in `<data dir>/s3`.
pub struct S3Sqlite {
    writer: Writer,
    reader: Reader,
    files: Arc<Files>,
    buckets: RwLock<BTreeMap<String, Arc<Bucket>>>,
}

impl S3Sqlite {
    /// Opens or creates them. The caller sees to it that nobody else has them open.
    pub fn open(data_dir: &Path, random: &dyn Random) -> std::result::Result<Arc<Self>, OpenError> {
        let path = data_dir.join("s3.sqlite");
        let files = Files::open(data_dir.join("s3"), random)?;
        let connection = open(&path, &schema::SCHEMA)?;
        notices::reclaim(&connection)?;
        let all = buckets::all(&connection)?;
        let buckets = all.into_iter().map(|bucket| (bucket.name.clone(), Arc::new(bucket))).collect();
        let reader = Reader::open(&path, READERS)?;
        let writer = Writer::start("s3-store", connection, BOUNDS)?;
        let buckets = RwLock::new(buckets);
        Ok(Arc::new(S3Sqlite { writer, reader, files, buckets }))
    }

    /// Removes files that a crash has left. Once, after a start; what is stored meanwhile stays.
    pub async fn sweep(&self) -> Result<usize> {
        let named = self.read_in(versions::named_files).await?;
        let files = Arc::clone(&self.files);
        let swept = tokio::task::spawn_blocking(move || files.sweep(&named)).await;
        swept.map_err(storage)?.map_err(storage)
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.run(lost, work).await
    }

    async fn read_in<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.reader.run(lost, work).await
    }

    /// Shows what has been committed; an older state never replaces a newer one.
    fn show(&self, bucket: Bucket) -> Arc<Bucket> {
        let bucket = Arc::new(bucket);
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        let newer = buckets
            .get(&bucket.name)
            .is_none_or(|shown| (shown.id, shown.revision) < (bucket.id, bucket.revision));
        if newer {
            buckets.insert(bucket.name.clone(), Arc::clone(&bucket));
        }
        bucket
    }

    /// After a commit: files without a record go.
    fn done(&self, done: Done) -> Change {
        self.remove(done.unused);
        done.change
    }

    fn remove(&self, names: Vec<String>) {
        if !names.is_empty() {
            let files = Arc::clone(&self.files);
            tokio::task::spawn_blocking(move || files.remove(&names));
        }
    }
}

fn lost(error: WriteError) -> ObjectStoreError {
    storage(error)
}

#[async_trait]
impl ObjectStore for S3Sqlite {
    fn bucket(&self, name: &str) -> Option<Arc<Bucket>> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn buckets(&self) -> Vec<Arc<Bucket>> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    async fn create_bucket(
        &self,
        name: &str,
        scope: &Scope,
        settings: BTreeMap<String, String>,
        now_ms: u64,
    ) -> Result<Arc<Bucket>> {
        let (name, scope) = (name.to_owned(), scope.clone());
        let made = self.write(move |db| buckets::create(db, &name, &scope, &settings, now_ms)).await?;
        Ok(self.show(made))
    }

    async fn replace_bucket(&self, bucket: Bucket, notices: Vec<Notice>, now_ms: u64) -> Result<Arc<Bucket>> {
        let changed = self.write(move |db| buckets::replace(db, bucket, &notices, now_ms)).await?;
        Ok(self.show(changed))
    }

    async fn delete_bucket(&self, id: BucketId) -> Result<()> {
        let unused = self.write(move |db| buckets::delete(db, id)).await?;
        self.remove(unused);
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|_, bucket| bucket.id != id);
        Ok(())
    }

    fn stage(&self) -> io::Result<Box<dyn Staged>> {
        Ok(Box::new(self.files.stage()?))
    }

    fn link(&self, file: &str) -> io::Result<KeptFile> {
        self.files.link(file)
    }

    fn read(&self, file: &str) -> io::Result<File> {
        self.files.read(file)
    }

    async fn put(
        &self,
        bucket: &Bucket,
        version: NewVersion,
        condition: Condition,
        tell: Tell,
    ) -> Result<Change> {
        let bucket = bucket.clone();
        let done = self.write(move |db| versions::put(db, &bucket, version, &condition, tell)).await?;
        Ok(self.done(done))
    }

    async fn delete(
        &self,
        bucket: &Bucket,
        key: &str,
        delete: Delete,
        condition: Condition,
        now_ms: u64,
        tell: Tell,
    ) -> Result<Change> {
        let (bucket, key) = (bucket.clone(), key.to_owned());
        let work =
            move |db: &Connection| versions::delete(db, &bucket, &key, &delete, &condition, now_ms, tell);
        Ok(self.done(self.write(work).await?))
    }

    async fn get(&self, bucket: BucketId, key: &str, version: Option<&str>) -> Result<Option<Version>> {
        let (key, version) = (key.to_owned(), version.map(str::to_owned));
        self.read_in(move |db| versions::get(db, bucket, &key, version.as_deref())).await
    }

    async fn describe(
        &self,
        bucket: &Bucket,
        version: &Version,
        headers: BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
        notices: Vec<Notice>,
        now_ms: u64,
    ) -> Result<()> {
        let (bucket, sequence) = (bucket.clone(), version.sequence);
        self.write(move |db| {
            buckets::unchanged(db, &bucket)?;
            versions::describe(db, sequence, &headers, &tags, &notices, now_ms)
        })
        .await
    }

    async fn list(&self, bucket: BucketId, listing: Listing) -> Result<Page<Version>> {
        self.read_in(move |db| listing::objects(db, bucket, &listing)).await
    }

    async fn list_versions(&self, bucket: BucketId, listing: Listing) -> Result<Page<Version>> {
        self.read_in(move |db| listing::versions(db, bucket, &listing)).await
    }

    async fn create_upload(&self, bucket: BucketId, upload: Upload) -> Result<()> {
        self.write(move |db| uploads::create(db, bucket, &upload)).await
    }

    async fn upload(&self, bucket: BucketId, id: &str) -> Result<Option<Upload>> {
        let id = id.to_owned();
        self.read_in(move |db| uploads::get(db, bucket, &id)).await
    }

    async fn put_part(&self, bucket: BucketId, upload: &str, part: Part, file: KeptFile) -> Result<()> {
        let upload = upload.to_owned();
        let work = move |db: &Connection| {
            let replaced = uploads::put_part(db, bucket, &upload, &part)?;
            file.unnamed.named();
            Ok(replaced)
        };
        let replaced = self.write(work).await?;
        self.remove(replaced.into_iter().collect());
        Ok(())
    }

    async fn parts(&self, upload: &str, after: u32, max: usize) -> Result<Vec<Part>> {
        let upload = upload.to_owned();
        self.read_in(move |db| uploads::parts(db, &upload, after, max)).await
    }

    async fn abort_upload(&self, bucket: BucketId, id: &str) -> Result<()> {
        let id = id.to_owned();
        let unused = self.write(move |db| uploads::abort(db, bucket, &id)).await?;
        self.remove(unused);
        Ok(())
    }

    async fn list_uploads(&self, bucket: BucketId, listing: Listing) -> Result<Page<Upload>> {
        self.read_in(move |db| listing::uploads(db, bucket, &listing)).await
    }

    async fn due_notices(&self, now_ms: u64, again_ms: u64, max: usize) -> Result<Vec<DueNotice>> {
        self.write(move |db| notices::due(db, now_ms, again_ms, max)).await
    }

    async fn settle_notice(&self, id: u64) -> Result<()> {
        self.write(move |db| notices::settle(db, id)).await
    }

    async fn postpone_notice(&self, id: u64, due_ms: u64) -> Result<()> {
        self.write(move |db| notices::postpone(db, id, due_ms)).await
    }

    async fn next_notice_ms(&self) -> Result<Option<u64>> {
        self.read_in(notices::next_ms).await
    }
}
