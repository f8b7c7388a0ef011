//! Splits a process's output into log events: lines of plain text, and the framed messages of managed runtimes.
//!
//! A frame is `u32 type | u32 length | u64 Unix time in µs | message`, big-endian, type `0xA55A00xx` (`facts` 2.8).
//! Its first byte is a UTF-8 continuation byte: no text begins a character with it, so frames and printed text share
//! one pipe and keep their order.

/// Largest single event; longer lines are cut. CloudWatch's limit is 1 MB with 26 bytes of overhead (`facts` 7.1).
pub(super) const MAX_EVENT_BYTES: usize = 1_048_576 - 26;

const MAGIC: [u8; 3] = [0xA5, 0x5A, 0x00];
const HEADER_BYTES: usize = 16;

/// Output of a process, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line, with its newline when it had one.
    Line(Vec<u8>),
    /// A framed message, whole.
    Frame {
        /// The low byte of the frame's type: level and format.
        kind: u8,
        time_us: u64,
        message: Vec<u8>,
    },
}

/// Bytes that are not yet a whole piece.
#[derive(Default)]
pub(super) struct Splitter {
    pending: Vec<u8>,
    /// `pending` up to here holds neither newline nor magic.
    scanned: usize,
}

impl Splitter {
    /// Takes more output; hands whole pieces to `emit`.
    pub(super) fn push(&mut self, bytes: &[u8], emit: &mut dyn FnMut(Piece)) {
        self.pending.extend_from_slice(bytes);
        let mut start = 0;
        loop {
            let rest = &self.pending[start..];
            let taken = match header(rest) {
                Header::Frame { kind, time_us, length } => {
                    if rest.len() < HEADER_BYTES + length {
                        break;
                    }
                    let message = rest[HEADER_BYTES..HEADER_BYTES + length].to_vec();
                    emit(Piece::Frame { kind, time_us, message });
                    HEADER_BYTES + length
                }
                Header::Incomplete => break,
                Header::None => match text_length(rest, self.scanned) {
                    Some(length) => {
                        emit(Piece::Line(rest[..length].to_vec()));
                        length
                    }
                    None => {
                        // A byte is left unscanned, for a magic that is cut in two.
                        self.scanned = rest.len().saturating_sub(MAGIC.len());
                        break;
                    }
                },
            };
            start += taken;
            self.scanned = 0;
        }
        self.pending.drain(..start);
    }

    /// Hands out what is left: an unfinished line, or a frame that was cut off.
    pub(super) fn flush(&mut self, emit: &mut dyn FnMut(Piece)) {
        self.scanned = 0;
        let rest = std::mem::take(&mut self.pending);
        let text = match header(&rest) {
            Header::Frame { .. } => &rest[HEADER_BYTES..],
            _ => &rest[..],
        };
        if !text.is_empty() {
            emit(Piece::Line(text.to_vec()));
        }
    }
}

enum Header {
    Frame { kind: u8, time_us: u64, length: usize },
    Incomplete,
    None,
}

fn header(bytes: &[u8]) -> Header {
    let seen = bytes.len().min(MAGIC.len());
    if seen == 0 || bytes[..seen] != MAGIC[..seen] {
        return Header::None;
    }
    if bytes.len() < HEADER_BYTES {
        return Header::Incomplete;
    }
    let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let length = word(4) as usize;
    if length > MAX_EVENT_BYTES {
        return Header::None;
    }
    Header::Frame { kind: bytes[3], time_us: (u64::from(word(8)) << 32) | u64::from(word(12)), length }
}

/// Length of the text piece at the front: up to and with a newline, up to a frame, or the largest event.
fn text_length(bytes: &[u8], scanned: usize) -> Option<usize> {
    for at in scanned..bytes.len() {
        if bytes[at] == b'\n' {
            return Some(at + 1);
        }
        if at > 0 && bytes[at] == MAGIC[0] && bytes[at..].starts_with(&MAGIC) {
            return Some(at);
        }
        if at + 1 == MAX_EVENT_BYTES {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut splitter = Splitter::default();
        for chunk in chunks {
            splitter.push(chunk, &mut |piece| pieces.push(piece));
        }
        splitter.flush(&mut |piece| pieces.push(piece));
        pieces
    }

    fn frame(message: &str) -> Vec<u8> {
        let mut out = vec![0xA5, 0x5A, 0x00, 0x03];
        out.extend((message.len() as u32).to_be_bytes());
        out.extend(7u64.to_be_bytes());
        out.extend(message.as_bytes());
        out
    }

    fn line(text: &str) -> Piece {
        Piece::Line(text.as_bytes().to_vec())
    }

    fn framed(message: &str) -> Piece {
        Piece::Frame { kind: 3, time_us: 7, message: message.as_bytes().to_vec() }
    }

    #[test]
    fn lines_keep_their_newline_and_the_rest_comes_with_the_flush() {
        assert_eq!(split(&[b"a\nb", b"c\n\nd"]), [line("a\n"), line("bc\n"), line("\n"), line("d")]);
    }

    #[test]
    fn a_frame_of_many_lines_is_one_event_between_the_text_around_it() {
        let bytes = [b"before\nhalf".to_vec(), frame("one\ntwo"), b"after\n".to_vec()].concat();
        let expected = || vec![line("before\n"), line("half"), framed("one\ntwo"), line("after\n")];
        assert_eq!(split(&[&bytes]), expected());
        for cut in 1..bytes.len() {
            assert_eq!(split(&[&bytes[..cut], &bytes[cut..]]), expected(), "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_with_an_impossible_length_is_text() {
        let bytes = [0xA5, 0x5A, 0x00, 0x03, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, b'\n'];
        assert_eq!(split(&[&bytes]), [Piece::Line(bytes.to_vec())]);
    }

    #[test]
    fn an_endless_line_is_cut_at_the_largest_event() {
        let pieces = split(&[&vec![b'x'; MAX_EVENT_BYTES + 5]]);
        let lengths: Vec<usize> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Line(text) => text.len(),
                Piece::Frame { .. } => 0,
            })
            .collect();
        assert_eq!(lengths, [MAX_EVENT_BYTES, 5]);
    }
}
