//! Lifecycle: rules by which objects, versions and unfinished uploads go. Time comes from the clock alone.

use std::sync::Arc;

use lambent_domain::RequestId;
use lambent_ports::api::Caller;
use lambent_ports::object_store::{Bucket, Change, Condition, Delete, Listed, Listing, Version};
use s3s::dto::{
    DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, GetBucketLifecycleConfigurationInput,
    GetBucketLifecycleConfigurationOutput, LifecycleRule, PutBucketLifecycleConfigurationInput,
    PutBucketLifecycleConfigurationOutput, Tag, Timestamp,
};
use s3s::{S3Request, S3Response};

use crate::asked::Asked;
use crate::chunked::Trailers;
use crate::fault::Fault;
use crate::notification::{Happened, What};
use crate::{S3, Versioning, setting, taken_apart, versioning};

const SETTING: &str = "lifecycle";
const MAX_RULES: usize = 1_000;
const DAY_MS: u64 = 86_400_000;
/// Keys that are looked at, at once.
const PAGE: usize = 500;

pub(crate) async fn put_rules(
    s3: &S3,
    request: S3Request<PutBucketLifecycleConfigurationInput>,
) -> Result<S3Response<PutBucketLifecycleConfigurationOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let mut rules = input.lifecycle_configuration.map(|given| given.rules).unwrap_or_default();
    if rules.is_empty() || rules.len() > MAX_RULES {
        return Err(Fault::malformed_xml());
    }
    for rule in &mut rules {
        check(rule)?;
        rule.id.get_or_insert_with(|| s3.new_id());
    }
    s3.set(&input.bucket, &asked, SETTING, Some(&rules)).await?;
    Ok(S3Response::new(PutBucketLifecycleConfigurationOutput::default()))
}

fn check(rule: &LifecycleRule) -> Result<(), Fault> {
    let transitions = rule.transitions.as_ref().is_some_and(|all| !all.is_empty())
        || rule.noncurrent_version_transitions.as_ref().is_some_and(|all| !all.is_empty());
    if transitions {
        return Err(Fault::not_implemented("Transitions to other storage classes are not implemented"));
    }
    if !matches!(rule.status.as_str(), "Enabled" | "Disabled")
        || (rule.filter.is_some() && rule.prefix.is_some())
        || (rule.filter.is_none() && rule.prefix.is_none())
    {
        return Err(Fault::malformed_xml());
    }
    let acts = rule.expiration.is_some()
        || rule.noncurrent_version_expiration.is_some()
        || rule.abort_incomplete_multipart_upload.is_some();
    if !acts {
        return Err(Fault::invalid_request("At least one action needs to be specified in a rule."));
    }
    let positive = |days: Option<i32>, action: &str| {
        if days.is_some_and(|days| days < 1) {
            let message = format!("'Days' for {action} action must be a positive integer");
            return Err(Fault::invalid_argument(message, "Days", ""));
        }
        Ok(())
    };
    if let Some(expiration) = &rule.expiration {
        positive(expiration.days, "Expiration")?;
        let given = [
            expiration.days.is_some(),
            expiration.date.is_some(),
            expiration.expired_object_delete_marker.is_some(),
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err(Fault::malformed_xml());
        }
        if let Some(date) = &expiration.date
            && !ms_of(date).is_multiple_of(DAY_MS)
        {
            return Err(Fault::invalid_argument("'Date' must be at midnight GMT", "Date", ""));
        }
    }
    if let Some(noncurrent) = &rule.noncurrent_version_expiration {
        positive(noncurrent.noncurrent_days, "NoncurrentVersionExpiration")?;
    }
    Ok(())
}

pub(crate) async fn get_rules(
    s3: &S3,
    request: S3Request<GetBucketLifecycleConfigurationInput>,
) -> Result<S3Response<GetBucketLifecycleConfigurationOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let rules: Vec<LifecycleRule> = setting(&bucket, SETTING).ok_or_else(|| {
        let message = "The lifecycle configuration does not exist";
        Fault::new(404, "NoSuchLifecycleConfiguration", message).with("BucketName", &bucket.name)
    })?;
    Ok(S3Response::new(GetBucketLifecycleConfigurationOutput { rules: Some(rules), ..Default::default() }))
}

pub(crate) async fn delete_rules(
    s3: &S3,
    request: S3Request<DeleteBucketLifecycleInput>,
) -> Result<S3Response<DeleteBucketLifecycleOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    s3.set::<()>(&input.bucket, &asked, SETTING, None).await?;
    Ok(S3Response::new(DeleteBucketLifecycleOutput::default()))
}

fn ms_of(time: &Timestamp) -> u64 {
    let mut text = Vec::new();
    let _ = time.format(s3s::dto::TimestampFormat::EpochSeconds, &mut text);
    let seconds: f64 = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    (seconds * 1_000.0) as u64
}

/// When something is over that has lived for some days: at the midnight after.
fn over_ms(from_ms: u64, days: i32) -> u64 {
    (from_ms + days.unsigned_abs() as u64 * DAY_MS).div_ceil(DAY_MS) * DAY_MS
}

/// Whether a rule is about a version.
fn concerns(rule: &LifecycleRule, version: &Version) -> bool {
    let has = |tag: &Tag| match (&tag.key, &tag.value) {
        (Some(key), Some(value)) => version.tags.get(key) == Some(value),
        _ => false,
    };
    let begins =
        |prefix: Option<&String>| prefix.is_none_or(|prefix| version.key.starts_with(prefix.as_str()));
    let larger = |bytes: Option<i64>| bytes.is_none_or(|bytes| version.size as i64 > bytes);
    let smaller = |bytes: Option<i64>| bytes.is_none_or(|bytes| (version.size as i64) < bytes);
    let filter = rule.filter.as_ref();
    let and = filter.and_then(|filter| filter.and.as_ref());
    begins(rule.prefix.as_ref())
        && filter.is_none_or(|filter| {
            begins(filter.prefix.as_ref())
                && filter.tag.as_ref().is_none_or(has)
                && larger(filter.object_size_greater_than)
                && smaller(filter.object_size_less_than)
        })
        && and.is_none_or(|and| {
            begins(and.prefix.as_ref())
                && and.tags.iter().flatten().all(has)
                && larger(and.object_size_greater_than)
                && smaller(and.object_size_less_than)
        })
}

/// Versions of one key, the newest first, with what became of them.
fn expired<'a>(
    rules: &[LifecycleRule],
    versions: &'a [Version],
    now_ms: u64,
) -> Vec<(&'a Version, Option<Delete>)> {
    let mut found = Vec::new();
    for (at, version) in versions.iter().enumerate() {
        let over = rules.iter().filter(|rule| concerns(rule, version)).any(|rule| {
            if version.latest {
                let alone = versions.len() == 1;
                return rule.expiration.as_ref().is_some_and(|expiration| match version.marker {
                    true => {
                        alone
                            && (expiration.expired_object_delete_marker == Some(true)
                                || expiration.days.is_some())
                    }
                    false => {
                        expiration.days.is_some_and(|days| over_ms(version.modified_ms, days) <= now_ms)
                            || expiration.date.as_ref().is_some_and(|date| ms_of(date) <= now_ms)
                    }
                });
            }
            // A version is not current since its successor came.
            let since_ms = versions[at - 1].modified_ms;
            rule.noncurrent_version_expiration.as_ref().is_some_and(|noncurrent| {
                let newer = at - 1;
                noncurrent.noncurrent_days.is_some_and(|days| over_ms(since_ms, days) <= now_ms)
                    && noncurrent
                        .newer_noncurrent_versions
                        .is_none_or(|kept| newer >= kept.unsigned_abs() as usize)
            })
        });
        if over {
            let whole = version.latest && !version.marker;
            found.push((version, (!whole).then(|| Delete::Version(version.id.clone()))));
        }
    }
    found
}

impl S3 {
    /// Deletes what is over by its bucket's rules.
    pub async fn expire(&self) {
        for bucket in self.store.buckets() {
            let rules: Vec<LifecycleRule> = setting(&bucket, SETTING).unwrap_or_default();
            let rules: Vec<LifecycleRule> =
                rules.into_iter().filter(|rule| rule.status.as_str() == "Enabled").collect();
            if !rules.is_empty()
                && let Err(fault) = self.expire_in(&bucket, &rules).await
            {
                tracing::warn!(bucket = bucket.name, ?fault, "a lifecycle rule was not followed");
            }
        }
    }

    async fn expire_in(&self, bucket: &Arc<Bucket>, rules: &[LifecycleRule]) -> Result<(), Fault> {
        let now_ms = self.clock.now_ms();
        let (mut listing, mut key) = (Listing { max: PAGE, ..Listing::default() }, Vec::<Version>::new());
        loop {
            let page = self.store.list_versions(bucket.id, listing.clone()).await?;
            for line in page.lines {
                let Listed::Item(version) = line else { continue };
                if key.first().is_some_and(|first| first.key != version.key) {
                    self.expire_key(bucket, rules, &key, now_ms).await?;
                    key.clear();
                }
                listing.after = Some(version.key.clone());
                listing.after_version = Some(version.id.clone());
                key.push(version);
            }
            if !page.more {
                break;
            }
        }
        self.expire_key(bucket, rules, &key, now_ms).await?;
        self.expire_uploads(bucket, rules, now_ms).await
    }

    async fn expire_key(
        &self,
        bucket: &Arc<Bucket>,
        rules: &[LifecycleRule],
        versions: &[Version],
        now_ms: u64,
    ) -> Result<(), Fault> {
        for (version, delete) in expired(rules, versions, now_ms) {
            let delete = delete.unwrap_or_else(|| match versioning(bucket) {
                Versioning::Off => Delete::Object,
                _ => Delete::Mark(self.new_version_id(bucket)),
            });
            // Somebody may have stored another meanwhile.
            let condition = match version.latest && !version.marker {
                true => Condition::ETag(version.etag.clone()),
                false => Condition::None,
            };
            let what = match delete {
                Delete::Mark(_) => What::ExpiredByMarker,
                _ => What::Expired,
            };
            let happened = Happened::of(&self.asked_by_itself(bucket), what, &version.key, now_ms);
            let told = Arc::clone(bucket);
            let tell = Box::new(move |change: &Change| happened.notices(&told, change.sequence));
            let done = self.store.delete(bucket, &version.key, delete, condition, now_ms, tell).await;
            if let Err(error) = done {
                tracing::debug!(%error, key = version.key, "an object was not expired");
            }
        }
        self.told.notify_one();
        Ok(())
    }

    async fn expire_uploads(
        &self,
        bucket: &Bucket,
        rules: &[LifecycleRule],
        now_ms: u64,
    ) -> Result<(), Fault> {
        let mut listing = Listing { max: PAGE, ..Listing::default() };
        loop {
            let page = self.store.list_uploads(bucket.id, listing.clone()).await?;
            for line in &page.lines {
                let Listed::Item(upload) = line else { continue };
                listing.after = Some(upload.key.clone());
                listing.after_version = Some(upload.id.clone());
                let prefix = |rule: &LifecycleRule| {
                    let in_filter = rule.filter.as_ref().and_then(|filter| filter.prefix.clone());
                    rule.prefix.clone().or(in_filter).unwrap_or_default()
                };
                let over = rules.iter().filter(|rule| upload.key.starts_with(&prefix(rule))).any(|rule| {
                    let abort = rule.abort_incomplete_multipart_upload.as_ref();
                    let days = abort.and_then(|abort| abort.days_after_initiation);
                    days.is_some_and(|days| over_ms(upload.initiated_ms, days) <= now_ms)
                });
                if over {
                    self.store.abort_upload(bucket.id, &upload.id).await?;
                }
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    /// What the service does by itself.
    fn asked_by_itself(&self, bucket: &Bucket) -> Asked {
        let account = bucket.scope.account.clone();
        Asked {
            scope: bucket.scope.clone(),
            caller: Caller { account, access_key_id: None, principal: None, authority: None },
            request_id: RequestId::from_random(self.random.bytes16()),
            peer: None,
            base_url: String::new(),
            bucket: bucket.name.clone(),
            headers: http::HeaderMap::new(),
            query: Vec::new(),
            posted: None,
            trailers: Trailers::default(),
            now_ms: self.clock.now_ms(),
            length: None,
        }
    }
}
