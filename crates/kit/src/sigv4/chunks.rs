//! Signatures of a body that is sent in signed chunks (`STREAMING-AWS4-HMAC-SHA256-PAYLOAD`): each is signed together
//! with the signature before it, so that none can be left out, added or moved.

use std::fmt;

use ring::hmac;

use super::{EMPTY_SHA256, sha256_hex};

/// Where the chain of signatures has got to.
#[derive(Clone)]
pub struct Chunks {
    key: hmac::Key,
    amz_date: String,
    scope: String,
    previous: String,
}

impl fmt::Debug for Chunks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Chunks").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Chunks {
    pub(super) fn new(key: hmac::Key, amz_date: String, scope: String, seed: String) -> Self {
        Chunks { key, amz_date, scope, previous: seed }
    }

    /// Whether the next chunk is the sender's. `sha256` is of its data, in hex; the last one has none.
    pub fn next_holds(&mut self, sha256: &str, signature: &str) -> bool {
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{EMPTY_SHA256}\n{sha256}",
            self.amz_date, self.scope, self.previous
        );
        self.holds(&text, signature)
    }

    /// Whether the trailers are. `lines` are `name:value\n`, as they were sent, without the signature's own.
    pub fn trailer_holds(&mut self, lines: &str, signature: &str) -> bool {
        let (date, scope, previous) = (&self.amz_date, &self.scope, &self.previous);
        let hash = sha256_hex(lines.as_bytes());
        let text = format!("AWS4-HMAC-SHA256-TRAILER\n{date}\n{scope}\n{previous}\n{hash}");
        self.holds(&text, signature)
    }

    fn holds(&mut self, text: &str, signature: &str) -> bool {
        let Ok(bytes) = hex::decode(signature) else { return false };
        let holds = hmac::verify(&self.key, text.as_bytes(), &bytes).is_ok();
        // The signature is the text's, so that nothing else can follow it.
        self.previous = signature.to_owned();
        holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigv4::Scope;

    /// AWS's documented example: 65 KiB and 1 KiB of the letter a.
    #[test]
    fn the_documented_chunks_hold_in_their_order_alone() {
        let scope = Scope { amz_date: "20130524T000000Z", region: "us-east-1", service: "s3" };
        let key = scope.signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        let chunks =
            || Chunks::new(key.clone(), scope.amz_date.into(), scope.credential_scope(), seed.into());
        let signed = [
            (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
            (1_024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
            (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
        ];
        let sha256 = |length: usize| sha256_hex(&vec![b'a'; length]);
        let mut right = chunks();
        for (length, signature) in signed {
            assert!(right.next_holds(&sha256(length), signature), "{length}");
        }
        let mut without_the_second = chunks();
        assert!(without_the_second.next_holds(&sha256(signed[0].0), signed[0].1));
        assert!(!without_the_second.next_holds(&sha256(signed[2].0), signed[2].1));
        assert!(!chunks().next_holds(&sha256(signed[0].0 - 1), signed[0].1));
        assert!(!chunks().next_holds(&sha256(signed[0].0), "no hex"));
    }

    #[test]
    fn the_documented_trailer_holds() {
        let scope = Scope { amz_date: "20130524T000000Z", region: "us-east-1", service: "s3" };
        let key = scope.signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let last = "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992";
        let mut chunks = Chunks::new(key, scope.amz_date.into(), scope.credential_scope(), last.to_owned());
        let signature = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
        assert!(!chunks.clone().trailer_holds("x-amz-checksum-crc32c:AAAAAA==\n", signature));
        assert!(chunks.trailer_holds("x-amz-checksum-crc32c:sOO8/Q==\n", signature));
    }
}
