//! Checksums of objects: MD5 for the ETag, and what today's SDKs send along.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// A checksum's algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(crate) const ALL: [Algorithm; 5] =
        [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme, Algorithm::Sha1, Algorithm::Sha256];

    /// As in `x-amz-checksum-algorithm`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "CRC32",
            Algorithm::Crc32c => "CRC32C",
            Algorithm::Crc64Nvme => "CRC64NVME",
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
        }
    }

    /// The header that holds its value.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "x-amz-checksum-crc32",
            Algorithm::Crc32c => "x-amz-checksum-crc32c",
            Algorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Algorithm::Sha1 => "x-amz-checksum-sha1",
            Algorithm::Sha256 => "x-amz-checksum-sha256",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Algorithm::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of a value.
    pub(crate) fn length(self) -> usize {
        match self {
            Algorithm::Crc32 | Algorithm::Crc32c => 4,
            Algorithm::Crc64Nvme => 8,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
        }
    }

    /// The form of it that can be computed of a whole from its parts, if it has one.
    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Algorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Algorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Algorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Algorithm::Sha1 | Algorithm::Sha256 => None,
        }
    }

    /// The checksum of a whole, from those of its parts with their lengths.
    pub(crate) fn combined<'a>(self, parts: impl Iterator<Item = (&'a str, u64)>) -> Option<String> {
        let crc = self.crc()?;
        let mut whole = None;
        for (value, length) in parts {
            let part = number(&STANDARD.decode(value).ok()?);
            whole = Some(match whole {
                None => part,
                Some(before) => crc_fast::checksum_combine(crc, before, part, length),
            });
        }
        whole.map(|whole| self.crc_text(whole))
    }

    /// The checksum of checksums, without the number of parts behind it.
    pub(crate) fn composite<'a>(self, parts: impl Iterator<Item = &'a str>) -> Option<String> {
        let mut hasher = Hasher::new(self);
        for value in parts {
            hasher.update(&STANDARD.decode(value).ok()?);
        }
        Some(hasher.finish())
    }

    fn crc_text(self, value: u64) -> String {
        let bytes = value.to_be_bytes();
        STANDARD.encode(&bytes[bytes.len() - self.length()..])
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

enum Hasher {
    Crc(Algorithm, crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Self {
        match (algorithm.crc(), algorithm) {
            (Some(crc), _) => Hasher::Crc(algorithm, crc_fast::Digest::new(crc)),
            (None, Algorithm::Sha1) => Hasher::Sha1(Sha1::new()),
            (None, _) => Hasher::Sha256(Sha256::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Crc(_, crc) => crc.update(bytes),
            Hasher::Sha1(sha) => sha.update(bytes),
            Hasher::Sha256(sha) => sha.update(bytes),
        }
    }

    /// In base64.
    fn finish(self) -> String {
        match self {
            Hasher::Crc(algorithm, crc) => algorithm.crc_text(crc.finalize()),
            Hasher::Sha1(sha) => STANDARD.encode(sha.finalize()),
            Hasher::Sha256(sha) => STANDARD.encode(sha.finalize()),
        }
    }
}

/// Everything that is computed of a body while it passes.
pub(crate) struct Digests {
    md5: Md5,
    /// Of the payload, where the signature says it.
    sha256: Option<Sha256>,
    checksum: Option<(Algorithm, Hasher)>,
    size: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digested {
    pub(crate) md5: [u8; 16],
    /// In hex.
    pub(crate) sha256: Option<String>,
    /// In base64.
    pub(crate) checksum: Option<(Algorithm, String)>,
    pub(crate) size: u64,
}

impl Digests {
    pub(crate) fn new(checksum: Option<Algorithm>, with_sha256: bool) -> Self {
        Digests {
            md5: Md5::new(),
            sha256: with_sha256.then(Sha256::new),
            checksum: checksum.map(|algorithm| (algorithm, Hasher::new(algorithm))),
            size: 0,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some((_, hasher)) = &mut self.checksum {
            hasher.update(bytes);
        }
        self.size += bytes.len() as u64;
    }

    pub(crate) fn finish(self) -> Digested {
        Digested {
            md5: self.md5.finalize().into(),
            sha256: self.sha256.map(|sha256| hex::encode(sha256.finalize())),
            checksum: self.checksum.map(|(algorithm, hasher)| (algorithm, hasher.finish())),
            size: self.size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checksum(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut digests = Digests::new(Some(algorithm), false);
        digests.update(bytes);
        digests.finish().checksum.unwrap().1
    }

    /// The check values of the algorithms' own definitions.
    #[test]
    fn known_values() {
        assert_eq!(checksum(Algorithm::Crc32, b"123456789"), "y/Q5Jg==");
        assert_eq!(checksum(Algorithm::Crc32c, b"123456789"), "4waSgw==");
        assert_eq!(checksum(Algorithm::Crc64Nvme, b"123456789"), "rosUhgp5mIg=");
        assert_eq!(checksum(Algorithm::Sha1, b"abc"), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
    }

    #[test]
    fn a_whole_is_computed_from_its_parts() {
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let (one, two) = (checksum(algorithm, b"hello "), checksum(algorithm, b"world"));
            let whole = algorithm.combined([(one.as_str(), 6), (two.as_str(), 5)].into_iter());
            assert_eq!(whole, Some(checksum(algorithm, b"hello world")));
        }
        assert_eq!(Algorithm::Sha256.combined([("", 0)].into_iter()), None);
    }
}
