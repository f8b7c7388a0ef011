//! Signature Version 4, as pure functions of what goes over the wire: the same canonical form serves who signs a request
//! and who verifies one. Method, path, query and headers come in; time and keys are arguments.

pub mod chunks;
pub mod claim;
pub mod version2;

use std::fmt::{self, Write as _};

use percent_encoding::percent_decode_str;
use ring::{digest, hmac};

/// Name of the algorithm, first in everything that is signed.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// SHA-256 of nothing: the payload hash of requests without a body.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// An access key. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Names the key; no secret.
    pub access_key_id: String,
    /// Signs.
    pub secret_access_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// How a service wants the path in its canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathStyle {
    /// S3: as it is, encoded once. `a//b` and `a/../b` are keys.
    AsIs,
    /// Everybody else: without empty and dot segments, and what is on the wire is encoded once more.
    Normalised,
}

/// When, where and for which service a signature holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// `20150830T123600Z`.
    pub amz_date: &'a str,
    /// Such as `us-east-1`.
    pub region: &'a str,
    /// Such as `s3`.
    pub service: &'a str,
}

/// The parts of a request that are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest<'a> {
    /// Upper case.
    pub method: &'a str,
    /// From [`canonical_path`].
    pub path: String,
    /// From [`canonical_query`].
    pub query: String,
    /// From [`canonical_headers`]: only those that are signed.
    pub headers: Vec<(String, String)>,
    /// `x-amz-content-sha256`, or the payload's hash in hex.
    pub payload_hash: &'a str,
}

impl SignedRequest<'_> {
    /// `host;x-amz-date`.
    pub fn signed_headers(&self) -> String {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.join(";")
    }

    /// The canonical request: what the rest of the signature is a hash of.
    pub fn canonical(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.method, self.path, self.query);
        for (name, value) in &self.headers {
            let _ = writeln!(text, "{name}:{value}");
        }
        let _ = write!(text, "\n{}\n{}", self.signed_headers(), self.payload_hash);
        text
    }
}

impl Scope<'_> {
    /// The day: `20150830`.
    pub fn date(&self) -> &str {
        self.amz_date.get(..8).unwrap_or(self.amz_date)
    }

    /// `20150830/us-east-1/s3/aws4_request`.
    pub fn credential_scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date(), self.region, self.service)
    }

    /// What is signed, for a canonical request.
    pub fn string_to_sign(&self, canonical_request: &str) -> String {
        let (date, scope) = (self.amz_date, self.credential_scope());
        format!("{ALGORITHM}\n{date}\n{scope}\n{}", sha256_hex(canonical_request.as_bytes()))
    }

    /// The key that a secret gives for this day, region and service.
    pub fn signing_key(&self, secret_access_key: &str) -> hmac::Key {
        let first = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret_access_key}").as_bytes());
        [self.date(), self.region, self.service, "aws4_request"].iter().fold(first, |key, part| {
            hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
        })
    }
}

/// The signature, in hex.
pub fn signature(signing_key: &hmac::Key, string_to_sign: &str) -> String {
    hex::encode(hmac::sign(signing_key, string_to_sign.as_bytes()))
}

/// The value of `Authorization`.
pub fn authorization(credentials: &Credentials, scope: &Scope<'_>, request: &SignedRequest<'_>) -> String {
    let key = scope.signing_key(&credentials.secret_access_key);
    let signature = signature(&key, &scope.string_to_sign(&request.canonical()));
    format!(
        "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
        credentials.access_key_id,
        scope.credential_scope(),
        request.signed_headers()
    )
}

/// Lower-case hex of a SHA-256.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

/// Percent-encodes as AWS has it: everything but letters, digits and `-._~`, byte by byte, upper-case hex.
pub fn uri_encode(bytes: &[u8], keep_slashes: bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte))
            }
            b'/' if keep_slashes => text.push('/'),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

/// The canonical form of a path as it is on the wire.
pub fn canonical_path(wire: &str, style: PathStyle) -> String {
    let wire = if wire.is_empty() { "/" } else { wire };
    match style {
        PathStyle::AsIs => uri_encode(&percent_decode_str(wire).collect::<Vec<u8>>(), true),
        PathStyle::Normalised => {
            let mut segments: Vec<&str> = Vec::new();
            for segment in wire.split('/') {
                match segment {
                    "" | "." => {}
                    ".." => drop(segments.pop()),
                    segment => segments.push(segment),
                }
            }
            let ends_open = segments.is_empty() || !wire.ends_with('/');
            let path = format!("/{}{}", segments.join("/"), if ends_open { "" } else { "/" });
            uri_encode(path.as_bytes(), true)
        }
    }
}

/// The canonical form of a query as it is on the wire, without one parameter: a presigned URL's own signature.
pub fn canonical_query(wire: &str, without: Option<&str>) -> String {
    let encoded = |text: &str| uri_encode(&percent_decode_str(text).collect::<Vec<u8>>(), false);
    let mut pairs: Vec<(String, String)> = wire
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .filter(|(name, _)| Some(name.as_str()) != without)
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// The canonical form of headers, given in the order of the wire: names in lower case and sorted, white space of values
/// reduced, values of one name in one line.
pub fn canonical_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let mut found = std::collections::BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        let value = words.join(" ");
        let lines = found.entry(name.to_ascii_lowercase());
        lines.and_modify(|line| line.extend([",", &value])).or_insert(value);
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Method, target, headers, body, signature.
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);

    /// AWS's test suite: request line, headers besides `Host` and `X-Amz-Date`, signature.
    fn suite(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let fixed = [("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z")];
        let payload_hash = sha256_hex(body.as_bytes());
        let request = SignedRequest {
            method,
            path: canonical_path(path, PathStyle::Normalised),
            query: canonical_query(query, None),
            headers: canonical_headers(fixed.iter().chain(headers).copied()),
            payload_hash: &payload_hash,
        };
        let scope = Scope { amz_date: "20150830T123600Z", region: "us-east-1", service: "service" };
        let key = scope.signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        signature(&key, &scope.string_to_sign(&request.canonical()))
    }

    #[test]
    fn awss_test_suite_is_signed_as_awss_answers_say() {
        let unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        let cases: &[Case<'_>] = &[
            ("GET", "/", &[], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", "/", &[], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                "GET",
                "/?Param2=value2&Param1=value1",
                &[],
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "GET",
                &format!("/?{unreserved}={unreserved}"),
                &[],
                "",
                "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ),
            (
                "GET",
                &format!("/{unreserved}"),
                &[],
                "",
                "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            ),
            ("GET", "/\u{1234}", &[], "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
            (
                "GET",
                "/",
                &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
                "",
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            (
                "GET",
                "/",
                &[("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
                "",
                "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            ),
            (
                "POST",
                "/",
                &[form],
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            // Empty and dot segments do not count: the same as "/".
            (
                "GET",
                "//./example/..",
                &[],
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
        ];
        for (method, target, headers, body, expected) in cases {
            assert_eq!(suite(method, target, headers, body), *expected, "{method} {target} {headers:?}");
        }
    }

    #[test]
    fn s3s_documented_requests_are_signed_as_documented() {
        let scope = Scope { amz_date: "20130524T000000Z", region: "us-east-1", service: "s3" };
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        };
        let signed = |target: &str, more: &[(&str, &str)]| {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let fixed = [
                ("host", "examplebucket.s3.amazonaws.com"),
                ("x-amz-content-sha256", EMPTY_SHA256),
                ("x-amz-date", scope.amz_date),
            ];
            let request = SignedRequest {
                method: "GET",
                path: canonical_path(path, PathStyle::AsIs),
                query: canonical_query(query, None),
                headers: canonical_headers(fixed.iter().chain(more).copied()),
                payload_hash: EMPTY_SHA256,
            };
            authorization(&credentials, &scope, &request)
        };
        assert_eq!(
            signed("/test.txt", &[("Range", "bytes=0-9")]),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let ends = |target: &str, signature: &str| {
            assert!(signed(target, &[]).ends_with(&format!("Signature={signature}")), "{target}");
        };
        ends("/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
        ends("/?prefix=J&max-keys=2", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
        assert!(!format!("{credentials:?}").contains("wJalr"));
    }

    #[test]
    fn a_presigned_urls_documented_signature() {
        let scope = Scope { amz_date: "20130524T000000Z", region: "us-east-1", service: "s3" };
        let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
                     &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=whatever";
        let request = SignedRequest {
            method: "GET",
            path: canonical_path("/test.txt", PathStyle::AsIs),
            query: canonical_query(query, Some("X-Amz-Signature")),
            headers: canonical_headers([("Host", "examplebucket.s3.amazonaws.com")]),
            payload_hash: "UNSIGNED-PAYLOAD",
        };
        let key = scope.signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let found = signature(&key, &scope.string_to_sign(&request.canonical()));
        assert_eq!(found, "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    }

    #[test]
    fn s3_paths_stay_as_they_are() {
        assert_eq!(canonical_path("/b/a//../c%2fd%20e+f", PathStyle::AsIs), "/b/a//../c/d%20e%2Bf");
        assert_eq!(canonical_path("", PathStyle::AsIs), "/");
        assert_eq!(canonical_path("/example space/", PathStyle::Normalised), "/example%20space/");
    }
}
