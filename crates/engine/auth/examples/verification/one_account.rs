//! An account with its own key and one role, and requests signed by whom one likes: for tests and for measuring.
#![allow(dead_code, missing_docs, reason = "each of those who include it uses a part")]

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Uri};
use lambent_auth::{Auth, AuthParts, KEY_BYTES};
use lambent_domain::AccountId;
use lambent_iam_policy::Policy;
use lambent_kit::clock::TestClock;
use lambent_kit::random::SystemRandom;
use lambent_kit::sigv4::claim::Received;
use lambent_kit::sigv4::{self, Credentials, PathStyle, Scope, SignedRequest};
use lambent_kit::utc::amz_date;
use lambent_ports::access::{Gate, Refusal, Who};
use lambent_ports::identity::{AccessKey, Identities, NamedPolicy, PolicySource, RoleIdentity, UserIdentity};

pub const ACCOUNT: &str = "123456789012";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/r";
pub const NOW_MS: u64 = 1_764_037_614_000;

pub struct World {
    pub auth: Arc<Auth>,
    pub clock: Arc<TestClock>,
}

impl World {
    pub fn new() -> World {
        let clock = Arc::new(TestClock::at(NOW_MS));
        let auth = Auth::new(AuthParts {
            identities: Arc::new(OneRole::new()),
            account: AccountId::parse(ACCOUNT).expect("an account"),
            root: Some(Credentials { access_key_id: "AKIAROOT".into(), secret_access_key: "root".into() }),
            seal: [7; KEY_BYTES],
            clock: Arc::clone(&clock) as _,
            random: Arc::new(SystemRandom),
        });
        World { auth, clock }
    }

    pub fn who(&self, asked: &Asked) -> Result<Arc<Who>, Refusal> {
        let received = Received { method: &asked.method, uri: &asked.uri, headers: &asked.headers };
        let recognised = self.auth.recognise(&received, None)?;
        recognised.prove(&received, sigv4::EMPTY_SHA256).map(|proven| proven.who)
    }
}

/// A request.
pub struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Asked {
    /// Signed.
    pub fn with(id: &str, secret: &str, token: Option<&str>, now_ms: u64) -> Asked {
        let path = "/2015-03-31/functions/f/invocations";
        let date = amz_date(now_ms);
        let mut fixed =
            vec![("content-type", "application/json"), ("host", "127.0.0.1:4566"), ("x-amz-date", &*date)];
        fixed.extend(token.map(|token| ("x-amz-security-token", token)));
        let request = SignedRequest {
            method: "POST",
            path: sigv4::canonical_path(path, PathStyle::Normalised),
            query: String::new(),
            headers: sigv4::canonical_headers(fixed.iter().copied()),
            payload_hash: sigv4::EMPTY_SHA256,
        };
        let scope = Scope { amz_date: &date, region: "us-east-1", service: "lambda" };
        let credentials = Credentials { access_key_id: id.into(), secret_access_key: secret.into() };
        let authorization = sigv4::authorization(&credentials, &scope, &request);
        let mut headers = HeaderMap::new();
        for (name, value) in fixed.into_iter().chain([("authorization", &*authorization)]) {
            let name = http::HeaderName::try_from(name).expect("a name");
            headers.insert(name, HeaderValue::from_str(value).expect("a value"));
        }
        Asked { method: Method::POST, uri: path.parse().expect("a path"), headers }
    }

    pub fn token(&self) -> Option<&str> {
        self.headers.get("x-amz-security-token").and_then(|token| token.to_str().ok())
    }
}

/// A role that may send, with the policies that functions usually have.
struct OneRole(RoleIdentity);

impl OneRole {
    fn new() -> OneRole {
        let policy = |text: &str| Arc::new(Policy::parse(text).expect("a policy"));
        let named = |text: &str| NamedPolicy {
            source: PolicySource::Inline { owner_arn: ROLE.into(), name: "p".into() },
            policy: policy(text),
        };
        OneRole(RoleIdentity {
            arn: ROLE.into(),
            id: "AROA1".into(),
            name: "r".into(),
            trust: policy(
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#,
            ),
            max_session_s: 3_600,
            tags: BTreeMap::new(),
            policies: vec![
                named(
                    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}"#,
                ),
                named(
                    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:SendMessage","sqs:Get*"],"Resource":"arn:aws:sqs:*:*:*"},{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"*"}]}"#,
                ),
            ],
            boundary: None,
        })
    }
}

impl Identities for OneRole {
    fn access_key(&self, _: &str) -> Option<AccessKey> {
        None
    }

    fn user(&self, _: &AccountId, _: &str) -> Option<UserIdentity> {
        None
    }

    fn role(&self, _: &AccountId, name: &str) -> Option<RoleIdentity> {
        (name == self.0.name).then(|| self.0.clone())
    }

    fn managed_policy(&self, _: &str) -> Option<NamedPolicy> {
        None
    }

    fn used(&self, _: &str, _: &str, _: &str) {}
}
