//! One connection to the Runtime API. Requests are queued and sent together.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::answer::Answer;
use crate::failure::Failure;

const BASE: &str = "/2018-06-01/runtime/";
/// What one read asks for.
const READ_BYTES: usize = 64 * 1024;

pub(crate) struct Connection {
    stream: TcpStream,
    host: String,
    queued: Vec<u8>,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: &str) -> io::Result<Self> {
        let with_port = if address.contains(':') { address.to_owned() } else { format!("{address}:80") };
        let stream = TcpStream::connect(with_port)?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, host: address.to_owned(), queued: Vec::new(), received: Vec::new() })
    }

    pub(crate) fn queue_next(&mut self) {
        let head = format!("GET {BASE}invocation/next HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        self.queued.extend_from_slice(head.as_bytes());
    }

    pub(crate) fn queue_post(&mut self, path: &str, body: &[u8], failure: Option<&Failure>) {
        let kind = failure.map(|failure| {
            let plain =
                failure.kind.chars().map(|letter| if (' '..='~').contains(&letter) { letter } else { '?' });
            format!("Lambda-Runtime-Function-Error-Type: {}\r\n", plain.collect::<String>())
        });
        let head = format!(
            "POST {BASE}{path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{}Content-Length: {}\r\n\r\n",
            self.host,
            kind.unwrap_or_default(),
            body.len()
        );
        self.queued.extend_from_slice(head.as_bytes());
        self.queued.extend_from_slice(body);
    }

    /// Everything that is queued, in one write if the kernel takes it.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.queued)?;
        self.queued.clear();
        Ok(())
    }

    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        loop {
            if let Some((answer, length)) = Answer::parse(&self.received)? {
                self.received.drain(..length);
                return Ok(answer);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let have = self.received.len();
        self.received.resize(have + READ_BYTES, 0);
        let count = loop {
            match self.stream.read(&mut self.received[have..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.received.truncate(have + count.as_ref().copied().unwrap_or(0));
        match count? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the platform has gone away")),
            _ => Ok(()),
        }
    }
}
