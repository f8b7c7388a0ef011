//! Headers that an object is stored with, and comes back with.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{Timestamp, fmt::rfc2822};
use lambent_ports::object_store::{NULL_VERSION, Version};

use crate::asked::Asked;
use crate::digest::Algorithm;
use crate::fault::Fault;

/// Headers that come back as they came.
const KEPT: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
];
pub(crate) const CHECKSUM_TYPE: &str = "x-amz-checksum-type";
pub(crate) const STORAGE_CLASS: &str = "x-amz-storage-class";
const ENCRYPTION: &str = "x-amz-server-side-encryption";
const META: &str = "x-amz-meta-";
/// Without a content type an object is this.
const DEFAULT_TYPE: &str = "binary/octet-stream";
/// Names and values of user metadata, all together.
const MAX_META_BYTES: usize = 2_048;
/// Storage classes whose objects can be read at once: the others have to be restored first, which is not there.
const CLASSES: [&str; 7] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "EXPRESS_ONEZONE",
];

/// What is asked for and not there is refused.
pub(crate) fn check_supported(asked: &Asked) -> Result<(), Fault> {
    for (name, value) in &asked.headers {
        let (name, value) = (name.as_str(), value.to_str().unwrap_or_default());
        let customer_key = name.contains("server-side-encryption-customer");
        let key_service = name.starts_with("x-amz-server-side-encryption-aws-kms")
            || name.starts_with("x-amz-server-side-encryption-context")
            || (name == "x-amz-server-side-encryption-bucket-key-enabled" && value == "true");
        if customer_key || key_service || (name == ENCRYPTION && value != "AES256") {
            return Err(Fault::header_not_implemented(name));
        }
        if name.starts_with("x-amz-grant-")
            || (name == "x-amz-acl" && !matches!(value, "private" | "bucket-owner-full-control"))
        {
            return Err(acl_not_supported());
        }
        if name.starts_with("x-amz-object-lock-") {
            return Err(Fault::invalid_request("Bucket is missing Object Lock Configuration"));
        }
        if name == "x-amz-write-offset-bytes" {
            return Err(Fault::header_not_implemented(name));
        }
        if name == STORAGE_CLASS && !CLASSES.contains(&value) {
            return Err(match value {
                "GLACIER" | "DEEP_ARCHIVE" | "OUTPOSTS" | "SNOW" => Fault::header_not_implemented(name),
                _ => Fault::new(400, "InvalidStorageClass", "The storage class you specified is not valid")
                    .with("StorageClassRequested", value),
            });
        }
    }
    Ok(())
}

pub(crate) fn acl_not_supported() -> Fault {
    Fault::new(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
}

/// What a request says of the object that it stores.
pub(crate) fn of(asked: &Asked) -> Result<BTreeMap<String, String>, Fault> {
    check_supported(asked)?;
    let (mut kept, mut meta_bytes) = (BTreeMap::new(), 0);
    for name in asked.headers.keys() {
        let name = name.as_str();
        let text = joined(&asked.headers, name);
        if name.starts_with(META) {
            meta_bytes += name.len() - META.len() + text.len();
            kept.insert(name.to_owned(), text);
        } else if name == "content-encoding" {
            let encodings: Vec<&str> = text
                .split(',')
                .map(str::trim)
                .filter(|one| *one != "aws-chunked" && !one.is_empty())
                .collect();
            if !encodings.is_empty() {
                kept.insert(name.to_owned(), encodings.join(","));
            }
        } else if (KEPT.contains(&name) && !text.is_empty()) || (name == STORAGE_CLASS && text != "STANDARD")
        {
            kept.insert(name.to_owned(), text);
        }
    }
    if meta_bytes > MAX_META_BYTES {
        let message = "Your metadata headers exceed the maximum allowed metadata size";
        return Err(Fault::new(400, "MetadataTooLarge", message)
            .with("Size", meta_bytes.to_string())
            .with("MaxSizeAllowed", MAX_META_BYTES.to_string()));
    }
    kept.entry("content-type".into()).or_insert_with(|| DEFAULT_TYPE.into());
    Ok(kept)
}

/// The values of a header as one text; bytes that are no UTF-8 are Latin-1.
fn joined(headers: &HeaderMap, name: &str) -> String {
    let text = |value: &HeaderValue| match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().map(|byte| char::from(*byte)).collect(),
    };
    headers.get_all(name).iter().map(text).collect::<Vec<_>>().join(",")
}

/// Tags in `x-amz-tagging`.
pub(crate) fn tags(asked: &Asked) -> Result<BTreeMap<String, String>, Fault> {
    let Some(text) = asked.header("x-amz-tagging") else { return Ok(BTreeMap::new()) };
    let refused = || {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
        Fault::invalid_argument(message, "x-amz-tagging", text)
    };
    let decode = |part: &str| {
        let part = part.replace('+', " ");
        percent_encoding::percent_decode_str(&part).decode_utf8().map(|text| text.into_owned())
    };
    let mut tags = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode(key).map_err(|_| refused())?, decode(value).map_err(|_| refused())?);
        if tags.insert(key, value).is_some() {
            return Err(refused());
        }
    }
    crate::operations::tagging::check(&tags, 10)?;
    Ok(tags)
}

/// The checksum of a version: algorithm, value, and whether it is one of parts' checksums.
pub(crate) fn checksum(headers: &BTreeMap<String, String>) -> Option<(Algorithm, &str, bool)> {
    let composite = headers.get(CHECKSUM_TYPE).is_some_and(|kind| kind == "COMPOSITE");
    let value =
        |algorithm: Algorithm| Some((algorithm, headers.get(algorithm.header())?.as_str(), composite));
    Algorithm::ALL.into_iter().find_map(value)
}

pub(crate) fn set_checksum(
    headers: &mut BTreeMap<String, String>,
    algorithm: Algorithm,
    value: &str,
    composite: bool,
) {
    for known in Algorithm::ALL {
        headers.remove(known.header());
    }
    headers.insert(algorithm.header().into(), value.into());
    let kind = if composite { "COMPOSITE" } else { "FULL_OBJECT" };
    headers.insert(CHECKSUM_TYPE.into(), kind.into());
}

/// What belongs to the object's bytes, and not to its description.
pub(crate) fn is_of_content(name: &str) -> bool {
    name.starts_with("x-amz-checksum-")
}

pub(crate) fn storage_class(version: &Version) -> &str {
    version.headers.get(STORAGE_CLASS).map_or("STANDARD", String::as_str)
}

/// The headers of a GetObject or HeadObject.
pub(crate) fn served(version: &Version, versioned: bool, with_checksum: bool) -> HeaderMap {
    let mut served = HeaderMap::new();
    for (name, value) in &version.headers {
        if !is_of_content(name) || with_checksum {
            put(&mut served, name, &encoded(value));
        }
    }
    put(&mut served, "accept-ranges", "bytes");
    put(&mut served, "etag", &format!("\"{}\"", version.etag));
    put(&mut served, "last-modified", &http_date(version.modified_ms));
    put(&mut served, ENCRYPTION, "AES256");
    if versioned || version.id != NULL_VERSION {
        put(&mut served, "x-amz-version-id", &version.id);
    }
    if !version.tags.is_empty() {
        put(&mut served, "x-amz-tagging-count", &version.tags.len().to_string());
    }
    served
}

/// The headers of the answer to what stored a version.
pub(crate) fn stored(
    etag: &str,
    version_id: &str,
    versioned: bool,
    headers: &BTreeMap<String, String>,
) -> HeaderMap {
    let mut answer = HeaderMap::new();
    if !etag.is_empty() {
        put(&mut answer, "etag", &format!("\"{etag}\""));
    }
    put(&mut answer, ENCRYPTION, "AES256");
    if versioned {
        put(&mut answer, "x-amz-version-id", version_id);
    }
    for (name, value) in headers.iter().filter(|(name, _)| is_of_content(name)) {
        put(&mut answer, name, value);
    }
    answer
}

pub(crate) fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
        headers.insert(name, value);
    }
}

/// Text that is no ASCII travels as an encoded word of RFC 2047.
fn encoded(value: &str) -> String {
    if value.is_ascii() { value.to_owned() } else { format!("=?UTF-8?B?{}?=", STANDARD.encode(value)) }
}

pub(crate) fn http_date(ms: u64) -> String {
    let printer = rfc2822::DateTimePrinter::new();
    let time = Timestamp::from_second((ms / 1_000) as i64).unwrap_or_default();
    printer.timestamp_to_rfc9110_string(&time).unwrap_or_default()
}
