//! Deployment packages from the wire.

use bytes::Bytes;
use lambent_domain::limits::{MAX_UNZIPPED_BYTES, MAX_ZIP_BYTES};
use lambent_domain::{CodeRef, Fault};
use lambent_ports::blob::BlobError;
use lambent_ports::code::{CodeError, CodeStore};
use lambent_wire::lambda::operations::create_function::CreateFunctionRequest;
use lambent_wire::lambda::operations::update_function_code::UpdateFunctionCodeRequest;

/// Where code may come from; exactly one has to be given.
pub(crate) struct Source {
    zip: Option<Bytes>,
    s3: bool,
    image: bool,
}

impl Source {
    /// What CreateFunction was given.
    pub(crate) fn of_create(input: &CreateFunctionRequest) -> Self {
        Source {
            zip: input.code.zip_file.clone(),
            s3: input.code.s3_bucket.is_some() || input.code.s3_key.is_some(),
            image: input.code.image_uri.is_some() || input.package_type.as_deref() == Some("Image"),
        }
    }

    /// What UpdateFunctionCode was given.
    pub(crate) fn of_update(input: &UpdateFunctionCodeRequest) -> Self {
        let s3 = input.s3_bucket.is_some() || input.s3_key.is_some();
        Source { zip: input.zip_file.clone(), s3, image: false }
    }

    /// The zip, when that is what was given.
    fn zip(self) -> Result<Bytes, Fault> {
        match self {
            Source { zip: Some(_), s3, image } if s3 || image => Err(Fault::InvalidParameter(
                "Please do not provide other FunctionCode parameters when providing a ZipFile.".into(),
            )),
            Source { zip: Some(zip), .. } if zip.len() > MAX_ZIP_BYTES => {
                Err(fault(CodeError::TooLargeZipped))
            }
            Source { zip: Some(zip), .. } => Ok(zip),
            Source { image: true, .. } => Err(Fault::InvalidParameter(
                "Container images are not available here yet; give a ZipFile.".into(),
            )),
            Source { s3: true, .. } => {
                Err(Fault::InvalidParameter("Code from S3 is not available here yet; give a ZipFile.".into()))
            }
            _ => Err(Fault::InvalidParameter("Please provide a source for function code.".into())),
        }
    }

    /// Checks the package without storing anything.
    pub(crate) async fn check(self, code: &dyn CodeStore) -> Result<Checked, Fault> {
        let zip = self.zip()?;
        let code_ref = code.check(zip.clone()).await.map_err(fault)?;
        Ok(Checked { zip, code_ref })
    }
}

/// A package that may be stored.
pub(crate) struct Checked {
    zip: Bytes,
    pub(crate) code_ref: CodeRef,
}

impl Checked {
    /// Stores it, on disk before this returns.
    pub(crate) async fn store(self, code: &dyn CodeStore) -> Result<CodeRef, Fault> {
        code.put(self.zip).await.map_err(fault)
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
