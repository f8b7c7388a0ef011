//! Requests of this server's services to one another: through the same doors as a client's, without a socket; or to
//! those that are configured to be elsewhere.

use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response};
use lambent_aws_client::RemoteClient;
use lambent_domain::{RequestId, Scope};
use lambent_http_front::Front;
use lambent_http_front::route::function_label;
use lambent_kit::random::Random;
use lambent_ports::api::{ApiRequest, ApiService, Caller};
use lambent_ports::aws_client::{AwsClient, ServiceRequest, Unreachable};
use lambent_ports::presence::present;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Invokes on their way to the shard; more wait at the door.
const MAX_CROSSING: usize = 256;

/// One invoke, and who waits for its answer.
struct Crossing {
    request: Request<Bytes>,
    scope: Scope,
    caller: Caller,
    answer: oneshot::Sender<Response<Bytes>>,
}

/// The far end of invokes, for the front's thread.
pub(crate) struct OwnInvokes(mpsc::Receiver<Crossing>);

/// The services of this server as clients of each other.
pub(crate) struct OwnClient {
    /// Known when all of them have been built; some of them are built with this client.
    services: OnceLock<Vec<Arc<dyn ApiService>>>,
    /// Services that are elsewhere, by signing name.
    remotes: Vec<(&'static str, RemoteClient)>,
    invokes: mpsc::Sender<Crossing>,
    base_url: String,
    random: Arc<dyn Random>,
}

impl OwnClient {
    /// The client, and where its invokes arrive. `base_url` is what links in answers begin with.
    pub(crate) fn new(
        base_url: String,
        remotes: Vec<(&'static str, RemoteClient)>,
        random: Arc<dyn Random>,
    ) -> (Arc<Self>, OwnInvokes) {
        let (invokes, arriving) = mpsc::channel(MAX_CROSSING);
        let client = OwnClient { services: OnceLock::new(), remotes, invokes, base_url, random };
        (Arc::new(client), OwnInvokes(arriving))
    }

    /// Signing names of services that are elsewhere.
    pub(crate) fn elsewhere(&self) -> impl Iterator<Item = &'static str> {
        self.remotes.iter().map(|(name, _)| *name)
    }

    /// From now on requests find these.
    pub(crate) fn connect(&self, services: Vec<Arc<dyn ApiService>>) {
        let _ = self.services.set(services);
    }

    async fn invoke(
        &self,
        request: Request<Bytes>,
        scope: Scope,
        caller: Caller,
    ) -> Result<Response<Bytes>, Unreachable> {
        let stopping = || Unreachable("the server is stopping".into());
        let (answer, answered) = oneshot::channel();
        let crossing = Crossing { request, scope, caller, answer };
        self.invokes.send(crossing).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())
    }

    fn service(&self, name: &str) -> Result<Arc<dyn ApiService>, Unreachable> {
        let services = self.services.get().map(Vec::as_slice).unwrap_or_default();
        let found = services.iter().find(|service| service.signing_name() == name);
        found.cloned().ok_or_else(|| Unreachable(format!("the service {name} is not available here")))
    }
}

#[async_trait]
impl AwsClient for OwnClient {
    async fn call(&self, asked: ServiceRequest) -> Result<Response<Bytes>, Unreachable> {
        if let Some((_, remote)) = self.remotes.iter().find(|(name, _)| *name == asked.service) {
            return remote.call(asked).await;
        }
        let ServiceRequest { service, scope, principal, method, target, headers, body } = asked;
        let mut request = Request::builder().method(method).uri(target).body(body);
        if let Ok(request) = &mut request {
            *request.headers_mut() = headers;
            // As whoever comes through a socket says it: S3 does not take a body without.
            let length = request.body().len();
            request.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| length.into());
        }
        let request = request.map_err(|error| Unreachable(format!("no valid request: {error}")))?;
        let account = scope.account.clone();
        let caller = Caller { account, access_key_id: None, principal: Some(principal) };
        if is_invoke(service, &request) {
            return self.invoke(request, scope, caller).await;
        }
        let service = self.service(service)?;
        // Dropped with this future: who asked has hung up.
        let (_present, gone) = present();
        let (head, body) = request.into_parts();
        let request = ApiRequest {
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            body,
            scope,
            caller,
            request_id: RequestId::from_random(self.random.bytes16()),
            base_url: self.base_url.clone(),
            gone,
        };
        // In a task of its own: who hangs up does not cut an operation in half.
        let answer = tokio::spawn(async move { service.call(request).await });
        answer.await.map_err(|error| Unreachable(format!("the operation ended: {error}")))
    }
}

fn is_invoke(service: &str, request: &Request<Bytes>) -> bool {
    service == "lambda" && *request.method() == Method::POST && function_label(request.uri().path()).is_some()
}

impl OwnInvokes {
    /// Answers what arrives, until it is dropped. Must run in a `LocalSet`, on the front's thread.
    pub(crate) async fn run(mut self, front: Rc<Front>) {
        let mut running = JoinSet::new();
        while let Some(Crossing { request, scope, caller, answer }) = self.0.recv().await {
            let front = Rc::clone(&front);
            running.spawn_local(async move {
                // Whoever waited may have gone; the function ran all the same.
                let _ = answer.send(front.invoke_from_within(request, scope, caller).await);
            });
            while running.try_join_next().is_some() {}
        }
    }
}
