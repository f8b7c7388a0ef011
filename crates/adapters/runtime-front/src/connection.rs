//! One connection of a runtime.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lambent_ports::runtime_api::Refused;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::parse::{self, Body, Call, Head, Malformed, Search};
use crate::{Endpoint, reply};

/// Room for the next read: a typical response with its headers.
const READ_BYTES: usize = 16 * 1024;

/// The writing side, shared with whoever delivers events.
pub(crate) struct Connection {
    stream: TcpStream,
    /// What the socket has not taken yet.
    out: RefCell<Vec<u8>>,
    /// Something is in `out` that the connection's task has to write.
    unwritten: Notify,
    open: Cell<bool>,
}

impl Connection {
    /// Writes at once; what the socket doesn't take is left to the connection's task.
    pub(crate) fn send(&self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.out.borrow_mut());
        self.flush();
    }

    /// Adds an answer without writing it: it goes out with the next event, or at the end of the turn.
    fn queue(&self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.out.borrow_mut());
    }

    fn flush(&self) {
        let mut out = self.out.borrow_mut();
        while !out.is_empty() {
            match self.stream.try_write(&out) {
                Ok(count) if count == out.len() => out.clear(),
                Ok(count) => drop(out.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unwritten.notify_one();
                    return;
                }
                Err(_) => {
                    self.open.set(false);
                    out.clear();
                    self.unwritten.notify_one();
                    return;
                }
            }
        }
        // A large event should not keep its memory for the connection's life.
        out.shrink_to(READ_BYTES);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.get()
    }

    fn has_unwritten(&self) -> bool {
        !self.out.borrow().is_empty()
    }
}

/// Serves a connection until it closes.
pub(crate) async fn serve(stream: TcpStream, endpoint: Weak<Endpoint>) {
    let connection = Rc::new(Connection {
        stream,
        out: RefCell::default(),
        unwritten: Notify::new(),
        open: Cell::new(true),
    });
    let mut reader = Reader {
        input: BytesMut::with_capacity(READ_BYTES),
        search: Search::default(),
        current: None,
        polling: false,
    };
    while connection.is_open() {
        let interest = if connection.has_unwritten() && !reader.polling {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        tokio::select! {
            ready = connection.stream.ready(interest) => {
                let Ok(ready) = ready else { break };
                if ready.is_writable() {
                    connection.flush();
                }
                if ready.is_readable() && !read(&connection, &mut reader.input) {
                    break;
                }
            }
            () = connection.unwritten.notified() => {
                // An event is waiting for the socket: what was held back for it may go.
                reader.polling = false;
                continue;
            }
        }
        let Some(endpoint) = endpoint.upgrade() else { break };
        if reader.turn(&connection, &endpoint).is_err() {
            connection.send(reply::malformed);
            break;
        }
    }
    connection.open.set(false);
    if let Some(endpoint) = endpoint.upgrade() {
        endpoint.forget(&connection);
    }
}

/// Reads what is there; `false` at the end of the stream.
fn read(connection: &Connection, input: &mut BytesMut) -> bool {
    input.reserve(READ_BYTES);
    match connection.stream.try_read_buf(input) {
        Ok(0) => false,
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

struct Reader {
    input: BytesMut,
    /// For the end of the next head.
    search: Search,
    current: Option<(Head, Body)>,
    /// The last request was a poll that has not been answered.
    polling: bool,
}

impl Reader {
    /// Handles every whole request that has been read.
    fn turn(&mut self, connection: &Rc<Connection>, endpoint: &Rc<Endpoint>) -> Result<(), Malformed> {
        loop {
            let (head, mut body) = match self.current.take() {
                Some(current) => current,
                None => match parse::head(&mut self.input, &mut self.search)? {
                    None => break,
                    Some(head) => {
                        self.polling = false;
                        if head.expects_continue {
                            connection.send(reply::go_on);
                        }
                        let body = Body::new(head.body);
                        (head, body)
                    }
                },
            };
            if !body.advance(&mut self.input)? {
                self.current = Some((head, body));
                break;
            }
            // A poll is answered later; who asked for a close with it closes by itself when it has its event.
            let close = head.close && head.call != Call::Next;
            self.handle(head, body, connection, endpoint);
            if close {
                connection.flush();
                connection.open.set(false);
                return Ok(());
            }
        }
        // Answers wait for the event only when the runtime is already asking for it on this connection.
        if !self.polling {
            connection.flush();
        }
        Ok(())
    }

    fn handle(&mut self, head: Head, body: Body, connection: &Rc<Connection>, endpoint: &Rc<Endpoint>) {
        let answer = |result: Result<(), Refused>| match result {
            Ok(()) => connection.queue(reply::accepted),
            Err(refused) => connection.queue(|out| reply::refused(out, refused)),
        };
        let too_large = |id| match endpoint.events.response(id, None) {
            Ok(()) => connection.queue(reply::too_large),
            result => answer(result),
        };
        match head.call {
            Call::Next => {
                // Set before the environment is told: it may answer from within.
                self.polling = true;
                let had_handler = head.handler_at_ns.map(since);
                if let Err(refused) = endpoint.poll(connection, had_handler) {
                    self.polling = false;
                    connection.queue(|out| reply::refused(out, refused));
                } else if !connection.has_unwritten() {
                    self.polling = false;
                }
            }
            Call::Response(_) if head.bad_mode => connection.queue(reply::bad_mode),
            Call::Response(id) => {
                let failed = body.trailer_error_type.clone().zip(body.trailer_error_body.clone());
                if let Some((kind, error)) = failed {
                    return answer(endpoint.events.error(id, Some(&kind), decode_trailer(error)));
                }
                match body.into_bytes() {
                    None => too_large(id),
                    body => answer(endpoint.events.response(id, body)),
                }
            }
            // For an error AWS documents no limit of its own: it is what the caller gets, so the response's holds.
            Call::Error(id) => match body.into_bytes() {
                None => too_large(id),
                Some(body) => answer(endpoint.events.error(id, head.error_type.as_deref(), body)),
            },
            // Without its words the init goes on; what the runtime does next, such as to exit, decides.
            Call::InitError => match body.into_bytes() {
                None => connection.queue(reply::too_large),
                Some(body) => answer(endpoint.events.init_error(head.error_type.as_deref(), body)),
            },
            Call::Ping => connection.queue(reply::pong),
            Call::BadRequestId => connection.queue(reply::invalid_request_id),
            Call::Unknown => connection.queue(reply::not_found),
        }
    }
}

/// How long ago that was, on the clock that every process of the host has. A function can say what it likes.
fn since(ns: u64) -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let now = Duration::new(now.tv_sec as u64, now.tv_nsec as u32);
    now.saturating_sub(Duration::from_nanos(ns))
}

/// AWS's Node client sends the error's JSON base64-encoded in its trailer; others send it as it is.
fn decode_trailer(body: Bytes) -> Bytes {
    let mut bits = 0u32;
    let mut count = 0;
    let mut out = Vec::with_capacity(body.len());
    for byte in body.iter().filter(|byte| **byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return body,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Bytes::from(out)
}
