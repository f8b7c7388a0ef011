//! Who asks, where that is checked: by the head whose signature it would be, and with the body whether it is.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use lambent_domain::{Region, RequestId};
use lambent_kit::sigv4::claim::{Malformed, Received, payload_hash};
use lambent_kit::sigv4::sha256_hex;
use lambent_ports::access::{Authority, Circumstances, Gate, Recognised, Refusal};

use crate::route::{self, Identity};
use crate::{Ends, Front};

/// Bodies above this are hashed on another thread: this one has invokes to see to.
const HASHED_HERE_BYTES: usize = 64 * 1024;

/// Writes a refusal as a service does.
pub type Refuse = fn(&str, &Refusal, &Parts, &RequestId) -> Response<Bytes>;

/// A sender whose signature has not been looked at.
pub(crate) struct Admission {
    gate: Arc<dyn Gate>,
    recognised: Box<dyn Recognised>,
    circumstances: Circumstances,
}

fn received(head: &Parts) -> Received<'_> {
    Received { method: &head.method, uri: &head.uri, headers: &head.headers }
}

impl Admission {
    /// `None` where nobody has to prove anything.
    pub(crate) fn begin(
        front: &Front,
        head: &Parts,
        identity: &Identity,
        ends: &Ends,
    ) -> Result<Option<Admission>, Refusal> {
        let Some(gate) = &front.parts.gate else { return Ok(None) };
        if route::is_function_url(head) || route::is_own(head) {
            return Ok(None);
        }
        let recognised = gate.recognise(&received(head), route::bucket_in_host(head))?;
        let agent = head.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let circumstances = Circumstances {
            source_ip: ends.peer,
            secure: ends.secure,
            region: identity.scope.region.to_string(),
            user_agent: agent.map(str::to_owned),
            via_service: false,
        };
        Ok(Some(Admission { gate: Arc::clone(gate), recognised, circumstances }))
    }

    /// With a body that is there.
    pub(crate) async fn with_body(
        self,
        head: &Parts,
        body: &Bytes,
        identity: &mut Identity,
    ) -> Result<(), Refusal> {
        if body.len() <= HASHED_HERE_BYTES {
            return self.prove(head, &payload_hash(body), identity);
        }
        let body = body.clone();
        let hash = tokio::task::spawn_blocking(move || sha256_hex(&body)).await;
        // Without a hash nothing is proven.
        self.prove(head, &hash.unwrap_or_default(), identity)
    }

    /// With what a request of S3 says of its body, which whoever reads the body holds it to.
    pub(crate) fn with_promise(self, head: &Parts, identity: &mut Identity) -> Result<(), Refusal> {
        let promised = head.headers.get("x-amz-content-sha256").and_then(|hash| hash.to_str().ok());
        self.prove(head, promised.unwrap_or("UNSIGNED-PAYLOAD"), identity)
    }

    fn prove(self, head: &Parts, payload_hash: &str, identity: &mut Identity) -> Result<(), Refusal> {
        let proven = self.recognised.prove(&received(head), payload_hash)?;
        // What was read of the head before anything was proven counts only as far as it was signed.
        if let Some(signed) = &proven.signed {
            if identity.service.as_deref() != Some(&signed.service) {
                return Err(Refusal::Malformed(Malformed::Credential(signed.service.clone())));
            }
            if let Some(region) = signed.region.as_deref().and_then(Region::parse) {
                identity.scope.region = region;
            }
        }
        identity.caller.access_key_id = proven.signed.as_ref().map(|signed| signed.access_key_id.clone());
        if let Some(account) = proven.who.account() {
            identity.scope.account = account.clone();
            identity.caller.account = account.clone();
        }
        identity.caller.authority = Some(Authority::new(self.gate, proven, self.circumstances));
        Ok(())
    }
}
