//! Links that GetFunction and GetLayerVersion hand out: a package can be downloaded with them for ten minutes, without credentials.

use std::sync::Arc;

use lambent_domain::CodeSha256;
use lambent_kit::clock::Clock;
use ring::hmac;

/// How long a link is good for, as on AWS.
const VALID_MS: u64 = 600_000;

/// Signs and checks links with a key that lives as long as the process.
pub(crate) struct CodeLinks {
    key: hmac::Key,
    clock: Arc<dyn Clock>,
}

impl CodeLinks {
    pub(crate) fn new(secret: &[u8], clock: Arc<dyn Clock>) -> Self {
        CodeLinks { key: hmac::Key::new(hmac::HMAC_SHA256, secret), clock }
    }

    /// A URL below `base_url`.
    pub(crate) fn sign(&self, base_url: &str, name: &str, sha256: CodeSha256) -> String {
        let expires_ms = self.clock.now_ms() + VALID_MS;
        let path = format!("/_lambent/code/{name}/{}", sha256.to_hex());
        let tag = hmac::sign(&self.key, signed(&path, expires_ms).as_bytes());
        format!("{base_url}{path}?Expires={expires_ms}&Signature={}", hex::encode(tag.as_ref()))
    }

    /// The package that a link stands for, when it was signed here and is not over.
    pub(crate) fn verify(&self, path: &str, query: &str, now_ms: u64) -> Option<CodeSha256> {
        let value = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
        };
        let expires_ms: u64 = value("Expires")?.parse().ok()?;
        let tag = hex::decode(value("Signature")?).ok()?;
        hmac::verify(&self.key, signed(path, expires_ms).as_bytes(), &tag).ok()?;
        if now_ms > expires_ms {
            return None;
        }
        CodeSha256::from_hex(path.rsplit('/').next()?)
    }
}

fn signed(path: &str, expires_ms: u64) -> String {
    format!("{path}\n{expires_ms}")
}

#[cfg(test)]
mod tests {
    use lambent_kit::clock::TestClock;

    use super::*;

    #[test]
    fn a_link_works_for_ten_minutes_and_only_for_what_was_signed() {
        let clock = Arc::new(TestClock::at(1_000));
        let links = CodeLinks::new(b"secret", Arc::clone(&clock) as _);
        let url = links.sign("http://h", "f", CodeSha256([3; 32]));
        let (path, query) = url.strip_prefix("http://h").unwrap().split_once('?').unwrap();
        assert_eq!(links.verify(path, query, 601_000), Some(CodeSha256([3; 32])));
        assert_eq!(links.verify(path, query, 601_001), None);
        let other = path.replace("0303", "0404");
        assert_eq!(links.verify(&other, query, 1_000), None);
        assert_eq!(CodeLinks::new(b"other", clock).verify(path, query, 1_000), None);
    }
}
