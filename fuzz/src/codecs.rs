//! Requests of every operation of every service, from text to types and back.
//!
//! Input: `service Operation` in the first line (`*` for every operation; what is unknown picks one by its letters), then
//! lines `label value`, `query a=b&c=d`, `header name: value`; an empty line; the body.

use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use lambent_kit::smithy::http_binding::Request;
use lambent_kit::smithy::{
    Check, Location, Members, Operation, OperationVisitor, Path, Protocol, Refused, Structure, cbor,
};
use lambent_wire::{cloudwatch, events, lambda, logs, scheduler, sqs, sts};
use serde_json::Value;

/// Decodes, and what was decoded survives being written and read again. Answers can be written from anything that
/// could be read.
pub fn run(data: &[u8]) {
    let Some(parts) = Parts::read(data) else {
        return;
    };
    let probes = probes();
    if parts.operation == "*" {
        probes.iter().for_each(|(_, probe)| probe(&parts));
        return;
    }
    let named = probes.iter().find(|(name, _)| *name == parts.operation);
    let sum: usize = parts.operation.bytes().map(usize::from).sum();
    (named.unwrap_or(&probes[sum % probes.len()]).1)(&parts);
}

type Probe = fn(&Parts);

struct Probes {
    service: &'static str,
    found: Vec<(String, Probe)>,
}

impl OperationVisitor for Probes {
    fn visit<O: Operation>(&mut self) {
        self.found.push((format!("{} {}", self.service, O::NAME), probe::<O>));
    }
}

fn probes() -> &'static [(String, Probe)] {
    static PROBES: OnceLock<Vec<(String, Probe)>> = OnceLock::new();
    PROBES.get_or_init(|| {
        let mut probes = Probes { service: "cloudwatch", found: Vec::new() };
        cloudwatch::operations::visit(&mut probes);
        probes.service = "lambda";
        lambda::operations::visit(&mut probes);
        probes.service = "events";
        events::operations::visit(&mut probes);
        probes.service = "scheduler";
        scheduler::operations::visit(&mut probes);
        probes.service = "logs";
        logs::operations::visit(&mut probes);
        probes.service = "sqs";
        sqs::operations::visit(&mut probes);
        probes.service = "sts";
        sts::operations::visit(&mut probes);
        probes.found
    })
}

/// A request taken apart.
struct Parts {
    operation: String,
    labels: Vec<String>,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Parts {
    fn read(data: &[u8]) -> Option<Self> {
        let end = data.windows(2).position(|pair| pair == b"\n\n").unwrap_or(data.len());
        let head = std::str::from_utf8(&data[..end]).ok()?;
        let mut lines = head.split('\n');
        let mut parts = Parts {
            operation: lines.next()?.to_owned(),
            labels: Vec::new(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(data.get(end + 2..).unwrap_or_default()),
        };
        for line in lines {
            match line.split_once(' ')? {
                ("label", value) => parts.labels.push(value.to_owned()),
                ("query", value) => value.clone_into(&mut parts.query),
                ("header", value) => {
                    let (name, value) = value.split_once(": ")?;
                    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
                    parts.headers.insert(name, HeaderValue::from_str(value).ok()?);
                }
                _ => return None,
            }
        }
        Some(parts)
    }
}

fn probe<O: Operation>(parts: &Parts) {
    let names = O::INPUT.iter().filter(|binding| binding.location == Location::Label);
    let labels: Vec<(&'static str, String)> =
        names.zip(&parts.labels).map(|(binding, text)| (binding.name, text.clone())).collect();
    let request =
        Request { labels: &labels, query: &parts.query, headers: &parts.headers, body: &parts.body };
    match O::decode(&request) {
        Ok(input) => survives(&input, O::NAME),
        Err(Refused::Validation(text) | Refused::Serialization(text)) => {
            assert!(!text.is_empty(), "{}: a refusal says why", O::NAME);
        }
    }
    if let Ok(Value::Object(members)) = serde_json::from_slice(&parts.body) {
        let mut check = Check::default();
        let output = O::Output::decode(&mut Members(members), &Path::ROOT, &mut check);
        let answer = O::encode(&output, O::PROTOCOL);
        let body = answer.body();
        match O::PROTOCOL {
            Protocol::AwsQuery { .. } => assert!(body.starts_with(b"<"), "{}", O::NAME),
            Protocol::RpcV2Cbor { .. } => assert!(cbor::decode(body).is_ok(), "{}", O::NAME),
            _ if body.is_empty() => assert_eq!(answer.status(), 204, "{}", O::NAME),
            _ => assert!(serde_json::from_slice::<Value>(body).is_ok(), "{}", O::NAME),
        }
        if let Ok(output) = check.finish(output) {
            survives(&output, O::NAME);
        }
    }
}

/// What was accepted is accepted again in the form that it is written in, and is the same.
fn survives<S: Structure>(structure: &S, operation: &str) {
    let written = structure.encode();
    let mut check = Check::default();
    let again = S::decode(&mut Members(written.clone()), &Path::ROOT, &mut check);
    match check.finish(again) {
        Ok(again) => assert_eq!(again.encode(), written, "{operation}"),
        Err(refused) => panic!("{operation}: {refused:?} of {written:?}"),
    }
}
