//! Certificates for single names, made when a client asks for one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lambent_kit::clock::Clock;
use lambent_kit::utc;
use lambent_ports::service_names::labels_before_suffix;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};

/// Names with a certificate in memory. Buckets are names, so there is no end to them; each costs a signature.
const MAX_LEAVES: usize = 1_024;
/// When a certificate is made anew, so that none that is presented has ended.
const RENEW_AFTER_MS: u64 = 30 * 86_400_000;

struct Leaf {
    key: Arc<CertifiedKey>,
    made_ms: u64,
}

/// One key for all: they are one server's.
pub(crate) struct Leaves {
    issuer: Issuer<'static, KeyPair>,
    pair: KeyPair,
    signing: Arc<dyn SigningKey>,
    made: Mutex<HashMap<String, Leaf>>,
    clock: Arc<dyn Clock>,
}

impl Leaves {
    pub(crate) fn new(issuer: Issuer<'static, KeyPair>, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let pair = KeyPair::generate().map_err(|error| error.to_string())?;
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pair.serialize_der()));
        let signing = any_supported_type(&der).map_err(|error| error.to_string())?;
        Ok(Leaves { issuer, pair, signing, made: Mutex::default(), clock })
    }

    /// The certificate of a name; `None` for one that no service has.
    pub(crate) fn of(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        labels_before_suffix(name)?;
        let now_ms = self.clock.now_ms();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = made.get(name).filter(|leaf| now_ms.saturating_sub(leaf.made_ms) < RENEW_AFTER_MS)
        {
            return Some(Arc::clone(&leaf.key));
        }
        let key = self
            .make(name, now_ms)
            .inspect_err(|error| tracing::error!(name, %error, "no certificate can be made"));
        let key = Arc::new(key.ok()?);
        if made.len() >= MAX_LEAVES {
            made.clear();
        }
        made.insert(name.to_owned(), Leaf { key: Arc::clone(&key), made_ms: now_ms });
        Some(key)
    }

    fn make(&self, name: &str, now_ms: u64) -> Result<CertifiedKey, rcgen::Error> {
        let mut parameters = CertificateParams::new(vec![name.to_owned()])?;
        parameters.distinguished_name = DistinguishedName::new();
        // A name may be longer than what a common name has room for.
        parameters.distinguished_name.push(DnType::CommonName, "Lambent");
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let year = utc::rfc3339_s(now_ms)[..4].parse().unwrap_or(2026);
        parameters.not_before = date_time_ymd(year - 1, 1, 1);
        parameters.not_after = date_time_ymd(year + 1, 12, 31);
        let certificate = parameters.signed_by(&self.pair, &self.issuer)?;
        Ok(CertifiedKey::new(vec![certificate.der().clone()], Arc::clone(&self.signing)))
    }
}

impl std::fmt::Debug for Leaves {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Leaves")
    }
}

impl ResolvesServerCert for Leaves {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.of(&hello.server_name()?.to_ascii_lowercase())
    }
}
