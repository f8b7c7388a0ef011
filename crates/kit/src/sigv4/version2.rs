//! Signature Version 2 of S3: what boto3 still makes presigned URLs with, unless it is told otherwise.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use ring::hmac;

use super::claim::{Received, http_date};

/// Parameters that name another resource, or change the answer.
const SUB_RESOURCES: &[&str] = &[
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "encryption",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// What a request says of its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OlderClaim {
    /// Names the key.
    pub access_key_id: String,
    /// Until when a URL holds, seconds since the epoch.
    pub expires_at_s: Option<u64>,
    /// When a request with a header was signed, seconds since the epoch.
    pub signed_at_s: Option<u64>,
    /// Of temporary credentials.
    pub session_token: Option<String>,
    signature: Vec<u8>,
    date: String,
}

/// The claim lacks something, or is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete;

impl OlderClaim {
    /// The claim of a request; `None` when it makes none of this version.
    pub fn of(received: &Received<'_>) -> Result<Option<OlderClaim>, Incomplete> {
        let header = |name: &str| received.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(signed) = header("authorization").and_then(|text| text.strip_prefix("AWS ")) {
            let (access_key_id, signature) = signed.split_once(':').ok_or(Incomplete)?;
            // With `x-amz-date` the line of `Date` is empty.
            let amz_date = header("x-amz-date");
            let date = header("date").unwrap_or_default();
            return Ok(Some(OlderClaim {
                access_key_id: access_key_id.to_owned(),
                expires_at_s: None,
                signed_at_s: Some(http_date(amz_date.unwrap_or(date)).ok_or(Incomplete)?),
                session_token: header("x-amz-security-token").map(str::to_owned),
                signature: STANDARD.decode(signature).map_err(|_| Incomplete)?,
                date: if amz_date.is_some() { String::new() } else { date.to_owned() },
            }));
        }
        let query = query(received);
        let value = |name: &str| query.get(name).cloned();
        let Some(access_key_id) = value("AWSAccessKeyId") else { return Ok(None) };
        let signature = value("Signature").and_then(|text| STANDARD.decode(text).ok()).ok_or(Incomplete)?;
        let date = value("Expires").ok_or(Incomplete)?;
        Ok(Some(OlderClaim {
            access_key_id,
            expires_at_s: Some(date.parse().map_err(|_| Incomplete)?),
            signed_at_s: None,
            session_token: value("x-amz-security-token"),
            signature,
            date,
        }))
    }

    /// Whether the holder of the secret has signed this request; compared in constant time. `bucket` is the host's.
    pub fn holds(&self, received: &Received<'_>, bucket: Option<&str>, secret_access_key: &str) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret_access_key.as_bytes());
        hmac::verify(&key, self.string_to_sign(received, bucket).as_bytes(), &self.signature).is_ok()
    }

    fn string_to_sign(&self, received: &Received<'_>, bucket: Option<&str>) -> String {
        let header =
            |name: &str| received.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut amz = BTreeMap::<&str, Vec<&str>>::new();
        for (name, value) in received.headers {
            if name.as_str().starts_with("x-amz-") {
                amz.entry(name.as_str()).or_default().push(value.to_str().unwrap_or_default().trim());
            }
        }
        // In a URL, the token counts as if it were a header.
        let token = self.session_token.as_deref().filter(|_| self.expires_at_s.is_some());
        if let Some(token) = token {
            amz.entry("x-amz-security-token").or_insert_with(|| vec![token]);
        }
        let amz: String =
            amz.into_iter().map(|(name, values)| format!("{name}:{}\n", values.join(","))).collect();
        let query = query(received);
        let parameters: Vec<String> = SUB_RESOURCES
            .iter()
            .filter_map(|name| query.get(*name).map(|value| (name, value)))
            .map(
                |(name, value)| if value.is_empty() { (*name).to_owned() } else { format!("{name}={value}") },
            )
            .collect();
        let parameters =
            if parameters.is_empty() { String::new() } else { format!("?{}", parameters.join("&")) };
        let bucket = bucket.map(|bucket| format!("/{bucket}")).unwrap_or_default();
        format!(
            "{}\n{}\n{}\n{}\n{amz}{bucket}{}{parameters}",
            received.method,
            header("content-md5"),
            header("content-type"),
            self.date,
            received.uri.path()
        )
    }
}

/// Decoded. A parameter that is there twice counts once, as the service reads it: the first.
fn query(received: &Received<'_>) -> BTreeMap<String, String> {
    let text = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let mut found = BTreeMap::new();
    for pair in received.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        found.entry(text(name)).or_insert_with(|| text(value));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AWS's documented requests and their signatures.
    #[test]
    fn s3s_documented_requests_of_version_2_hold() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let holds = |method: &str, uri: &str, bucket: Option<&str>, headers: &[(&str, &str)]| {
            let mut request = http::Request::builder().method(method).uri(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            let received = Received { method: &head.method, uri: &head.uri, headers: &head.headers };
            OlderClaim::of(&received).unwrap().unwrap().holds(&received, bucket, secret)
        };
        let bucket = Some("awsexamplebucket1");
        let get = [
            ("date", "Tue, 27 Mar 2007 19:36:42 +0000"),
            ("authorization", "AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g="),
        ];
        assert!(holds("GET", "/photos/puppy.jpg", bucket, &get));
        assert!(!holds("PUT", "/photos/puppy.jpg", bucket, &get));
        assert!(!holds("GET", "/photos/puppy.jpg?acl", bucket, &get));
        let put = [
            ("content-type", "image/jpeg"),
            ("content-length", "94328"),
            ("date", "Tue, 27 Mar 2007 21:15:45 +0000"),
            ("authorization", "AWS AKIAIOSFODNN7EXAMPLE:iqRzw+ileNPu1fhspnRs8nOjjIA="),
        ];
        assert!(holds("PUT", "/photos/puppy.jpg", bucket, &put));
        let acl = [
            ("date", "Tue, 27 Mar 2007 19:44:46 +0000"),
            ("authorization", "AWS AKIAIOSFODNN7EXAMPLE:c2WLPFtWHVgbEmeEG93a4cG37dM="),
        ];
        assert!(
            holds("GET", "/?acl", Some("johnsmith"), &acl) && holds("GET", "/johnsmith/?acl", None, &acl)
        );
        let url = "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620";
        assert!(holds("GET", url, Some("johnsmith"), &[]));
        assert!(!holds("GET", &url.replace("1175139620", "1175139621"), Some("johnsmith"), &[]));
    }
}
