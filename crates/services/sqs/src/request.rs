//! A request to a queue's own URL, as clients of the query protocol send it: the queue is named by the path.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use lambent_kit::smithy::query;
use lambent_ports::api::ApiRequest;

/// The request with its queue's URL in it. A bare GET of a queue has an answer of its own.
pub(crate) fn prepare(mut request: ApiRequest) -> Result<ApiRequest, Box<Response<Bytes>>> {
    if request.headers.contains_key("x-amz-target") {
        return Ok(request);
    }
    let form = match std::str::from_utf8(&request.body) {
        Ok(form) if !form.is_empty() => form,
        _ => request.uri.query().unwrap_or_default(),
    };
    let path = request.uri.path().trim_matches('/');
    if query::values(form, "Action").next().is_none() {
        return Err(Box::new(unknown_operation()));
    }
    if path.contains('/') && query::values(form, "QueueUrl").next().is_none() {
        let url = format!("{}/{path}", request.base_url);
        let url = percent_encoding(&url);
        request.body = Bytes::from(format!("{form}&QueueUrl={url}"));
    }
    Ok(request)
}

/// What has a meaning in forms, encoded. Paths come encoded already.
fn percent_encoding(url: &str) -> String {
    url.replace('+', "%2B").replace('&', "%26").replace('=', "%3D")
}

fn unknown_operation() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"<UnknownOperationException/>\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/xml"));
    response
}
