//! PutObject, GetObject, HeadObject, GetObjectAttributes.

use std::ops::Range;
use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use lambent_ports::object_store::{
    Bucket, Change, Condition, Content, NewContent, NewVersion, ObjectStoreError, Segment, Version,
};
use s3s::dto::{
    Checksum, ChecksumType, ETag, GetObjectAttributesInput, GetObjectAttributesOutput,
    GetObjectAttributesParts, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    ObjectAttributes, ObjectPart, PutObjectInput, PutObjectOutput, StorageClass,
};
use s3s::{S3Request, S3Response};

use super::ranges::{self, Asks};
use super::time;
use crate::asked::Asked;
use crate::digest::Algorithm;
use crate::fault::Fault;
use crate::intake::{self, Expected, Taken};
use crate::notification::{Happened, What};
use crate::{S3, Versioning, object_headers, outflow, taken_apart, versioning};

/// How often an object is looked up whose files were deleted before they were opened.
const LOOKS: usize = 4;

pub(super) async fn put(
    s3: &S3,
    request: S3Request<PutObjectInput>,
) -> Result<S3Response<PutObjectOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    s3.bucket(&input.bucket, &asked)?;
    let condition = asked.write_condition()?;
    let mut headers = object_headers::of(&asked)?;
    let tags = object_headers::tags(&asked)?;
    check_key(&input.key)?;
    let expected = Expected::of(&asked, Some(Algorithm::Crc64Nvme))?;
    let intake = intake::take(&s3.store, input.body, &asked, &expected, false).await?;
    if let Some((algorithm, value)) = &intake.digested.checksum {
        object_headers::set_checksum(&mut headers, *algorithm, value, false);
    }
    let (size, etag) = (intake.digested.size, hex::encode(intake.digested.md5));
    let content = match intake.taken {
        Taken::Inline(bytes) => NewContent::Inline(bytes),
        Taken::File(file) => {
            let (number, offset, checksum) = (1, 0, None);
            let segment = Segment { number, file: file.name.clone(), offset, size, checksum };
            NewContent::Files(vec![(file, segment)])
        }
    };
    let version = NewVersion {
        key: input.key.clone(),
        id: String::new(),
        modified_ms: s3.clock.now_ms(),
        size,
        etag: etag.clone(),
        headers: headers.clone(),
        tags,
        content,
    };
    let what = if asked.posted.is_some() { What::Posted } else { What::Put };
    let stored = store(s3, &input.bucket, &asked, version, condition, what).await?;
    let headers = object_headers::stored(&etag, &stored.id, stored.versioned, &headers);
    Ok(S3Response::with_headers(PutObjectOutput::default(), headers))
}

/// What has been stored.
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) versioned: bool,
    pub(super) bucket: Arc<Bucket>,
}

/// Stores a version, with what is to be told of it. The version's id comes from the bucket.
pub(super) async fn store(
    s3: &S3,
    bucket: &str,
    asked: &Asked,
    mut version: NewVersion,
    condition: Condition,
    what: What,
) -> Result<Stored, Fault> {
    let found = s3.bucket(bucket, asked)?;
    version.id = s3.new_version_id(&found);
    let stored = Stored {
        id: version.id.clone(),
        versioned: versioning(&found) != Versioning::Off,
        bucket: Arc::clone(&found),
    };
    let happened = Happened::of(asked, what, &version.key, version.modified_ms)
        .with_object(version.size, &version.etag)
        .with_version(stored.versioned.then_some(stored.id.as_str()));
    let key = version.key.clone();
    let (told, absent) = (Arc::clone(&found), condition == Condition::Absent);
    let tell = Box::new(move |change: &Change| happened.notices(&told, change.sequence));
    match s3.store.put(&found, version, condition, tell).await {
        Ok(_) => {}
        Err(ObjectStoreError::ConditionFailed) => {
            return Err(Fault::precondition(if absent { "If-None-Match" } else { "If-Match" }));
        }
        Err(ObjectStoreError::ObjectMissing) => return Err(Fault::no_such_key(&key)),
        Err(ObjectStoreError::BucketGone) => return Err(Fault::no_such_bucket(bucket)),
        Err(error) => return Err(error.into()),
    }
    s3.told.notify_one();
    Ok(stored)
}

fn check_key(key: &str) -> Result<(), Fault> {
    const MAX_KEY_BYTES: usize = 1_024;
    if key.len() > MAX_KEY_BYTES {
        return Err(Fault::new(400, "KeyTooLongError", "Your key is too long")
            .with("Size", key.len().to_string())
            .with("MaxSizeAllowed", MAX_KEY_BYTES.to_string()));
    }
    Ok(())
}

/// The version that a request is for. A delete marker is no object.
pub(super) async fn find(
    s3: &S3,
    bucket: &Bucket,
    key: &str,
    id: Option<&str>,
    method: &str,
) -> Result<Version, Fault> {
    let found = s3.store.get(bucket.id, key, id).await?;
    match (found, id) {
        (None, None) => Err(Fault::no_such_key(key)),
        (None, Some(id)) if !is_version_id(id) => {
            Err(Fault::invalid_argument("Invalid version id specified", "versionId", id))
        }
        (None, Some(id)) => Err(Fault::no_such_version(key, id)),
        (Some(version), _) if !version.marker => Ok(version),
        (Some(version), None) => Err(Fault::no_such_key(key)
            .with_header("x-amz-delete-marker", "true")
            .with_header("x-amz-version-id", version.id)),
        (Some(version), Some(_)) => Err(Fault::method_not_allowed(method)
            .with_header("x-amz-delete-marker", "true")
            .with_header("allow", "DELETE")
            .with_header("last-modified", object_headers::http_date(version.modified_ms))
            .with_header("x-amz-version-id", version.id)),
    }
}

/// Whether it can be the id of a version at all.
pub(super) fn is_version_id(id: &str) -> bool {
    id == "null" || (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// What a GetObject or HeadObject answers with, besides bytes.
struct Reading {
    version: Version,
    asks: Asks,
    headers: HeaderMap,
}

async fn reading(s3: &S3, bucket: &str, key: &str, asked: &Asked, method: &str) -> Result<Reading, Fault> {
    object_headers::check_supported(asked)?;
    let bucket = s3.bucket(bucket, asked)?;
    let version = find(s3, &bucket, key, asked.query("versionId"), method).await?;
    ranges::preconditions(asked, &version)?;
    let asks = ranges::asked(asked, &version)?;
    let wants_checksum =
        asked.header("x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"));
    let versioned = versioning(&bucket) != Versioning::Off;
    let mut headers = object_headers::served(&version, versioned, wants_checksum && asks.is_whole());
    object_headers::put(&mut headers, "content-length", &(asks.range.end - asks.range.start).to_string());
    if let Some(range) = &asks.content_range {
        object_headers::put(&mut headers, "content-range", range);
    }
    if let Some(parts) = asks.parts {
        object_headers::put(&mut headers, "x-amz-mp-parts-count", &parts.to_string());
    }
    for name in [
        "content-type",
        "content-language",
        "expires",
        "cache-control",
        "content-disposition",
        "content-encoding",
    ] {
        if let Some(value) = asked.query(&format!("response-{name}")) {
            object_headers::put(&mut headers, name, value);
        }
    }
    Ok(Reading { version, asks, headers })
}

pub(super) async fn get(
    s3: &S3,
    request: S3Request<GetObjectInput>,
) -> Result<S3Response<GetObjectOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let mut looks = 0;
    loop {
        let found = reading(s3, &input.bucket, &input.key, &asked, "GET").await?;
        match outflow::stream(&s3.store, &found.version.content, found.asks.range.clone()).await {
            Ok(body) => {
                let partial = found.asks.content_range.clone();
                let output =
                    GetObjectOutput { body: Some(body), content_range: partial, ..Default::default() };
                return Ok(S3Response::with_headers(output, found.headers));
            }
            // Replaced between the look and the opening.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && looks < LOOKS => looks += 1,
            Err(error) => return Err(Fault::internal(error)),
        }
    }
}

pub(super) async fn head(
    s3: &S3,
    request: S3Request<HeadObjectInput>,
) -> Result<S3Response<HeadObjectOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let found = reading(s3, &input.bucket, &input.key, &asked, "HEAD").await?;
    let mut response = S3Response::with_headers(HeadObjectOutput::default(), found.headers);
    if found.asks.content_range.is_some() {
        response.status = Some(StatusCode::PARTIAL_CONTENT);
    }
    Ok(response)
}

/// A checksum in the form that documents have.
pub(super) fn checksum_of(version: &Version) -> Option<Checksum> {
    let (algorithm, value, composite) = object_headers::checksum(&version.headers)?;
    let mut checksum = Checksum::default();
    let kind = if composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT };
    checksum.checksum_type = Some(ChecksumType::from_static(kind));
    let value = Some(value.to_owned());
    match algorithm {
        Algorithm::Crc32 => checksum.checksum_crc32 = value,
        Algorithm::Crc32c => checksum.checksum_crc32c = value,
        Algorithm::Crc64Nvme => checksum.checksum_crc64nvme = value,
        Algorithm::Sha1 => checksum.checksum_sha1 = value,
        Algorithm::Sha256 => checksum.checksum_sha256 = value,
    }
    Some(checksum)
}

pub(super) async fn attributes(
    s3: &S3,
    request: S3Request<GetObjectAttributesInput>,
) -> Result<S3Response<GetObjectAttributesOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let version = find(s3, &bucket, &input.key, asked.query("versionId"), "GET").await?;
    let wanted = asked.headers.get_all("x-amz-object-attributes");
    let wanted: Vec<String> = wanted
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(|name| name.trim().to_owned())
        .collect();
    let wants = |name: &str| wanted.iter().any(|found| found == name);
    let checksum = checksum_of(&version);
    let output = GetObjectAttributesOutput {
        checksum: checksum.clone().filter(|_| wants(ObjectAttributes::CHECKSUM)),
        e_tag: wants(ObjectAttributes::ETAG).then(|| ETag::Strong(version.etag.clone())),
        object_size: wants(ObjectAttributes::OBJECT_SIZE).then_some(version.size as i64),
        object_parts: object_parts(&version).filter(|_| wants(ObjectAttributes::OBJECT_PARTS)),
        storage_class: wants(ObjectAttributes::STORAGE_CLASS)
            .then(|| StorageClass::from(object_headers::storage_class(&version).to_owned())),
        last_modified: Some(time(version.modified_ms)),
        version_id: (versioning(&bucket) != Versioning::Off).then(|| version.id.clone()),
        ..Default::default()
    };
    Ok(S3Response::new(output))
}

fn object_parts(version: &Version) -> Option<GetObjectAttributesParts> {
    let segments = match &version.content {
        Content::Files(segments) if version.etag.contains('-') => segments,
        _ => return None,
    };
    let composite = object_headers::checksum(&version.headers).filter(|(_, _, composite)| *composite);
    let part = |segment: &Segment| {
        let mut part = ObjectPart {
            part_number: Some(segment.number as i32),
            size: Some(segment.size as i64),
            ..Default::default()
        };
        let value = segment.checksum.clone();
        match composite.map(|(algorithm, _, _)| algorithm) {
            Some(Algorithm::Crc32) => part.checksum_crc32 = value,
            Some(Algorithm::Crc32c) => part.checksum_crc32c = value,
            Some(Algorithm::Crc64Nvme) => part.checksum_crc64nvme = value,
            Some(Algorithm::Sha1) => part.checksum_sha1 = value,
            Some(Algorithm::Sha256) => part.checksum_sha256 = value,
            None => {}
        }
        part
    };
    let mut parts =
        GetObjectAttributesParts { total_parts_count: Some(segments.len() as i32), ..Default::default() };
    // Each part is listed only where it has a checksum of its own.
    if composite.is_some() {
        parts.parts = Some(segments.iter().map(part).collect());
        parts.is_truncated = Some(false);
        parts.max_parts = Some(1_000);
        parts.part_number_marker = Some(0);
        parts.next_part_number_marker = segments.last().map(|last| last.number as i32);
    }
    Some(parts)
}

/// A whole version's range.
pub(super) fn whole(version: &Version) -> Range<u64> {
    0..version.size
}
