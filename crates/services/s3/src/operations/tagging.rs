//! Tags of objects and buckets.

use std::collections::BTreeMap;

use s3s::dto::{
    DeleteBucketTaggingInput, DeleteBucketTaggingOutput, DeleteObjectTaggingInput, DeleteObjectTaggingOutput,
    GetBucketTaggingInput, GetBucketTaggingOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    PutBucketTaggingInput, PutBucketTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput, Tag,
};
use s3s::{S3Request, S3Response};

use super::object::find;
use crate::asked::Asked;
use crate::fault::Fault;
use crate::notification::{Happened, What};
use crate::{S3, Versioning, setting, taken_apart, versioning};

/// Most tags of an object, and of a bucket.
const MAX_OBJECT_TAGS: usize = 10;
const MAX_BUCKET_TAGS: usize = 50;
const MAX_KEY_LETTERS: usize = 128;
const MAX_VALUE_LETTERS: usize = 256;

/// Whether keys and values are such as AWS takes.
pub(crate) fn check(tags: &BTreeMap<String, String>, max: usize) -> Result<(), Fault> {
    let invalid = |message: &str| Fault::new(400, "InvalidTag", message);
    let allowed = |text: &str| {
        text.chars()
            .all(|letter| letter.is_alphanumeric() || letter.is_whitespace() || "_.:/=+-@".contains(letter))
    };
    if tags.len() > max {
        let message = format!("Object tags cannot be greater than {max}");
        return Err(Fault::new(400, "BadRequest", message));
    }
    for (key, value) in tags {
        if key.starts_with("aws:") {
            let message = if max == MAX_OBJECT_TAGS {
                "Your TagKey cannot be prefixed with aws:"
            } else {
                "System tags cannot be added/updated by requester"
            };
            return Err(invalid(message).with("TagKey", key));
        }
        if key.is_empty() || key.chars().count() > MAX_KEY_LETTERS || !allowed(key) {
            return Err(invalid("The TagKey you have provided is invalid").with("TagKey", key));
        }
        if value.chars().count() > MAX_VALUE_LETTERS || !allowed(value) {
            return Err(invalid("The TagValue you have provided is invalid")
                .with("TagKey", key)
                .with("TagValue", value));
        }
    }
    Ok(())
}

fn parsed(tags: &[Tag], max: usize) -> Result<BTreeMap<String, String>, Fault> {
    let mut parsed = BTreeMap::new();
    for tag in tags {
        let (Some(key), Some(value)) = (&tag.key, &tag.value) else { return Err(Fault::malformed_xml()) };
        if parsed.insert(key.clone(), value.clone()).is_some() {
            let message = "Cannot provide multiple Tags with the same key";
            return Err(Fault::new(400, "InvalidTag", message).with("TagKey", key));
        }
    }
    check(&parsed, max)?;
    Ok(parsed)
}

fn shown(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
}

/// Sets an object's tags; the id of its version, where the bucket has versions.
async fn set(
    s3: &S3,
    bucket: &str,
    key: &str,
    asked: &Asked,
    tags: &BTreeMap<String, String>,
    what: What,
    method: &str,
) -> Result<Option<String>, Fault> {
    let id = s3
        .with_bucket(bucket, asked, |found| async move {
            let version = find(s3, &found, key, asked.query("versionId"), method).await?;
            let versioned = versioning(&found) != Versioning::Off;
            let now_ms = s3.clock.now_ms();
            let happened = Happened::of(asked, what, key, now_ms)
                .with_object(version.size, &version.etag)
                .with_version(versioned.then_some(version.id.as_str()));
            let notices = happened.notices(&found, version.sequence);
            let (headers, tags) = (version.headers.clone(), tags.clone());
            let done = s3.store.describe(&found, &version, headers, tags, notices, now_ms).await;
            Ok(done.map(|()| versioned.then_some(version.id)))
        })
        .await?;
    s3.told.notify_one();
    Ok(id)
}

pub(super) async fn put_object(
    s3: &S3,
    request: S3Request<PutObjectTaggingInput>,
) -> Result<S3Response<PutObjectTaggingOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    s3.bucket(&input.bucket, &asked)?;
    let tags = parsed(&input.tagging.tag_set, MAX_OBJECT_TAGS)?;
    let version_id = set(s3, &input.bucket, &input.key, &asked, &tags, What::Tagged, "PUT").await?;
    Ok(S3Response::new(PutObjectTaggingOutput { version_id }))
}

pub(super) async fn delete_object(
    s3: &S3,
    request: S3Request<DeleteObjectTaggingInput>,
) -> Result<S3Response<DeleteObjectTaggingOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let none = BTreeMap::new();
    let version_id = set(s3, &input.bucket, &input.key, &asked, &none, What::Untagged, "DELETE").await?;
    Ok(S3Response::new(DeleteObjectTaggingOutput { version_id }))
}

pub(super) async fn get_object(
    s3: &S3,
    request: S3Request<GetObjectTaggingInput>,
) -> Result<S3Response<GetObjectTaggingOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let version = find(s3, &bucket, &input.key, asked.query("versionId"), "GET").await?;
    let versioned = versioning(&bucket) != Versioning::Off;
    Ok(S3Response::new(GetObjectTaggingOutput {
        tag_set: shown(&version.tags),
        version_id: versioned.then_some(version.id),
    }))
}

pub(super) async fn put_bucket(
    s3: &S3,
    request: S3Request<PutBucketTaggingInput>,
) -> Result<S3Response<PutBucketTaggingOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let tags = parsed(&input.tagging.tag_set, MAX_BUCKET_TAGS)?;
    s3.set(&input.bucket, &asked, "tagging", Some(&tags)).await?;
    Ok(S3Response::new(PutBucketTaggingOutput::default()))
}

pub(super) async fn get_bucket(
    s3: &S3,
    request: S3Request<GetBucketTaggingInput>,
) -> Result<S3Response<GetBucketTaggingOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let tags: BTreeMap<String, String> = setting(&bucket, "tagging").unwrap_or_default();
    if tags.is_empty() {
        return Err(
            Fault::new(404, "NoSuchTagSet", "The TagSet does not exist").with("BucketName", &bucket.name)
        );
    }
    Ok(S3Response::new(GetBucketTaggingOutput { tag_set: shown(&tags) }))
}

pub(super) async fn delete_bucket(
    s3: &S3,
    request: S3Request<DeleteBucketTaggingInput>,
) -> Result<S3Response<DeleteBucketTaggingOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    s3.set::<()>(&input.bucket, &asked, "tagging", None).await?;
    Ok(S3Response::new(DeleteBucketTaggingOutput::default()))
}
