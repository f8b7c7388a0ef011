//! Deployment packages from the wire.

use std::time::Duration;

use bytes::Bytes;
use lambent_api_kit::Context;
use lambent_domain::limits::{MAX_UNZIPPED_BYTES, MAX_ZIP_BYTES};
use lambent_domain::{CodeRef, Fault, Region};
use lambent_ports::access::Authority;
use lambent_ports::blob::BlobError;
use lambent_ports::code::{CodeError, CodeStore};
use lambent_ports::code_source::{CodeSource, CodeSourceError, S3Object};
use lambent_ports::signatures::Signature;
use lambent_wire::lambda::operations::create_function::CreateFunctionRequest;
use lambent_wire::lambda::operations::publish_layer_version::LayerVersionContentInput;
use lambent_wire::lambda::operations::update_function_code::UpdateFunctionCodeRequest;

use crate::ControlParts;

/// How long S3 may take to hand out a package (judgement: clients wait a minute for the whole operation).
const S3_TIMEOUT: Duration = Duration::from_secs(45);

/// Where code may come from; exactly one has to be given.
pub(crate) struct Source {
    zip: Option<Bytes>,
    bucket: Option<String>,
    key: Option<String>,
    version: Option<String>,
    image: bool,
    /// Of the request.
    region: Region,
    /// Reads it on their own authority.
    asker: Option<Authority>,
}

impl Source {
    /// What CreateFunction was given.
    pub(crate) fn of_create(input: &CreateFunctionRequest, context: &Context) -> Self {
        Source {
            zip: input.code.zip_file.clone(),
            bucket: input.code.s3_bucket.clone(),
            key: input.code.s3_key.clone(),
            version: input.code.s3_object_version.clone(),
            image: input.code.image_uri.is_some() || input.package_type.as_deref() == Some("Image"),
            region: context.scope.region.clone(),
            asker: context.caller.authority.clone(),
        }
    }

    /// What UpdateFunctionCode was given.
    pub(crate) fn of_update(input: &UpdateFunctionCodeRequest, context: &Context) -> Self {
        Source {
            zip: input.zip_file.clone(),
            bucket: input.s3_bucket.clone(),
            key: input.s3_key.clone(),
            version: input.s3_object_version.clone(),
            image: false,
            region: context.scope.region.clone(),
            asker: context.caller.authority.clone(),
        }
    }

    /// What PublishLayerVersion was given.
    pub(crate) fn of_layer(content: &LayerVersionContentInput, context: &Context) -> Self {
        Source {
            zip: content.zip_file.clone(),
            bucket: content.s3_bucket.clone(),
            key: content.s3_key.clone(),
            version: content.s3_object_version.clone(),
            image: false,
            region: context.scope.region.clone(),
            asker: context.caller.authority.clone(),
        }
    }

    /// Gets hold of the package and checks it, without storing anything.
    pub(crate) async fn check(self, parts: &ControlParts) -> Result<Checked, Fault> {
        let zip = self.zip(&*parts.s3).await?;
        let code_ref = parts.code.check(zip.clone()).await.map_err(fault)?;
        let signature = parts.signatures.signature(zip.clone()).await.map_err(fault)?;
        Ok(Checked { zip, code_ref, signature })
    }

    async fn zip(self, s3: &dyn CodeSource) -> Result<Bytes, Fault> {
        let other = self.image || self.bucket.is_some() || self.key.is_some();
        match self {
            Source { zip: Some(_), .. } if other => Err(Fault::InvalidParameter(
                "Please do not provide other FunctionCode parameters when providing a ZipFile.".into(),
            )),
            Source { zip: Some(zip), .. } if zip.len() > MAX_ZIP_BYTES => {
                Err(fault(CodeError::TooLargeZipped))
            }
            Source { zip: Some(zip), .. } => Ok(zip),
            // Its execution isn't there yet: refused before anything is stored.
            Source { image: true, .. } => Err(Fault::InvalidParameter(
                "Functions with PackageType Image can't be run here yet; give a zip.".into(),
            )),
            Source { bucket: Some(bucket), key: Some(key), version, region, asker, .. } => {
                let object = S3Object { bucket, key, version, asker };
                let most = MAX_UNZIPPED_BYTES as usize;
                s3.fetch(&object, &region, most, S3_TIMEOUT).await.map_err(s3_fault)
            }
            _ => Err(Fault::InvalidParameter("Please provide a source for function code.".into())),
        }
    }
}

/// A package that may be stored.
pub(crate) struct Checked {
    zip: Bytes,
    pub(crate) code_ref: CodeRef,
    pub(crate) signature: Signature,
}

impl Checked {
    /// Stores it, on disk before this returns.
    pub(crate) async fn store(self, code: &dyn CodeStore) -> Result<CodeRef, Fault> {
        code.put(self.zip).await.map_err(fault)
    }
}

/// AWS's text for what S3 refuses (recorded); the rest is ours.
fn s3_fault(error: CodeSourceError) -> Fault {
    match error {
        // A HEAD is refused without a word: its status stands for the code. After AWS's text.
        CodeSourceError::Refused { code, .. } if matches!(&*code, "AccessDenied" | "403") => Fault::AccessDenied(
            "Your access has been denied by S3, please make sure your request credentials have permission to GetObject. S3 Error Code: AccessDenied. S3 Error Message: Access Denied".into(),
        ),
        CodeSourceError::Refused { code, message } => Fault::InvalidParameter(format!(
            "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
        )),
        // What is larger packed than it may be unpacked can't be right.
        CodeSourceError::TooLarge { .. } => fault(CodeError::TooLargeUnpacked),
        CodeSourceError::NotConfigured => {
            let text = "Code from S3 is not available: the server was started without --s3-endpoint.";
            Fault::InvalidParameter(text.into())
        }
        CodeSourceError::TimedOut(_) | CodeSourceError::Unreachable(_) => {
            Fault::InvalidParameter(format!("Error occurred while GetObject. {error}"))
        }
    }
}

/// AWS's texts (recorded, but for the empty package).
fn fault(error: CodeError) -> Fault {
    match error {
        CodeError::Unreadable(reason) => {
            tracing::debug!(%reason, "a package was refused");
            let text = "Could not unzip uploaded file. Please check your file, then try to upload again.";
            Fault::InvalidParameter(text.into())
        }
        CodeError::Empty => Fault::InvalidParameter("Uploaded file must be a non-empty zip".into()),
        CodeError::TooLargeUnpacked => {
            Fault::InvalidParameter(format!("Unzipped size must be smaller than {MAX_UNZIPPED_BYTES} bytes"))
        }
        CodeError::TooLargeZipped => {
            Fault::RequestTooLarge(format!("Zipped size must be smaller than {MAX_ZIP_BYTES} bytes"))
        }
        CodeError::Blob(error @ (BlobError::NoSpace { .. } | BlobError::Io(_))) => {
            Fault::Internal(error.to_string())
        }
    }
}
