//! Invoke on the wire (`facts` 2.1): `POST /2015-03-31/functions/{FunctionName}/invocations`; and the older InvokeAsync
//! (`facts` 2.2), which is an Invoke of type `Event` with a smaller limit.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use hyper::body::Body;
use lambent_domain::limits::MAX_CLIENT_CONTEXT_BYTES;
use lambent_domain::{Fault, FunctionKey, FunctionName, FunctionRef, Qualifier, RequestId, trace_header};
use lambent_ports::invoke::{Event, Invocation, InvokeReply};

use crate::body::{Limit, ReadError};
use crate::route::{self, Identity};
use crate::{Front, FrontParts};

/// Payloads above this are checked for JSON on another thread: parsing 6 MB takes longer than many invokes.
const CHECK_ELSEWHERE_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy)]
enum Kind {
    RequestResponse,
    Event,
    DryRun,
}

/// Answers an invoke, whatever happens.
pub(crate) async fn answer(
    front: &Front,
    head: Parts,
    body: impl Body<Data = Bytes> + Unpin,
    identity: Identity,
    request_id: RequestId,
) -> Response<Bytes> {
    // Undocumented, and used by AWS's own callers: the client may choose the id (model text).
    let chosen = header(&head, "x-amzn-requestid").map(RequestId::parse);
    let request_id = match chosen {
        Some(Some(chosen)) => chosen,
        _ => request_id,
    };
    let result = async {
        if chosen == Some(None) {
            return Err(Fault::InvalidRequestContent("x-amzn-RequestId must be a UUID".into()));
        }
        run(front, &head, body, &identity, request_id).await
    };
    match result.await {
        Ok(response) => response,
        Err(fault) => (front.parts.lambda_fault)(&fault, &request_id),
    }
}

async fn run(
    front: &Front,
    head: &Parts,
    body: impl Body<Data = Bytes> + Unpin,
    identity: &Identity,
    request_id: RequestId,
) -> Result<Response<Bytes>, Fault> {
    let parts = &front.parts;
    let older = route::is_invoke_async(head.uri.path());
    let kind = if older { Ok(Kind::Event) } else { kind(head) };
    let limit = match kind {
        _ if older => Limit::INVOKE_ASYNC,
        Ok(Kind::Event) => Limit::EVENT,
        _ => Limit::INVOKE,
    };
    let payload = front.bodies.read(head, body, limit.bytes).await;
    let payload = payload.map_err(|error| match error {
        ReadError::TooLarge => Fault::RequestTooLarge(limit.message()),
        ReadError::Gone => Fault::InvalidRequestContent("The request's body did not arrive".into()),
    })?;
    let kind = kind?;
    let log_tail = log_tail(head)?;
    let (function, qualifier) = function(parts, head, identity)?;
    check_json(&payload).await?;
    let trace_id = trace_id(parts, head);
    match kind {
        Kind::DryRun => {
            parts.invoke.dry_run(&function, qualifier.as_ref())?;
            Ok(empty(StatusCode::NO_CONTENT, &request_id))
        }
        Kind::Event => {
            parts.invoke.dry_run(&function, qualifier.as_ref())?;
            let event = Event { function, qualifier, payload, request_id, trace_id: trace_id.clone() };
            parts.events.accept(event).await?;
            let mut response = empty(StatusCode::ACCEPTED, &request_id);
            // Whether it is sampled is not decided before it runs.
            let shown = trace_id.replace("Sampled=?", "Sampled=0");
            response.headers_mut().insert("x-amzn-trace-id", text(&shown));
            Ok(response)
        }
        Kind::RequestResponse => {
            let invocation = Invocation {
                function,
                qualifier,
                payload,
                client_context: client_context(head)?,
                log_tail,
                request_id,
                trace_id,
            };
            let reply = parts.invoke.invoke(invocation).await?;
            Ok(encode(reply, &request_id))
        }
    }
}

fn header<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}

fn enum_violation(value: &str, at: &str, set: &str) -> Fault {
    Fault::Validation(format!(
        "1 validation error detected: Value '{value}' at '{at}' failed to satisfy constraint: Member must satisfy enum value set: [{set}]"
    ))
}

fn kind(head: &Parts) -> Result<Kind, Fault> {
    match header(head, "x-amz-invocation-type").unwrap_or("RequestResponse") {
        "RequestResponse" => Ok(Kind::RequestResponse),
        "DryRun" => Ok(Kind::DryRun),
        "Event" => Ok(Kind::Event),
        other => Err(enum_violation(other, "invocationType", "Event, RequestResponse, DryRun")),
    }
}

fn log_tail(head: &Parts) -> Result<bool, Fault> {
    match header(head, "x-amz-log-type").unwrap_or("None") {
        "None" => Ok(false),
        "Tail" => Ok(true),
        other => Err(enum_violation(other, "logType", "None, Tail")),
    }
}

fn client_context(head: &Parts) -> Result<Option<String>, Fault> {
    let Some(encoded) = header(head, "x-amz-client-context").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let invalid =
        || Fault::InvalidRequestContent("Client context must be a valid Base64-encoded JSON object.".into());
    let decoded = STANDARD.decode(encoded).map_err(|_| invalid())?;
    if decoded.len() > MAX_CLIENT_CONTEXT_BYTES {
        return Err(Fault::InvalidRequestContent(format!(
            "Client context must be no more than {MAX_CLIENT_CONTEXT_BYTES} bytes long."
        )));
    }
    let text = String::from_utf8(decoded).map_err(|_| invalid())?;
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(serde_json::Value::Object(_)) => Ok(Some(text)),
        _ => Err(invalid()),
    }
}

/// The function that label and query point at.
fn function(
    parts: &FrontParts,
    head: &Parts,
    identity: &Identity,
) -> Result<(FunctionKey, Option<Qualifier>), Fault> {
    let label = route::decode(route::function_label(head.uri.path()).unwrap_or_default());
    let violation = |value: &str, at: &str, pattern: &str| {
        Fault::Validation(format!(
            "1 validation error detected: Value '{value}' at '{at}' failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}"
        ))
    };
    let found = FunctionRef::parse(&label)
        .ok_or_else(|| violation(&label, "functionName", parts.function_name_pattern))?;
    let given = match route::query_value(head, "Qualifier") {
        Some(text) => Some(
            Qualifier::parse(&text)
                .ok_or_else(|| violation(&text, "qualifier", r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"))?,
        ),
        None => None,
    };
    let qualifier = match (found.qualifier, given) {
        (Some(own), Some(given)) if own != given => {
            return Err(Fault::InvalidParameter(
                "The derived qualifier from the function name does not match the specified qualifier.".into(),
            ));
        }
        (own, given) => given.or(own),
    };
    let scope = &identity.scope;
    if let Some(region) = found.region.filter(|region| *region != scope.region) {
        return Err(Fault::NotFound(format!(
            "Functions from '{region}' are not reachable in this region ('{}')",
            scope.region
        )));
    }
    let shown = |qualifier: &Option<Qualifier>| {
        let qualifier = qualifier.as_ref().map_or_else(|| "$LATEST".to_owned(), Qualifier::to_string);
        format!(
            "arn:{}:lambda:{}:{}:function:{}:{qualifier}",
            lambent_domain::names::partition(&scope.region),
            scope.region,
            found.account.as_ref().unwrap_or(&scope.account),
            found.name
        )
    };
    if found.account.as_ref().is_some_and(|account| *account != scope.account) {
        return Err(Fault::AccessDenied(format!(
            "User: arn:aws:iam::{}:root is not authorized to perform: lambda:InvokeFunction on resource: {} because no resource-based policy allows the lambda:InvokeFunction action",
            scope.account,
            shown(&qualifier)
        )));
    }
    // A name of a wrong length is simply not there (recorded).
    let name = FunctionName::parse(&found.name).ok_or_else(|| Fault::FunctionNotFound(shown(&qualifier)))?;
    Ok((FunctionKey { scope: scope.clone(), name }, qualifier))
}

async fn check_json(payload: &Bytes) -> Result<(), Fault> {
    if payload.is_empty() {
        return Ok(());
    }
    let checked = if payload.len() <= CHECK_ELSEWHERE_BYTES {
        is_json(payload)
    } else {
        let payload = payload.clone();
        tokio::task::spawn_blocking(move || is_json(&payload))
            .await
            .unwrap_or_else(|error| Err(error.to_string()))
    };
    checked.map_err(|reason| {
        Fault::InvalidRequestContent(format!(
            "Could not parse request body into json: Could not parse payload into json: {reason}"
        ))
    })
}

fn is_json(payload: &[u8]) -> Result<(), String> {
    serde_json::from_slice::<serde::de::IgnoredAny>(payload).map(|_| ()).map_err(|error| {
        format!(
            "{error}\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {}, column: {}]",
            error.line(),
            error.column()
        )
    })
}

/// The caller's trace header, completed; or one of our own. Whether it is sampled is left to who knows the function.
fn trace_id(parts: &FrontParts, head: &Parts) -> String {
    let given = header(head, "x-amzn-trace-id");
    // An event of several messages has a trace of its own, and the lineage of one of them.
    let lineage = given.and_then(|text| trace_header::field(text, "Lineage"));
    let lineage = lineage.map(|lineage| format!(";Lineage={lineage}")).unwrap_or_default();
    let given = given.filter(|text| text.contains("Root="));
    let random = parts.random.bytes16();
    let parent = format!("Parent={:016x}", number(&parts.random.bytes16()[..8]));
    match given {
        Some(text) => {
            let mut text = text.to_owned();
            if !text.contains("Parent=") {
                text = format!("{text};{parent}");
            }
            if !text.contains("Sampled=") {
                text.push_str(";Sampled=?");
            }
            text
        }
        None => {
            let seconds = parts.clock.now_ms() / 1_000;
            format!("Root=1-{seconds:08x}-{:024x};{parent};Sampled=?{lineage}", number(&random[..12]))
        }
    }
}

/// To be written in one go: a request has no time for a text from each byte.
fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn empty(status: StatusCode, request_id: &RequestId) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert("x-amzn-requestid", text(&request_id.to_string()));
    response
}

fn encode(reply: InvokeReply, request_id: &RequestId) -> Response<Bytes> {
    let mut response = Response::new(reply.payload);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert(
        "x-amzn-requestid",
        HeaderValue::from_bytes(&request_id.encode()).unwrap_or_else(|_| text("")),
    );
    headers.insert("x-amz-executed-version", text(&reply.executed_version));
    headers.insert("x-amzn-trace-id", text(&reply.trace_id));
    if reply.failed {
        headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
    }
    if let Some(tail) = reply.log_tail {
        headers.insert("x-amz-log-result", text(&STANDARD.encode(tail)));
    }
    response
}
