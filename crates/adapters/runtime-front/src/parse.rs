//! Requests of a runtime, from bytes. Only what the Runtime API needs of HTTP/1.1; everything else is refused.

use bytes::{Bytes, BytesMut};
use lambent_domain::RequestId;
use lambent_domain::limits::MAX_SYNC_RESPONSE_BYTES;

/// Request line and headers together. Room for a 64 KB X-Ray cause in a header.
pub const MAX_HEAD_BYTES: usize = 128 * 1024;
/// One line that gives a chunk's size, or one trailer.
const MAX_CHUNK_LINE_BYTES: usize = 64 * 1024;

/// What a runtime asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `GET runtime/invocation/next`.
    Next,
    /// `POST runtime/invocation/{id}/response`.
    Response(RequestId),
    /// `POST runtime/invocation/{id}/error`.
    Error(RequestId),
    /// `POST runtime/init/error`.
    InitError,
    /// `GET ping`.
    Ping,
    /// A path of the Runtime API with an id that is none.
    BadRequestId,
    /// No such path.
    Unknown,
}

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Method and path.
    pub call: Call,
    /// How the body is framed.
    pub body: BodyKind,
    /// `Expect: 100-continue`.
    pub expects_continue: bool,
    /// The connection ends after the answer.
    pub close: bool,
    /// `Lambda-Runtime-Function-Error-Type`.
    pub error_type: Option<String>,
    /// `Lambda-Runtime-Function-Response-Mode` is there and is not `streaming`.
    pub bad_mode: bool,
    /// `Lambent-Handler-At`, which our clients send with their first poll: when they had the handler, on the monotonic clock.
    pub handler_at_ns: Option<u64>,
}

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// By its length in bytes; no body is one of zero.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// The bytes are not HTTP of a kind that is understood here; the connection is answered 400 and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Looks for the end of something that comes in pieces, without looking at any byte twice.
#[derive(Debug, Default)]
pub struct Search {
    /// Bytes that the end does not begin in.
    seen: usize,
}

impl Search {
    /// Where `end` begins: within `limit`, wherever the pieces were cut.
    fn find(&mut self, input: &[u8], end: &[u8], limit: usize) -> Result<Option<usize>, Malformed> {
        let window = &input[..input.len().min(limit + end.len())];
        if let Some(at) = window.get(self.seen..).and_then(|ahead| find(ahead, end)) {
            let at = self.seen + at;
            self.seen = 0;
            return Ok(Some(at));
        }
        self.seen = (window.len() + 1).saturating_sub(end.len());
        if window.len() == limit + end.len() { Err(Malformed) } else { Ok(None) }
    }
}

/// Takes a head off the front of `input`, or `None` when it is not whole yet. `search` is the connection's.
pub fn head(input: &mut BytesMut, search: &mut Search) -> Result<Option<Head>, Malformed> {
    // Blank lines between requests are allowed.
    while search.seen == 0 && input.starts_with(b"\r\n") {
        let _ = input.split_to(2);
    }
    let Some(end) = search.find(input, b"\r\n\r\n", MAX_HEAD_BYTES)? else {
        return Ok(None);
    };
    let head = input.split_to(end + 4);
    let mut lines =
        head[..end].split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut words = lines.next().ok_or(Malformed)?.split(|byte| *byte == b' ');
    let (method, path, version) = (words.next(), words.next(), words.next());
    let (Some(method), Some(path), Some(version)) = (method, path, version) else {
        return Err(Malformed);
    };
    if !version.starts_with(b"HTTP/1.") || words.next().is_some() {
        return Err(Malformed);
    }
    let mut parsed = Head {
        call: call(method, path),
        body: BodyKind::Length(0),
        expects_continue: false,
        close: version == b"HTTP/1.0",
        error_type: None,
        bad_mode: false,
        handler_at_ns: None,
    };
    for line in lines {
        header(&mut parsed, line)?;
    }
    Ok(Some(parsed))
}

fn header(head: &mut Head, line: &[u8]) -> Result<(), Malformed> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Malformed)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    // The first letter rules out most headers without comparing them.
    match (name.first().map(u8::to_ascii_lowercase), name.len()) {
        (Some(b'c'), 14) if name.eq_ignore_ascii_case(b"content-length") => {
            let length = number(value, 10)?;
            if head.body != BodyKind::Chunked {
                head.body = BodyKind::Length(length);
            }
        }
        (Some(b'c'), 10) if name.eq_ignore_ascii_case(b"connection") => {
            head.close |= value.eq_ignore_ascii_case(b"close");
        }
        (Some(b't'), 17) if name.eq_ignore_ascii_case(b"transfer-encoding") => {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed);
            }
            head.body = BodyKind::Chunked;
        }
        (Some(b'e'), 6) if name.eq_ignore_ascii_case(b"expect") => {
            head.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
        }
        (Some(b'l'), _) if name.eq_ignore_ascii_case(b"lambda-runtime-function-error-type") => {
            head.error_type = Some(String::from_utf8_lossy(value).into_owned());
        }
        (Some(b'l'), _) if name.eq_ignore_ascii_case(b"lambda-runtime-function-response-mode") => {
            head.bad_mode = !value.eq_ignore_ascii_case(b"streaming");
        }
        (Some(b'l'), 18) if name.eq_ignore_ascii_case(b"lambent-handler-at") => {
            head.handler_at_ns = number(value, 10).ok();
        }
        _ => {}
    }
    Ok(())
}

/// Digits and nothing else: no sign.
fn number(digits: &[u8], radix: u32) -> Result<u64, Malformed> {
    if !digits.iter().all(u8::is_ascii_alphanumeric) {
        return Err(Malformed);
    }
    let text = std::str::from_utf8(digits).map_err(|_| Malformed)?;
    u64::from_str_radix(text, radix).map_err(|_| Malformed)
}

fn call(method: &[u8], path: &[u8]) -> Call {
    let path = path.split(|byte| *byte == b'?').next().unwrap_or(path);
    let Some(rest) = path.strip_prefix(b"/2018-06-01/") else {
        return Call::Unknown;
    };
    match (method, rest) {
        (b"GET", b"runtime/invocation/next") => Call::Next,
        (b"GET", b"ping") => Call::Ping,
        (b"POST", b"runtime/init/error") => Call::InitError,
        (b"POST", _) => {
            let Some(rest) = rest.strip_prefix(b"runtime/invocation/") else {
                return Call::Unknown;
            };
            let Some(slash) = rest.iter().position(|byte| *byte == b'/') else {
                return Call::Unknown;
            };
            let id = std::str::from_utf8(&rest[..slash]).ok().and_then(RequestId::parse);
            match (&rest[slash + 1..], id) {
                (b"response", Some(id)) => Call::Response(id),
                (b"error", Some(id)) => Call::Error(id),
                (b"response" | b"error", None) => Call::BadRequestId,
                _ => Call::Unknown,
            }
        }
        _ => Call::Unknown,
    }
}

/// A request's body as it comes in.
#[derive(Debug)]
pub struct Body {
    rest: Rest,
    search: Search,
    collected: BytesMut,
    /// More came than the limit allows; the rest is read and thrown away, so that the runtime can read its answer.
    too_large: bool,
    /// `Lambda-Runtime-Function-Error-Type` of the trailers.
    pub trailer_error_type: Option<String>,
    /// `Lambda-Runtime-Function-Error-Body` of the trailers, as sent.
    pub trailer_error_body: Option<Bytes>,
}

#[derive(Debug, PartialEq, Eq)]
enum Rest {
    Bytes(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Done,
}

impl Body {
    /// A body of which nothing has come yet.
    pub fn new(kind: BodyKind) -> Self {
        let rest = match kind {
            BodyKind::Length(0) => Rest::Done,
            BodyKind::Length(length) => Rest::Bytes(length),
            BodyKind::Chunked => Rest::ChunkSize,
        };
        Body {
            rest,
            search: Search::default(),
            collected: BytesMut::new(),
            too_large: false,
            trailer_error_type: None,
            trailer_error_body: None,
        }
    }

    /// Takes what belongs to the body off the front of `input`. `true` when it is whole.
    pub fn advance(&mut self, input: &mut BytesMut) -> Result<bool, Malformed> {
        loop {
            match self.rest {
                Rest::Done => return Ok(true),
                Rest::Bytes(left) => {
                    let left = self.take(input, left);
                    self.rest = if left == 0 { Rest::Done } else { Rest::Bytes(left) };
                    if left > 0 {
                        return Ok(false);
                    }
                }
                Rest::Chunk(left) => {
                    let left = self.take(input, left);
                    self.rest = if left == 0 { Rest::ChunkEnd } else { Rest::Chunk(left) };
                    if left > 0 {
                        return Ok(false);
                    }
                }
                Rest::ChunkSize => {
                    let Some(line) = line(input, &mut self.search)? else {
                        return Ok(false);
                    };
                    let size = line[..].split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                    let size = number(size, 16)?;
                    self.rest = if size == 0 { Rest::Trailers } else { Rest::Chunk(size) };
                }
                Rest::ChunkEnd => {
                    let Some(line) = line(input, &mut self.search)? else {
                        return Ok(false);
                    };
                    if !line.is_empty() {
                        return Err(Malformed);
                    }
                    self.rest = Rest::ChunkSize;
                }
                Rest::Trailers => {
                    let Some(line) = line(input, &mut self.search)? else {
                        return Ok(false);
                    };
                    if line.is_empty() {
                        self.rest = Rest::Done;
                    } else {
                        self.trailer(&line)?;
                    }
                }
            }
        }
    }

    fn take(&mut self, input: &mut BytesMut, left: u64) -> u64 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let part = input.split_to(count);
        if self.too_large || self.collected.len() + count > MAX_SYNC_RESPONSE_BYTES {
            self.too_large = true;
            self.collected = BytesMut::new();
        } else if self.collected.is_empty() {
            self.collected = part;
        } else {
            self.collected.unsplit(part);
        }
        left - count as u64
    }

    fn trailer(&mut self, line: &[u8]) -> Result<(), Malformed> {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Malformed)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"lambda-runtime-function-error-type") {
            self.trailer_error_type = Some(String::from_utf8_lossy(value).into_owned());
        } else if name.eq_ignore_ascii_case(b"lambda-runtime-function-error-body") {
            self.trailer_error_body = Some(Bytes::copy_from_slice(value));
        }
        Ok(())
    }

    /// The whole body; `None` when it was over the limit.
    pub fn into_bytes(self) -> Option<Bytes> {
        (!self.too_large).then(|| self.collected.freeze())
    }
}

fn line(input: &mut BytesMut, search: &mut Search) -> Result<Option<BytesMut>, Malformed> {
    let Some(end) = search.find(input, b"\r\n", MAX_CHUNK_LINE_BYTES)? else {
        return Ok(None);
    };
    let line = input.split_to(end);
    let _ = input.split_to(2);
    Ok(Some(line))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = needle[0];
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| *byte == first) {
        if haystack[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}
