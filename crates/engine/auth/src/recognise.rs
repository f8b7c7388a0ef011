//! Whose signature a request has: first whose it would be, by a key that is known and a time that is near; then, with the
//! body's hash, whether it is.
//!
//! A request that comes a second time within that time is taken again, as on AWS: the signature is of what is asked, and
//! what must not happen twice has a token of its own.

use std::sync::Arc;

use lambent_kit::sigv4::PathStyle;
use lambent_kit::sigv4::claim::{Claim, Received};
use lambent_kit::sigv4::version2::OlderClaim;
use lambent_ports::access::{Proven, Recognised, Refusal, SignedFor, Who};
use ring::hmac;

use crate::Auth;

/// How far the clock of a client of S3 may be off (AWS documentation).
const S3_SKEW_S: u64 = 15 * 60;
/// Of any other service's (AWS's error says so).
const SKEW_S: u64 = 5 * 60;

/// Nobody signed.
struct Nobody;

impl Recognised for Nobody {
    fn prove(self: Box<Self>, _: &Received<'_>, _: &str) -> Result<Proven, Refusal> {
        Ok(Proven { who: Arc::new(Who::Anonymous), signed: None, chunks: None })
    }
}

/// A signature of version 4.
struct Signed {
    claim: Claim,
    who: Arc<Who>,
    key: hmac::Key,
}

impl Recognised for Signed {
    fn prove(self: Box<Self>, received: &Received<'_>, payload_hash: &str) -> Result<Proven, Refusal> {
        let Signed { claim, who, key } = *self;
        let style = if claim.service == "s3" { PathStyle::AsIs } else { PathStyle::Normalised };
        if !claim.holds(received, payload_hash, style, &key) {
            return Err(Refusal::Mismatch {
                string_to_sign: claim.string_to_sign(received, payload_hash, style),
                access_key_id: claim.access_key_id,
            });
        }
        let chunks = payload_hash.starts_with("STREAMING-AWS4-HMAC-SHA256").then(|| claim.chunks(key));
        let Claim { access_key_id, service, region, .. } = claim;
        let signed = Some(SignedFor { access_key_id, service, region: Some(region) });
        Ok(Proven { who, signed, chunks })
    }
}

/// A signature of version 2 that has been found to hold: it is of no body.
struct OlderSigned {
    who: Arc<Who>,
    access_key_id: String,
}

impl Recognised for OlderSigned {
    fn prove(self: Box<Self>, _: &Received<'_>, _: &str) -> Result<Proven, Refusal> {
        let OlderSigned { who, access_key_id } = *self;
        let signed = Some(SignedFor { access_key_id, service: "s3".to_owned(), region: None });
        Ok(Proven { who, signed, chunks: None })
    }
}

pub(crate) fn recognise(
    auth: &Auth,
    received: &Received<'_>,
    bucket: Option<&str>,
) -> Result<Box<dyn Recognised>, Refusal> {
    let Some(claim) = Claim::of(received).map_err(Refusal::Malformed)? else {
        return match OlderClaim::of(received).map_err(|_| Refusal::MalformedOlder)? {
            Some(claim) => older(auth, &claim, received, bucket),
            None => Ok(Box::new(Nobody)),
        };
    };
    let (who, secret) = auth.holder(&claim.access_key_id, claim.session_token.as_deref())?;
    let now_s = auth.clock.now_ms() / 1_000;
    check_time(&claim, now_s)?;
    if matches!(&*who, Who::User { temporary: false, .. }) {
        auth.identities.used(&claim.access_key_id, &claim.service, &claim.region);
    }
    let key = auth.signing_keys.of(&claim, &secret);
    Ok(Box::new(Signed { claim, who, key }))
}

fn check_time(claim: &Claim, now_s: u64) -> Result<(), Refusal> {
    let signed_at_s = claim.signed_at_s;
    let allowed_s = if claim.service == "s3" { S3_SKEW_S } else { SKEW_S };
    match claim.expires_s {
        Some(expires_s) if now_s > signed_at_s + expires_s => {
            let until_s = signed_at_s + expires_s;
            Err(Refusal::UrlExpired { lasted_s: Some(expires_s), until_s, now_s })
        }
        Some(_) if signed_at_s <= now_s + allowed_s => Ok(()),
        None if signed_at_s.abs_diff(now_s) <= allowed_s => Ok(()),
        _ => Err(Refusal::Skewed { signed_at_s, now_s, allowed_s }),
    }
}

fn older(
    auth: &Auth,
    claim: &OlderClaim,
    received: &Received<'_>,
    bucket: Option<&str>,
) -> Result<Box<dyn Recognised>, Refusal> {
    let (who, secret) = auth.holder(&claim.access_key_id, claim.session_token.as_deref())?;
    let now_s = auth.clock.now_ms() / 1_000;
    if let Some(until_s) = claim.expires_at_s.filter(|until_s| *until_s < now_s) {
        return Err(Refusal::UrlExpired { lasted_s: None, until_s, now_s });
    }
    if let Some(signed_at_s) = claim.signed_at_s.filter(|at_s| at_s.abs_diff(now_s) > S3_SKEW_S) {
        return Err(Refusal::Skewed { signed_at_s, now_s, allowed_s: S3_SKEW_S });
    }
    if !claim.holds(received, bucket, &secret) {
        let access_key_id = claim.access_key_id.clone();
        return Err(Refusal::Mismatch { access_key_id, string_to_sign: String::new() });
    }
    auth.identities.used(&claim.access_key_id, "s3", "us-east-1");
    Ok(Box::new(OlderSigned { who, access_key_id: claim.access_key_id.clone() }))
}

impl Auth {
    /// Whose a key is, and its secret.
    fn holder(&self, access_key_id: &str, token: Option<&str>) -> Result<(Arc<Who>, String), Refusal> {
        if let Some(token) = token {
            let sealed = self.seal.open(token).ok_or(Refusal::InvalidToken)?;
            if sealed.access_key_id != access_key_id {
                return Err(Refusal::InvalidToken);
            }
            if sealed.expires_at_ms <= self.clock.now_ms() {
                return Err(Refusal::ExpiredToken);
            }
            let secret = sealed.secret_access_key;
            let who = sealed.of.into_who().ok_or(Refusal::InvalidToken)?;
            return Ok((Arc::new(who), secret));
        }
        if let Some(root) = self.root.as_ref().filter(|root| root.access_key_id == access_key_id) {
            let who = Who::Root { account: self.account.clone(), temporary: false };
            return Ok((Arc::new(who), root.secret_access_key.clone()));
        }
        let unknown = || Refusal::UnknownKey(access_key_id.to_owned());
        let key = self.identities.access_key(access_key_id).filter(|key| key.active).ok_or_else(unknown)?;
        let user = self.identities.user(&key.account, &key.user).ok_or_else(unknown)?;
        let who =
            Who::User { account: key.account, name: user.name, id: user.id, arn: user.arn, temporary: false };
        Ok((Arc::new(who), key.secret.0))
    }
}
