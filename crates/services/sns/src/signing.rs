//! The key that notifications are signed with, and the certificate by which they are verified. Both are made when the
//! first one is sent, and kept.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rsa::RsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rsa::signature::{RandomizedSigner, SignatureEncoding};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// As AWS's certificates have.
const KEY_BITS: usize = 2_048;

/// How a text is hashed before it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureVersion {
    /// SHA-1.
    One,
    /// SHA-256.
    Two,
}

impl SignatureVersion {
    pub(crate) fn text(self) -> &'static str {
        match self {
            SignatureVersion::One => "1",
            SignatureVersion::Two => "2",
        }
    }
}

/// How it is stored.
#[derive(Deserialize, Serialize)]
struct Stored {
    /// PKCS #8, in base64.
    key: String,
    certificate: String,
}

/// Signs.
pub(crate) struct Signer {
    one: SigningKey<Sha1>,
    two: SigningKey<Sha256>,
    certificate: String,
    name: String,
}

impl Signer {
    /// A new key with its certificate, to be stored. Takes up to a few seconds of a processor's time.
    pub(crate) fn generate() -> Result<Bytes, String> {
        let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, KEY_BITS).map_err(told)?;
        let der = key.to_pkcs8_der().map_err(told)?;
        let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(
            &rustls_pki_types::PrivatePkcs8KeyDer::from(der.as_bytes()),
            &rcgen::PKCS_RSA_SHA256,
        );
        let mut parameters =
            rcgen::CertificateParams::new(vec!["sns.amazonaws.com".to_owned()]).map_err(told)?;
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "sns.amazonaws.com");
        let certificate = parameters.self_signed(&pair.map_err(told)?).map_err(told)?.pem();
        let stored = Stored { key: STANDARD.encode(der.as_bytes()), certificate };
        serde_json::to_vec(&stored).map(Bytes::from).map_err(told)
    }

    /// What has been stored.
    pub(crate) fn read(stored: &[u8]) -> Result<Signer, String> {
        let Stored { key, certificate } = serde_json::from_slice(stored).map_err(told)?;
        let key = RsaPrivateKey::from_pkcs8_der(&STANDARD.decode(key).map_err(told)?).map_err(told)?;
        let name = hex::encode(&Sha256::digest(&certificate)[..16]);
        Ok(Signer { one: SigningKey::new(key.clone()), two: SigningKey::new(key), certificate, name })
    }

    /// Of a text, in base64.
    pub(crate) fn sign(&self, version: SignatureVersion, text: &str) -> String {
        // Blinded by randomness: how long it takes says nothing of the key.
        let random = &mut rsa::rand_core::OsRng;
        let signature = match version {
            SignatureVersion::One => self.one.sign_with_rng(random, text.as_bytes()),
            SignatureVersion::Two => self.two.sign_with_rng(random, text.as_bytes()),
        };
        STANDARD.encode(signature.to_bytes())
    }

    /// The certificate, in PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Path of the certificate's URL.
    pub(crate) fn certificate_path(&self) -> String {
        format!("/SimpleNotificationService-{}.pem", self.name)
    }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsa::pkcs1v15::{Signature, VerifyingKey};
    use rsa::signature::Verifier;

    #[test]
    fn what_is_signed_can_be_verified_after_the_key_was_stored() {
        let stored = Signer::generate().unwrap();
        let (signer, again) = (Signer::read(&stored).unwrap(), Signer::read(&stored).unwrap());
        assert_eq!(signer.certificate_path(), again.certificate_path());
        assert!(signer.certificate().starts_with("-----BEGIN CERTIFICATE-----"));
        let signature = |version| {
            let bytes = STANDARD.decode(signer.sign(version, "text")).unwrap();
            Signature::try_from(bytes.as_slice()).unwrap()
        };
        use rsa::signature::Keypair;
        let (one, two): (VerifyingKey<Sha1>, VerifyingKey<Sha256>) =
            (again.one.verifying_key(), again.two.verifying_key());
        one.verify(b"text", &signature(SignatureVersion::One)).unwrap();
        two.verify(b"text", &signature(SignatureVersion::Two)).unwrap();
        assert!(one.verify(b"other", &signature(SignatureVersion::One)).is_err());
    }
}
