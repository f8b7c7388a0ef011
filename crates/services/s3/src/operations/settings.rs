//! What a bucket is set to: versioning, policy, public access, encryption, ownership, ACLs, and what nobody can set here.

use lambent_domain::AccountId;
use s3s::dto::*;
use s3s::{S3Request, S3Response};

use super::owner;
use crate::fault::Fault;
use crate::object_headers::acl_not_supported;
use crate::{S3, canonical_id, setting, taken_apart, versioning};

/// The largest policy, as on AWS.
const MAX_POLICY_BYTES: usize = 20 * 1_024;

type Answer<T> = Result<S3Response<T>, Fault>;

pub(super) async fn put_versioning(
    s3: &S3,
    request: S3Request<PutBucketVersioningInput>,
) -> Answer<PutBucketVersioningOutput> {
    let (input, asked) = taken_apart(request)?;
    s3.bucket(&input.bucket, &asked)?;
    if input.versioning_configuration.mfa_delete.as_ref().is_some_and(|mfa| mfa.as_str() == "Enabled") {
        return Err(Fault::not_implemented("MFA delete is not implemented"));
    }
    match input.versioning_configuration.status.as_ref().map(|status| status.as_str().to_owned()) {
        Some(status) if matches!(status.as_str(), "Enabled" | "Suspended") => {
            s3.set(&input.bucket, &asked, "versioning", Some(&status)).await?;
            Ok(S3Response::new(PutBucketVersioningOutput::default()))
        }
        Some(_) => Err(Fault::malformed_xml()),
        None => {
            let message = "The Versioning element must be specified";
            Err(Fault::new(400, "IllegalVersioningConfigurationException", message))
        }
    }
}

pub(super) async fn get_versioning(
    s3: &S3,
    request: S3Request<GetBucketVersioningInput>,
) -> Answer<GetBucketVersioningOutput> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let status = match versioning(&bucket) {
        crate::Versioning::Off => None,
        crate::Versioning::Enabled => Some(BucketVersioningStatus::from_static("Enabled")),
        crate::Versioning::Suspended => Some(BucketVersioningStatus::from_static("Suspended")),
    };
    Ok(S3Response::new(GetBucketVersioningOutput { status, mfa_delete: None }))
}

pub(super) async fn put_policy(
    s3: &S3,
    request: S3Request<PutBucketPolicyInput>,
) -> Answer<PutBucketPolicyOutput> {
    let (input, asked) = taken_apart(request)?;
    s3.bucket(&input.bucket, &asked)?;
    let refused = |message: &str| Fault::new(400, "MalformedPolicy", message);
    if input.policy.len() > MAX_POLICY_BYTES {
        return Err(refused("Policies must be no larger than 20 KB"));
    }
    let parsed = serde_json::from_str::<serde_json::Value>(&input.policy)
        .ok()
        .filter(|_| input.policy.starts_with('{'));
    let parsed =
        parsed.ok_or_else(|| refused("Policies must be valid JSON and the first byte must be '{'"))?;
    if parsed.get("Statement").is_none() {
        return Err(refused("Missing required field Statement"));
    }
    s3.set(&input.bucket, &asked, "policy", Some(&input.policy)).await?;
    Ok(S3Response::new(PutBucketPolicyOutput::default()))
}

fn no_policy(bucket: &str) -> Fault {
    Fault::new(404, "NoSuchBucketPolicy", "The bucket policy does not exist").with("BucketName", bucket)
}

pub(super) async fn get_policy(
    s3: &S3,
    request: S3Request<GetBucketPolicyInput>,
) -> Answer<GetBucketPolicyOutput> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let policy: String = setting(&bucket, "policy").ok_or_else(|| no_policy(&bucket.name))?;
    Ok(S3Response::new(GetBucketPolicyOutput { policy: Some(policy) }))
}

pub(super) async fn delete_policy(
    s3: &S3,
    request: S3Request<DeleteBucketPolicyInput>,
) -> Answer<DeleteBucketPolicyOutput> {
    let (input, asked) = taken_apart(request)?;
    s3.set::<()>(&input.bucket, &asked, "policy", None).await?;
    Ok(S3Response::new(DeleteBucketPolicyOutput::default()))
}

pub(super) async fn policy_status(
    s3: &S3,
    request: S3Request<GetBucketPolicyStatusInput>,
) -> Answer<GetBucketPolicyStatusOutput> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let policy: String = setting(&bucket, "policy").ok_or_else(|| no_policy(&bucket.name))?;
    let policy: serde_json::Value = serde_json::from_str(&policy).unwrap_or_default();
    let statements = match &policy["Statement"] {
        serde_json::Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    // Anybody, without a condition.
    let public = statements.iter().any(|statement| {
        let anybody = statement["Principal"] == "*" || statement["Principal"]["AWS"] == "*";
        statement["Effect"] == "Allow" && anybody && statement.get("Condition").is_none()
    });
    let policy_status = Some(PolicyStatus { is_public: Some(public) });
    Ok(S3Response::new(GetBucketPolicyStatusOutput { policy_status }))
}

pub(super) async fn put_access_block(
    s3: &S3,
    request: S3Request<PutPublicAccessBlockInput>,
) -> Answer<PutPublicAccessBlockOutput> {
    let (input, asked) = taken_apart(request)?;
    let given = input.public_access_block_configuration;
    let all = [
        given.block_public_acls,
        given.ignore_public_acls,
        given.block_public_policy,
        given.restrict_public_buckets,
    ];
    if all.iter().all(Option::is_none) {
        let message = "Must specify at least one configuration.";
        return Err(Fault::invalid_request(message));
    }
    let all: Vec<bool> = all.into_iter().map(|one| one == Some(true)).collect();
    s3.set(&input.bucket, &asked, "public-access-block", Some(&Some(all))).await?;
    Ok(S3Response::new(PutPublicAccessBlockOutput::default()))
}

pub(super) async fn get_access_block(
    s3: &S3,
    request: S3Request<GetPublicAccessBlockInput>,
) -> Answer<GetPublicAccessBlockOutput> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    // A new bucket blocks everything; a deleted block is none.
    let set: Option<Option<Vec<bool>>> = setting(&bucket, "public-access-block");
    let Some(all) = set.unwrap_or_else(|| Some(vec![true; 4])) else {
        let message = "The public access block configuration was not found";
        return Err(
            Fault::new(404, "NoSuchPublicAccessBlockConfiguration", message).with("BucketName", &bucket.name)
        );
    };
    let at = |index: usize| Some(all.get(index).copied().unwrap_or(false));
    let configuration = PublicAccessBlockConfiguration {
        block_public_acls: at(0),
        ignore_public_acls: at(1),
        block_public_policy: at(2),
        restrict_public_buckets: at(3),
    };
    Ok(S3Response::new(GetPublicAccessBlockOutput { public_access_block_configuration: Some(configuration) }))
}

pub(super) async fn delete_access_block(
    s3: &S3,
    request: S3Request<DeletePublicAccessBlockInput>,
) -> Answer<DeletePublicAccessBlockOutput> {
    let (input, asked) = taken_apart(request)?;
    s3.set::<Option<Vec<bool>>>(&input.bucket, &asked, "public-access-block", Some(&None)).await?;
    Ok(S3Response::new(DeletePublicAccessBlockOutput::default()))
}

fn default_encryption() -> ServerSideEncryptionConfiguration {
    let default = ServerSideEncryptionByDefault {
        kms_master_key_id: None,
        sse_algorithm: ServerSideEncryption::from_static("AES256"),
    };
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(default),
        bucket_key_enabled: Some(false),
    };
    ServerSideEncryptionConfiguration { rules: vec![rule] }
}

pub(super) async fn put_encryption(
    s3: &S3,
    request: S3Request<PutBucketEncryptionInput>,
) -> Answer<PutBucketEncryptionOutput> {
    let (input, asked) = taken_apart(request)?;
    s3.bucket(&input.bucket, &asked)?;
    let [rule] = &input.server_side_encryption_configuration.rules[..] else {
        return Err(Fault::malformed_xml());
    };
    let by_default =
        rule.apply_server_side_encryption_by_default.as_ref().ok_or_else(Fault::malformed_xml)?;
    match by_default.sse_algorithm.as_str() {
        "AES256" if by_default.kms_master_key_id.is_some() => {
            let message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse";
            Err(Fault::invalid_argument(message, "ApplyServerSideEncryptionByDefault", ""))
        }
        // What there is already; the bucket key is of no use without KMS.
        "AES256" => Ok(S3Response::new(PutBucketEncryptionOutput::default())),
        "aws:kms" | "aws:kms:dsse" => {
            Err(Fault::not_implemented("Encryption with KMS keys is not implemented"))
        }
        _ => Err(Fault::malformed_xml()),
    }
}

pub(super) async fn get_encryption(
    s3: &S3,
    request: S3Request<GetBucketEncryptionInput>,
) -> Answer<GetBucketEncryptionOutput> {
    let (input, asked) = taken_apart(request)?;
    s3.bucket(&input.bucket, &asked)?;
    let configuration = Some(default_encryption());
    Ok(S3Response::new(GetBucketEncryptionOutput { server_side_encryption_configuration: configuration }))
}

pub(super) async fn delete_encryption(
    s3: &S3,
    request: S3Request<DeleteBucketEncryptionInput>,
) -> Answer<DeleteBucketEncryptionOutput> {
    let (input, asked) = taken_apart(request)?;
    s3.bucket(&input.bucket, &asked)?;
    Ok(S3Response::new(DeleteBucketEncryptionOutput::default()))
}

pub(super) async fn put_ownership(
    s3: &S3,
    request: S3Request<PutBucketOwnershipControlsInput>,
) -> Answer<PutBucketOwnershipControlsOutput> {
    let (input, asked) = taken_apart(request)?;
    s3.bucket(&input.bucket, &asked)?;
    match &input.ownership_controls.rules[..] {
        [rule] if rule.object_ownership.as_str() == "BucketOwnerEnforced" => {
            s3.set(&input.bucket, &asked, "ownership", Some(&true)).await?;
            Ok(S3Response::new(PutBucketOwnershipControlsOutput::default()))
        }
        [rule] if matches!(rule.object_ownership.as_str(), "BucketOwnerPreferred" | "ObjectWriter") => {
            Err(Fault::not_implemented(
                "Access control lists are not implemented; BucketOwnerEnforced is the only ownership",
            ))
        }
        _ => Err(Fault::malformed_xml()),
    }
}

pub(super) async fn get_ownership(
    s3: &S3,
    request: S3Request<GetBucketOwnershipControlsInput>,
) -> Answer<GetBucketOwnershipControlsOutput> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    if setting::<bool>(&bucket, "ownership") == Some(false) {
        let message = "The bucket ownership controls were not found";
        return Err(
            Fault::new(404, "OwnershipControlsNotFoundError", message).with("BucketName", &bucket.name)
        );
    }
    let rule =
        OwnershipControlsRule { object_ownership: ObjectOwnership::from_static("BucketOwnerEnforced") };
    let ownership_controls = Some(OwnershipControls { rules: vec![rule] });
    Ok(S3Response::new(GetBucketOwnershipControlsOutput { ownership_controls }))
}

pub(super) async fn delete_ownership(
    s3: &S3,
    request: S3Request<DeleteBucketOwnershipControlsInput>,
) -> Answer<DeleteBucketOwnershipControlsOutput> {
    let (input, asked) = taken_apart(request)?;
    s3.set(&input.bucket, &asked, "ownership", Some(&false)).await?;
    Ok(S3Response::new(DeleteBucketOwnershipControlsOutput::default()))
}

/// The only list that there is: the owner may do everything.
fn owners_grant(account: &AccountId) -> Vec<Grant> {
    let grantee = Grantee {
        display_name: None,
        email_address: None,
        id: Some(canonical_id(account)),
        type_: Type::from_static("CanonicalUser"),
        uri: None,
    };
    vec![Grant { grantee: Some(grantee), permission: Some(Permission::from_static("FULL_CONTROL")) }]
}

pub(super) async fn get_bucket_acl(
    s3: &S3,
    request: S3Request<GetBucketAclInput>,
) -> Answer<GetBucketAclOutput> {
    let (input, asked) = taken_apart(request)?;
    let account = &s3.bucket(&input.bucket, &asked)?.scope.account;
    Ok(S3Response::new(GetBucketAclOutput {
        grants: Some(owners_grant(account)),
        owner: Some(owner(account)),
    }))
}

pub(super) async fn put_bucket_acl(
    s3: &S3,
    request: S3Request<PutBucketAclInput>,
) -> Answer<PutBucketAclOutput> {
    let (input, asked) = taken_apart(request)?;
    s3.bucket(&input.bucket, &asked)?;
    match input.acl {
        Some(acl) if acl.as_str() == "private" => Ok(S3Response::new(PutBucketAclOutput::default())),
        _ => Err(acl_not_supported()),
    }
}

pub(super) async fn get_object_acl(
    s3: &S3,
    request: S3Request<GetObjectAclInput>,
) -> Answer<GetObjectAclOutput> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    super::object::find(s3, &bucket, &input.key, asked.query("versionId"), "GET").await?;
    let account = &bucket.scope.account;
    let (grants, owner) = (Some(owners_grant(account)), Some(owner(account)));
    Ok(S3Response::new(GetObjectAclOutput { grants, owner, request_charged: None }))
}

pub(super) async fn put_object_acl(
    s3: &S3,
    request: S3Request<PutObjectAclInput>,
) -> Answer<PutObjectAclOutput> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    super::object::find(s3, &bucket, &input.key, asked.query("versionId"), "PUT").await?;
    match input.acl {
        Some(acl) if matches!(acl.as_str(), "private" | "bucket-owner-full-control") => {
            Ok(S3Response::new(PutObjectAclOutput::default()))
        }
        _ => Err(acl_not_supported()),
    }
}

/// What tools read of every bucket, and nobody has set.
pub(super) fn unset(s3: &S3, bucket: &str, asked: &crate::asked::Asked, code: &str, message: &str) -> Fault {
    match s3.bucket(bucket, asked) {
        Ok(bucket) => Fault::new(404, code, message).with("BucketName", &bucket.name),
        Err(fault) => fault,
    }
}

pub(super) async fn get_accelerate(
    s3: &S3,
    request: S3Request<GetBucketAccelerateConfigurationInput>,
) -> Answer<GetBucketAccelerateConfigurationOutput> {
    let (input, asked) = taken_apart(request)?;
    s3.bucket(&input.bucket, &asked)?;
    Ok(S3Response::new(GetBucketAccelerateConfigurationOutput::default()))
}

pub(super) async fn get_request_payment(
    s3: &S3,
    request: S3Request<GetBucketRequestPaymentInput>,
) -> Answer<GetBucketRequestPaymentOutput> {
    let (input, asked) = taken_apart(request)?;
    s3.bucket(&input.bucket, &asked)?;
    Ok(S3Response::new(GetBucketRequestPaymentOutput { payer: Some(Payer::from_static("BucketOwner")) }))
}

pub(super) async fn get_logging(
    s3: &S3,
    request: S3Request<GetBucketLoggingInput>,
) -> Answer<GetBucketLoggingOutput> {
    let (input, asked) = taken_apart(request)?;
    s3.bucket(&input.bucket, &asked)?;
    Ok(S3Response::new(GetBucketLoggingOutput::default()))
}
