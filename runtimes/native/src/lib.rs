//! Functions in Rust, for anything that speaks AWS's Runtime API: `provided.al2023` here and on AWS.
//!
//! One thread, one connection, no dependencies. A response and the next poll leave in one write: the platform is woken once.
//!
//! ```no_run
//! let error = lambent_function::run(|event, context| {
//!     println!("{} ms left", context.remaining().as_millis());
//!     Ok(event.to_vec())
//! });
//! eprintln!("{error}");
//! ```
//!
//! Events and results are bytes of JSON; which library reads them is the function's choice. A handler's error and its panic
//! are its invocation's; the next one finds the same process.

#![forbid(unsafe_code)]

mod answer;
mod connection;
mod context;
mod failure;

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use context::Context;
pub use failure::Failure;

use connection::Connection;

/// Serves events until the platform goes away or breaks its protocol, and returns how.
pub fn run(handler: impl FnMut(&[u8], &Context) -> Result<Vec<u8>, Failure>) -> io::Error {
    match Runtime::connect() {
        Ok(runtime) => runtime.serve(handler),
        Err(error) => error,
    }
}

/// For functions that have something to do before their first event, and may fail at it.
pub struct Runtime {
    connection: Connection,
}

impl Runtime {
    /// To the address in `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// # Errors
    /// No such variable, or nobody listens there.
    pub fn connect() -> io::Result<Self> {
        let address = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(|_| {
            io::Error::other("AWS_LAMBDA_RUNTIME_API is not set: this is no Lambda environment")
        })?;
        Self::connect_to(&address)
    }

    /// To an address of the form of `AWS_LAMBDA_RUNTIME_API`: for tests.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect_to(address: &str) -> io::Result<Self> {
        Ok(Runtime { connection: Connection::open(address)? })
    }

    /// Tells the platform that there will be no events. The process should exit then.
    ///
    /// # Errors
    /// The platform has gone away.
    pub fn fail_init(mut self, failure: &Failure) -> io::Result<()> {
        let body = failure.body();
        self.connection.queue_post("init/error", &body, Some(failure));
        self.connection.send()?;
        self.connection.answer().map(drop)
    }

    /// As [`run`].
    pub fn serve(mut self, handler: impl FnMut(&[u8], &Context) -> Result<Vec<u8>, Failure>) -> io::Error {
        match self.serve_until_error(handler) {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    fn serve_until_error(
        &mut self,
        mut handler: impl FnMut(&[u8], &Context) -> Result<Vec<u8>, Failure>,
    ) -> io::Result<std::convert::Infallible> {
        let connection = &mut self.connection;
        connection.queue_next();
        connection.send()?;
        loop {
            let next = connection.answer()?;
            if next.status != 200 {
                return Err(io::Error::other(format!("no event but status {}", next.status)));
            }
            let context = Context::of(&next)?;
            let result = call(&mut handler, &next.body, &context);
            // What was printed belongs to this invocation.
            io::stdout().flush()?;
            match result {
                Ok(body) => {
                    connection.queue_post(
                        &format!("invocation/{}/response", context.request_id),
                        &body,
                        None,
                    );
                }
                Err(failure) => {
                    eprintln!("{}: {}", failure.kind, failure.message);
                    let body = failure.body();
                    connection.queue_post(
                        &format!("invocation/{}/error", context.request_id),
                        &body,
                        Some(&failure),
                    );
                }
            }
            connection.queue_next();
            connection.send()?;
            let accepted = connection.answer()?;
            // Too large a response is the invocation's failure, and the platform has said so to who waits.
            if accepted.status >= 400 && accepted.status != 413 {
                eprintln!("the response was refused: {}", String::from_utf8_lossy(&accepted.body));
            }
        }
    }
}

fn call(
    handler: &mut impl FnMut(&[u8], &Context) -> Result<Vec<u8>, Failure>,
    event: &[u8],
    context: &Context,
) -> Result<Vec<u8>, Failure> {
    // What the handler has half done when it panics is its own business, as with AWS's client.
    catch_unwind(AssertUnwindSafe(|| handler(event, context))).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Failure::new("Runtime.Panic", said.unwrap_or_else(|| "the handler panicked".to_owned())))
    })
}
