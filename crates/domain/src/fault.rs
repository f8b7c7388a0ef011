//! Everything Lambda can answer instead of what was asked. `api-kit` turns each into AWS's code, status and text in
//! one exhaustive function; nothing else in the program writes an error body of Lambda's.

/// A refused or failed request to Lambda.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 400 `ValidationException`: constraint failures, already in AWS's joined form.
    Validation(String),
    /// 400 `InvalidParameterValueException` with AWS's text.
    InvalidParameter(String),
    /// 400 `InvalidParameterValueException`: more concurrency was asked for than the function or account can give.
    ConcurrencyLimit(String),
    /// 400 `InvalidRequestContentException`: the payload is not JSON, a header is malformed.
    InvalidRequestContent(String),
    /// 400 `SerializationException`: the body is not of the operation's form.
    Serialization(String),
    /// 404 `ResourceNotFoundException`: `Function not found: <arn>`; the ARN as the caller pointed at it.
    FunctionNotFound(String),
    /// 404 `ResourceNotFoundException` with another text.
    NotFound(String),
    /// 409 `ResourceConflictException`: `Function already exist: <name>`.
    FunctionExists(String),
    /// 409: an update of the resource with this ARN is in progress, or others keep changing it.
    UpdateInProgress(String),
    /// 409: the function is `Pending` or `Failed`.
    NotActive {
        /// `Pending` or `Failed`.
        state: &'static str,
    },
    /// 409 with another text.
    Conflict(String),
    /// 400 `ResourceInUseException`: something is under way with it.
    InUse(String),
    /// 404 `ProvisionedConcurrencyConfigNotFoundException`.
    NoProvisionedConcurrency,
    /// 412 `PreconditionFailedException` for a function's or alias's RevisionId.
    RevisionMismatch,
    /// 412 for a resource policy's.
    PolicyRevisionMismatch,
    /// 412 for a layer policy's.
    LayerPolicyRevisionMismatch,
    /// 400 `PolicyLengthExceededException`.
    PolicyTooLong,
    /// 400 `PublicPolicyException`: the policy would let everybody in.
    PublicPolicy,
    /// 404 `CodeSigningConfigNotFoundException`.
    CodeSigningConfigNotFound(String),
    /// 400 `CodeVerificationFailedException`.
    CodeVerificationFailed(String),
    /// 400 `InvalidCodeSignatureException`.
    InvalidCodeSignature(String),
    /// 413 `RequestEntityTooLargeException` with AWS's text.
    RequestTooLarge(String),
    /// 403 `AccessDeniedException`.
    AccessDenied(String),
    /// 400 `RecursiveInvocationException`: the chain of requests is a loop.
    RecursiveInvocation,
    /// 429 `TooManyRequestsException`.
    TooManyRequests(ThrottleReason),
    /// 400 `CodeStorageExceededException`.
    CodeStorageExceeded,
    /// 415 `UnsupportedMediaTypeException`.
    UnsupportedMediaType(String),
    /// 502 `InvalidRuntimeException`: the runtime of an existing function can't be run here any more; the text says why.
    InvalidRuntime(String),
    /// 404 `UnknownOperationException`: no operation has this method and path.
    UnknownOperation,
    /// 501 `NotImplemented`: the operation exists in AWS's API and not here yet. Not AWS's answer, but a clear one.
    NotImplemented {
        /// Its name in the model.
        operation: &'static str,
        /// Why, or since when, in a sentence for the user.
        reason: String,
    },
    /// 500 `ServiceException`: ours. The text goes to the log, not to the caller.
    Internal(String),
}

/// `Reason` of a 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleReason {
    /// The account's unreserved concurrency is used up.
    ConcurrentInvocationLimitExceeded,
    /// The function's reserved concurrency is used up.
    ReservedFunctionConcurrentInvocationLimitExceeded,
    /// The function gains environments faster than its scaling rate.
    FunctionInvocationRateLimitExceeded,
    /// Too many requests per second from one caller.
    CallerRateLimitExceeded,
}

impl ThrottleReason {
    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConcurrentInvocationLimitExceeded => "ConcurrentInvocationLimitExceeded",
            Self::ReservedFunctionConcurrentInvocationLimitExceeded => {
                "ReservedFunctionConcurrentInvocationLimitExceeded"
            }
            Self::FunctionInvocationRateLimitExceeded => "FunctionInvocationRateLimitExceeded",
            Self::CallerRateLimitExceeded => "CallerRateLimitExceeded",
        }
    }
}
