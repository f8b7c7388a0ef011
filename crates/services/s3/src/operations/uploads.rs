//! ListParts, ListMultipartUploads.

use lambent_domain::AccountId;
use lambent_ports::object_store::{Listed, Listing, Upload};
use s3s::dto::{
    ChecksumAlgorithm, ChecksumType, ETag, Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    ListPartsInput, ListPartsOutput, MultipartUpload, StorageClass,
};
use s3s::{S3Request, S3Response};

use super::list::{Encoding, common_prefixes, max_keys};
use super::multipart::{Checks, upload};
use super::{owner, time};
use crate::digest::Algorithm;
use crate::fault::Fault;
use crate::{S3, canonical_id, object_headers, taken_apart};

pub(super) async fn parts(
    s3: &S3,
    request: S3Request<ListPartsInput>,
) -> Result<S3Response<ListPartsOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let begun = upload(s3, &input.bucket, &input.key, &input.upload_id, &asked).await?;
    let checks = Checks::of(&begun);
    let max = max_keys(input.max_parts, "max-parts")?;
    let after = input.part_number_marker.unwrap_or(0).max(0);
    let mut parts = s3.store.parts(&begun.id, after as u32, max + 1).await?;
    let more = parts.len() > max;
    parts.truncate(max);
    let shown = parts.iter().map(|part| {
        let mut shown = s3s::dto::Part {
            part_number: Some(part.number as i32),
            last_modified: Some(time(part.modified_ms / 1_000 * 1_000)),
            e_tag: Some(ETag::Strong(part.etag.clone())),
            size: Some(part.size as i64),
            ..Default::default()
        };
        if checks.chosen {
            let value = part.checksum.clone();
            match checks.algorithm {
                Algorithm::Crc32 => shown.checksum_crc32 = value,
                Algorithm::Crc32c => shown.checksum_crc32c = value,
                Algorithm::Crc64Nvme => shown.checksum_crc64nvme = value,
                Algorithm::Sha1 => shown.checksum_sha1 = value,
                Algorithm::Sha256 => shown.checksum_sha256 = value,
            }
        }
        shown
    });
    let shown: Vec<_> = shown.collect();
    let (algorithm, kind) = told(&begun, checks);
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(begun.id.clone()),
        part_number_marker: Some(after),
        next_part_number_marker: Some(parts.last().map_or(0, |last| last.number as i32)),
        max_parts: Some(max as i32),
        is_truncated: Some(more),
        parts: (!shown.is_empty()).then_some(shown),
        initiator: Some(initiator(&bucket.scope.account)),
        owner: Some(owner(&bucket.scope.account)),
        storage_class: Some(class(&begun)),
        checksum_algorithm: algorithm,
        checksum_type: kind,
        ..Default::default()
    }))
}

fn told(upload: &Upload, checks: Checks) -> (Option<ChecksumAlgorithm>, Option<ChecksumType>) {
    if !checks.chosen {
        return (None, None);
    }
    let kind = upload.headers.get(object_headers::CHECKSUM_TYPE).cloned().map(ChecksumType::from);
    (Some(ChecksumAlgorithm::from_static(checks.algorithm.name())), kind)
}

fn initiator(account: &AccountId) -> Initiator {
    let arn = format!("arn:aws:iam::{account}:root");
    Initiator { display_name: Some(arn), id: Some(canonical_id(account)) }
}

fn class(upload: &Upload) -> StorageClass {
    let class = upload.headers.get(object_headers::STORAGE_CLASS);
    StorageClass::from(class.cloned().unwrap_or_else(|| "STANDARD".into()))
}

pub(super) async fn uploads(
    s3: &S3,
    request: S3Request<ListMultipartUploadsInput>,
) -> Result<S3Response<ListMultipartUploadsOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let max = max_keys(input.max_uploads, "max-uploads")?;
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (key_marker, id_marker) = (filled(&input.key_marker), filled(&input.upload_id_marker));
    let listing = Listing {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: filled(&input.delimiter),
        // An id alone is no place to go on from.
        after_version: key_marker.as_ref().and(id_marker.clone()),
        after: key_marker.clone(),
        max,
    };
    let page = s3.store.list_uploads(bucket.id, listing).await?;
    let more = page.more && max > 0;
    let (mut next_key, mut next_id) = (None, None);
    if let Some(line) = page.lines.last().filter(|_| more) {
        match line {
            Listed::Item(upload) => {
                next_key = Some(encoding.text(&upload.key));
                next_id = Some(upload.id.clone());
            }
            Listed::Prefix(prefix) => next_key = Some(encoding.text(prefix)),
        }
    }
    let uploads = page.lines.iter().filter_map(|line| match line {
        Listed::Item(upload) => {
            let (checksum_algorithm, checksum_type) = told(upload, Checks::of(upload));
            Some(MultipartUpload {
                key: Some(encoding.text(&upload.key)),
                upload_id: Some(upload.id.clone()),
                initiated: Some(time(upload.initiated_ms / 1_000 * 1_000)),
                initiator: Some(initiator(&bucket.scope.account)),
                owner: Some(owner(&bucket.scope.account)),
                storage_class: Some(class(upload)),
                checksum_algorithm,
                checksum_type,
            })
        }
        Listed::Prefix(_) => None,
    });
    let uploads: Vec<_> = uploads.collect();
    Ok(S3Response::new(ListMultipartUploadsOutput {
        bucket: Some(bucket.name.clone()),
        key_marker: Some(encoding.text(key_marker.as_deref().unwrap_or_default())),
        upload_id_marker: Some(id_marker.unwrap_or_default()),
        next_key_marker: Some(next_key.unwrap_or_default()),
        next_upload_id_marker: Some(next_id.unwrap_or_default()),
        max_uploads: Some(max as i32),
        is_truncated: Some(more),
        prefix: encoding.opt(input.prefix.as_deref()),
        delimiter: encoding.opt(filled(&input.delimiter).as_deref()),
        common_prefixes: common_prefixes(&page.lines, &encoding),
        uploads: (!uploads.is_empty()).then_some(uploads),
        ..Default::default()
    }))
}
