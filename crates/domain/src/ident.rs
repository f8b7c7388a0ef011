//! Identifiers that Lambent makes itself: request and revision ids, code hashes, instants.

use std::fmt;

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimestampMs(pub u64);

/// Which write of a record this is: a store never gives the same number twice, so a record that was read, deleted and
/// made anew by others is told apart from the one that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Of a record that has never been stored.
    pub const NEW: Epoch = Epoch(0);
}

/// A version 4 UUID, kept as its 16 bytes so that the hot path copies it without allocating.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// Makes a version 4 UUID of 16 random bytes.
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Uuid(bytes)
    }

    /// Parses the hyphenated form, in either letter case. Any UUID version is accepted: clients may send their own.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 36 {
            return None;
        }
        let mut out = [0u8; 16];
        let mut digit = 0;
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 8 | 13 | 18 | 23) {
                if *byte != b'-' {
                    return None;
                }
                continue;
            }
            let value = (*byte as char).to_digit(16)? as u8;
            out[digit / 2] = (out[digit / 2] << 4) | value;
            digit += 1;
        }
        Some(Uuid(out))
    }

    /// The hyphenated lower-case form as ASCII, without allocating.
    pub fn encode(&self) -> [u8; 36] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut out = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                at += 1;
            }
            out[at] = HEX[(byte >> 4) as usize];
            out[at + 1] = HEX[(byte & 15) as usize];
            at += 2;
        }
        out
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.encode() {
            fmt::Write::write_char(f, byte as char)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Identifies one request, on the wire (`x-amzn-RequestId`), in the function's context and in its log.
pub type RequestId = Uuid;

/// Changes whenever AWS's does; see `facts` on RevisionId: create, each update, each state change.
pub type RevisionId = Uuid;

/// SHA-256 of a deployment package's zip bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodeSha256(pub [u8; 32]);

impl CodeSha256 {
    /// Lower-case hexadecimal: the name of the blob and of the unpacked tree.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The inverse of [`CodeSha256::to_hex`].
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut out = [0u8; 32];
        for (index, byte) in out.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
        }
        Some(CodeSha256(out))
    }

    /// Standard base64 with padding: what the API shows as `CodeSha256`.
    pub fn to_base64(&self) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = String::with_capacity(44);
        for chunk in self.0.chunks(3) {
            let word =
                chunk.iter().fold(0u32, |word, byte| (word << 8) | *byte as u32) << (8 * (3 - chunk.len()));
            for position in 0..4 {
                if position <= chunk.len() {
                    out.push(ALPHABET[(word >> (18 - 6 * position)) as usize & 63] as char);
                } else {
                    out.push('=');
                }
            }
        }
        out
    }
}

impl fmt::Debug for CodeSha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_round_trips_and_is_version_4() {
        let id = Uuid::from_random([0xff; 16]);
        assert_eq!(id.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(Uuid::parse(&id.to_string().to_uppercase()), Some(id));
        assert_eq!(Uuid::parse("ffffffff-ffff-4fff-bfff-fffffffffff"), None);
        assert_eq!(Uuid::parse("ffffffff_ffff-4fff-bfff-ffffffffffff"), None);
    }

    #[test]
    fn code_sha256_prints_as_the_api_and_as_a_file_name() {
        let sha = CodeSha256([0; 32]);
        assert_eq!(sha.to_base64(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        assert_eq!(CodeSha256::from_hex(&sha.to_hex()), Some(sha));
        assert_eq!(CodeSha256::from_hex(&format!("+1{}", "0".repeat(62))), None);
        let ones = CodeSha256([0xff; 32]);
        assert_eq!(ones.to_base64(), "//////////////////////////////////////////8=");
    }
}
