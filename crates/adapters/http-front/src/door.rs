//! The front inside a sandbox: the same answers, to a function that is known.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lambent_ports::service_door::{DoorListeners, OpenDoor, Resident};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::{Ends, Front, connection};

/// Connections of one environment at the same time. More wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 256;
/// How long TLS may take to begin.
const HANDSHAKE: Duration = Duration::from_secs(20);

impl Front {
    /// Answers what comes through the listeners as the resident's. Must be called in a `LocalSet` on the front's thread.
    pub fn open_door(self: &Rc<Self>, listeners: DoorListeners, resident: Resident) -> io::Result<OpenDoor> {
        let resident = Rc::new(resident);
        let plain = self.accept(listeners.plain, &resident, None)?;
        let secure = match (listeners.secure, &self.parts.tls) {
            (Some(listener), Some(tls)) => Some(self.accept(listener, &resident, Some(tls.clone()))?),
            _ => None,
        };
        Ok(OpenDoor::new(move || {
            plain.abort();
            if let Some(secure) = secure {
                secure.abort();
            }
        }))
    }

    fn accept(
        self: &Rc<Self>,
        listener: OwnedFd,
        resident: &Rc<Resident>,
        tls: Option<TlsAcceptor>,
    ) -> io::Result<AbortHandle> {
        let listener = std::net::TcpListener::from(listener);
        listener.set_nonblocking(true)?;
        let ends = Ends {
            peer: None,
            local: listener.local_addr()?.to_string(),
            resident: Some(Rc::clone(resident)),
            secure: tls.is_some(),
        };
        let listener = TcpListener::from_std(listener)?;
        Ok(tokio::task::spawn_local(serve(Rc::clone(self), listener, ends, tls)).abort_handle())
    }
}

async fn serve(front: Rc<Front>, listener: TcpListener, ends: Ends, tls: Option<TlsAcceptor>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Never told to stop: they end with this task, and it with its environment.
    let (_going_on, stop) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                let (front, ends, stop, tls) = (Rc::clone(&front), ends.clone(), stop.clone(), tls.clone());
                connections.spawn_local(async move {
                    match tls {
                        None => connection(front, stream, ends, stop).await,
                        Some(tls) => secure_connection(front, stream, ends, stop, tls).await,
                    }
                    drop(permit);
                });
            }
            // Out of file descriptors: what is open will close.
            Err(error) => {
                tracing::warn!(%error, "a function's connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// A client that does not trust this server, or asks for a name that no service has, hears so from TLS.
async fn secure_connection(
    front: Rc<Front>,
    stream: TcpStream,
    ends: Ends,
    stop: watch::Receiver<bool>,
    tls: TlsAcceptor,
) {
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => connection(front, stream, ends, stop).await,
        Ok(Err(error)) => tracing::debug!(%error, "a function's connection failed"),
        Err(_) => {}
    }
}
