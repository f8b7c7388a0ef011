//! A codec for services that are described by AWS's models: what the generated code stands on.
//!
//! A request is decoded and validated in one pass into typed structures. Missing and wrong members are recorded in a
//! [`Check`]; a request with anything recorded is refused as a whole, so that the placeholder values that decoding
//! needs to go on are never seen by anyone.

pub mod cbor;
mod check;
mod collections;
pub mod http_binding;
pub mod query;
pub mod router;
mod shapes;
mod structure;

pub use check::{Check, Path, Refused};
pub use collections::{BareListShape, ListShape, MapShape};
pub use http_binding::{Binding, Location, Protocol, QueryName};
pub use shapes::{
    BlobShape, BooleanShape, Codec, DocumentShape, DoubleShape, IntegerShape, LongShape, Pattern,
    StringShape, TimestampShape,
};
pub use structure::{BoxShape, Members, Structure, StructureShape};

use bytes::Bytes;

/// One operation of a service's model; implemented by generated code.
pub trait Operation: Send + Sync + 'static {
    /// What a request holds.
    type Input: Structure;
    /// What an answer holds.
    type Output: Structure;
    /// Name in the model.
    const NAME: &'static str;
    /// Protocol of the service.
    const PROTOCOL: Protocol;
    /// Status of a success.
    const STATUS: u16;
    /// Where members of the input stand, other than in the body.
    const INPUT: &'static [Binding];
    /// Where members of the output stand, other than in the body.
    const OUTPUT: &'static [Binding];

    /// Names of its collections in the query protocol.
    const QUERY: &'static [QueryName] = &[];

    /// Members of its answers that are times, wherever they stand, where a protocol has a form of its own for them.
    const TIMES: &'static [&'static str] = &[];

    /// Reads a request. `labels` are the path's, decoded.
    fn decode(request: &http_binding::Request<'_>) -> Result<Self::Input, Refused> {
        http_binding::decode::<Self>(request)
    }

    /// Writes a success, in the protocol that the request spoke.
    fn encode(output: &Self::Output, spoken: Protocol) -> http::Response<Bytes> {
        http_binding::encode::<Self>(output, spoken)
    }
}

/// What wants to see every operation of a service, each with its types.
pub trait OperationVisitor {
    /// Sees one.
    fn visit<O: Operation>(&mut self);
}

/// An error of a service's model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorShape {
    /// Code on the wire.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// `Message` or `message`: it differs per error.
    pub message_member: &'static str,
    /// Has a `Type` member (`User` or `Service`).
    pub has_type: bool,
}
