//! CreateBucket, HeadBucket, DeleteBucket, ListBuckets, GetBucketLocation.

use lambent_domain::Region;
use lambent_ports::object_store::{Listing, ObjectStoreError};
use s3s::dto::{
    Bucket, BucketLocationConstraint, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
    DeleteBucketOutput, GetBucketLocationInput, GetBucketLocationOutput, HeadBucketInput, HeadBucketOutput,
    ListBucketsInput, ListBucketsOutput,
};
use s3s::{S3Request, S3Response};

use super::{owner, time};
use crate::fault::Fault;
use crate::{S3, Versioning, object_headers, settings_of_new, taken_apart, versioning};

/// The region whose buckets have no location.
const CLASSIC: &str = "us-east-1";
/// Most buckets in an answer.
const MAX_BUCKETS: usize = 10_000;

pub(super) async fn create(
    s3: &S3,
    request: S3Request<CreateBucketInput>,
) -> Result<S3Response<CreateBucketOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    if asked.header("x-amz-bucket-object-lock-enabled").is_some_and(|on| on.eq_ignore_ascii_case("true")) {
        return Err(Fault::header_not_implemented("x-amz-bucket-object-lock-enabled"));
    }
    if let Some(ownership) = asked.header("x-amz-object-ownership")
        && ownership != "BucketOwnerEnforced"
    {
        return Err(match ownership {
            "BucketOwnerPreferred" | "ObjectWriter" => {
                Fault::header_not_implemented("x-amz-object-ownership")
            }
            other => {
                let message = format!("Invalid x-amz-object-ownership header: {other}");
                Fault::new(400, "InvalidArgument", message).with("ArgumentName", "x-amz-object-ownership")
            }
        });
    }
    if asked.header("x-amz-acl").is_some_and(|acl| acl != "private") {
        let message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
        return Err(Fault::new(400, "InvalidBucketAclWithObjectOwnership", message));
    }
    let configuration = input.create_bucket_configuration;
    if configuration.as_ref().is_some_and(|more| more.bucket.is_some() || more.location.is_some()) {
        return Err(Fault::not_implemented("Directory buckets are not implemented"));
    }
    let constraint = configuration.and_then(|configuration| configuration.location_constraint);
    let mut scope = asked.scope.clone();
    let signed = scope.region.to_string();
    if let Some(region) = located(constraint.as_ref().map(BucketLocationConstraint::as_str), &signed)? {
        scope.region = region;
    }
    let made = s3.store.create_bucket(&input.bucket, &scope, settings_of_new(), s3.clock.now_ms()).await;
    match made {
        Ok(_) => {}
        Err(ObjectStoreError::BucketExists(known)) if known.scope.account != scope.account => {
            let message = "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.";
            return Err(Fault::new(409, "BucketAlreadyExists", message).with("BucketName", &input.bucket));
        }
        // In this region alone, making it again is no mistake.
        Err(ObjectStoreError::BucketExists(known)) if signed == CLASSIC && known.scope == scope => {}
        Err(ObjectStoreError::BucketExists(_)) => {
            let message =
                "Your previous request to create the named bucket succeeded and you already own it.";
            return Err(Fault::new(409, "BucketAlreadyOwnedByYou", message).with("BucketName", &input.bucket));
        }
        Err(error) => return Err(error.into()),
    }
    let location = if scope.region.as_str() == CLASSIC {
        format!("/{}", input.bucket)
    } else {
        format!("http://{}.s3.amazonaws.com/", input.bucket)
    };
    let mut response = S3Response::new(CreateBucketOutput { location: Some(location) });
    let arn = format!("arn:aws:s3:::{}", input.bucket);
    object_headers::put(&mut response.headers, "x-amz-bucket-arn", &arn);
    Ok(response)
}

/// The region of a location constraint; what region the request was signed for decides which are right.
fn located(constraint: Option<&str>, signed: &str) -> Result<Option<Region>, Fault> {
    let incompatible = |constraint: &str| {
        let message = format!(
            "The {constraint} location constraint is incompatible for the region specific endpoint this request was sent to."
        );
        Fault::new(400, "IllegalLocationConstraintException", message)
    };
    let region = match constraint {
        None | Some("") if signed == CLASSIC => return Ok(None),
        None | Some("") => return Err(incompatible("unspecified")),
        Some("EU") => "eu-west-1",
        Some(region) => region,
    };
    let invalid = || {
        Fault::new(400, "InvalidLocationConstraint", "The specified location-constraint is not valid")
            .with("LocationConstraint", region)
    };
    if signed != CLASSIC && region != signed {
        return Err(incompatible(region));
    }
    if region == CLASSIC || !looks_like_region(region) {
        return Err(invalid());
    }
    Region::parse(region).map(Some).ok_or_else(invalid)
}

/// `eu-west-1`, `us-gov-east-1`.
fn looks_like_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = parts.last().is_some_and(|last| last.parse::<u8>().is_ok());
    (3..=4).contains(&parts.len()) && parts[0].len() == 2 && number
}

pub(super) async fn head(
    s3: &S3,
    request: S3Request<HeadBucketInput>,
) -> Result<S3Response<HeadBucketOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let mut response = S3Response::new(HeadBucketOutput::default());
    for (name, value) in [
        ("x-amz-bucket-region", bucket.scope.region.as_str()),
        ("x-amz-access-point-alias", "false"),
        ("x-amz-bucket-arn", &format!("arn:aws:s3:::{}", bucket.name)),
        ("content-type", "application/xml"),
    ] {
        object_headers::put(&mut response.headers, name, value);
    }
    Ok(response)
}

pub(super) async fn delete(
    s3: &S3,
    request: S3Request<DeleteBucketInput>,
) -> Result<S3Response<DeleteBucketOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    match s3.store.delete_bucket(bucket.id).await {
        Ok(()) | Err(ObjectStoreError::BucketGone) => Ok(S3Response::new(DeleteBucketOutput::default())),
        Err(ObjectStoreError::BucketNotEmpty) => {
            let only_versions = s3.store.list(bucket.id, Listing { max: 1, ..Listing::default() }).await?;
            let versions = versioning(&bucket) != Versioning::Off || only_versions.lines.is_empty();
            let message = if versions {
                "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
            } else {
                "The bucket you tried to delete is not empty"
            };
            Err(Fault::new(409, "BucketNotEmpty", message).with("BucketName", &bucket.name))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn list(
    s3: &S3,
    request: S3Request<ListBucketsInput>,
) -> Result<S3Response<ListBucketsOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let max = match input.max_buckets {
        None => MAX_BUCKETS,
        Some(max) if (1..=MAX_BUCKETS as i32).contains(&max) => max as usize,
        Some(max) => {
            let message = "Argument max-buckets must be an integer between 1 and 10000";
            return Err(Fault::invalid_argument(message, "max-buckets", max.to_string()));
        }
    };
    let after = input.continuation_token.as_deref().map(super::list::token).transpose()?;
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let mut found = s3.store.buckets();
    found.retain(|bucket| {
        bucket.scope.account == asked.scope.account
            && bucket.name.starts_with(prefix)
            && after.as_ref().is_none_or(|after| bucket.name > *after)
            && input.bucket_region.as_ref().is_none_or(|region| bucket.scope.region.as_str() == region)
    });
    let more = found.len() > max;
    found.truncate(max);
    // The region is told when the answer is one of several, or chosen by it.
    let with_region = input.max_buckets.is_some()
        || input.bucket_region.is_some()
        || input.continuation_token.is_some()
        || input.prefix.is_some();
    let buckets = found.iter().map(|bucket| Bucket {
        name: Some(bucket.name.clone()),
        creation_date: Some(time(bucket.created_ms / 1_000 * 1_000)),
        bucket_region: with_region.then(|| bucket.scope.region.to_string()),
    });
    Ok(S3Response::new(ListBucketsOutput {
        buckets: Some(buckets.collect()),
        continuation_token: found.last().filter(|_| more).map(|last| super::list::to_token(&last.name)),
        owner: Some(owner(&asked.scope.account)),
        prefix: input.prefix.clone(),
    }))
}

pub(super) async fn location(
    s3: &S3,
    request: S3Request<GetBucketLocationInput>,
) -> Result<S3Response<GetBucketLocationOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let region = bucket.scope.region.to_string();
    let constraint = (region != CLASSIC).then(|| BucketLocationConstraint::from(region));
    Ok(S3Response::new(GetBucketLocationOutput { location_constraint: constraint }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_bucket_may_be() {
        let code = |constraint, signed| located(constraint, signed).map_err(|fault| fault.code);
        assert_eq!(code(None, "us-east-1"), Ok(None));
        assert_eq!(code(Some("eu-west-1"), "us-east-1"), Ok(Region::parse("eu-west-1")));
        assert_eq!(code(Some("eu-west-1"), "eu-west-1"), Ok(Region::parse("eu-west-1")));
        let illegal = Err("IllegalLocationConstraintException".to_owned());
        assert_eq!(code(None, "eu-west-1"), illegal);
        assert_eq!(code(Some("bar"), "eu-west-1"), illegal);
        let invalid = Err("InvalidLocationConstraint".to_owned());
        assert_eq!(code(Some("foo"), "us-east-1"), invalid);
        assert_eq!(code(Some("us-east-1"), "us-east-1"), invalid);
    }
}
