//! Tokens for confirming a subscription.

use lambent_kit::random::Random;

/// What they begin with, so that what is none is told from one that is not known (recorded: AWS tells them apart).
const PREFIX: &str = "2336412f37";
/// How long one is good for; then what nobody has confirmed is dropped (AWS documentation).
pub(crate) const VALID_MS: u64 = 3 * 24 * 3_600 * 1_000;
/// Random bytes, sixteen at a time.
const PARTS: usize = 8;

pub(crate) fn new(random: &dyn Random) -> String {
    let parts = (0..PARTS).map(|_| hex::encode(random.bytes16()));
    parts.fold(PREFIX.to_owned(), |token, part| token + &part)
}

pub(crate) fn is_one(text: &str) -> bool {
    text.len() > PREFIX.len() && text.starts_with(PREFIX) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
