//! ListObjects (both versions), ListObjectVersions.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambent_domain::AccountId;
use lambent_ports::object_store::{Listed, Listing, Version};
use s3s::dto::{
    ChecksumAlgorithm, ChecksumType, CommonPrefix, DeleteMarkerEntry, ETag, EncodingType,
    ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass, ObjectVersion,
    ObjectVersionStorageClass,
};
use s3s::{S3Request, S3Response};

use super::{owner, time};
use crate::fault::Fault;
use crate::{S3, object_headers, taken_apart};

/// Most keys in an answer.
pub(super) const MAX_KEYS: usize = 1_000;

/// How many keys an answer has at most.
pub(super) fn max_keys(asked: Option<i32>, name: &str) -> Result<usize, Fault> {
    match asked {
        None => Ok(MAX_KEYS),
        Some(max) if max < 0 => {
            let message = format!("Argument {name} must be an integer between 0 and 2147483647");
            Err(Fault::invalid_argument(message, name, max.to_string()))
        }
        Some(max) => Ok(MAX_KEYS.min(max as usize)),
    }
}

/// Keys in answers, as the request wants them.
pub(super) struct Encoding(bool);

impl Encoding {
    pub(super) fn of(asked: Option<&EncodingType>) -> Result<Self, Fault> {
        match asked.map(EncodingType::as_str) {
            None => Ok(Encoding(false)),
            Some("url") => Ok(Encoding(true)),
            Some(other) => Err(Fault::invalid_argument(
                "Invalid Encoding Method specified in Request",
                "encoding-type",
                other,
            )),
        }
    }

    pub(super) fn text(&self, text: &str) -> String {
        if self.0 { url_encoded(text) } else { text.to_owned() }
    }

    pub(super) fn opt(&self, text: Option<&str>) -> Option<String> {
        text.map(|text| self.text(text))
    }

    fn told(&self) -> Option<EncodingType> {
        self.0.then(|| EncodingType::from_static(EncodingType::URL))
    }
}

/// As S3 encodes keys: slashes stay, and a space is a plus.
pub(crate) fn url_encoded(text: &str) -> String {
    lambent_kit::sigv4::uri_encode(text.as_bytes(), true).replace("%20", "+")
}

pub(super) fn to_token(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

pub(super) fn token(token: &str) -> Result<String, Fault> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| {
        Fault::invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
    })
}

fn filled(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

fn checksum(version: &Version) -> (Option<Vec<ChecksumAlgorithm>>, Option<ChecksumType>) {
    match object_headers::checksum(&version.headers) {
        None => (None, None),
        Some((algorithm, _, composite)) => {
            let kind = if composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT };
            let algorithm = ChecksumAlgorithm::from_static(algorithm.name());
            (Some(vec![algorithm]), Some(ChecksumType::from_static(kind)))
        }
    }
}

fn object(version: &Version, encoding: &Encoding) -> Object {
    let (checksum_algorithm, checksum_type) = checksum(version);
    Object {
        key: Some(encoding.text(&version.key)),
        last_modified: Some(time(version.modified_ms / 1_000 * 1_000)),
        e_tag: Some(ETag::Strong(version.etag.clone())),
        size: Some(version.size as i64),
        storage_class: Some(ObjectStorageClass::from(object_headers::storage_class(version).to_owned())),
        checksum_algorithm,
        checksum_type,
        ..Default::default()
    }
}

fn prefixes<T>(lines: &[Listed<T>], encoding: &Encoding) -> Option<Vec<CommonPrefix>> {
    let found: Vec<CommonPrefix> = lines
        .iter()
        .filter_map(|line| match line {
            Listed::Prefix(prefix) => Some(CommonPrefix { prefix: Some(encoding.text(prefix)) }),
            Listed::Item(_) => None,
        })
        .collect();
    (!found.is_empty()).then_some(found)
}

pub(super) fn common_prefixes<T>(lines: &[Listed<T>], encoding: &Encoding) -> Option<Vec<CommonPrefix>> {
    prefixes(lines, encoding)
}

/// The last line of a page, to go on behind it.
fn last(lines: &[Listed<Version>]) -> Option<&str> {
    lines.last().map(|line| match line {
        Listed::Item(version) => version.key.as_str(),
        Listed::Prefix(prefix) => prefix,
    })
}

pub(super) async fn objects_v2(
    s3: &S3,
    request: S3Request<ListObjectsV2Input>,
) -> Result<S3Response<ListObjectsV2Output>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let max = max_keys(input.max_keys, "max-keys")?;
    let after = match &input.continuation_token {
        Some(given) if given.is_empty() => {
            let message = "The continuation token provided is incorrect";
            return Err(Fault::invalid_argument(message, "continuation-token", ""));
        }
        Some(given) => Some(token(given)?),
        None => filled(input.start_after.as_ref()),
    };
    let listing = Listing {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: filled(input.delimiter.as_ref()),
        after,
        after_version: None,
        max,
    };
    let page = s3.store.list(bucket.id, listing).await?;
    let more = page.more && max > 0;
    let with_owner = input.fetch_owner == Some(true);
    let objects = page.lines.iter().filter_map(|line| match line {
        Listed::Item(version) => {
            let mut object = object(version, &encoding);
            object.owner = with_owner.then(|| owner(&bucket.scope.account));
            Some(object)
        }
        Listed::Prefix(_) => None,
    });
    let objects: Vec<Object> = objects.collect();
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(bucket.name.clone()),
        prefix: Some(encoding.text(input.prefix.as_deref().unwrap_or_default())),
        max_keys: Some(max as i32),
        key_count: Some(page.lines.len() as i32),
        continuation_token: input.continuation_token.clone(),
        is_truncated: Some(more),
        next_continuation_token: last(&page.lines).filter(|_| more).map(to_token),
        common_prefixes: prefixes(&page.lines, &encoding),
        contents: (!objects.is_empty()).then_some(objects),
        delimiter: encoding.opt(filled(input.delimiter.as_ref()).as_deref()),
        encoding_type: encoding.told(),
        start_after: encoding.opt(input.start_after.as_deref()),
        ..Default::default()
    }))
}

pub(super) async fn objects(
    s3: &S3,
    request: S3Request<ListObjectsInput>,
) -> Result<S3Response<ListObjectsOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let max = max_keys(input.max_keys, "max-keys")?;
    let delimiter = filled(input.delimiter.as_ref());
    let listing = Listing {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: delimiter.clone(),
        after: filled(input.marker.as_ref()),
        after_version: None,
        max,
    };
    let page = s3.store.list(bucket.id, listing).await?;
    let more = page.more && max > 0;
    let objects = page.lines.iter().filter_map(|line| match line {
        Listed::Item(version) => {
            let mut object = object(version, &encoding);
            object.owner = Some(owner(&bucket.scope.account));
            Some(object)
        }
        Listed::Prefix(_) => None,
    });
    let objects: Vec<Object> = objects.collect();
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(bucket.name.clone()),
        prefix: Some(encoding.text(input.prefix.as_deref().unwrap_or_default())),
        marker: Some(encoding.text(input.marker.as_deref().unwrap_or_default())),
        max_keys: Some(max as i32),
        is_truncated: Some(more),
        // Without a delimiter a client goes on behind the last key that it has.
        next_marker: last(&page.lines).filter(|_| more && delimiter.is_some()).map(|key| encoding.text(key)),
        common_prefixes: prefixes(&page.lines, &encoding),
        contents: (!objects.is_empty()).then_some(objects),
        delimiter: encoding.opt(delimiter.as_deref()),
        encoding_type: encoding.told(),
        ..Default::default()
    }))
}

pub(super) async fn versions(
    s3: &S3,
    request: S3Request<ListObjectVersionsInput>,
) -> Result<S3Response<ListObjectVersionsOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let max = max_keys(input.max_keys, "max-keys")?;
    let (key_marker, version_marker) =
        (filled(input.key_marker.as_ref()), filled(input.version_id_marker.as_ref()));
    if let (None, Some(marker)) = (&key_marker, &version_marker) {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(Fault::invalid_argument(message, "version-id-marker", marker));
    }
    let delimiter = filled(input.delimiter.as_ref());
    let listing = Listing {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: delimiter.clone(),
        after: key_marker,
        after_version: version_marker,
        max,
    };
    let page = s3.store.list_versions(bucket.id, listing).await?;
    let more = page.more && max > 0;
    let (found, markers) = entries(&page.lines, &encoding, &bucket.scope.account);
    let next_id = page.lines.last().filter(|_| more).and_then(|line| match line {
        Listed::Item(version) => Some(version.id.clone()),
        Listed::Prefix(_) => None,
    });
    Ok(S3Response::new(ListObjectVersionsOutput {
        name: Some(bucket.name.clone()),
        prefix: Some(encoding.text(input.prefix.as_deref().unwrap_or_default())),
        key_marker: Some(encoding.text(input.key_marker.as_deref().unwrap_or_default())),
        version_id_marker: Some(input.version_id_marker.clone().unwrap_or_default()),
        max_keys: Some(max as i32),
        is_truncated: Some(more),
        next_key_marker: last(&page.lines).filter(|_| more).map(|key| encoding.text(key)),
        next_version_id_marker: next_id,
        common_prefixes: prefixes(&page.lines, &encoding),
        versions: (!found.is_empty()).then_some(found),
        delete_markers: (!markers.is_empty()).then_some(markers),
        delimiter: encoding.opt(delimiter.as_deref()),
        encoding_type: encoding.told(),
        ..Default::default()
    }))
}

/// Versions and markers, each in the form that documents have.
fn entries(
    lines: &[Listed<Version>],
    encoding: &Encoding,
    account: &AccountId,
) -> (Vec<ObjectVersion>, Vec<DeleteMarkerEntry>) {
    let (mut found, mut markers) = (Vec::new(), Vec::new());
    for line in lines {
        let Listed::Item(version) = line else { continue };
        let (key, id) = (Some(encoding.text(&version.key)), Some(version.id.clone()));
        let last_modified = Some(time(version.modified_ms / 1_000 * 1_000));
        let (is_latest, owner) = (Some(version.latest), Some(owner(account)));
        if version.marker {
            markers.push(DeleteMarkerEntry { is_latest, key, last_modified, owner, version_id: id });
            continue;
        }
        let (checksum_algorithm, checksum_type) = checksum(version);
        let class = object_headers::storage_class(version).to_owned();
        found.push(ObjectVersion {
            key,
            version_id: id,
            is_latest,
            last_modified,
            owner,
            e_tag: Some(ETag::Strong(version.etag.clone())),
            size: Some(version.size as i64),
            storage_class: Some(ObjectVersionStorageClass::from(class)),
            checksum_algorithm,
            checksum_type,
            ..Default::default()
        });
    }
    (found, markers)
}
