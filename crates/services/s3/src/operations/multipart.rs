//! Uploads in parts.

use std::sync::Arc;

use lambent_ports::object_store::{
    BucketId, Content, KeptFile, NewContent, NewVersion, Part, Segment, Upload,
};
use md5::{Digest, Md5};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumType, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedPart, CopyPartResult, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ETag, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3Request, S3Response};

use super::object::{Stored, store, whole};
use super::{copy, ranges, time};
use crate::asked::Asked;
use crate::digest::Algorithm;
use crate::fault::Fault;
use crate::intake::{self, Expected, Taken, blocking};
use crate::notification::What;
use crate::{S3, object_headers, taken_apart};

/// Every part but the last has at least so many bytes.
const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;
const MAX_PARTS: usize = 10_000;
/// Where an upload's algorithm is kept until it is an object.
const ALGORITHM: &str = "x-amz-checksum-algorithm";

/// What an upload's checksum is to be.
#[derive(Clone, Copy)]
pub(super) struct Checks {
    pub(super) algorithm: Algorithm,
    composite: bool,
    /// The client asked for it.
    pub(super) chosen: bool,
}

impl Checks {
    pub(super) fn of(upload: &Upload) -> Self {
        let named = upload.headers.get(ALGORITHM).and_then(|name| Algorithm::parse(name));
        let composite =
            upload.headers.get(object_headers::CHECKSUM_TYPE).is_some_and(|kind| kind == "COMPOSITE");
        Checks { algorithm: named.unwrap_or(Algorithm::Crc64Nvme), composite, chosen: named.is_some() }
    }
}

pub(super) async fn create(
    s3: &S3,
    request: S3Request<CreateMultipartUploadInput>,
) -> Result<S3Response<CreateMultipartUploadOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let mut headers = object_headers::of(&asked)?;
    let tags = object_headers::tags(&asked)?;
    let (algorithm, kind) = checksum_asked(&asked)?;
    if let Some(algorithm) = algorithm {
        headers.insert(ALGORITHM.into(), algorithm.name().into());
        headers.insert(object_headers::CHECKSUM_TYPE.into(), kind.into());
    }
    let upload =
        Upload { id: s3.new_id(), key: input.key.clone(), initiated_ms: s3.clock.now_ms(), headers, tags };
    let id = upload.id.clone();
    s3.store.create_upload(bucket.id, upload).await?;
    let mut response = S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        ..Default::default()
    });
    object_headers::put(&mut response.headers, "x-amz-server-side-encryption", "AES256");
    if let Some(algorithm) = algorithm {
        object_headers::put(&mut response.headers, ALGORITHM, algorithm.name());
        object_headers::put(&mut response.headers, object_headers::CHECKSUM_TYPE, kind);
    }
    Ok(response)
}

/// Algorithm and type; which go together is recorded.
fn checksum_asked(asked: &Asked) -> Result<(Option<Algorithm>, &'static str), Fault> {
    let kind = asked.header(object_headers::CHECKSUM_TYPE);
    let Some(name) = asked.header(ALGORITHM) else {
        if kind.is_some() {
            let message =
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.";
            return Err(Fault::invalid_request(message));
        }
        return Ok((None, "FULL_OBJECT"));
    };
    let message = "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]";
    let algorithm = Algorithm::parse(name).ok_or_else(|| Fault::invalid_request(message))?;
    let cannot = |kind: &str| {
        let name = algorithm.name().to_ascii_lowercase();
        Err(Fault::invalid_request(format!(
            "The {kind} checksum type cannot be used with the {name} checksum algorithm."
        )))
    };
    match (kind, algorithm) {
        (Some("COMPOSITE"), Algorithm::Crc64Nvme) => cannot("COMPOSITE"),
        (Some("FULL_OBJECT"), Algorithm::Sha1 | Algorithm::Sha256) => cannot("FULL_OBJECT"),
        (Some("COMPOSITE"), _) => Ok((Some(algorithm), "COMPOSITE")),
        (Some("FULL_OBJECT"), _) | (None, Algorithm::Crc64Nvme) => Ok((Some(algorithm), "FULL_OBJECT")),
        (None, _) => Ok((Some(algorithm), "COMPOSITE")),
        (Some(_), _) => Err(Fault::invalid_request("Value for x-amz-checksum-type header is invalid.")),
    }
}

pub(super) async fn upload(
    s3: &S3,
    bucket: &str,
    key: &str,
    id: &str,
    asked: &Asked,
) -> Result<Upload, Fault> {
    let bucket = s3.bucket(bucket, asked)?;
    let found = s3.store.upload(bucket.id, id).await?;
    found.filter(|upload| upload.key == key).ok_or_else(|| Fault::no_such_upload(id))
}

fn part_number(number: i32) -> Result<u32, Fault> {
    let message = "Part number must be an integer between 1 and 10000, inclusive";
    let valid = (1..=MAX_PARTS as i32).contains(&number);
    if valid {
        Ok(number as u32)
    } else {
        Err(Fault::invalid_argument(message, "partNumber", number.to_string()))
    }
}

pub(super) async fn part(
    s3: &S3,
    request: S3Request<UploadPartInput>,
) -> Result<S3Response<UploadPartOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let number = part_number(input.part_number)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let checks = Checks::of(&upload(s3, &input.bucket, &input.key, &input.upload_id, &asked).await?);
    let expected = Expected::of(&asked, Some(checks.algorithm))?;
    if checks.chosen && expected.algorithm() != Some(checks.algorithm) {
        let given = expected.algorithm().map_or("null", Algorithm::name).to_ascii_lowercase();
        let message = format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {given}",
            checks.algorithm.name().to_ascii_lowercase()
        );
        return Err(Fault::invalid_request(message));
    }
    let intake = intake::take(&s3.store, input.body, &asked, &expected, true).await?;
    let Taken::File(file) = intake.taken else {
        return Err(Fault::internal("a part was not written to a file"));
    };
    let digested = intake.digested;
    let etag = hex::encode(digested.md5);
    // A checksum of another algorithm was compared, and is of no use for the whole.
    let checksum = digested.checksum.clone().filter(|(algorithm, _)| *algorithm == checks.algorithm);
    let part = Part {
        number,
        size: digested.size,
        etag: etag.clone(),
        modified_ms: s3.clock.now_ms(),
        checksum: checksum.map(|(_, value)| value),
        file: file.name.clone(),
        offset: 0,
    };
    put_part(s3, bucket.id, &input.upload_id, part, file).await?;
    let mut response = S3Response::new(UploadPartOutput::default());
    object_headers::put(&mut response.headers, "etag", &format!("\"{etag}\""));
    object_headers::put(&mut response.headers, "x-amz-server-side-encryption", "AES256");
    if let Some((algorithm, value)) = digested.checksum {
        object_headers::put(&mut response.headers, algorithm.header(), &value);
    }
    Ok(response)
}

async fn put_part(s3: &S3, bucket: BucketId, id: &str, part: Part, file: KeptFile) -> Result<(), Fault> {
    s3.store.put_part(bucket, id, part, file).await.map_err(|error| named(error.into(), id))
}

/// A fault that says which upload.
fn named(fault: Fault, id: &str) -> Fault {
    if fault.code == "NoSuchUpload" { Fault::no_such_upload(id) } else { fault }
}

pub(super) async fn part_copy(
    s3: &S3,
    request: S3Request<UploadPartCopyInput>,
) -> Result<S3Response<UploadPartCopyOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    object_headers::check_supported(&asked)?;
    let number = part_number(input.part_number)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let checks = Checks::of(&upload(s3, &input.bucket, &input.key, &input.upload_id, &asked).await?);
    let source = copy::source(s3, &input.copy_source, &asked).await?;
    let range = match asked.header("x-amz-copy-source-range") {
        None => whole(&source.version),
        Some(text) => ranges::copy_range(text, source.version.size)?,
    };
    let digested = copy::digest(&s3.store, &source.version.content, range.clone(), checks.algorithm).await?;
    let (file, offset) = copied(s3, &source.version.content, range).await?;
    let (etag, modified_ms) = (hex::encode(digested.md5), s3.clock.now_ms());
    let checksum = digested.checksum.as_ref().map(|(_, value)| value.clone());
    let part = Part {
        number,
        size: digested.size,
        etag: etag.clone(),
        modified_ms,
        checksum: checksum.clone(),
        file: file.name.clone(),
        offset,
    };
    put_part(s3, bucket.id, &input.upload_id, part, file).await?;
    let mut result = CopyPartResult {
        e_tag: Some(ETag::Strong(etag)),
        last_modified: Some(time(modified_ms / 1_000 * 1_000)),
        ..Default::default()
    };
    if checks.chosen {
        match checks.algorithm {
            Algorithm::Crc32 => result.checksum_crc32 = checksum,
            Algorithm::Crc32c => result.checksum_crc32c = checksum,
            Algorithm::Crc64Nvme => result.checksum_crc64nvme = checksum,
            Algorithm::Sha1 => result.checksum_sha1 = checksum,
            Algorithm::Sha256 => result.checksum_sha256 = checksum,
        }
    }
    let versioned = source.version.id != lambent_ports::object_store::NULL_VERSION;
    let output = UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: versioned.then_some(source.version.id),
        ..Default::default()
    };
    let mut response = S3Response::new(output);
    object_headers::put(&mut response.headers, "x-amz-server-side-encryption", "AES256");
    Ok(response)
}

/// A file with a range of an object in it, and where: the same file where the range is within one.
async fn copied(s3: &S3, content: &Content, range: std::ops::Range<u64>) -> Result<(KeptFile, u64), Fault> {
    let (store, content) = (Arc::clone(&s3.store), content.clone());
    blocking(move || {
        let segments = match &content {
            Content::Inline(bytes) => {
                let mut staged = store.stage()?;
                staged.write(&bytes[range.start as usize..range.end as usize])?;
                return Ok((staged.keep()?, 0));
            }
            Content::Files(segments) => segments,
        };
        let mut begin = 0;
        for segment in segments {
            if begin <= range.start && range.end <= begin + segment.size {
                return Ok((store.link(&segment.file)?, segment.offset + range.start - begin));
            }
            begin += segment.size;
        }
        let mut staged = store.stage()?;
        let mut piece = vec![0; 1024 * 1024];
        for (file, mut at) in crate::outflow::open(&*store, segments, range)? {
            while !at.is_empty() {
                let length = (at.end - at.start).min(piece.len() as u64) as usize;
                std::os::unix::fs::FileExt::read_exact_at(&file, &mut piece[..length], at.start)?;
                staged.write(&piece[..length])?;
                at.start += length as u64;
            }
        }
        Ok((staged.keep()?, 0))
    })
    .await
}

pub(super) async fn complete(
    s3: &S3,
    request: S3Request<CompleteMultipartUploadInput>,
) -> Result<S3Response<CompleteMultipartUploadOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let id = &input.upload_id;
    let condition = asked.write_condition()?;
    let begun = upload(s3, &input.bucket, &input.key, id, &asked).await?;
    let checks = Checks::of(&begun);
    let wanted = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    if wanted.is_empty() {
        return Err(Fault::invalid_request("You must specify at least one part"));
    }
    let parts = s3.store.parts(id, 0, MAX_PARTS).await?;
    let used = chosen(&wanted, &parts, checks, id)?;
    if let Some(kind) = asked.header(object_headers::CHECKSUM_TYPE)
        && checks.composite != (kind == "COMPOSITE")
    {
        let mode =
            if checks.chosen { if checks.composite { "COMPOSITE" } else { "FULL_OBJECT" } } else { "null" };
        let message = format!(
            "The upload was created using the {mode} checksum mode. The complete request must use the same checksum mode."
        );
        return Err(Fault::invalid_request(message));
    }
    let size: u64 = used.iter().map(|part| part.size).sum();
    if let Some(promised) = asked.header("x-amz-mp-object-size")
        && promised.parse() != Ok(size)
    {
        let message = format!(
            "The provided 'x-amz-mp-object-size' header value {promised} does not match what was computed: {size}"
        );
        return Err(Fault::invalid_request(message));
    }
    let etag = etag_of(&used);
    let mut headers = begun.headers.clone();
    headers.remove(ALGORITHM);
    headers.remove(object_headers::CHECKSUM_TYPE);
    let checksum = checksum_of(&used, checks);
    if let Some(value) = &checksum {
        check_promised(&asked, checks, value)?;
        object_headers::set_checksum(&mut headers, checks.algorithm, value, checks.composite);
    }
    let segments = used.iter().map(|part| Segment {
        number: part.number,
        file: part.file.clone(),
        offset: part.offset,
        size: part.size,
        checksum: part.checksum.clone(),
    });
    let version = NewVersion {
        key: input.key.clone(),
        id: String::new(),
        modified_ms: s3.clock.now_ms(),
        size,
        etag: etag.clone(),
        headers: headers.clone(),
        tags: begun.tags,
        content: NewContent::Upload { id: id.clone(), segments: segments.collect() },
    };
    let stored = store(s3, &input.bucket, &asked, version, condition, What::Completed).await;
    let stored = stored.map_err(|fault| named(fault, id))?;
    Ok(completed(&asked, &input.bucket, &input.key, etag, stored, checksum, checks))
}

fn completed(
    asked: &Asked,
    bucket: &str,
    key: &str,
    etag: String,
    stored: Stored,
    checksum: Option<String>,
    checks: Checks,
) -> S3Response<CompleteMultipartUploadOutput> {
    let encoded = lambent_kit::sigv4::uri_encode(key.as_bytes(), false);
    let mut output = CompleteMultipartUploadOutput {
        bucket: Some(bucket.to_owned()),
        key: Some(key.to_owned()),
        location: Some(format!("{}/{}/{encoded}", asked.base_url, stored.bucket.name)),
        e_tag: Some(ETag::Strong(etag)),
        ..Default::default()
    };
    if checksum.is_some() {
        let kind = if checks.composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT };
        output.checksum_type = Some(ChecksumType::from_static(kind));
    }
    match checks.algorithm {
        Algorithm::Crc32 => output.checksum_crc32 = checksum,
        Algorithm::Crc32c => output.checksum_crc32c = checksum,
        Algorithm::Crc64Nvme => output.checksum_crc64nvme = checksum,
        Algorithm::Sha1 => output.checksum_sha1 = checksum,
        Algorithm::Sha256 => output.checksum_sha256 = checksum,
    }
    let mut response = S3Response::new(output);
    object_headers::put(&mut response.headers, "x-amz-server-side-encryption", "AES256");
    if stored.versioned {
        object_headers::put(&mut response.headers, "x-amz-version-id", &stored.id);
    }
    response
}

/// The checksum in a document, whichever it is.
fn given_checksum(part: &CompletedPart, algorithm: Algorithm) -> Option<&str> {
    let given = match algorithm {
        Algorithm::Crc32 => &part.checksum_crc32,
        Algorithm::Crc32c => &part.checksum_crc32c,
        Algorithm::Crc64Nvme => &part.checksum_crc64nvme,
        Algorithm::Sha1 => &part.checksum_sha1,
        Algorithm::Sha256 => &part.checksum_sha256,
    };
    given.as_deref()
}

/// The parts that a CompleteMultipartUpload names.
fn chosen(wanted: &[CompletedPart], parts: &[Part], checks: Checks, id: &str) -> Result<Vec<Part>, Fault> {
    let number = |part: &CompletedPart| part.part_number.unwrap_or(0);
    if !wanted.is_sorted_by(|one, next| number(one) < number(next)) {
        let message = "The list of parts was not in ascending order. Parts must be ordered by part number.";
        return Err(Fault::new(400, "InvalidPartOrder", message).with("UploadId", id));
    }
    let mut used: Vec<Part> = Vec::with_capacity(wanted.len());
    for (at, part) in wanted.iter().enumerate() {
        let number = number(part);
        let etag = part.e_tag.as_ref().map(|etag| etag.value().to_owned()).unwrap_or_default();
        let invalid = || {
            let message = "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
            Fault::new(400, "InvalidPart", message)
                .with("UploadId", id)
                .with("PartNumber", number.to_string())
                .with("ETag", &etag)
        };
        let found = parts.iter().find(|found| found.number as i32 == number).ok_or_else(invalid)?;
        if etag != found.etag {
            return Err(invalid());
        }
        match given_checksum(part, checks.algorithm) {
            Some(given) if found.checksum.as_deref() != Some(given) => return Err(invalid()),
            None if checks.chosen && checks.composite => {
                let name = checks.algorithm.name().to_ascii_lowercase();
                let message = format!(
                    "The upload was created using a {name} checksum. The complete request must include the checksum for each part. It was missing for part {number} in the request."
                );
                return Err(Fault::invalid_request(message));
            }
            _ => {}
        }
        if found.size < MIN_PART_BYTES && at + 1 < wanted.len() {
            let message = "Your proposed upload is smaller than the minimum allowed size";
            return Err(Fault::new(400, "EntityTooSmall", message)
                .with("ProposedSize", found.size.to_string())
                .with("MinSizeAllowed", MIN_PART_BYTES.to_string())
                .with("PartNumber", number.to_string())
                .with("ETag", &found.etag));
        }
        used.push(found.clone());
    }
    Ok(used)
}

/// The MD5 of the parts' MD5s, with their number.
fn etag_of(parts: &[Part]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(hex::decode(&part.etag).unwrap_or_default());
    }
    format!("{}-{}", hex::encode(md5.finalize()), parts.len())
}

fn checksum_of(parts: &[Part], checks: Checks) -> Option<String> {
    if parts.iter().any(|part| part.checksum.is_none()) {
        return None;
    }
    let values = parts.iter().filter_map(|part| Some((part.checksum.as_deref()?, part.size)));
    if checks.composite {
        let whole = checks.algorithm.composite(values.map(|(value, _)| value))?;
        return Some(format!("{whole}-{}", parts.len()));
    }
    checks.algorithm.combined(values)
}

/// What the client says of the whole object.
fn check_promised(asked: &Asked, checks: Checks, computed: &str) -> Result<(), Fault> {
    let Some(given) = asked.header(checks.algorithm.header()) else { return Ok(()) };
    // A composite checksum comes with or without the number of parts.
    if given == computed || computed.split_once('-').is_some_and(|(value, _)| value == given) {
        return Ok(());
    }
    let message =
        format!("The {} you specified did not match the calculated checksum.", checks.algorithm.name());
    Err(Fault::new(400, "BadDigest", message))
}

pub(super) async fn abort(
    s3: &S3,
    request: S3Request<AbortMultipartUploadInput>,
) -> Result<S3Response<AbortMultipartUploadOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    upload(s3, &input.bucket, &input.key, &input.upload_id, &asked).await?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let aborted = s3.store.abort_upload(bucket.id, &input.upload_id).await;
    aborted.map_err(|error| named(error.into(), &input.upload_id))?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}
