//! Operations by name: what is implemented, what is not yet, and how a request gets there.
//!
//! A service lists its operations once, as `OPERATIONS` and `NOT_YET`; routing, answers for what is missing, the
//! coverage table and the test that nothing is forgotten all come from these two lists.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response};
use lambent_domain::{RequestId, Scope};
use lambent_kit::smithy::http_binding::Request;
use lambent_kit::smithy::router::{Route, route};
use lambent_kit::smithy::{Operation, Protocol, Refused, query};
use lambent_ports::api::{ApiRequest, Caller};
use lambent_ports::presence::Gone;

/// What an operation knows of its request besides the input.
#[derive(Clone, Debug)]
pub struct Context {
    /// Account and region that keys live in.
    pub scope: Scope,
    /// Who asks.
    pub caller: Caller,
    /// The id the answer carries.
    pub request_id: RequestId,
    /// `http://host:port` as the client reached this server.
    pub base_url: String,
    /// Completes when nobody waits for the answer any more.
    pub gone: Gone,
    /// `X-Amzn-Trace-Id`, as SDKs inside functions send it.
    pub trace: Option<String>,
}

/// A service's faults: how its own refusals and those of the codec look on the wire.
pub trait ServiceFault: Send + Sized + 'static {
    /// The codec refused the request.
    fn refused(refused: Refused) -> Self;
    /// No operation has this name or path.
    fn unknown_operation() -> Self;
    /// The operation exists in AWS's API and not here yet.
    fn not_yet(operation: &'static str, reason: &'static str) -> Self;
    /// The answer.
    fn to_response(&self, request_id: &RequestId) -> Response<Bytes>;
    /// The answer in the protocol that the request spoke, for services that speak several.
    fn to_response_in(&self, _spoken: Protocol, request_id: &RequestId) -> Response<Bytes> {
        self.to_response(request_id)
    }
}

/// One operation of a service `S`: implemented on its state in a file of its own.
pub trait Handle<O: Operation>: Send + Sync + 'static {
    /// The service's faults.
    type Fault: ServiceFault;

    /// Does it.
    fn handle(
        &self,
        context: Context,
        input: O::Input,
    ) -> impl Future<Output = Result<O::Output, Self::Fault>> + Send;
}

/// Labels of the path by name.
type Labels = Vec<(&'static str, String)>;
type Call<S, F> = fn(Arc<S>, Labels, ApiRequest) -> Answer<F>;
type Answer<F> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, F>> + Send>>;

/// A line of `OPERATIONS`.
pub struct Entry<S, F> {
    /// Name in the model.
    pub name: &'static str,
    call: Call<S, F>,
}

impl<S: Send + Sync + 'static, F: ServiceFault> Entry<S, F> {
    /// The entry of an operation that `S` handles.
    pub const fn of<O>() -> Self
    where
        O: Operation,
        S: Handle<O, Fault = F>,
    {
        Entry { name: O::NAME, call: call::<S, O, F> }
    }
}

fn call<S, O, F>(service: Arc<S>, labels: Labels, request: ApiRequest) -> Answer<F>
where
    O: Operation,
    S: Handle<O, Fault = F>,
    F: ServiceFault,
{
    Box::pin(async move {
        let input = O::decode(&Request {
            labels: &labels,
            query: request.uri.query().unwrap_or_default(),
            headers: &request.headers,
            body: &request.body,
        })
        .map_err(F::refused)?;
        let trace =
            request.headers.get("x-amzn-trace-id").and_then(|trace| trace.to_str().ok()).map(str::to_owned);
        let context = Context {
            scope: request.scope,
            caller: request.caller,
            request_id: request.request_id,
            base_url: request.base_url,
            gone: request.gone,
            trace,
        };
        // The body can be large; what is needed of it is in the input.
        drop(request.body);
        let spoken = O::PROTOCOL.spoken(&request.headers);
        Ok(O::encode(&service.handle(context, input).await?, spoken))
    })
}

/// A line of `NOT_YET`.
#[derive(Clone, Copy, Debug)]
pub struct NotYet {
    /// Name in the model.
    pub name: &'static str,
    /// Why, in a sentence for the user.
    pub reason: &'static str,
}

/// A service's two lists with its protocol.
pub struct Registry<S: 'static, F: 'static> {
    /// How the service speaks.
    pub protocol: Protocol,
    /// Prefix of `X-Amz-Target`.
    pub target_prefix: &'static str,
    /// Paths, for REST protocols.
    pub routes: &'static [Route],
    /// What is implemented.
    pub operations: &'static [Entry<S, F>],
    /// What is not.
    pub not_yet: &'static [NotYet],
}

impl<S: Send + Sync + 'static, F: ServiceFault> Registry<S, F> {
    /// Answers a request: finds its operation, decodes, calls, encodes. Every answer carries the request id.
    pub async fn answer(&self, service: Arc<S>, request: ApiRequest) -> Response<Bytes> {
        let request_id = request.request_id;
        let spoken = self.protocol.spoken(&request.headers);
        let result = self.dispatch(service, request).await;
        let mut response = result.unwrap_or_else(|fault| fault.to_response_in(spoken, &request_id));
        finish(&mut response, spoken, &request_id);
        response
    }

    async fn dispatch(&self, service: Arc<S>, request: ApiRequest) -> Result<Response<Bytes>, F> {
        let (name, labels) = self.find(&request).ok_or_else(F::unknown_operation)?;
        if let Some(entry) = self.operations.iter().find(|entry| entry.name == name) {
            return (entry.call)(service, labels, request).await;
        }
        match self.not_yet.iter().find(|missing| missing.name == name) {
            Some(missing) => Err(F::not_yet(missing.name, missing.reason)),
            None => Err(F::unknown_operation()),
        }
    }

    fn find(&self, request: &ApiRequest) -> Option<(String, Labels)> {
        match self.protocol.spoken(&request.headers) {
            Protocol::RestJson => {
                let query = request.uri.query().unwrap_or_default();
                let found = route(self.routes, request.method.as_str(), request.uri.path(), query)?;
                Some((found.operation.to_owned(), found.labels))
            }
            Protocol::AwsJson11 | Protocol::AwsJson10 { .. } => {
                let target = request.headers.get("x-amz-target")?.to_str().ok()?;
                let name = target.strip_prefix(self.target_prefix)?.strip_prefix('.')?;
                Some((name.to_owned(), Vec::new()))
            }
            Protocol::RpcV2Cbor { .. } => {
                let path = request.uri.path().strip_prefix("/service/")?.strip_prefix(self.target_prefix)?;
                Some((path.strip_prefix("/operation/")?.to_owned(), Vec::new()))
            }
            Protocol::AwsQuery { .. } => {
                let form = std::str::from_utf8(&request.body).ok()?;
                let query = request.uri.query().unwrap_or_default();
                let name =
                    query::values(form, "Action").next().or_else(|| query::values(query, "Action").next())?;
                Some((name, Vec::new()))
            }
        }
    }

    /// Every operation with what is true of it, for the coverage table.
    pub fn coverage(&self) -> Vec<Coverage> {
        let done = self.operations.iter().map(|entry| Coverage { operation: entry.name, missing: None });
        let missing =
            self.not_yet.iter().map(|line| Coverage { operation: line.name, missing: Some(line.reason) });
        let mut all: Vec<Coverage> = done.chain(missing).collect();
        all.sort_by_key(|line| line.operation);
        all
    }
}

/// A line of the coverage table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Name in the model.
    pub operation: &'static str,
    /// Why it is missing; `None` when it is there.
    pub missing: Option<&'static str>,
}

fn finish(response: &mut Response<Bytes>, protocol: Protocol, request_id: &RequestId) {
    let id = request_id.to_string();
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-amzn-requestid", value);
    }
    if let Protocol::AwsQuery { .. } = protocol {
        *response.body_mut() = with_request_id(response.body(), &id);
    }
}

/// The XML with the id where it belongs: at the end. The same word before it is somebody's text.
fn with_request_id(xml: &[u8], id: &str) -> Bytes {
    let xml = String::from_utf8_lossy(xml);
    match xml.rsplit_once(query::REQUEST_ID) {
        Some((before, after)) => Bytes::from([before, id, after].concat()),
        None => Bytes::from(xml.into_owned()),
    }
}

/// Panics with a list when an operation of the model is in neither list, in both, or twice, or when a list has one that
/// the model lacks. `elsewhere` are operations that another crate serves. For each service's test.
pub fn assert_complete<S: Send + Sync + 'static, F: ServiceFault>(
    registry: &Registry<S, F>,
    elsewhere: &[&str],
    model: &[&str],
) {
    let mut listed = BTreeSet::new();
    let names = registry.coverage().into_iter().map(|line| line.operation).chain(elsewhere.iter().copied());
    let twice: Vec<&str> = names.filter(|name| !listed.insert(*name)).collect();
    let modelled: BTreeSet<&str> = model.iter().copied().collect();
    let forgotten: Vec<_> = modelled.difference(&listed).collect();
    let unknown: Vec<_> = listed.difference(&modelled).collect();
    assert!(
        twice.is_empty() && forgotten.is_empty() && unknown.is_empty(),
        "listed twice: {twice:?}; in neither list: {forgotten:?}; not in the model: {unknown:?}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_looks_like_the_place_of_the_request_id_stays() {
        let xml = query::error("ns", true, "C", query::REQUEST_ID);
        let xml = with_request_id(xml.as_bytes(), "id-1");
        let xml = String::from_utf8_lossy(&xml);
        assert!(xml.contains("<Message>{request-id}</Message>"), "{xml}");
        assert!(xml.contains("<RequestId>id-1</RequestId>"), "{xml}");
    }
}
