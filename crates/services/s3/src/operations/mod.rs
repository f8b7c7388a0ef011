//! Operations by name: which are there, and where.

mod bucket;
mod copy;
mod delete;
mod list;
mod multipart;
mod object;
mod ranges;
mod settings;
pub(crate) mod tagging;
mod uploads;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use lambent_domain::AccountId;
use s3s::dto::*;
use s3s::{S3 as S3Operations, S3Request, S3Response, S3Result};

use crate::{S3, canonical_id, cors, lifecycle, notification};

pub(crate) use list::url_encoded;

/// The operations on the state that they are handled on.
pub(crate) struct Operations(pub(crate) Arc<S3>);

fn time(ms: u64) -> Timestamp {
    Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_millis(ms))
}

fn owner(account: &AccountId) -> Owner {
    Owner { display_name: None, id: Some(canonical_id(account)) }
}

/// Writes the front's trait, and the list of what is there.
macro_rules! operations {
    (
        there { $($name:ident($input:ident) -> $output:ident = $handler:path;)* }
        never_set { $($unset:ident($unset_input:ident) -> $unset_output:ident = $code:literal, $message:literal;)* }
    ) => {
        /// Operations that are there, by the names of their functions.
        pub const THERE: &[&str] = &[$(stringify!($name),)* $(stringify!($unset),)*];

        #[async_trait]
        impl S3Operations for Operations {
            $(async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                crate::access::admit(&self.0, &request)?;
                Ok($handler(&self.0, request).await?)
            })*
            $(async fn $unset(&self, request: S3Request<$unset_input>) -> S3Result<S3Response<$unset_output>> {
                crate::access::admit(&self.0, &request)?;
                let asked = crate::asked::Asked::of(&request)?;
                Err(settings::unset(&self.0, &request.input.bucket, &asked, $code, $message).into())
            })*
        }
    };
}

operations! {
    there {
        abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = multipart::abort;
        complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput = multipart::complete;
        copy_object(CopyObjectInput) -> CopyObjectOutput = copy::object;
        create_bucket(CreateBucketInput) -> CreateBucketOutput = bucket::create;
        create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = multipart::create;
        delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = bucket::delete;
        delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput = cors::delete_rules;
        delete_bucket_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput = settings::delete_encryption;
        delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput = lifecycle::delete_rules;
        delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput) -> DeleteBucketOwnershipControlsOutput = settings::delete_ownership;
        delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput = settings::delete_policy;
        delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput = tagging::delete_bucket;
        delete_object(DeleteObjectInput) -> DeleteObjectOutput = delete::object;
        delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput = tagging::delete_object;
        delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = delete::objects;
        delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput = settings::delete_access_block;
        get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput) -> GetBucketAccelerateConfigurationOutput = settings::get_accelerate;
        get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput = settings::get_bucket_acl;
        get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput = cors::get_rules;
        get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput = settings::get_encryption;
        get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput = lifecycle::get_rules;
        get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = bucket::location;
        get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput = settings::get_logging;
        get_bucket_notification_configuration(GetBucketNotificationConfigurationInput) -> GetBucketNotificationConfigurationOutput = notification::get_configuration;
        get_bucket_ownership_controls(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput = settings::get_ownership;
        get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput = settings::get_policy;
        get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput = settings::policy_status;
        get_bucket_request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput = settings::get_request_payment;
        get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput = tagging::get_bucket;
        get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = settings::get_versioning;
        get_object(GetObjectInput) -> GetObjectOutput = object::get;
        get_object_acl(GetObjectAclInput) -> GetObjectAclOutput = settings::get_object_acl;
        get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput = object::attributes;
        get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput = tagging::get_object;
        get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput = settings::get_access_block;
        head_bucket(HeadBucketInput) -> HeadBucketOutput = bucket::head;
        head_object(HeadObjectInput) -> HeadObjectOutput = object::head;
        list_buckets(ListBucketsInput) -> ListBucketsOutput = bucket::list;
        list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = uploads::uploads;
        list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput = list::versions;
        list_objects(ListObjectsInput) -> ListObjectsOutput = list::objects;
        list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = list::objects_v2;
        list_parts(ListPartsInput) -> ListPartsOutput = uploads::parts;
        put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput = settings::put_bucket_acl;
        put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput = cors::put_rules;
        put_bucket_encryption(PutBucketEncryptionInput) -> PutBucketEncryptionOutput = settings::put_encryption;
        put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput) -> PutBucketLifecycleConfigurationOutput = lifecycle::put_rules;
        put_bucket_notification_configuration(PutBucketNotificationConfigurationInput) -> PutBucketNotificationConfigurationOutput = notification::put_configuration;
        put_bucket_ownership_controls(PutBucketOwnershipControlsInput) -> PutBucketOwnershipControlsOutput = settings::put_ownership;
        put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput = settings::put_policy;
        put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput = tagging::put_bucket;
        put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput = settings::put_versioning;
        put_object(PutObjectInput) -> PutObjectOutput = object::put;
        put_object_acl(PutObjectAclInput) -> PutObjectAclOutput = settings::put_object_acl;
        put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput = tagging::put_object;
        put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput = settings::put_access_block;
        upload_part(UploadPartInput) -> UploadPartOutput = multipart::part;
        upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = multipart::part_copy;
    }
    // Nobody can set these here, and tools read them of every bucket.
    never_set {
        get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput = "ReplicationConfigurationNotFoundError", "The replication configuration was not found";
        get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput = "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration";
        get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput = "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket";
    }
}

/// Operations that answer that they are not there.
pub const MISSING: &[&str] = &[
    "create_bucket_metadata_table_configuration",
    "create_session",
    "delete_bucket_analytics_configuration",
    "delete_bucket_intelligent_tiering_configuration",
    "delete_bucket_inventory_configuration",
    "delete_bucket_metadata_table_configuration",
    "delete_bucket_metrics_configuration",
    "delete_bucket_replication",
    "delete_bucket_website",
    "get_bucket_analytics_configuration",
    "get_bucket_intelligent_tiering_configuration",
    "get_bucket_inventory_configuration",
    "get_bucket_metadata_table_configuration",
    "get_bucket_metrics_configuration",
    "get_object_legal_hold",
    "get_object_retention",
    "get_object_torrent",
    "list_bucket_analytics_configurations",
    "list_bucket_intelligent_tiering_configurations",
    "list_bucket_inventory_configurations",
    "list_bucket_metrics_configurations",
    "list_directory_buckets",
    "post_object",
    "put_bucket_accelerate_configuration",
    "put_bucket_analytics_configuration",
    "put_bucket_intelligent_tiering_configuration",
    "put_bucket_inventory_configuration",
    "put_bucket_logging",
    "put_bucket_metrics_configuration",
    "put_bucket_replication",
    "put_bucket_request_payment",
    "put_bucket_website",
    "put_object_legal_hold",
    "put_object_lock_configuration",
    "put_object_retention",
    "restore_object",
    "select_object_content",
    "write_get_object_response",
];
