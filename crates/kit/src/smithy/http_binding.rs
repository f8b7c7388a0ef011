//! From an HTTP request to an input and from an output to an HTTP answer, for the protocols AWS uses.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use serde_json::{Map, Value};

use super::check::{Check, Path, Refused};
use super::structure::{Members, Structure};
use super::{Operation, cbor, query};

/// How a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Paths, headers and JSON bodies.
    RestJson,
    /// `X-Amz-Target` and JSON bodies.
    AwsJson11,
    /// The same, one version earlier.
    AwsJson10 {
        /// Namespace of the XML, where older clients may speak the query protocol as well.
        query: Option<&'static str>,
    },
    /// CBOR, with the operation in the path; other clients speak [`Protocol::AwsJson10`] or the query protocol.
    RpcV2Cbor {
        /// Namespace of the XML.
        query: &'static str,
    },
    /// Forms in, XML out.
    AwsQuery {
        /// Namespace of the XML.
        namespace: &'static str,
    },
}

impl Protocol {
    /// The one a request speaks, of those that its service does.
    pub fn spoken(self, headers: &HeaderMap) -> Protocol {
        match self {
            Protocol::AwsJson10 { query: Some(namespace) } if !headers.contains_key("x-amz-target") => {
                Protocol::AwsQuery { namespace }
            }
            Protocol::RpcV2Cbor { .. } if headers.contains_key("smithy-protocol") => self,
            Protocol::RpcV2Cbor { query } => Protocol::AwsJson10 { query: Some(query) }.spoken(headers),
            other => other,
        }
    }
}

/// Name of a collection in the query protocol: of flat ones, `Attribute.1.Name=…&Attribute.1.Value=…`, and of maps that are
/// not, `Attributes.entry.1.key=…&Attributes.entry.1.value=…`.
#[derive(Clone, Copy, Debug)]
pub struct QueryName {
    /// The member, wherever it stands.
    pub member: &'static str,
    /// Its items' name.
    pub name: &'static str,
    /// Names of key and value, of a map.
    pub entry: Option<(&'static str, &'static str)>,
    /// Its items stand where it would; those of other maps are within it, each an `entry`.
    pub flat: bool,
}

/// Where a member stands when it isn't in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// A label of the path.
    Label,
    /// A query parameter; one that may come several times is a list.
    Query {
        /// The member is a list.
        list: bool,
    },
    /// A header.
    Header,
    /// The answer's status.
    Status,
    /// The whole body, as it is.
    Payload,
}

/// A member's place.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The member.
    pub member: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// There.
    pub location: Location,
}

/// What a request is decoded from.
#[derive(Debug)]
pub struct Request<'a> {
    /// Labels of the path by name, decoded.
    pub labels: &'a [(&'static str, String)],
    /// The query, still encoded.
    pub query: &'a str,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Body.
    pub body: &'a Bytes,
}

/// See [`Operation::decode`].
pub(super) fn decode<O: Operation + ?Sized>(request: &Request<'_>) -> Result<O::Input, Refused> {
    let mut members = body_members::<O>(request)?;
    for binding in O::INPUT {
        let value = match binding.location {
            Location::Label => request
                .labels
                .iter()
                .find(|(name, _)| *name == binding.name)
                .map(|(_, text)| Value::String(text.clone())),
            Location::Query { list: false } => {
                query::values(request.query, binding.name).next().map(Value::String)
            }
            Location::Query { list: true } => {
                let values: Vec<Value> =
                    query::values(request.query, binding.name).map(Value::String).collect();
                (!values.is_empty()).then_some(Value::Array(values))
            }
            Location::Header => request
                .headers
                .get(binding.name)
                .and_then(|value| value.to_str().ok())
                .map(|text| Value::String(text.to_owned())),
            Location::Status | Location::Payload => continue,
        };
        match value {
            Some(value) => members.insert(binding.member.to_owned(), value),
            None => members.remove(binding.member),
        };
    }
    let mut check = Check::default();
    let input = O::Input::decode(&mut Members(members), &Path::ROOT, &mut check);
    check.finish(input)
}

fn body_members<O: Operation + ?Sized>(request: &Request<'_>) -> Result<Map<String, Value>, Refused> {
    if let Some(payload) = O::INPUT.iter().find(|binding| binding.location == Location::Payload) {
        let mut members = Map::new();
        if !request.body.is_empty() {
            members.insert(payload.member.to_owned(), json(request.body)?);
        }
        return Ok(members);
    }
    match O::PROTOCOL.spoken(request.headers) {
        Protocol::AwsQuery { .. } => {
            let form = std::str::from_utf8(request.body)
                .map_err(|_| Refused::Serialization("The form is not UTF-8".to_owned()))?;
            let members = query::tree(if form.is_empty() { request.query } else { form });
            Ok(query::members(members, O::QUERY))
        }
        Protocol::RpcV2Cbor { .. } if request.body.is_empty() => Ok(Map::new()),
        Protocol::RpcV2Cbor { .. } => object(cbor::decode(request.body).map_err(unreadable)?),
        _ if request.body.iter().all(u8::is_ascii_whitespace) => Ok(Map::new()),
        _ => object(json(request.body)?),
    }
}

fn object(value: Value) -> Result<Map<String, Value>, Refused> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(Refused::Serialization("Expected a JSON object as the request's body".to_owned())),
    }
}

fn json(body: &Bytes) -> Result<Value, Refused> {
    serde_json::from_slice(body).map_err(unreadable)
}

fn unreadable(error: impl std::fmt::Display) -> Refused {
    Refused::Serialization(format!("Could not parse the body: {error}"))
}

/// See [`Operation::encode`].
pub(super) fn encode<O: Operation + ?Sized>(output: &O::Output, spoken: Protocol) -> Response<Bytes> {
    let mut members = output.encode();
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = http::StatusCode::from_u16(O::STATUS).unwrap_or(http::StatusCode::OK);
    for binding in O::OUTPUT {
        let Some(value) = members.remove(binding.member) else {
            continue;
        };
        match binding.location {
            Location::Status => {
                if let Some(status) =
                    value.as_u64().and_then(|code| http::StatusCode::from_u16(code as u16).ok())
                {
                    *response.status_mut() = status;
                }
            }
            Location::Header => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                if let (Ok(name), Ok(value)) =
                    (HeaderName::from_bytes(binding.name.as_bytes()), HeaderValue::from_str(&text))
                {
                    response.headers_mut().insert(name, value);
                }
            }
            _ => {}
        }
    }
    let (content_type, body) = match spoken {
        Protocol::RestJson if response.status() == http::StatusCode::NO_CONTENT => return response,
        Protocol::RestJson => ("application/json", Value::Object(members).to_string()),
        Protocol::AwsJson11 if members.is_empty() => ("application/x-amz-json-1.1", "{}".to_owned()),
        Protocol::AwsJson11 => ("application/x-amz-json-1.1", Value::Object(members).to_string()),
        Protocol::AwsJson10 { .. } if members.is_empty() => ("application/x-amz-json-1.0", "{}".to_owned()),
        Protocol::AwsJson10 { .. } => ("application/x-amz-json-1.0", Value::Object(members).to_string()),
        Protocol::RpcV2Cbor { .. } => {
            response.headers_mut().insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
            response.headers_mut().insert("content-type", HeaderValue::from_static("application/cbor"));
            *response.body_mut() = Bytes::from(cbor::encode(&members, O::TIMES));
            return response;
        }
        Protocol::AwsQuery { namespace } => {
            query::show_times(&mut members, O::TIMES);
            ("text/xml", query::result(O::NAME, namespace, &members, O::QUERY))
        }
    };
    response.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
    *response.body_mut() = Bytes::from(body);
    response
}
