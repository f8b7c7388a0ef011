//! What a request says of its sender, and whether its signature bears that out: headers or a presigned URL. The key
//! comes from elsewhere, and so does the time.

use std::borrow::Cow;

use http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;
use ring::hmac;

use super::{
    ALGORITHM, PathStyle, Scope, SignedRequest, canonical_path, canonical_query, chunks::Chunks, sha256_hex,
};

/// The longest that a presigned URL may hold: a week.
pub const MAX_EXPIRES_S: u64 = 604_800;

/// What is signed of a request, as it came over the wire.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// HTTP method.
    pub method: &'a Method,
    /// Path and query, still encoded.
    pub uri: &'a Uri,
    /// All headers.
    pub headers: &'a HeaderMap,
}

/// Who a request says that it is from, and what is to prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Names the key.
    pub access_key_id: String,
    /// Of the credential scope.
    pub region: String,
    /// Of the credential scope: the signing name.
    pub service: String,
    /// `20150830T123600Z`: when it was signed.
    pub amz_date: String,
    /// The same, seconds since the epoch.
    pub signed_at_s: u64,
    /// How long a presigned URL holds from then on; `None` for a signature in headers.
    pub expires_s: Option<u64>,
    /// Of temporary credentials.
    pub session_token: Option<String>,
    /// In lower case, sorted.
    signed_headers: Vec<String>,
    signature: [u8; 32],
}

/// What a claim lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// An algorithm that is not known.
    Algorithm(String),
    /// Parameters that a header lacks.
    Parameters(Vec<&'static str>),
    /// Parameters that a presigned URL lacks.
    QueryParameters,
    /// Not of the form `key/date/region/service/aws4_request`.
    Credential(String),
    /// The date is missing, or is none.
    Date(String),
    /// The credential scope has another date than the request: scope, request.
    ScopeDate(String, String),
    /// Seconds that a URL holds: no number, or out of bounds.
    Expires(String),
    /// Not the hex of a SHA-256.
    Signature,
    /// Headers that have to be signed, and are not.
    Unsigned(Vec<String>),
}

impl Claim {
    /// The claim of a request; `None` when it makes none of this version.
    pub fn of(received: &Received<'_>) -> Result<Option<Claim>, Malformed> {
        let header = text(received.headers, "authorization");
        let claim = match header.filter(|header| header.starts_with("AWS4-")) {
            Some(header) => in_header(header, received)?,
            None => match in_query(received)? {
                Some(claim) => claim,
                None => return Ok(None),
            },
        };
        claim.check_signed_headers(received)?;
        Ok(Some(claim))
    }

    /// Day, region and service: what the key depends on besides the secret.
    pub fn scope(&self) -> Scope<'_> {
        Scope { amz_date: &self.amz_date, region: &self.region, service: &self.service }
    }

    /// Whether the holder of the key has signed this request; compared in constant time.
    pub fn holds(
        &self,
        received: &Received<'_>,
        payload_hash: &str,
        style: PathStyle,
        key: &hmac::Key,
    ) -> bool {
        let text = self.string_to_sign(received, payload_hash, style);
        hmac::verify(key, text.as_bytes(), &self.signature).is_ok()
            || self.expires_s.is_some() && self.holds_without_token(received, payload_hash, style, key)
    }

    /// Some clients add the session's token to a URL after it has been signed (AWS's test vectors).
    fn holds_without_token(
        &self,
        received: &Received<'_>,
        payload_hash: &str,
        style: PathStyle,
        key: &hmac::Key,
    ) -> bool {
        let query = received.uri.query().unwrap_or_default();
        let kept: Vec<&str> =
            query.split('&').filter(|pair| !pair.starts_with("X-Amz-Security-Token=")).collect();
        let without: Uri = match format!("{}?{}", received.uri.path(), kept.join("&")).parse() {
            Ok(uri) if self.session_token.is_some() => uri,
            _ => return false,
        };
        let received = Received { uri: &without, ..*received };
        let text = self.string_to_sign(&received, payload_hash, style);
        hmac::verify(key, text.as_bytes(), &self.signature).is_ok()
    }

    /// The canonical request, as it should have been signed.
    pub fn canonical(&self, received: &Received<'_>, payload_hash: &str, style: PathStyle) -> String {
        let own = self.expires_s.map(|_| "X-Amz-Signature");
        let headers = self.signed_headers.iter().map(|name| {
            let values = received.headers.get_all(name.as_str()).iter();
            let values: Vec<Cow<'_, str>> = values.map(|value| reduced(value.as_bytes())).collect();
            (name.clone(), values.join(","))
        });
        let request = SignedRequest {
            method: received.method.as_str(),
            path: canonical_path(received.uri.path(), style),
            query: canonical_query(received.uri.query().unwrap_or_default(), own),
            headers: headers.collect(),
            payload_hash,
        };
        request.canonical()
    }

    /// What should have been signed.
    pub fn string_to_sign(&self, received: &Received<'_>, payload_hash: &str, style: PathStyle) -> String {
        self.scope().string_to_sign(&self.canonical(received, payload_hash, style))
    }

    /// The signature, in hex.
    pub fn signature(&self) -> String {
        hex::encode(self.signature)
    }

    /// The signatures of the body's chunks, which begin with that of the headers.
    pub fn chunks(&self, key: hmac::Key) -> Chunks {
        Chunks::new(key, self.amz_date.clone(), self.scope().credential_scope(), self.signature())
    }

    /// `Host`, and everything that says what is asked, has to be signed. A session's token names no more than the session
    /// that signs, and some clients add it afterwards.
    fn check_signed_headers(&self, received: &Received<'_>) -> Result<(), Malformed> {
        let signed =
            |name: &str| self.signed_headers.binary_search_by(|found| found.as_str().cmp(name)).is_ok();
        let mut unsigned: Vec<String> = Vec::new();
        if !signed("host") {
            unsigned.push("host".to_owned());
        }
        for name in received.headers.keys() {
            let name = name.as_str();
            if name.starts_with("x-amz-") && name != "x-amz-security-token" && !signed(name) {
                unsigned.push(name.to_owned());
            }
        }
        if unsigned.is_empty() { Ok(()) } else { Err(Malformed::Unsigned(unsigned)) }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A header's value with its white space reduced.
fn reduced(value: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(value);
    let even = |text: &str| {
        let bytes = text.as_bytes();
        let blank = |byte: &u8| byte.is_ascii_whitespace();
        !bytes.first().is_some_and(blank)
            && !bytes.last().is_some_and(blank)
            && !bytes.windows(2).any(|pair| blank(&pair[0]) && (blank(&pair[1]) || pair[0] != b' '))
    };
    if even(&text) {
        return text;
    }
    Cow::Owned(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
}

fn in_header(header: &str, received: &Received<'_>) -> Result<Claim, Malformed> {
    let (algorithm, rest) = header.split_once(' ').unwrap_or((header, ""));
    if algorithm != ALGORITHM {
        return Err(Malformed::Algorithm(algorithm.to_owned()));
    }
    let parameter = |wanted: &str| {
        let mut parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
        parts.find(|(name, _)| *name == wanted).map(|(_, value)| value)
    };
    let (credential, signed, signature) =
        (parameter("Credential"), parameter("SignedHeaders"), parameter("Signature"));
    let (Some(credential), Some(signed), Some(signature)) = (credential, signed, signature) else {
        let all = [("Credential", credential), ("Signature", signature), ("SignedHeaders", signed)];
        let missing = all.iter().filter(|(_, found)| found.is_none()).map(|(name, _)| *name);
        return Err(Malformed::Parameters(missing.collect()));
    };
    let (amz_date, signed_at_s) = match text(received.headers, "x-amz-date") {
        Some(date) => (date.to_owned(), seconds(date).ok_or_else(|| Malformed::Date(date.to_owned()))?),
        None => {
            let date = text(received.headers, "date").unwrap_or_default();
            let at_s = http_date(date).ok_or_else(|| Malformed::Date(date.to_owned()))?;
            (crate::utc::amz_date(at_s * 1_000), at_s)
        }
    };
    let token = text(received.headers, "x-amz-security-token").map(str::to_owned);
    claim(credential, signed, signature, (amz_date, signed_at_s), None, token)
}

fn in_query(received: &Received<'_>) -> Result<Option<Claim>, Malformed> {
    let query = received.uri.query().unwrap_or_default();
    if !query.contains("X-Amz-") {
        return Ok(None);
    }
    let value = |wanted: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(name, _)| *name == wanted)?.1;
        Some(percent_decode_str(found).decode_utf8_lossy().into_owned())
    };
    let (algorithm, signature) = (value("X-Amz-Algorithm"), value("X-Amz-Signature"));
    if algorithm.is_none() && signature.is_none() {
        return Ok(None);
    }
    let algorithm = algorithm.ok_or(Malformed::QueryParameters)?;
    if algorithm != ALGORITHM {
        return Err(Malformed::Algorithm(algorithm));
    }
    let needed = |name: &str| value(name).ok_or(Malformed::QueryParameters);
    let (credential, signed, date) =
        (needed("X-Amz-Credential")?, needed("X-Amz-SignedHeaders")?, needed("X-Amz-Date")?);
    let expires = needed("X-Amz-Expires")?;
    let expires_s = expires.parse().ok().filter(|seconds| (1..=MAX_EXPIRES_S).contains(seconds));
    let expires_s = expires_s.ok_or(Malformed::Expires(expires))?;
    let at_s = seconds(&date).ok_or_else(|| Malformed::Date(date.clone()))?;
    let signature = signature.ok_or(Malformed::QueryParameters)?;
    let token = value("X-Amz-Security-Token");
    claim(&credential, &signed, &signature, (date, at_s), Some(expires_s), token).map(Some)
}

fn claim(
    credential: &str,
    signed: &str,
    signature: &str,
    (amz_date, signed_at_s): (String, u64),
    expires_s: Option<u64>,
    session_token: Option<String>,
) -> Result<Claim, Malformed> {
    let parts: Vec<&str> = credential.split('/').collect();
    let [access_key_id, date, region, service, "aws4_request"] = parts[..] else {
        return Err(Malformed::Credential(credential.to_owned()));
    };
    if access_key_id.is_empty() || region.is_empty() || service.is_empty() {
        return Err(Malformed::Credential(credential.to_owned()));
    }
    if amz_date.get(..8) != Some(date) {
        return Err(Malformed::ScopeDate(date.to_owned(), amz_date));
    }
    let mut bytes = [0; 32];
    hex::decode_to_slice(signature, &mut bytes).map_err(|_| Malformed::Signature)?;
    let mut signed_headers: Vec<String> = signed.split(';').map(str::to_ascii_lowercase).collect();
    signed_headers.sort();
    signed_headers.dedup();
    Ok(Claim {
        access_key_id: access_key_id.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
        amz_date,
        signed_at_s,
        expires_s,
        session_token,
        signed_headers,
        signature: bytes,
    })
}

/// Of `20150830T123600Z`.
pub fn seconds(text: &str) -> Option<u64> {
    let shaped = text.len() == 16 && text.as_bytes()[8] == b'T' && text.ends_with('Z');
    let digits = |range: std::ops::Range<usize>| {
        let part = text.get(range)?;
        if part.bytes().all(|byte| byte.is_ascii_digit()) { part.parse::<i16>().ok() } else { None }
    };
    if !shaped {
        return None;
    }
    let small = |range| digits(range).and_then(|number| i8::try_from(number).ok());
    let time = jiff::civil::DateTime::new(
        digits(0..4)?,
        small(4..6)?,
        small(6..8)?,
        small(9..11)?,
        small(11..13)?,
        small(13..15)?,
        0,
    );
    let time = time.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(time.timestamp().as_second()).ok()
}

/// Of `Sun, 30 Aug 2015 12:36:00 GMT`.
pub fn http_date(text: &str) -> Option<u64> {
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    u64::try_from(time.as_second()).ok()
}

/// The hash that stands for a whole body that is there.
pub fn payload_hash(body: &[u8]) -> Cow<'static, str> {
    if body.is_empty() { Cow::Borrowed(super::EMPTY_SHA256) } else { Cow::Owned(sha256_hex(body)) }
}
