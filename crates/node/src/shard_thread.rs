//! The shard's thread: client front, runtime front, idle environments, all on one current-thread runtime.

use std::cell::OnceCell;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use lambent_api_kit::absent;
use lambent_domain::{Fault, RequestId, Scope};
use lambent_http_front::{Front, FrontParts};
use lambent_invoke::{Invoker, Shard, ShardParts};
use lambent_ports::access::Gate;
use lambent_ports::api::{ApiService, StreamService};
use lambent_ports::invoke::{Events, Invoke};
use lambent_ports::service_door::{DoorListeners, OpenDoor, Resident, ServiceDoor};
use lambent_runtime_front::HttpRuntimeFront;
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use crate::authority;
use crate::invoke_bridge::InvokeArrivals;
use crate::own_client::OwnInvokes;

/// The front, as functions reach it: it is built after the shard, which opens doors.
#[derive(Default)]
struct Door(OnceCell<Weak<Front>>);

impl ServiceDoor for Door {
    fn open(&self, listeners: DoorListeners, resident: Resident) -> io::Result<OpenDoor> {
        let front = self.0.get().and_then(Weak::upgrade);
        front.ok_or_else(|| io::Error::other("there is no front yet"))?.open_door(listeners, resident)
    }
}

/// Builds the parts of a shard, on its thread.
pub(crate) type MakeParts = Box<dyn FnOnce(Rc<HttpRuntimeFront>, Rc<dyn ServiceDoor>) -> ShardParts + Send>;

/// What crosses into the thread. The parts that live on it are made there.
pub(crate) struct ShardSetup {
    pub(crate) listener: std::net::TcpListener,
    pub(crate) make_parts: MakeParts,
    /// Invokes from other threads.
    pub(crate) arrivals: InvokeArrivals,
    /// Invokes by this server's own services.
    pub(crate) own_invokes: OwnInvokes,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) services: Vec<Arc<dyn ApiService>>,
    pub(crate) streaming: Vec<Arc<dyn StreamService>>,
    pub(crate) control: tokio::runtime::Handle,
    pub(crate) lambda_fault: fn(&Fault, &RequestId) -> Response<Bytes>,
    pub(crate) tls: TlsAcceptor,
    pub(crate) function_name_pattern: &'static str,
    pub(crate) gate: Option<Arc<dyn Gate>>,
    pub(crate) default_scope: Scope,
    pub(crate) stop: watch::Receiver<bool>,
    /// Each true when, after a stop, somebody else who invokes functions has no more running.
    pub(crate) ended: Vec<watch::Receiver<bool>>,
    pub(crate) grace: Duration,
}

/// Starts the thread; it ends when `stop` turns true and what runs has finished, or the grace time is over.
pub(crate) fn start(setup: ShardSetup) -> io::Result<std::thread::JoinHandle<()>> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(16).build()?;
    std::thread::Builder::new().name("shard-0".into()).spawn(move || {
        lambent_sandbox_linux::favour_this_thread();
        let local = LocalSet::new();
        local.block_on(&runtime, run(setup));
    })
}

async fn run(setup: ShardSetup) {
    let door = Rc::new(Door::default());
    let parts = (setup.make_parts)(Rc::new(HttpRuntimeFront), Rc::clone(&door) as _);
    let (clock, random) = (Arc::clone(&parts.clock), Arc::clone(&parts.random));
    let shard = Shard::new(parts);
    let invoke: Rc<dyn Invoke> = Rc::new(Invoker::new(Rc::clone(&shard)));
    let arriving = tokio::task::spawn_local(setup.arrivals.run(Rc::clone(&invoke)));
    let front = Front::new(FrontParts {
        invoke,
        events: setup.events,
        services: setup.services,
        streaming: setup.streaming,
        control: setup.control,
        lambda_fault: setup.lambda_fault,
        not_here: absent::not_here,
        tls: Some(setup.tls),
        function_name_pattern: setup.function_name_pattern,
        gate: setup.gate,
        refuse: authority::refuse,
        default_scope: setup.default_scope,
        clock,
        random,
    });
    let _ = door.0.set(Rc::downgrade(&front));
    let own = tokio::task::spawn_local(setup.own_invokes.run(Rc::clone(&front)));
    let listener = match tokio::net::TcpListener::from_std(setup.listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the listener can't be used");
            return;
        }
    };
    let (mut stop, mut ended) = (setup.stop.clone(), setup.ended);
    let serving = tokio::task::spawn_local(front.serve(listener, setup.stop));
    let _ = stop.wait_for(|stop| *stop).await;
    let finished = async {
        let _ = serving.await;
        for ended in &mut ended {
            let _ = ended.wait_for(|ended| *ended).await;
        }
    };
    if tokio::time::timeout(setup.grace, finished).await.is_err() {
        tracing::warn!(running = shard.running(), "the grace time is over; running invokes are cut off");
    }
    arriving.abort();
    own.abort();
    shard.close();
}
