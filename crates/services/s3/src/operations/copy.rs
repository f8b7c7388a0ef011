//! CopyObject, and where the source of a copy is. A copy of files is another name for them; nothing is read, unless a
//! checksum has to be computed that nobody knows.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use lambent_ports::object_store::{
    Bucket, Content, KeptFile, NewContent, NewVersion, ObjectStore, Segment, Version,
};
use s3s::dto::{CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETag};
use s3s::{S3Request, S3Response};
use tokio::task::spawn_blocking;

use super::object::{self, find, store};
use super::{ranges, time};
use crate::access::{Take, may};
use crate::asked::Asked;
use crate::digest::{Algorithm, Digested, Digests};
use crate::fault::Fault;
use crate::intake::{MAX_BODY_BYTES, blocking};
use crate::notification::What;
use crate::{S3, Versioning, expect_owner, object_headers, outflow, taken_apart, versioning};

/// What a copy is made of.
pub(super) struct Source {
    pub(super) bucket: Arc<Bucket>,
    pub(super) version: Version,
    /// The version was named.
    pub(super) named_version: bool,
}

/// Finds it, and checks the conditions on it.
pub(super) async fn source(s3: &S3, named: &CopySource, asked: &Asked) -> Result<Source, Fault> {
    let CopySource::Bucket { bucket, key, version_id } = named else {
        return Err(Fault::not_implemented("Access points are not implemented"));
    };
    let action = if version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    may(s3, asked, &Take::object(action, bucket, key))?;
    let bucket = s3.store.bucket(bucket).ok_or_else(|| Fault::no_such_bucket(bucket))?;
    expect_owner(&bucket, asked.header("x-amz-source-expected-bucket-owner"))?;
    let found = find(s3, &bucket, key, version_id.as_deref(), "GET").await;
    let version = found.map_err(|fault| match fault.code.as_str() {
        "MethodNotAllowed" => {
            let message =
                "The source of a copy request may not specifically refer to a delete marker by version id.";
            Fault::invalid_request(message)
        }
        _ => fault,
    })?;
    ranges::source_preconditions(asked, &version)?;
    Ok(Source { bucket, version, named_version: version_id.is_some() })
}

fn replaces(asked: &Asked, directive: &str) -> Result<bool, Fault> {
    match asked.header(directive) {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => {
            let what = if directive.contains("tagging") { "tagging" } else { "metadata" };
            Err(Fault::invalid_argument(format!("Unknown {what} directive."), directive, other))
        }
    }
}

/// Headers of the copy.
fn headers(asked: &Asked, source: &Version) -> Result<BTreeMap<String, String>, Fault> {
    object_headers::check_supported(asked)?;
    if replaces(asked, "x-amz-metadata-directive")? {
        return object_headers::of(asked);
    }
    let mut kept = source.headers.clone();
    kept.retain(|name, _| !object_headers::is_of_content(name) && name != "x-amz-website-redirect-location");
    kept.remove(object_headers::STORAGE_CLASS);
    if let Some(class) = asked.header(object_headers::STORAGE_CLASS).filter(|class| *class != "STANDARD") {
        kept.insert(object_headers::STORAGE_CLASS.into(), class.into());
    }
    if let Some(place) = asked.header("x-amz-website-redirect-location") {
        kept.insert("x-amz-website-redirect-location".into(), place.into());
    }
    Ok(kept)
}

fn changes_something(asked: &Asked) -> bool {
    ["x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-server-side-encryption"]
        .iter()
        .any(|name| asked.headers.contains_key(*name))
        || asked.header("x-amz-metadata-directive") == Some("REPLACE")
}

pub(super) async fn object(
    s3: &S3,
    request: S3Request<CopyObjectInput>,
) -> Result<S3Response<CopyObjectOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let target = s3.bucket(&input.bucket, &asked)?;
    let condition = asked.write_condition()?;
    let Source { bucket, version: from, named_version } = source(s3, &input.copy_source, &asked).await?;
    let in_place = bucket.id == target.id && from.key == input.key && !named_version;
    if in_place && !changes_something(&asked) {
        let message = "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.";
        return Err(Fault::invalid_request(message));
    }
    if from.size > MAX_BODY_BYTES {
        let message = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120";
        return Err(Fault::invalid_request(message));
    }
    let mut headers = headers(&asked, &from)?;
    let tags = if replaces(&asked, "x-amz-tagging-directive")? {
        object_headers::tags(&asked)?
    } else {
        from.tags.clone()
    };
    let algorithm = asked
        .header("x-amz-checksum-algorithm")
        .map(|name| {
            let message = "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]";
            Algorithm::parse(name).ok_or_else(|| Fault::invalid_request(message))
        })
        .transpose()?;
    let (etag, checksum) = content_digest(s3, &from, algorithm).await?;
    if let Some((algorithm, value)) = checksum {
        object_headers::set_checksum(&mut headers, algorithm, &value, false);
    }
    let content = content(s3, &from).await?;
    let modified_ms = s3.clock.now_ms();
    let version = NewVersion {
        key: input.key.clone(),
        id: String::new(),
        modified_ms,
        size: from.size,
        etag: etag.clone(),
        headers: headers.clone(),
        tags,
        content,
    };
    let stored = store(s3, &input.bucket, &asked, version, condition, What::Copied).await?;
    let mut result = CopyObjectResult {
        e_tag: Some(ETag::Strong(etag)),
        last_modified: Some(time(modified_ms / 1_000 * 1_000)),
        ..Default::default()
    };
    let shown = Version { headers, ..from.clone() };
    if let Some(checksum) = object::checksum_of(&shown) {
        result.checksum_crc32 = checksum.checksum_crc32;
        result.checksum_crc32c = checksum.checksum_crc32c;
        result.checksum_crc64nvme = checksum.checksum_crc64nvme;
        result.checksum_sha1 = checksum.checksum_sha1;
        result.checksum_sha256 = checksum.checksum_sha256;
        result.checksum_type = checksum.checksum_type;
    }
    let source_versioned = versioning(&bucket) != Versioning::Off;
    let output = CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: source_versioned.then(|| from.id.clone()),
        ..Default::default()
    };
    let headers = object_headers::stored("", &stored.id, stored.versioned, &BTreeMap::new());
    Ok(S3Response::with_headers(output, headers))
}

/// ETag and checksum of a copy: those of its source, where they say the same of the whole.
async fn content_digest(
    s3: &S3,
    from: &Version,
    wanted: Option<Algorithm>,
) -> Result<(String, Option<(Algorithm, String)>), Fault> {
    let known = object_headers::checksum(&from.headers).filter(|(_, _, composite)| !composite);
    let algorithm = wanted
        .or(object_headers::checksum(&from.headers).map(|(algorithm, _, _)| algorithm))
        .unwrap_or(Algorithm::Crc64Nvme);
    if let Some((known, value, _)) = known
        && known == algorithm
        && !from.etag.contains('-')
    {
        return Ok((from.etag.clone(), Some((known, value.to_owned()))));
    }
    let digested = digest(&s3.store, &from.content, object::whole(from), algorithm).await?;
    Ok((hex::encode(digested.md5), digested.checksum))
}

/// Reads a range for its checksums.
pub(super) async fn digest(
    store: &Arc<dyn ObjectStore>,
    content: &Content,
    range: Range<u64>,
    algorithm: Algorithm,
) -> Result<Digested, Fault> {
    const PIECE_BYTES: usize = 1024 * 1024;
    let mut digests = Digests::new(Some(algorithm), false);
    let segments = match content {
        Content::Inline(bytes) => {
            digests.update(&bytes[range.start as usize..range.end as usize]);
            return Ok(digests.finish());
        }
        Content::Files(segments) => segments.clone(),
    };
    let opening = Arc::clone(store);
    let opened = blocking(move || outflow::open(&*opening, &segments, range)).await?;
    for (file, mut at) in opened {
        let file = Arc::new(file);
        while !at.is_empty() {
            let (reading, from) = (Arc::clone(&file), at.start);
            let length = (at.end - at.start).min(PIECE_BYTES as u64) as usize;
            at.start += length as u64;
            let read = spawn_blocking(move || -> std::io::Result<Digests> {
                let mut piece = vec![0; length];
                std::os::unix::fs::FileExt::read_exact_at(&*reading, &mut piece, from)?;
                digests.update(&piece);
                Ok(digests)
            });
            digests = read.await.map_err(Fault::internal)?.map_err(Fault::internal)?;
        }
    }
    Ok(digests.finish())
}

/// The source's bytes under new names.
async fn content(s3: &S3, from: &Version) -> Result<NewContent, Fault> {
    let segments = match &from.content {
        Content::Inline(bytes) => return Ok(NewContent::Inline(bytes.clone())),
        Content::Files(segments) => segments.clone(),
    };
    let store = Arc::clone(&s3.store);
    let linked = blocking(move || {
        let link = |segment: Segment| {
            let file: KeptFile = store.link(&segment.file)?;
            let segment = Segment { file: file.name.clone(), ..segment };
            Ok((file, segment))
        };
        segments.into_iter().map(link).collect::<std::io::Result<Vec<_>>>()
    });
    Ok(NewContent::Files(linked.await?))
}
