//! `aws-chunked` bodies: chunks with or without a signature, and trailers behind them. The framing is taken off here; the
//! trailers wait for whoever has read the body to its end.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use lambent_kit::sigv4::chunks::Chunks;
use lambent_ports::api::Body;
use sha2::{Digest, Sha256};

/// The longest line: a size with a signature, or a trailer.
const MAX_LINE_BYTES: usize = 4 * 1024;
/// How many trailers there may be.
const MAX_TRAILERS: usize = 16;

/// Trailers by lower-case name, when the body has been read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trailers(Arc<Mutex<Vec<(String, String)>>>);

impl Trailers {
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let trailers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trailers.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Data(u64),
    /// The line break behind a chunk.
    Behind,
    Trailer,
    Over,
}

/// Takes the framing off.
struct Decoder {
    body: Body,
    read: BytesMut,
    state: State,
    trailers: Trailers,
    /// What `x-amz-decoded-content-length` promised and has not come yet.
    left: Option<u64>,
    /// Where each chunk has to be signed.
    signed: Option<Signed>,
}

/// The chain of signatures, and the chunk that is being read.
struct Signed {
    chain: Chunks,
    /// What stands beside the chunk's size.
    signature: String,
    digest: Sha256,
    /// The trailers' lines, which are signed together.
    trailers: String,
    /// There must be one.
    with_trailer: bool,
}

impl Signed {
    /// Its signature stands beside its size; the last one has nothing to be read.
    fn begin_chunk(&mut self, line: &str, size: u64) -> io::Result<()> {
        let extension = line.split_once(';').map(|(_, extension)| extension.trim());
        let signature = extension.and_then(|extension| extension.strip_prefix("chunk-signature="));
        self.signature = signature.ok_or_else(wrong_signature)?.to_owned();
        if size == 0 { self.end_of_chunk() } else { Ok(()) }
    }

    /// Whether a trailer is one of the body's: the last one is the signature of those before it.
    fn trailer(&mut self, name: &str, value: &str) -> io::Result<bool> {
        if !self.with_trailer {
            return Err(wrong_signature());
        }
        if name != "x-amz-trailer-signature" {
            self.trailers.push_str(&format!("{name}:{value}\n"));
            return Ok(true);
        }
        if !self.chain.trailer_holds(&self.trailers, value) {
            return Err(wrong_signature());
        }
        self.with_trailer = false;
        Ok(false)
    }

    /// The chunk has been read.
    fn end_of_chunk(&mut self) -> io::Result<()> {
        let sha256 = hex::encode(self.digest.finalize_reset());
        if self.chain.next_holds(&sha256, &self.signature) { Ok(()) } else { Err(wrong_signature()) }
    }
}

/// How the chunks of a body have to be signed.
pub(crate) struct Signatures {
    /// The chain that begins with the headers' signature.
    pub(crate) chain: Chunks,
    /// Trailers are signed, too, and there are some.
    pub(crate) with_trailer: bool,
}

/// The body without its framing. `length` is the promised length of what is in it.
pub(crate) fn decoded(
    body: Body,
    length: Option<u64>,
    trailers: Trailers,
    signatures: Option<Signatures>,
) -> Body {
    let signed = signatures.map(|Signatures { chain, with_trailer }| Signed {
        chain,
        signature: String::new(),
        digest: Sha256::new(),
        trailers: String::new(),
        with_trailer,
    });
    let decoder = Decoder { body, read: BytesMut::new(), state: State::Size, trailers, left: length, signed };
    decoder.boxed_unsync()
}

/// Text of the error for a chunk that another has signed, or that is not signed.
pub(crate) const WRONG_SIGNATURE: &str = "a chunk's signature does not match";

fn wrong_signature() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, WRONG_SIGNATURE)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Decoder {
    /// What can be said with what has been read; `None` when more has to come.
    fn step(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.state {
                State::Over => return Ok(None),
                State::Data(0) => {
                    if let Some(signed) = &mut self.signed {
                        signed.end_of_chunk()?;
                    }
                    self.state = State::Behind;
                }
                State::Data(left) => {
                    if self.read.is_empty() {
                        return Ok(None);
                    }
                    let length = left.min(self.read.len() as u64);
                    self.state = State::Data(left - length);
                    if let Some(promised) = &mut self.left {
                        *promised =
                            promised.checked_sub(length).ok_or_else(|| broken("more than promised"))?;
                    }
                    let bytes = self.read.split_to(length as usize).freeze();
                    if let Some(signed) = &mut self.signed {
                        signed.digest.update(&bytes);
                    }
                    return Ok(Some(bytes));
                }
                State::Size => {
                    let Some(line) = self.line()? else { return Ok(None) };
                    let digits = line.split(';').next().unwrap_or_default().trim();
                    let size = u64::from_str_radix(digits, 16).map_err(|_| broken("no chunk size"))?;
                    if let Some(signed) = &mut self.signed {
                        signed.begin_chunk(&line, size)?;
                    }
                    self.state = if size == 0 { State::Trailer } else { State::Data(size) };
                }
                State::Behind => {
                    let Some(line) = self.line()? else { return Ok(None) };
                    if !line.is_empty() {
                        return Err(broken("a chunk is longer than it says"));
                    }
                    self.state = State::Size;
                }
                State::Trailer => {
                    let Some(line) = self.line()? else { return Ok(None) };
                    if line.is_empty() {
                        self.end_of_trailers()?;
                    } else {
                        self.trailer(&line)?;
                    }
                }
            }
        }
    }

    fn trailer(&mut self, line: &str) -> io::Result<()> {
        let (name, value) = line.split_once(':').ok_or_else(|| broken("no trailer"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if let Some(signed) = &mut self.signed
            && !signed.trailer(&name, value)?
        {
            return Ok(());
        }
        let mut trailers = self.trailers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if trailers.len() == MAX_TRAILERS {
            return Err(broken("too many trailers"));
        }
        trailers.push((name, value.to_owned()));
        Ok(())
    }

    fn end_of_trailers(&mut self) -> io::Result<()> {
        if self.signed.as_ref().is_some_and(|signed| signed.with_trailer) {
            return Err(wrong_signature());
        }
        self.state = State::Over;
        Ok(())
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        let Some(at) = self.read.iter().position(|byte| *byte == b'\n') else {
            return if self.read.len() > MAX_LINE_BYTES {
                Err(broken("a line is too long"))
            } else {
                Ok(None)
            };
        };
        let line = self.read.split_to(at);
        self.read.advance(1);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        String::from_utf8(line.to_vec()).map(Some).map_err(|_| broken("a line is no text"))
    }

    /// The client's end of the body.
    fn end(&self) -> Option<io::Error> {
        let whole = match self.state {
            State::Over => self.left.unwrap_or(0) == 0,
            // Some clients leave the last line break away.
            State::Trailer if self.signed.as_ref().is_some_and(|signed| signed.with_trailer) => false,
            State::Trailer => self.read.is_empty() && self.left.unwrap_or(0) == 0,
            _ => false,
        };
        (!whole).then(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the body is not whole"))
    }
}

impl http_body::Body for Decoder {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<http_body::Frame<Bytes>>>> {
        loop {
            match self.step() {
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(Some(bytes)) => return Poll::Ready(Some(Ok(http_body::Frame::data(bytes)))),
                Ok(None) => {}
            }
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.read.extend_from_slice(&data);
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(self.end().map(Err)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::StreamBody;

    use super::*;

    /// Sent in pieces of every size.
    async fn read(
        sent: &'static [u8],
        pieces: usize,
        length: Option<u64>,
    ) -> io::Result<(Vec<u8>, Trailers)> {
        let frames = sent.chunks(pieces).map(|piece| Ok(http_body::Frame::data(Bytes::from_static(piece))));
        let body = StreamBody::new(stream::iter(frames)).boxed_unsync();
        let trailers = Trailers::default();
        let read = decoded(body, length, trailers.clone(), None).collect().await?;
        Ok((read.to_bytes().to_vec(), trailers))
    }

    #[tokio::test]
    async fn chunks_come_off_however_they_are_cut() {
        let unsigned = b"5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
        let signed = b"b;chunk-signature=00ff\r\nhello world\r\n0;chunk-signature=11\r\nX-Amz-Checksum-CRC32: DUoRhQ==\r\nx-amz-trailer-signature:22\r\n\r\n";
        for sent in [&unsigned[..], &signed[..]] {
            for pieces in 1..sent.len() {
                let (bytes, trailers) = read(sent, pieces, Some(11)).await.unwrap();
                assert_eq!(bytes, b"hello world");
                assert_eq!(trailers.get("x-amz-checksum-crc32").as_deref(), Some("DUoRhQ=="));
            }
        }
        assert_eq!(read(b"0;chunk-signature=1\r\n\r\n", 100, Some(0)).await.unwrap().0, b"");
    }

    #[tokio::test]
    async fn what_is_not_whole_or_broken_is_an_error() {
        let broken: [&'static [u8]; 6] = [
            b"5\r\nhel",
            b"5\r\nhello\r\n",
            b"zz\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhello!\r\n0\r\n\r\n",
            b"4\r\nhell\r\n0\r\n\r\n",
            b"6\r\nhello!\r\n0\r\n\r\n",
        ];
        for sent in broken {
            assert!(read(sent, 3, Some(5)).await.is_err(), "{}", String::from_utf8_lossy(sent));
        }
    }
}
