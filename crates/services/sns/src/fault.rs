//! What the service can answer instead of what was asked, with its recorded texts.

use bytes::Bytes;
use http::Response;
use lambent_api_kit::ServiceFault;
use lambent_api_kit::error::aws_query;
use lambent_domain::RequestId;
use lambent_kit::smithy::{Protocol, Refused};
use lambent_ports::topic_store::TopicStoreError;

/// A refused or failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnsFault {
    /// A parameter; what follows `Invalid parameter: `.
    Parameter(String),
    /// The same code with a text of its own.
    Text(&'static str),
    /// A message attribute; with the whole text.
    ParameterValue(String),
    /// The codec's or the service's constraint; with the whole text.
    Validation(String),
    /// Something is not there; with the whole text.
    NotFound(&'static str),
    /// What is to be tagged is not there.
    ResourceMissing,
    /// Too many tags.
    TooManyTags,
    /// Whoever asks may not.
    Unauthorized,
    /// The batch has no entries.
    EmptyBatch,
    /// The batch has more than ten entries.
    TooManyEntries,
    /// Two entries of a batch have the same id.
    EntryIdTwice,
    /// An entry's id; with the whole text.
    EntryId(String),
    /// The messages of a batch are too long together.
    BatchTooLong,
    /// The body is not of the operation's form.
    Serialization(String),
    /// No such operation.
    UnknownOperation,
    /// In AWS's API and not here yet.
    NotYet {
        /// Its name.
        operation: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// Ours; the text is for the log.
    Internal(String),
}

/// There is no such topic.
pub(crate) const TOPIC_MISSING: SnsFault = SnsFault::NotFound("Topic does not exist");
/// There is no such subscription.
pub(crate) const SUBSCRIPTION_MISSING: SnsFault = SnsFault::NotFound("Subscription does not exist");

impl SnsFault {
    /// `Invalid parameter: P Reason: r`
    pub(crate) fn reason(parameter: &str, reason: impl std::fmt::Display) -> Self {
        SnsFault::Parameter(format!("{parameter} Reason: {reason}"))
    }

    /// Code and status.
    pub(crate) fn code(&self) -> (&'static str, u16) {
        match self {
            SnsFault::Parameter(_) | SnsFault::Text(_) => ("InvalidParameter", 400),
            SnsFault::ParameterValue(_) => ("ParameterValueInvalid", 400),
            SnsFault::Validation(_) => ("ValidationError", 400),
            SnsFault::NotFound(_) => ("NotFound", 404),
            SnsFault::ResourceMissing => ("ResourceNotFound", 404),
            SnsFault::TooManyTags => ("TagLimitExceeded", 400),
            SnsFault::Unauthorized => ("AuthorizationError", 403),
            SnsFault::EmptyBatch => ("EmptyBatchRequest", 400),
            SnsFault::TooManyEntries => ("TooManyEntriesInBatchRequest", 400),
            SnsFault::EntryIdTwice => ("BatchEntryIdsNotDistinct", 400),
            SnsFault::EntryId(_) => ("InvalidBatchEntryId", 400),
            SnsFault::BatchTooLong => ("BatchRequestTooLong", 400),
            SnsFault::Serialization(_) => ("MalformedInput", 400),
            SnsFault::UnknownOperation => ("InvalidAction", 400),
            // SNS has no code for it; that of SQS.
            SnsFault::NotYet { .. } => ("UnsupportedOperation", 400),
            SnsFault::Internal(_) => ("InternalError", 500),
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            SnsFault::Parameter(text) => format!("Invalid parameter: {text}"),
            SnsFault::Text(text) | SnsFault::NotFound(text) => (*text).to_owned(),
            SnsFault::ParameterValue(text)
            | SnsFault::Validation(text)
            | SnsFault::EntryId(text)
            | SnsFault::Serialization(text) => text.clone(),
            SnsFault::ResourceMissing => "Resource does not exist".into(),
            // From here to the batch's length: AWS documentation.
            SnsFault::TooManyTags => "Could not complete request: tag quota of per resource exceeded".into(),
            SnsFault::Unauthorized => "Authentication is required to unsubscribe".into(),
            SnsFault::EmptyBatch => "The batch request doesn't contain any entries.".into(),
            SnsFault::TooManyEntries => "The batch request contains more entries than permissible.".into(),
            SnsFault::EntryIdTwice => "Two or more batch entries in the request have the same Id.".into(),
            SnsFault::BatchTooLong => {
                "The length of all the messages put together is more than the limit.".into()
            }
            SnsFault::UnknownOperation => "There is no such operation.".into(),
            SnsFault::NotYet { operation, reason } => {
                format!("{operation} is not available here: {reason}")
            }
            SnsFault::Internal(_) => "We encountered an internal error. Please try again.".into(),
        }
    }
}

impl From<TopicStoreError> for SnsFault {
    fn from(error: TopicStoreError) -> Self {
        match error {
            TopicStoreError::TopicGone => TOPIC_MISSING,
            TopicStoreError::SubscriptionGone => SUBSCRIPTION_MISSING,
            // Those who create and change look at these themselves; what is left is a race that a retry solves.
            TopicStoreError::TopicExists(_)
            | TopicStoreError::SubscriptionExists(_)
            | TopicStoreError::Changed => SnsFault::Internal(error.to_string()),
            TopicStoreError::Storage(text) => SnsFault::Internal(text),
        }
    }
}

impl ServiceFault for SnsFault {
    fn refused(refused: Refused) -> Self {
        match refused {
            Refused::Validation(text) => SnsFault::Validation(text),
            Refused::Serialization(text) => SnsFault::Serialization(text),
        }
    }

    fn unknown_operation() -> Self {
        SnsFault::UnknownOperation
    }

    fn not_yet(operation: &'static str, reason: &'static str) -> Self {
        SnsFault::NotYet { operation, reason }
    }

    fn to_response(&self, request_id: &RequestId) -> Response<Bytes> {
        if let SnsFault::Internal(error) = self {
            tracing::error!(%error, %request_id, "SNS could not do it");
        }
        let (code, status) = self.code();
        let Protocol::AwsQuery { namespace } = lambent_wire::sns::PROTOCOL else { unreachable!("its model") };
        aws_query(namespace, code, status, &self.message())
    }
}
