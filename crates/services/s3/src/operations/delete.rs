//! DeleteObject, DeleteObjects.

use std::sync::Arc;

use lambent_ports::object_store::{Bucket, Change, Condition, Delete, Tell};
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, Error,
};
use s3s::{S3Request, S3Response};

use super::object::is_version_id;
use crate::access::{Take, may};
use crate::asked::Asked;
use crate::fault::Fault;
use crate::notification::{Happened, What};
use crate::{S3, Versioning, taken_apart, versioning};

/// Most keys in a request.
const MAX_KEYS: usize = 1_000;

/// What has been deleted.
struct Deleted {
    /// A marker was set, or one was deleted.
    marker: bool,
    version: Option<String>,
}

async fn one(
    s3: &S3,
    bucket: &str,
    key: &str,
    version: Option<&str>,
    condition: &Condition,
    asked: &Asked,
) -> Result<Deleted, Fault> {
    if let Some(id) = version
        && !is_version_id(id)
    {
        return Err(Fault::invalid_argument("Invalid version id specified", "versionId", id));
    }
    let work = |found: Arc<Bucket>| async move {
        let delete = match (version, versioning(&found)) {
            (Some(id), _) => Delete::Version(id.to_owned()),
            (None, Versioning::Off) => Delete::Object,
            (None, _) => Delete::Mark(s3.new_version_id(&found)),
        };
        let now_ms = s3.clock.now_ms();
        let tell = tell(&found, asked, key, &delete, now_ms);
        let done = s3.store.delete(&found, key, delete.clone(), condition.clone(), now_ms, tell).await;
        Ok(done.map(|change| match delete {
            Delete::Object => Deleted { marker: false, version: None },
            Delete::Mark(id) => Deleted { marker: true, version: Some(id) },
            Delete::Version(id) => {
                Deleted { marker: change.removed.is_some_and(|removed| removed.marker), version: Some(id) }
            }
        }))
    };
    s3.with_bucket(bucket, asked, work).await.map_err(|fault| match fault.code.as_str() {
        "NoSuchKey" => Fault::no_such_key(key),
        _ => fault,
    })
}

/// What is told of a deletion: nothing, when nothing was there.
fn tell(bucket: &Arc<Bucket>, asked: &Asked, key: &str, delete: &Delete, now_ms: u64) -> Tell {
    let what = if matches!(delete, Delete::Mark(_)) { What::MarkerCreated } else { What::Deleted };
    let version = match delete {
        Delete::Object => None,
        Delete::Mark(id) | Delete::Version(id) => Some(id.as_str()),
    };
    let happened = Happened::of(asked, what, key, now_ms).with_version(version);
    let (bucket, marks) = (Arc::clone(bucket), matches!(delete, Delete::Mark(_)));
    Box::new(move |change: &Change| {
        if change.removed.is_none() && !marks {
            return Vec::new();
        }
        happened.notices(&bucket, change.sequence)
    })
}

pub(super) async fn object(
    s3: &S3,
    request: S3Request<DeleteObjectInput>,
) -> Result<S3Response<DeleteObjectOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    // Only directory buckets have these (recorded).
    for header in ["x-amz-if-match-last-modified-time", "x-amz-if-match-size"] {
        if asked.headers.contains_key(header) {
            return Err(Fault::header_not_implemented(header));
        }
    }
    if asked.headers.contains_key("x-amz-mfa") {
        return Err(Fault::header_not_implemented("x-amz-mfa"));
    }
    let condition = match asked.header("if-match") {
        None => Condition::None,
        Some("*") => Condition::Present,
        Some(etag) => Condition::ETag(etag.trim_matches('"').to_owned()),
    };
    let version = asked.query("versionId");
    let deleted = one(s3, &input.bucket, &input.key, version, &condition, &asked).await?;
    s3.told.notify_one();
    Ok(S3Response::new(DeleteObjectOutput {
        delete_marker: deleted.marker.then_some(true),
        version_id: deleted.version,
        ..Default::default()
    }))
}

pub(super) async fn objects(
    s3: &S3,
    request: S3Request<DeleteObjectsInput>,
) -> Result<S3Response<DeleteObjectsOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    s3.bucket(&input.bucket, &asked)?;
    if asked.headers.contains_key("x-amz-mfa") {
        return Err(Fault::header_not_implemented("x-amz-mfa"));
    }
    if input.delete.objects.is_empty() || input.delete.objects.len() > MAX_KEYS {
        return Err(Fault::malformed_xml());
    }
    let quiet = input.delete.quiet == Some(true);
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    // All of them at once: they share a sync of the disk.
    let all = input.delete.objects.iter().map(|object| {
        let condition = match &object.e_tag {
            None => Condition::None,
            Some(etag) if etag.value() == "*" => Condition::Present,
            Some(etag) => Condition::ETag(etag.value().to_owned()),
        };
        let asked = &asked;
        let bucket = input.bucket.as_str();
        async move {
            let version = object.version_id.as_deref();
            let action = if version.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
            may(s3, asked, &Take::object(action, bucket, &object.key))?;
            one(s3, bucket, &object.key, version, &condition, asked).await
        }
    });
    let results = futures_util::future::join_all(all).await;
    for (object, result) in input.delete.objects.iter().zip(results) {
        match result {
            Ok(done) => deleted.push(DeletedObject {
                key: Some(object.key.clone()),
                version_id: object.version_id.clone(),
                delete_marker: done.marker.then_some(true),
                delete_marker_version_id: done.version.filter(|_| done.marker),
            }),
            Err(fault) => errors.push(Error {
                code: Some(fault.code),
                message: Some(fault.message),
                key: Some(object.key.clone()),
                version_id: object.version_id.clone(),
            }),
        }
    }
    s3.told.notify_one();
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: (!quiet && !deleted.is_empty()).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        ..Default::default()
    }))
}
