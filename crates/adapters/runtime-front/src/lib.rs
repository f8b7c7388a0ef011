//! The Runtime API (`2018-06-01`) over HTTP/1.1, written by hand: the protocol is small and fixed, and this is half of
//! a warm invoke.
//!
//! One listener per execution environment: identity comes from the socket. Everything runs on the shard's thread; an
//! event is written to the runtime's socket straight from the task of the client that waits for it.

mod connection;
pub mod parse;
mod reply;

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::time::Duration;

use lambent_ports::runtime_api::{Refused, RuntimeChannel, RuntimeEvent, RuntimeEvents, RuntimeFront};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use connection::Connection;

/// Connections that one environment may have open: stock clients use two, extensions come later.
const MAX_CONNECTIONS: usize = 64;

/// Serves Runtime APIs on the current thread's `LocalSet`.
#[derive(Debug, Default)]
pub struct HttpRuntimeFront;

impl RuntimeFront for HttpRuntimeFront {
    fn serve(&self, listener: OwnedFd, events: Rc<dyn RuntimeEvents>) -> io::Result<Rc<dyn RuntimeChannel>> {
        let listener = std::net::TcpListener::from(listener);
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let environment = Rc::new(Endpoint { events, state: RefCell::default() });
        let accepting = tokio::task::spawn_local(accept(listener, Rc::downgrade(&environment)));
        environment.state.borrow_mut().tasks.push(accepting.abort_handle());
        Ok(Rc::new(Channel(environment)))
    }
}

/// One environment's Runtime API.
struct Endpoint {
    events: Rc<dyn RuntimeEvents>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// The connection whose `GET next` is unanswered. A second poll takes the first one's place: runtimes that
    /// reconnect mean the new one.
    waiting: Option<Rc<Connection>>,
    /// The accept loop first, then connections.
    tasks: Vec<AbortHandle>,
}

impl Endpoint {
    fn forget(&self, connection: &Rc<Connection>) {
        let mut state = self.state.borrow_mut();
        if state.waiting.as_ref().is_some_and(|waiting| Rc::ptr_eq(waiting, connection)) {
            state.waiting = None;
        }
    }

    /// A poll is waiting on `connection`.
    fn poll(&self, connection: &Rc<Connection>, had_handler: Option<Duration>) -> Result<(), Refused> {
        let previous = self.state.borrow_mut().waiting.replace(Rc::clone(connection));
        let result = self.events.next_requested(had_handler);
        if result.is_err() {
            self.state.borrow_mut().waiting = previous;
        }
        result
    }

    fn close_connections(&self) {
        let mut state = self.state.borrow_mut();
        state.waiting = None;
        for task in state.tasks.drain(1..) {
            task.abort();
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        for task in self.state.borrow_mut().tasks.drain(..) {
            task.abort();
        }
    }
}

struct Channel(Rc<Endpoint>);

impl RuntimeChannel for Channel {
    fn deliver(&self, event: &RuntimeEvent) -> bool {
        let Some(connection) = self.0.state.borrow_mut().waiting.take() else {
            return false;
        };
        connection.send(|out| reply::event(out, event));
        connection.is_open()
    }

    fn reset(&self) {
        self.0.close_connections();
    }
}

async fn accept(listener: TcpListener, endpoint: Weak<Endpoint>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // The process's own limit on open files, or a peer that is gone already: nothing to do but go on, slowly.
            Err(error) => {
                tracing::warn!(%error, "a runtime's connection was not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(endpoint) = endpoint.upgrade() else {
            return;
        };
        let mut state = endpoint.state.borrow_mut();
        let mut index = 0;
        state.tasks.retain(|task| {
            index += 1;
            index == 1 || !task.is_finished()
        });
        if state.tasks.len() > MAX_CONNECTIONS {
            continue;
        }
        let _ = stream.set_nodelay(true);
        let serving = tokio::task::spawn_local(connection::serve(stream, Rc::downgrade(&endpoint)));
        state.tasks.push(serving.abort_handle());
    }
}

#[cfg(test)]
mod tests;
