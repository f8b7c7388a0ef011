//! What a request says of its sender, in headers or in its URL, and whether the signature bears it out. Input: `METHOD URI`,
//! then a header a line, as of `requests`; signatures are made with one known key.

use lambent_kit::sigv4::PathStyle;
use lambent_kit::sigv4::claim::{Claim, MAX_EXPIRES_S, Received};
use lambent_kit::sigv4::version2::OlderClaim;

use crate::requests::head;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// The requests in the corpus that are signed with the key: what holds is one of these, or means the same.
const SIGNED_BY: &str = "AKIDEXAMPLE";

/// Nothing of what is claimed is out of bounds, and a signature never holds for another method.
pub fn run(data: &[u8]) {
    let Some(mut head) = head(data) else {
        return;
    };
    let other = if head.method == http::Method::GET { http::Method::PUT } else { http::Method::GET };
    let older = {
        let received = Received { method: &head.method, uri: &head.uri, headers: &head.headers };
        let _ = OlderClaim::of(&received)
            .map(|claim| claim.map(|claim| claim.holds(&received, Some("b"), SECRET)));
        Claim::of(&received)
    };
    let Ok(Some(claim)) = older else { return };
    assert!(claim.expires_s.is_none_or(|seconds| (1..=MAX_EXPIRES_S).contains(&seconds)));
    assert!(!claim.access_key_id.is_empty() && !claim.region.is_empty() && !claim.service.is_empty());
    assert_eq!(claim.signature().len(), 64);
    let key = claim.scope().signing_key(SECRET);
    for style in [PathStyle::AsIs, PathStyle::Normalised] {
        let received = Received { method: &head.method, uri: &head.uri, headers: &head.headers };
        let holds = claim.holds(&received, "UNSIGNED-PAYLOAD", style, &key);
        assert!(!holds || claim.access_key_id == SIGNED_BY);
    }
    head.method = other;
    let received = Received { method: &head.method, uri: &head.uri, headers: &head.headers };
    assert!(!claim.holds(&received, "UNSIGNED-PAYLOAD", PathStyle::AsIs, &key));
}
