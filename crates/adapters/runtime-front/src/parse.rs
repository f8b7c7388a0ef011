//! Requests of a runtime, from bytes. Only what the Runtime API needs of HTTP/1.1; everything else is refused.

use bytes::{Bytes, BytesMut};
use lambent_domain::RequestId;
use lambent_domain::limits::MAX_SYNC_RESPONSE_BYTES;

/// Request line and headers together. Room for a 64 KB X-Ray cause in a header.
pub(crate) const MAX_HEAD_BYTES: usize = 128 * 1024;
/// One line that gives a chunk's size, or one trailer.
const MAX_CHUNK_LINE_BYTES: usize = 64 * 1024;

/// What a runtime asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Next,
    Response(RequestId),
    Error(RequestId),
    InitError,
    Ping,
    /// A path of the Runtime API with an id that is none.
    BadRequestId,
    /// No such path.
    Unknown,
}

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) call: Call,
    pub(crate) body: BodyKind,
    pub(crate) expects_continue: bool,
    pub(crate) close: bool,
    pub(crate) error_type: Option<String>,
    /// `Lambda-Runtime-Function-Response-Mode` is there and is not `streaming`.
    pub(crate) bad_mode: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Length(u64),
    Chunked,
}

/// The bytes are not HTTP of a kind that is understood here; the connection is answered 400 and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Takes a head off the front of `input`, or `None` when it is not whole yet.
pub(crate) fn head(input: &mut BytesMut) -> Result<Option<Head>, Malformed> {
    // Blank lines between requests are allowed.
    while input.starts_with(b"\r\n") {
        let _ = input.split_to(2);
    }
    let Some(end) = find(input, b"\r\n\r\n") else {
        return if input.len() > MAX_HEAD_BYTES { Err(Malformed) } else { Ok(None) };
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
            let length =
                std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(Malformed)?;
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
        _ => {}
    }
    Ok(())
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
pub(crate) struct Body {
    rest: Rest,
    collected: BytesMut,
    /// More came than the limit allows; the rest is read and thrown away, so that the runtime can read its answer.
    too_large: bool,
    /// `Lambda-Runtime-Function-Error-Type` of the trailers.
    pub(crate) trailer_error_type: Option<String>,
    /// `Lambda-Runtime-Function-Error-Body` of the trailers, as sent.
    pub(crate) trailer_error_body: Option<Bytes>,
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
    pub(crate) fn new(kind: BodyKind) -> Self {
        let rest = match kind {
            BodyKind::Length(0) => Rest::Done,
            BodyKind::Length(length) => Rest::Bytes(length),
            BodyKind::Chunked => Rest::ChunkSize,
        };
        Body {
            rest,
            collected: BytesMut::new(),
            too_large: false,
            trailer_error_type: None,
            trailer_error_body: None,
        }
    }

    /// Takes what belongs to the body off the front of `input`. `true` when it is whole.
    pub(crate) fn advance(&mut self, input: &mut BytesMut) -> Result<bool, Malformed> {
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
                    let Some(line) = line(input)? else {
                        return Ok(false);
                    };
                    let size = line[..].split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                    let size = std::str::from_utf8(size).map_err(|_| Malformed)?;
                    let size = u64::from_str_radix(size, 16).map_err(|_| Malformed)?;
                    self.rest = if size == 0 { Rest::Trailers } else { Rest::Chunk(size) };
                }
                Rest::ChunkEnd => {
                    let Some(line) = line(input)? else {
                        return Ok(false);
                    };
                    if !line.is_empty() {
                        return Err(Malformed);
                    }
                    self.rest = Rest::ChunkSize;
                }
                Rest::Trailers => {
                    let Some(line) = line(input)? else {
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
    pub(crate) fn into_bytes(self) -> Option<Bytes> {
        (!self.too_large).then(|| self.collected.freeze())
    }
}

fn line(input: &mut BytesMut) -> Result<Option<BytesMut>, Malformed> {
    match find(input, b"\r\n") {
        Some(end) => {
            let line = input.split_to(end);
            let _ = input.split_to(2);
            Ok(Some(line))
        }
        None if input.len() > MAX_CHUNK_LINE_BYTES => Err(Malformed),
        None => Ok(None),
    }
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
