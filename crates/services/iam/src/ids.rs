//! Ids and secrets.

use lambent_kit::random::Random;

/// Of which ids are made.
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Of which secrets are made.
const SECRET_LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn word(random: &dyn Random, letters: &[u8], length: usize) -> String {
    // A power of two of letters: each is as likely as any other.
    let bytes = std::iter::repeat_with(|| random.bytes16()).flatten();
    bytes.take(length).map(|byte| letters[usize::from(byte) % letters.len()] as char).collect()
}

/// `AROA` and 17 letters.
pub(crate) fn entity(random: &dyn Random, prefix: &str) -> String {
    format!("{prefix}{}", word(random, LETTERS, 17))
}

/// `AKIA` and 16 letters.
pub(crate) fn access_key(random: &dyn Random) -> String {
    format!("AKIA{}", word(random, LETTERS, 16))
}

/// Forty letters.
pub(crate) fn secret(random: &dyn Random) -> String {
    word(random, SECRET_LETTERS, 40)
}
