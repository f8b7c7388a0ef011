//! A zip's bytes with a bound on how often they are read. An archive may say that all of its entries are the same bytes,
//! or have an end at every place where one could be looked for: what it costs to read is bounded here, whatever it says.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use bytes::Bytes;

/// An honest archive is read once for its directory, once for the headers of its entries and once for what is in them.
const READS: u64 = 4;
/// What a small archive may read above that: the search for its end begins with a window of this size, and more.
const SPARE_BYTES: u64 = 1 << 20;

/// A reader that fails when more has been read than any honest archive needs.
pub(crate) struct Metered {
    zip: Cursor<Bytes>,
    left: u64,
}

impl Metered {
    pub(crate) fn new(zip: Bytes) -> Self {
        let left = zip.len() as u64 * READS + SPARE_BYTES;
        Metered { zip: Cursor::new(zip), left }
    }
}

impl Read for Metered {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.zip.read(into)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::other("the same bytes are used over and over"))?;
        Ok(count)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.zip.seek(to)
    }
}
