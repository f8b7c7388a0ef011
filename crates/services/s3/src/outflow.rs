//! Bodies of objects on their way out: the next piece is read while one is sent.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use lambent_ports::object_store::{Content, ObjectStore, Segment};
use s3s::dto::StreamingBlob;
use tokio::task::{JoinHandle, spawn_blocking};

/// What is read at once.
const PIECE_BYTES: u64 = 512 * 1024;

/// A part of a file that is open: whoever deletes the object now does not cut the answer short.
struct Piece {
    file: Arc<std::fs::File>,
    at: Range<u64>,
}

type Read = JoinHandle<io::Result<Bytes>>;

/// Opens what holds a range of an object. Waits for the disk.
pub(crate) fn open(
    store: &dyn ObjectStore,
    segments: &[Segment],
    range: Range<u64>,
) -> io::Result<Vec<(std::fs::File, Range<u64>)>> {
    let (mut opened, mut begin) = (Vec::new(), 0);
    for segment in segments {
        let end = begin + segment.size;
        let (from, to) = (range.start.max(begin), range.end.min(end));
        if from < to {
            let at = |position: u64| segment.offset + position - begin;
            opened.push((store.read(&segment.file)?, at(from)..at(to)));
        }
        begin = end;
    }
    Ok(opened)
}

/// The bytes of files, one after the other.
pub(crate) fn files(opened: Vec<(std::fs::File, Range<u64>)>) -> StreamingBlob {
    let pieces: VecDeque<Piece> =
        opened.into_iter().map(|(file, at)| Piece { file: Arc::new(file), at }).collect();
    let flow = Flow { reading: None, pieces };
    StreamingBlob::wrap(stream::unfold(flow, |mut flow| async move {
        let reading = flow.reading.take().or_else(|| flow.read())?;
        flow.reading = flow.read();
        let read = reading.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        if read.is_err() {
            flow.pieces.clear();
            flow.reading = None;
        }
        Some((read, flow))
    }))
}

/// Bytes that are there.
pub(crate) fn inline(bytes: Bytes) -> StreamingBlob {
    StreamingBlob::from(s3s::Body::from(bytes))
}

struct Flow {
    reading: Option<Read>,
    pieces: VecDeque<Piece>,
}

impl Flow {
    /// Begins to read the next piece.
    fn read(&mut self) -> Option<Read> {
        let piece = self.pieces.front_mut()?;
        let (file, from) = (Arc::clone(&piece.file), piece.at.start);
        let length = PIECE_BYTES.min(piece.at.end - from);
        piece.at.start += length;
        if piece.at.is_empty() {
            self.pieces.pop_front();
        }
        Some(spawn_blocking(move || {
            let mut bytes = vec![0; length as usize];
            file.read_exact_at(&mut bytes, from)?;
            Ok(Bytes::from(bytes))
        }))
    }
}

/// A range of an object.
pub(crate) async fn stream(
    store: &Arc<dyn ObjectStore>,
    content: &Content,
    range: Range<u64>,
) -> io::Result<StreamingBlob> {
    match content {
        Content::Inline(bytes) => Ok(inline(bytes.slice(range.start as usize..range.end as usize))),
        Content::Files(segments) => {
            let (store, segments) = (Arc::clone(store), segments.clone());
            let opening = spawn_blocking(move || open(&*store, &segments, range));
            Ok(files(opening.await.map_err(io::Error::other)??))
        }
    }
}
