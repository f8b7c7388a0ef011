//! What a function reaches: VPC, file systems, the target of its failed events. These are checked and shown; what they
//! mean here is in the README.

use lambent_domain::configuration::{FileSystem, VpcConfig};
use lambent_domain::{Fault, FunctionKey};
use lambent_wire::lambda::types;

/// Replaces the old one as a whole; empty lists detach.
pub(super) fn vpc(asked: types::VpcConfig) -> VpcConfig {
    VpcConfig {
        subnet_ids: asked.subnet_ids.unwrap_or_default(),
        security_group_ids: asked.security_group_ids.unwrap_or_default(),
        ipv6_allowed: asked.ipv6_allowed_for_dual_stack.unwrap_or_default(),
    }
}

/// A file system is mounted through the function's VPC (AWS documentation; the text is ours).
pub(super) fn file_systems(
    asked: Vec<types::FileSystemConfig>,
    vpc: Option<&VpcConfig>,
) -> Result<Vec<FileSystem>, Fault> {
    if asked.iter().any(|system| system.s3_files_config.is_some()) {
        let text = "Not available here yet: FileSystemConfigs.S3FilesConfig.";
        return Err(Fault::InvalidParameter(text.into()));
    }
    if !asked.is_empty() && vpc.is_none_or(|vpc| vpc.subnet_ids.is_empty()) {
        let text = "Function must be configured to execute in a VPC to reference access point.";
        return Err(Fault::InvalidParameter(text.into()));
    }
    let system = |asked: types::FileSystemConfig| FileSystem {
        arn: asked.arn,
        local_mount_path: asked.local_mount_path,
    };
    Ok(asked.into_iter().map(system).collect())
}

/// A queue or topic of the function's region. An empty ARN removes it; none at all leaves what is there (recorded).
pub(super) fn dead_letter_target(
    asked: types::DeadLetterConfig,
    old: Option<String>,
    key: &FunctionKey,
) -> Result<Option<String>, Fault> {
    let Some(arn) = asked.target_arn else {
        return Ok(old);
    };
    if arn.is_empty() {
        return Ok(None);
    }
    let parts: Vec<&str> = arn.split(':').collect();
    let accepted = matches!(parts.as_slice(), ["arn", _, "sqs" | "sns", region, account, name]
        if *region == key.scope.region.as_str() && !account.is_empty() && !name.is_empty());
    if accepted {
        return Ok(Some(arn));
    }
    // AWS's text for other services (documentation of the error).
    Err(Fault::InvalidParameter(format!(
        "Invalid ARN: {arn}; it must be of an SQS queue or SNS topic in this region"
    )))
}
