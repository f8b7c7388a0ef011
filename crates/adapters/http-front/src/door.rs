//! The front inside a sandbox: the same answers, to a function that is known.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lambent_ports::service_door::{OpenDoor, Resident};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::{Ends, Front, connection};

/// Connections of one environment at the same time. More wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 256;

impl Front {
    /// Answers what comes through `listener` as the resident's. Must be called in a `LocalSet` on the front's thread.
    pub fn open_door(self: &Rc<Self>, listener: OwnedFd, resident: Resident) -> io::Result<OpenDoor> {
        let listener = std::net::TcpListener::from(listener);
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?.to_string();
        let listener = TcpListener::from_std(listener)?;
        let serving = tokio::task::spawn_local(serve(Rc::clone(self), listener, local, Rc::new(resident)));
        Ok(OpenDoor::new(move || serving.abort()))
    }
}

async fn serve(front: Rc<Front>, listener: TcpListener, local: String, resident: Rc<Resident>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Never told to stop: they end with this task, and it with its environment.
    let (_going_on, stop) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (front, resident) = (Rc::clone(&front), Rc::clone(&resident));
                let ends = Ends { peer: None, local: local.clone(), resident: Some(resident) };
                let connection = connection(front, stream, ends, stop.clone());
                connections.spawn_local(async move {
                    connection.await;
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
