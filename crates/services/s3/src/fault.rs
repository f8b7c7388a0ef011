//! S3's errors: an XML document with elements of its own for many codes. They travel through the front as one header,
//! which `front` takes off again: what the front's own errors can say is a code and a message.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use lambent_ports::object_store::ObjectStoreError;
use s3s::{S3Error, S3ErrorCode};
use serde::{Deserialize, Serialize};

/// Where a fault travels.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-lambent-fault");

/// An error of S3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    /// Elements besides code and message, in order.
    pub(crate) more: Vec<(String, String)>,
    /// Headers of the answer.
    pub(crate) headers: Vec<(String, String)>,
}

impl Fault {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Fault { status, code: code.into(), message: message.into(), more: Vec::new(), headers: Vec::new() }
    }

    /// With one more element.
    pub(crate) fn with(mut self, element: &str, value: impl Into<String>) -> Self {
        self.more.push((element.into(), value.into()));
        self
    }

    /// With one more header.
    pub(crate) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn no_such_bucket(bucket: &str) -> Self {
        Fault::new(404, "NoSuchBucket", "The specified bucket does not exist").with("BucketName", bucket)
    }

    pub(crate) fn no_such_key(key: &str) -> Self {
        Fault::new(404, "NoSuchKey", "The specified key does not exist.").with("Key", key)
    }

    pub(crate) fn no_such_version(key: &str, version: &str) -> Self {
        Fault::new(404, "NoSuchVersion", "The specified version does not exist.")
            .with("Key", key)
            .with("VersionId", version)
    }

    pub(crate) fn no_such_upload(id: &str) -> Self {
        let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
        Fault::new(404, "NoSuchUpload", message).with("UploadId", id)
    }

    pub(crate) fn precondition(condition: &str) -> Self {
        let message = "At least one of the pre-conditions you specified did not hold";
        Fault::new(412, "PreconditionFailed", message).with("Condition", condition)
    }

    pub(crate) fn invalid_argument(message: impl Into<String>, name: &str, value: impl Into<String>) -> Self {
        Fault::new(400, "InvalidArgument", message).with("ArgumentName", name).with("ArgumentValue", value)
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Fault::new(400, "InvalidRequest", message)
    }

    pub(crate) fn malformed_xml() -> Self {
        let message =
            "The XML you provided was not well-formed or did not validate against our published schema";
        Fault::new(400, "MalformedXML", message)
    }

    /// What is there on AWS and not here.
    pub(crate) fn header_not_implemented(header: &str) -> Self {
        let message = "A header you provided implies functionality that is not implemented";
        Fault::new(501, "NotImplemented", message).with("Header", header)
    }

    pub(crate) fn not_implemented(message: impl Into<String>) -> Self {
        Fault::new(501, "NotImplemented", message)
    }

    pub(crate) fn method_not_allowed(method: &str) -> Self {
        let message = "The specified method is not allowed against this resource.";
        Fault::new(405, "MethodNotAllowed", message)
            .with("Method", method)
            .with("ResourceType", "DeleteMarker")
    }

    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "S3");
        Fault::new(500, "InternalError", "We encountered an internal error. Please try again.")
    }

    /// The XML of an error.
    pub(crate) fn to_xml(&self, request_id: &str, host_id: &str) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
        let mut element = |name: &str, value: &str| {
            xml.push_str(&format!("<{name}>{}</{name}>", escaped(value)));
        };
        element("Code", &self.code);
        element("Message", &self.message);
        for (name, value) in &self.more {
            element(name, value);
        }
        element("RequestId", request_id);
        element("HostId", host_id);
        xml.push_str("</Error>");
        xml
    }
}

/// Text for XML. Characters that XML can't hold become references, as AWS writes them.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            control if control < ' ' && !matches!(control, '\t' | '\n') => {
                escaped.push_str(&format!("&#x{:x};", control as u32));
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

impl From<Fault> for S3Error {
    fn from(fault: Fault) -> Self {
        let code = S3ErrorCode::from_bytes(fault.code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
        let mut error = S3Error::with_message(code, fault.message.clone());
        error
            .set_status_code(StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        let encoded = serde_json::to_vec(&fault).map(hex::encode).unwrap_or_default();
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&encoded) {
            headers.insert(HEADER, value);
        }
        error.set_headers(headers);
        error
    }
}

/// What the store refuses for reasons that are the same in every operation.
impl From<ObjectStoreError> for Fault {
    fn from(error: ObjectStoreError) -> Self {
        match error {
            ObjectStoreError::BucketGone => {
                Fault::new(404, "NoSuchBucket", "The specified bucket does not exist")
            }
            ObjectStoreError::BucketNotEmpty => {
                Fault::new(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
            }
            ObjectStoreError::BucketChanged => {
                let message = "A conflicting conditional operation is currently in progress against this resource. Try again.";
                Fault::new(409, "OperationAborted", message)
            }
            ObjectStoreError::BucketExists(_) => {
                Fault::new(409, "BucketAlreadyExists", "The requested bucket name is not available.")
            }
            ObjectStoreError::ConditionFailed => Fault::precondition("If-Match"),
            ObjectStoreError::ObjectMissing => {
                Fault::new(404, "NoSuchKey", "The specified key does not exist.")
            }
            ObjectStoreError::UploadGone => Fault::no_such_upload(""),
            ObjectStoreError::Storage(error) => Fault::internal(error),
        }
    }
}
