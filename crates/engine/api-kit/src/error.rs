//! Error bodies of the protocols.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use lambent_domain::RequestId;
use lambent_kit::smithy::{ErrorShape, query};
use serde_json::{Map, Value};

/// An error of a REST service: `x-amzn-ErrorType` and a JSON body with the shape's own spelling. `more` are members
/// besides the message.
pub fn rest_json(
    shape: &ErrorShape,
    message: &str,
    more: &[(&str, &str)],
    request_id: &RequestId,
) -> Response<Bytes> {
    let mut members = Map::new();
    for (key, value) in more {
        members.insert((*key).to_owned(), Value::from(*value));
    }
    if shape.has_type {
        members.insert("Type".to_owned(), Value::from(if shape.status < 500 { "User" } else { "Service" }));
    }
    members.insert(shape.message_member.to_owned(), Value::from(message));
    let mut response = with_body(shape.status, "application/json", Value::Object(members).to_string());
    let headers = response.headers_mut();
    headers.insert("x-amzn-errortype", HeaderValue::from_static(shape.code));
    if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

/// An error of a JSON service: `__type` and `message`.
pub fn aws_json(code: &str, status: u16, message: &str) -> Response<Bytes> {
    let body = serde_json::json!({"__type": code, "message": message});
    with_body(status, "application/x-amz-json-1.1", body.to_string())
}

/// An error of a query service, in XML.
pub fn aws_query(namespace: &str, code: &str, status: u16, message: &str) -> Response<Bytes> {
    with_body(status, "text/xml", query::error(namespace, status < 500, code, message))
}

pub(crate) fn with_body(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
    response
}
