//! Keys of both kinds, and the algorithms that go with them.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PSS_SHA256, RsaKeyPair,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer,
};
use webpki::ring as algorithms;

use super::SigningError;

const ECDSA_P256: &str = "ECDSA_P256_SHA256";
const ECDSA_P384: &str = "ECDSA_P384_SHA384";
const ED25519: &str = "ED25519";
const RSA_PSS: &str = "RSA_PSS_SHA256";
const RSA_PKCS1: &str = "RSA_PKCS1_SHA256";

fn algorithm(name: &str) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    Some(match name {
        ECDSA_P256 => algorithms::ECDSA_P256_SHA256,
        ECDSA_P384 => algorithms::ECDSA_P384_SHA384,
        ED25519 => algorithms::ED25519,
        RSA_PSS => algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        RSA_PKCS1 => algorithms::RSA_PKCS1_2048_8192_SHA256,
        _ => return None,
    })
}

/// What signatures are verified with.
pub(super) enum PublicKey {
    Certificate(CertificateDer<'static>),
    Key(SubjectPublicKeyInfoDer<'static>),
}

impl PublicKey {
    pub(super) fn parse(pem: &[u8]) -> Result<Self, SigningError> {
        let key = match (CertificateDer::from_pem_slice(pem), SubjectPublicKeyInfoDer::from_pem_slice(pem)) {
            (Ok(certificate), _) => PublicKey::Certificate(certificate),
            (_, Ok(key)) => PublicKey::Key(key),
            _ => return Err(SigningError::Key("neither a certificate nor a public key in PEM".into())),
        };
        // Here rather than at the first package that it would have verified.
        let understood = match &key {
            PublicKey::Certificate(der) => webpki::EndEntityCert::try_from(der).map(drop),
            PublicKey::Key(der) => webpki::RawPublicKeyEntity::try_from(der).map(drop),
        };
        understood.map_err(|error| SigningError::Key(format!("not a usable key: {error}")))?;
        Ok(key)
    }

    pub(super) fn verifies(&self, algorithm_name: &str, message: &[u8], signature: &[u8]) -> bool {
        let Some(algorithm) = algorithm(algorithm_name) else { return false };
        let verified = match self {
            PublicKey::Certificate(der) => webpki::EndEntityCert::try_from(der)
                .and_then(|certificate| certificate.verify_signature(algorithm, message, signature)),
            PublicKey::Key(der) => webpki::RawPublicKeyEntity::try_from(der)
                .and_then(|key| key.verify_signature(algorithm, message, signature)),
        };
        verified.is_ok()
    }
}

/// What signatures are made with.
pub(super) enum Signer {
    Ecdsa(EcdsaKeyPair, &'static str),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    /// The key says what it is; the first kind that takes it is it.
    pub(super) fn parse(pem: &[u8]) -> Result<Self, SigningError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem)
            .map_err(|_| SigningError::Key("not a private key in PEM (PKCS #8)".into()))?;
        let der = der.secret_pkcs8_der();
        let random = SystemRandom::new();
        for (kind, name) in
            [(&ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256), (&ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384)]
        {
            if let Ok(key) = EcdsaKeyPair::from_pkcs8(kind, der, &random) {
                return Ok(Signer::Ecdsa(key, name));
            }
        }
        // OpenSSL leaves the public half out.
        if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Signer::Ed25519(key));
        }
        RsaKeyPair::from_pkcs8(der).map(Signer::Rsa).map_err(|_| {
            SigningError::Key(
                "the key is none of ECDSA P-256, ECDSA P-384, Ed25519, RSA of 2048 bits and more".into(),
            )
        })
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            Signer::Ecdsa(_, name) => name,
            Signer::Ed25519(_) => ED25519,
            Signer::Rsa(_) => RSA_PSS,
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let random = SystemRandom::new();
        let failed = |_| SigningError::Key("the key can't sign".into());
        match self {
            Signer::Ecdsa(key, _) => {
                key.sign(&random, message).map(|found| found.as_ref().to_vec()).map_err(failed)
            }
            Signer::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
            Signer::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PSS_SHA256, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}
