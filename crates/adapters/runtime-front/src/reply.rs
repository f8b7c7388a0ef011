//! Answers to a runtime, as bytes. Texts are those of AWS's Runtime API (`facts` 3.1).

use lambent_domain::limits::MAX_SYNC_RESPONSE_BYTES;
use lambent_ports::runtime_api::{Refused, RuntimeEvent};

/// `GET next`.
pub(crate) fn event(out: &mut Vec<u8>, event: &RuntimeEvent) {
    out.reserve(512 + event.payload.len());
    out.extend_from_slice(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: ",
    );
    out.extend_from_slice(&event.request_id.encode());
    out.extend_from_slice(b"\r\nLambda-Runtime-Deadline-Ms: ");
    decimal(out, event.deadline_ms);
    out.extend_from_slice(b"\r\nLambda-Runtime-Invoked-Function-Arn: ");
    out.extend_from_slice(event.function_arn.as_bytes());
    out.extend_from_slice(b"\r\nLambda-Runtime-Trace-Id: ");
    header_value(out, &event.trace_id);
    if let Some(context) = &event.client_context {
        out.extend_from_slice(b"\r\nLambda-Runtime-Client-Context: ");
        header_value(out, context);
    }
    out.extend_from_slice(b"\r\nContent-Length: ");
    decimal(out, event.payload.len() as u64);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(&event.payload);
}

/// A header can't hold line breaks; a client context with some inside is still the same JSON without them.
fn header_value(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().map(
        |byte| {
            if byte == b'\r' || byte == b'\n' || byte == 0 { b' ' } else { byte }
        },
    ));
}

fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// `202 {"status":"OK"}`.
pub(crate) fn accepted(out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n",
    );
}

/// `pong`.
pub(crate) fn pong(out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\npong");
}

/// `Expect: 100-continue`.
pub(crate) fn go_on(out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
}

/// An error that the environment gave as reason.
pub(crate) fn refused(out: &mut Vec<u8>, refused: Refused) {
    match refused {
        Refused::UnknownRequestId => invalid_request_id(out),
        Refused::WrongState { from, to } => {
            let message = format!(
                "State transition from {from} to {to} failed for runtime. Error: State transition is not allowed"
            );
            error(out, "403 Forbidden", "InvalidStateTransition", &message);
        }
    }
}

pub(crate) fn invalid_request_id(out: &mut Vec<u8>) {
    error(out, "400 Bad Request", "InvalidRequestID", "Invalid request ID");
}

pub(crate) fn too_large(out: &mut Vec<u8>) {
    let message = format!("Exceeded maximum allowed payload size ({MAX_SYNC_RESPONSE_BYTES} bytes).");
    error(out, "413 Request Entity Too Large", "RequestEntityTooLarge", &message);
}

pub(crate) fn bad_mode(out: &mut Vec<u8>) {
    error(out, "400 Bad Request", "InvalidFunctionResponseMode", "Invalid function response mode");
}

pub(crate) fn not_found(out: &mut Vec<u8>) {
    error(out, "404 Not Found", "ResourceNotFound", "The Runtime API has no such path");
}

pub(crate) fn malformed(out: &mut Vec<u8>) {
    error(out, "400 Bad Request", "InvalidRequestFormat", "The request could not be read");
}

fn error(out: &mut Vec<u8>, status: &str, kind: &str, message: &str) {
    let body = format!("{{\"errorMessage\":\"{message}\",\"errorType\":\"{kind}\"}}");
    out.extend_from_slice(
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
}
