//! S3: buckets and objects, over a store that keeps them, and what it tells others of them.

mod access;
mod asked;
mod chunked;
mod cors;
mod digest;
mod fault;
mod form;
mod front;
mod intake;
mod lifecycle;
mod notification;
mod object_headers;
mod operations;
mod outflow;
mod post_policy;
mod posting;
mod presigned;
mod refusal;
mod telling;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use lambent_domain::AccountId;
use lambent_kit::clock::Clock;
use lambent_kit::random::Random;
use lambent_ports::aws_client::AwsClient;
use lambent_ports::object_store::{Bucket, NULL_VERSION, Notice, ObjectStore, ObjectStoreError};
use s3s::S3Request;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use asked::Asked;
use fault::Fault;

pub use front::S3Front;
pub use operations::{MISSING, THERE};
pub use refusal::refused;

/// The state that operations are handled on.
pub struct S3 {
    store: Arc<dyn ObjectStore>,
    others: Arc<dyn AwsClient>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// There is something to tell.
    told: Notify,
}

/// How often a change is tried again that others overtook.
const TURNS: usize = 16;

impl S3 {
    /// Builds it. `others` are the services that are told of objects.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        others: Arc<dyn AwsClient>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Arc<Self> {
        Arc::new(S3 { store, others, clock, random, told: Notify::new() })
    }

    /// The bucket that a request names, if its owner is who the request expects.
    fn bucket(&self, name: &str, asked: &Asked) -> Result<Arc<Bucket>, Fault> {
        let bucket = self.store.bucket(name).ok_or_else(|| Fault::no_such_bucket(name))?;
        expect_owner(&bucket, asked.header("x-amz-expected-bucket-owner"))?;
        Ok(bucket)
    }

    /// Does something with a bucket as it is, however many others change it at the same time.
    async fn with_bucket<T, F>(
        &self,
        name: &str,
        asked: &Asked,
        work: impl Fn(Arc<Bucket>) -> F,
    ) -> Result<T, Fault>
    where
        F: Future<Output = Result<Result<T, ObjectStoreError>, Fault>>,
    {
        for _ in 0..TURNS {
            match work(self.bucket(name, asked)?).await? {
                Err(ObjectStoreError::BucketChanged) => tokio::task::yield_now().await,
                Err(ObjectStoreError::BucketGone) => return Err(Fault::no_such_bucket(name)),
                done => return done.map_err(Fault::from),
            }
        }
        Err(ObjectStoreError::BucketChanged.into())
    }

    /// Sets, or removes, one sub-resource of a bucket.
    async fn set<T: Serialize>(
        &self,
        name: &str,
        asked: &Asked,
        setting: &str,
        value: Option<&T>,
    ) -> Result<(), Fault> {
        self.set_and_tell(name, asked, setting, value, Vec::new()).await
    }

    async fn set_and_tell<T: Serialize>(
        &self,
        name: &str,
        asked: &Asked,
        setting: &str,
        value: Option<&T>,
        notices: Vec<Notice>,
    ) -> Result<(), Fault> {
        let text = value.map(serde_json::to_string).transpose().map_err(Fault::internal)?;
        self.with_bucket(name, asked, |bucket| {
            let mut bucket = Bucket::clone(&bucket);
            match &text {
                Some(text) => bucket.settings.insert(setting.to_owned(), text.clone()),
                None => bucket.settings.remove(setting),
            };
            let notices = notices.clone();
            async move { Ok(self.store.replace_bucket(bucket, notices, self.clock.now_ms()).await) }
        })
        .await?;
        self.told.notify_one();
        Ok(())
    }

    /// An id of 32 characters for a version or an upload.
    fn new_id(&self) -> String {
        hex::encode(self.random.bytes16())
    }

    /// The version id of what is stored now.
    fn new_version_id(&self, bucket: &Bucket) -> String {
        match versioning(bucket) {
            Versioning::Enabled => self.new_id(),
            Versioning::Off | Versioning::Suspended => NULL_VERSION.to_owned(),
        }
    }
}

/// Whether a bucket keeps versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Versioning {
    Off,
    Enabled,
    Suspended,
}

fn versioning(bucket: &Bucket) -> Versioning {
    match setting::<String>(bucket, "versioning").as_deref() {
        Some("Enabled") => Versioning::Enabled,
        Some(_) => Versioning::Suspended,
        None => Versioning::Off,
    }
}

/// What a bucket has under a name.
fn setting<T: DeserializeOwned>(bucket: &Bucket, name: &str) -> Option<T> {
    serde_json::from_str(bucket.settings.get(name)?).ok()
}

/// The settings of a new bucket that are not AWS's defaults.
fn settings_of_new() -> BTreeMap<String, String> {
    BTreeMap::new()
}

fn expect_owner(bucket: &Bucket, expected: Option<&str>) -> Result<(), Fault> {
    match expected {
        None => Ok(()),
        Some(owner) if AccountId::parse(owner).is_none() => {
            let message = format!(
                "The value of the expected bucket owner parameter must be an AWS Account ID... [{owner}]"
            );
            Err(Fault::new(400, "InvalidBucketOwnerAWSAccountID", message))
        }
        Some(owner) if owner == bucket.scope.account.as_str() => Ok(()),
        Some(_) => Err(Fault::new(403, "AccessDenied", "Access Denied")),
    }
}

/// The id by which S3 names an account: 64 hexadecimal digits.
fn canonical_id(account: &AccountId) -> String {
    hex::encode(Sha256::digest(format!("lambent canonical user {}", account.as_str())))
}

/// The request of an operation, and who asks.
fn taken_apart<T>(request: S3Request<T>) -> Result<(T, Asked), Fault> {
    let asked = Asked::of(&request)?;
    Ok((request.input, asked))
}
