//! The one port that clients talk to: HTTP in, a service or an invocation out.
//!
//! Invokes stay on this thread, from the client's socket to the runtime's. Everything else goes to the control
//! runtime's threads, so that nothing there ever holds an invoke up.

mod admission;
mod aws_host;
mod body;
mod door;
mod invoke;
pub mod route;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lambent_domain::{Fault, RequestId, Scope};
use lambent_kit::clock::Clock;
use lambent_kit::random::Random;
use lambent_ports::access::{Gate, Refusal};
use lambent_ports::api::{ApiRequest, ApiService, Caller, StreamService};
use lambent_ports::invoke::{Events, Invoke};
use lambent_ports::presence::present;
use lambent_ports::service_door::Resident;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::admission::Admission;
use crate::aws_host::AwsHost;

pub use admission::Refuse;
pub use route::Identity;

/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections at the same time. More wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 8_192;

/// What the front is built of.
pub struct FrontParts {
    /// The invoke path of this thread.
    pub invoke: Rc<dyn Invoke>,
    /// Where asynchronous invokes go.
    pub events: Arc<dyn Events>,
    /// Every service but the invoke path, by signing name.
    pub services: Vec<Arc<dyn ApiService>>,
    /// Services whose bodies are not read here; they go before others of the same name.
    pub streaming: Vec<Arc<dyn StreamService>>,
    /// Where services run.
    pub control: tokio::runtime::Handle,
    /// Lambda's faults on the wire: the one place that knows them.
    pub lambda_fault: fn(&Fault, &RequestId) -> Response<Bytes>,
    /// The answer in the name of a service that nobody here is.
    pub not_here: fn(&str, &Parts, &RequestId) -> Response<Bytes>,
    /// TLS for functions that use AWS's own names.
    pub tls: Option<TlsAcceptor>,
    /// The pattern that the model has for a function's name where it is read (`NamespacedFunctionName`).
    pub function_name_pattern: &'static str,
    /// Knows keys, and decides; `None` when nobody has to prove anything.
    pub gate: Option<Arc<dyn Gate>>,
    /// Writes refusals, each as its service does.
    pub refuse: Refuse,
    /// Account and region for requests that don't say.
    pub default_scope: Scope,
    /// For trace ids.
    pub clock: Arc<dyn Clock>,
    /// For request ids.
    pub random: Arc<dyn Random>,
}

/// A body that is there, or one that streams.
type Answer = Either<Full<Bytes>, UnsyncBoxBody<Bytes, io::Error>>;

/// Where a connection comes from and to.
#[derive(Clone)]
struct Ends {
    /// `None` inside a sandbox.
    peer: Option<IpAddr>,
    local: String,
    /// Whose sandbox it comes from.
    resident: Option<Rc<Resident>>,
    secure: bool,
}

impl Ends {
    /// Under which the client has reached this server.
    fn base_url(&self, head: &Parts) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", route::host(head).unwrap_or(&self.local))
    }
}

/// The front of one shard.
pub struct Front {
    parts: FrontParts,
    connections: Arc<Semaphore>,
    bodies: body::Budget,
}

impl Front {
    /// Builds it; [`Front::serve`] runs it.
    pub fn new(parts: FrontParts) -> Rc<Self> {
        Rc::new(Front {
            parts,
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            bodies: body::Budget::default(),
        })
    }

    /// Accepts until `stop` turns true; then open connections finish the request they are in. Must run in a `LocalSet`.
    pub async fn serve(self: Rc<Self>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let local = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let permit = tokio::select! {
                permit = Arc::clone(&self.connections).acquire_owned() => permit,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let Ok(permit) = permit else { break };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    let ends =
                        Ends { peer: Some(peer.ip()), local: local.clone(), resident: None, secure: false };
                    let connection = connection(Rc::clone(&self), stream, ends, stop.clone());
                    connections.spawn_local(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                // Out of file descriptors: what is open will close.
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    /// Answers an invoke that comes from within this server. Must run on the front's thread.
    pub async fn invoke_from_within(
        &self,
        request: Request<Bytes>,
        scope: Scope,
        caller: Caller,
    ) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let request_id = RequestId::from_random(self.parts.random.bytes16());
        let identity = Identity { scope, caller, service: None };
        invoke::answer(self, head, Full::new(body), identity, None, request_id).await
    }

    async fn answer(&self, request: Request<Incoming>, ends: &Ends) -> Response<Answer> {
        let (head, body) = request.into_parts();
        if ends.resident.is_some() && route::is_for_operators(&head) {
            let request_id = RequestId::from_random(self.parts.random.bytes16());
            let refused = (self.parts.lambda_fault)(&Fault::UnknownOperation, &request_id);
            return refused.map(|body| Either::Left(Full::new(body)));
        }
        let scope = AwsHost::scope(route::host(&head), &self.parts.default_scope);
        let mut identity = route::identify(&head, &scope);
        let admission = match Admission::begin(self, &head, &identity, ends) {
            Ok(admission) => admission,
            Err(refusal) => {
                let refused = self.refused(&refusal, &head, &identity);
                return refused.map(|body| Either::Left(Full::new(body)));
            }
        };
        if let Some(resident) = ends.resident.as_deref().filter(|_| admission.is_none()) {
            identity.is_of(resident);
        }
        match self.streaming(&head, &identity) {
            Some(service) => {
                let admitted = admission.map(|admission| admission.with_promise(&head, &mut identity));
                if let Some(Err(refusal)) = admitted {
                    let refused = self.refused(&refusal, &head, &identity);
                    return refused.map(|body| Either::Left(Full::new(body)));
                }
                self.stream(service, head, body, identity, ends).await.map(Either::Right)
            }
            None => {
                let whole = self.collect(head, body, identity, admission, ends).await;
                whole.map(|body| Either::Left(Full::new(body)))
            }
        }
    }

    /// A refusal in the words of the service that was asked.
    fn refused(&self, refusal: &Refusal, head: &Parts, identity: &Identity) -> Response<Bytes> {
        let service = route::service_name(head, identity).unwrap_or_default();
        let request_id = RequestId::from_random(self.parts.random.bytes16());
        (self.parts.refuse)(service, refusal, head, &request_id)
    }

    /// Hands the request over with its body unread.
    async fn stream(
        &self,
        service: Arc<dyn StreamService>,
        head: Parts,
        body: Incoming,
        identity: Identity,
        ends: &Ends,
    ) -> Response<UnsyncBoxBody<Bytes, io::Error>> {
        let (_present, gone) = present();
        let base_url = ends.base_url(&head);
        let request_id = RequestId::from_random(self.parts.random.bytes16());
        let request = ApiRequest {
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            body: body.map_err(io::Error::other).boxed_unsync(),
            scope: identity.scope,
            caller: identity.caller,
            request_id,
            base_url,
            gone,
        };
        let peer = ends.peer;
        let answer = self.parts.control.spawn(async move { service.call(request, peer).await });
        answer.await.unwrap_or_else(|error| {
            tracing::error!(%error, %request_id, "an operation panicked");
            let fault = Fault::Internal("an operation panicked".into());
            (self.parts.lambda_fault)(&fault, &request_id).map(lambent_ports::api::whole)
        })
    }

    async fn collect(
        &self,
        head: Parts,
        body: Incoming,
        mut identity: Identity,
        admission: Option<Admission>,
        ends: &Ends,
    ) -> Response<Bytes> {
        let request_id = RequestId::from_random(self.parts.random.bytes16());
        if route::is_function_url(&head) {
            let reason =
                "a function URL can be configured and not called; call Invoke on its function".into();
            let fault = Fault::NotImplemented { operation: "InvokeFunctionUrl", reason };
            return (self.parts.lambda_fault)(&fault, &request_id);
        }
        if route::is_invoke(&head, &identity) {
            return invoke::answer(self, head, body, identity, admission, request_id).await;
        }
        let Some(service) = self.service(&head, &identity) else {
            let _ = self.bodies.read(&head, body, 0).await;
            return match route::service_name(&head, &identity) {
                Some(name) => (self.parts.not_here)(name, &head, &request_id),
                None => (self.parts.lambda_fault)(&Fault::UnknownOperation, &request_id),
            };
        };
        let limit = body::limit(&head, service.signing_name());
        let body = match self.bodies.read(&head, body, limit.bytes).await {
            Ok(body) => body,
            Err(body::ReadError::TooLarge) => {
                return (self.parts.lambda_fault)(&Fault::RequestTooLarge(limit.message()), &request_id);
            }
            Err(body::ReadError::Gone) => {
                let fault = Fault::Serialization("The request's body did not arrive".into());
                return (self.parts.lambda_fault)(&fault, &request_id);
            }
        };
        if let Some(admission) = admission
            && let Err(refusal) = admission.with_body(&head, &body, &mut identity).await
        {
            return self.refused(&refusal, &head, &identity);
        }
        let query = head.uri.query().unwrap_or_default();
        let by_form = match identity.service {
            None if service.signing_name() == "sts" => route::form_service(&body, query),
            _ => None,
        };
        let service = by_form.and_then(|name| self.named(name)).unwrap_or(service);
        // Dropped with this future, which the connection drops when the client hangs up.
        let (_present, gone) = present();
        let base_url = ends.base_url(&head);
        let request = ApiRequest {
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            body,
            scope: identity.scope,
            caller: identity.caller,
            request_id,
            base_url,
            gone,
        };
        // In a task of its own: a client that hangs up does not cut an operation in half.
        let answer = self.parts.control.spawn(async move { service.call(request).await });
        answer.await.unwrap_or_else(|error| {
            tracing::error!(%error, %request_id, "an operation panicked");
            (self.parts.lambda_fault)(&Fault::Internal("an operation panicked".into()), &request_id)
        })
    }

    /// The service of a request whose bodies stream.
    fn streaming(&self, head: &Parts, identity: &Identity) -> Option<Arc<dyn StreamService>> {
        if route::is_function_url(head) {
            return None;
        }
        let name = route::service_name(head, identity)?;
        self.parts.streaming.iter().find(|service| service.signing_name() == name).cloned()
    }

    fn service(&self, head: &Parts, identity: &Identity) -> Option<Arc<dyn ApiService>> {
        self.named(route::service_name(head, identity)?)
    }

    fn named(&self, name: &str) -> Option<Arc<dyn ApiService>> {
        self.parts.services.iter().find(|service| service.signing_name() == name).cloned()
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    front: Rc<Front>,
    stream: S,
    ends: Ends,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(|request| {
        let (front, ends) = (Rc::clone(&front), ends.clone());
        async move {
            let mut response = front.answer(request, &ends).await;
            response.headers_mut().entry("server").or_insert(HeaderValue::from_static("lambent"));
            Ok::<_, Infallible>(response)
        }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    // An error is a client that went away or sent no HTTP: nothing to tell anybody.
    tokio::select! {
        _ = serving.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}
