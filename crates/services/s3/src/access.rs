//! What each operation takes: IAM's actions of S3 are not named like its operations. A bucket's policy counts, and for
//! those of no account or another one, only as long as public access is not blocked.

use lambent_ports::access::{Need, Refusal, Who};
use lambent_ports::object_store::Bucket;
use s3s::S3Request;
use s3s::dto::*;

use crate::asked::Asked;
use crate::fault::Fault;
use crate::{S3, refusal, setting};

/// An input that says what is to be done to which bucket or object.
pub(crate) trait Takes {
    /// The actions, each with the bucket and, for objects, the key.
    fn takes(&self, asked: &Asked) -> Vec<Take>;
}

/// One action.
pub(crate) struct Take {
    action: &'static str,
    bucket: Option<String>,
    key: Option<String>,
}

impl Take {
    pub(crate) fn bucket(action: &'static str, bucket: &str) -> Take {
        Take { action, bucket: Some(bucket.to_owned()), key: None }
    }

    pub(crate) fn object(action: &'static str, bucket: &str, key: &str) -> Take {
        Take { action, bucket: Some(bucket.to_owned()), key: Some(key.to_owned()) }
    }

    fn nothing(action: &'static str) -> Take {
        Take { action, bucket: None, key: None }
    }

    fn need(&self, s3: &S3, asked: &Asked) -> Need {
        let partition = lambent_domain::names::partition(&asked.scope.region);
        let resource = match (&self.bucket, &self.key) {
            (None, _) => "*".to_owned(),
            (Some(bucket), None) => format!("arn:{partition}:s3:::{bucket}"),
            (Some(bucket), Some(key)) => format!("arn:{partition}:s3:::{bucket}/{key}"),
        };
        let mut need = Need::new(self.action, resource);
        for (key, parameter) in [
            ("s3:prefix", "prefix"),
            ("s3:delimiter", "delimiter"),
            ("s3:max-keys", "max-keys"),
            ("s3:VersionId", "versionId"),
        ] {
            need = need.key_if(key, asked.query(parameter));
        }
        for (key, header) in [
            ("s3:x-amz-acl", "x-amz-acl"),
            ("s3:x-amz-content-sha256", "x-amz-content-sha256"),
            ("s3:x-amz-copy-source", "x-amz-copy-source"),
            ("s3:x-amz-metadata-directive", "x-amz-metadata-directive"),
            ("s3:x-amz-server-side-encryption", "x-amz-server-side-encryption"),
            ("s3:x-amz-storage-class", "x-amz-storage-class"),
        ] {
            need = need.key_if(key, asked.header(header));
        }
        let bucket = self.bucket.as_deref().and_then(|name| s3.store.bucket(name));
        if let Some(bucket) = bucket {
            need.policy = policy_for(&bucket, asked).map(Into::into);
            need.owner = Some(bucket.scope.account.clone());
        }
        need
    }
}

/// The bucket's policy as far as it is for who asks.
fn policy_for(bucket: &Bucket, asked: &Asked) -> Option<String> {
    let policy: String = setting(bucket, "policy")?;
    let who = &asked.caller.authority.as_ref()?.who;
    let blocked: Option<Option<Vec<bool>>> = setting(bucket, "public-access-block");
    // A new bucket blocks everything.
    let restricted = blocked.is_none_or(|all| all.is_some_and(|all| all.get(3) == Some(&true)));
    (!restricted || **who != Who::Anonymous).then_some(policy)
}

/// Whether a request may do what its operation does.
pub(crate) fn admit<I: Takes>(s3: &S3, request: &S3Request<I>) -> Result<(), Fault> {
    let asked = Asked::of(request)?;
    if asked.caller.authority.is_none() {
        return Ok(());
    }
    request.input.takes(&asked).iter().try_for_each(|take| may(s3, &asked, take))
}

/// Whether who asks may do one thing.
pub(crate) fn may(s3: &S3, asked: &Asked, take: &Take) -> Result<(), Fault> {
    let Some(authority) = &asked.caller.authority else { return Ok(()) };
    // Nobody can be told more than that.
    authority.check(&take.need(s3, asked)).map_err(|refused| match refused {
        Refusal::Denied(_) if authority.is_anonymous() => refusal::fault(&Refusal::Missing, false),
        refused => refusal::fault(&refused, false),
    })
}

/// An object that is not there is one for those alone who may list the bucket.
pub(crate) fn or_hidden(s3: &S3, asked: &Asked, fault: Fault) -> Fault {
    if fault.code != "NoSuchKey" {
        return fault;
    }
    match may(s3, asked, &Take::bucket("s3:ListBucket", &asked.bucket)) {
        Ok(()) => fault,
        Err(denied) => denied,
    }
}

/// Actions by input. `bucket` and `object` are about the input's own.
macro_rules! takes {
    ($($input:ident: $kind:ident $($action:literal)+;)*) => {
        $(impl Takes for $input {
            fn takes(&self, _asked: &Asked) -> Vec<Take> {
                vec![$(takes!(@ $kind self $action)),+]
            }
        })*
    };
    (@ bucket $self:ident $action:literal) => { Take::bucket($action, &$self.bucket) };
    (@ object $self:ident $action:literal) => { Take::object($action, &$self.bucket, &$self.key) };
    (@ nothing $self:ident $action:literal) => { Take::nothing($action) };
}

takes! {
    AbortMultipartUploadInput: object "s3:AbortMultipartUpload";
    CompleteMultipartUploadInput: object "s3:PutObject";
    CreateBucketInput: bucket "s3:CreateBucket";
    DeleteBucketInput: bucket "s3:DeleteBucket";
    DeleteBucketCorsInput: bucket "s3:PutBucketCORS";
    DeleteBucketEncryptionInput: bucket "s3:PutEncryptionConfiguration";
    DeleteBucketLifecycleInput: bucket "s3:PutLifecycleConfiguration";
    DeleteBucketOwnershipControlsInput: bucket "s3:PutBucketOwnershipControls";
    DeleteBucketPolicyInput: bucket "s3:DeleteBucketPolicy";
    DeleteBucketTaggingInput: bucket "s3:PutBucketTagging";
    DeletePublicAccessBlockInput: bucket "s3:PutBucketPublicAccessBlock";
    GetBucketAccelerateConfigurationInput: bucket "s3:GetAccelerateConfiguration";
    GetBucketAclInput: bucket "s3:GetBucketAcl";
    GetBucketCorsInput: bucket "s3:GetBucketCORS";
    GetBucketEncryptionInput: bucket "s3:GetEncryptionConfiguration";
    GetBucketLifecycleConfigurationInput: bucket "s3:GetLifecycleConfiguration";
    GetBucketLocationInput: bucket "s3:GetBucketLocation";
    GetBucketLoggingInput: bucket "s3:GetBucketLogging";
    GetBucketNotificationConfigurationInput: bucket "s3:GetBucketNotification";
    GetBucketOwnershipControlsInput: bucket "s3:GetBucketOwnershipControls";
    GetBucketPolicyInput: bucket "s3:GetBucketPolicy";
    GetBucketPolicyStatusInput: bucket "s3:GetBucketPolicyStatus";
    GetBucketReplicationInput: bucket "s3:GetReplicationConfiguration";
    GetBucketRequestPaymentInput: bucket "s3:GetBucketRequestPayment";
    GetBucketTaggingInput: bucket "s3:GetBucketTagging";
    GetBucketVersioningInput: bucket "s3:GetBucketVersioning";
    GetBucketWebsiteInput: bucket "s3:GetBucketWebsite";
    GetObjectLockConfigurationInput: bucket "s3:GetBucketObjectLockConfiguration";
    GetPublicAccessBlockInput: bucket "s3:GetBucketPublicAccessBlock";
    HeadBucketInput: bucket "s3:ListBucket";
    ListBucketsInput: nothing "s3:ListAllMyBuckets";
    ListMultipartUploadsInput: bucket "s3:ListBucketMultipartUploads";
    ListObjectVersionsInput: bucket "s3:ListBucketVersions";
    ListObjectsInput: bucket "s3:ListBucket";
    ListObjectsV2Input: bucket "s3:ListBucket";
    ListPartsInput: object "s3:ListMultipartUploadParts";
    PutBucketAclInput: bucket "s3:PutBucketAcl";
    PutBucketCorsInput: bucket "s3:PutBucketCORS";
    PutBucketEncryptionInput: bucket "s3:PutEncryptionConfiguration";
    PutBucketLifecycleConfigurationInput: bucket "s3:PutLifecycleConfiguration";
    PutBucketNotificationConfigurationInput: bucket "s3:PutBucketNotification";
    PutBucketOwnershipControlsInput: bucket "s3:PutBucketOwnershipControls";
    PutBucketPolicyInput: bucket "s3:PutBucketPolicy";
    PutBucketTaggingInput: bucket "s3:PutBucketTagging";
    PutBucketVersioningInput: bucket "s3:PutBucketVersioning";
    PutPublicAccessBlockInput: bucket "s3:PutBucketPublicAccessBlock";
    UploadPartInput: object "s3:PutObject";
    UploadPartCopyInput: object "s3:PutObject";
}

/// Inputs whose version has actions of its own.
macro_rules! takes_of_version {
    ($($input:ident: $current:literal $version:literal;)*) => {
        $(impl Takes for $input {
            fn takes(&self, asked: &Asked) -> Vec<Take> {
                let action = if asked.query("versionId").is_some() { $version } else { $current };
                vec![Take::object(action, &self.bucket, &self.key)]
            }
        })*
    };
}

takes_of_version! {
    DeleteObjectInput: "s3:DeleteObject" "s3:DeleteObjectVersion";
    DeleteObjectTaggingInput: "s3:DeleteObjectTagging" "s3:DeleteObjectVersionTagging";
    GetObjectInput: "s3:GetObject" "s3:GetObjectVersion";
    GetObjectAclInput: "s3:GetObjectAcl" "s3:GetObjectVersionAcl";
    GetObjectAttributesInput: "s3:GetObject" "s3:GetObjectVersion";
    GetObjectTaggingInput: "s3:GetObjectTagging" "s3:GetObjectVersionTagging";
    HeadObjectInput: "s3:GetObject" "s3:GetObjectVersion";
    PutObjectAclInput: "s3:PutObjectAcl" "s3:PutObjectVersionAcl";
    PutObjectTaggingInput: "s3:PutObjectTagging" "s3:PutObjectVersionTagging";
}

/// What an object is written with has actions of its own.
fn writing(bucket: &str, key: &str, asked: &Asked) -> Vec<Take> {
    let mut takes = vec![Take::object("s3:PutObject", bucket, key)];
    if asked.headers.contains_key("x-amz-tagging") {
        takes.push(Take::object("s3:PutObjectTagging", bucket, key));
    }
    if asked.headers.contains_key("x-amz-acl") {
        takes.push(Take::object("s3:PutObjectAcl", bucket, key));
    }
    takes
}

macro_rules! takes_writing {
    ($($input:ident)*) => {
        $(impl Takes for $input {
            fn takes(&self, asked: &Asked) -> Vec<Take> {
                writing(&self.bucket, &self.key, asked)
            }
        })*
    };
}

// The source of a copy is looked at where it is known.
takes_writing! { CopyObjectInput CreateMultipartUploadInput PutObjectInput }

impl Takes for DeleteObjectsInput {
    /// Each key is refused, or not, by itself.
    fn takes(&self, _asked: &Asked) -> Vec<Take> {
        Vec::new()
    }
}
