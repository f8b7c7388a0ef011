use super::*;

const ARN: &str = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/release/abcdef";

fn zip(files: &[(&str, &str, u32)]) -> Bytes {
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text, mode) in files {
        out.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
        out.write_all(text.as_bytes()).unwrap();
    }
    out.finish().unwrap().into_inner().into()
}

fn package() -> Bytes {
    zip(&[("b.py", "b", 0o644), ("a.py", "a", 0o644)])
}

fn key(kind: &'static rcgen::SignatureAlgorithm) -> (String, ProfileKeys) {
    let pair = rcgen::KeyPair::generate_for(kind).unwrap();
    let mut keys = ProfileKeys::default();
    keys.add(ARN.into(), pair.public_key_pem().as_bytes()).unwrap();
    (pair.serialize_pem(), keys)
}

#[test]
fn what_is_signed_is_verified_with_the_profiles_key_of_each_kind() {
    for kind in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let (private, keys) = key(kind);
        let signed: Bytes = sign(&package(), ARN, private.as_bytes()).unwrap().into();
        assert_eq!(keys.verify(&signed).unwrap().signer(), Some(ARN), "{kind:?}");
        // A second signature takes the place of the first.
        let again: Bytes = sign(&signed, ARN, private.as_bytes()).unwrap().into();
        assert_eq!(keys.verify(&again).unwrap().signer(), Some(ARN));
    }
}

#[test]
fn a_certificate_stands_for_its_key() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["publisher".into()]).unwrap().self_signed(&pair).unwrap();
    let mut keys = ProfileKeys::default();
    keys.add(ARN.into(), certificate.pem().as_bytes()).unwrap();
    let signed: Bytes = sign(&package(), ARN, pair.serialize_pem().as_bytes()).unwrap().into();
    assert_eq!(keys.verify(&signed).unwrap().signer(), Some(ARN));
    assert!(keys.add(ARN.into(), b"nonsense").is_err());
}

/// The signature of one package put into another.
fn moved(signed: &Bytes, files: &[(&str, &str, u32)]) -> Bytes {
    let signature = String::from_utf8(manifest::signature(signed).unwrap().unwrap()).unwrap();
    zip(&[files, &[(SIGNATURE_ENTRY, signature.as_str(), 0o644)]].concat())
}

#[test]
fn whatever_is_changed_breaks_the_signature() {
    let (private, keys) = key(&rcgen::PKCS_ED25519);
    let signed: Bytes = sign(&package(), ARN, private.as_bytes()).unwrap().into();
    let order = moved(&signed, &[("a.py", "a", 0o644), ("b.py", "b", 0o644)]);
    assert_eq!(keys.verify(&order).unwrap().signer(), Some(ARN), "order of entries means nothing");
    let changes: [&[(&str, &str, u32)]; 4] = [
        &[("a.py", "other", 0o644), ("b.py", "b", 0o644)],
        &[("a.py", "a", 0o755), ("b.py", "b", 0o644)],
        &[("a.py", "a", 0o644), ("b.py", "b", 0o644), ("c.py", "", 0o644)],
        &[("a.py", "a", 0o644), ("c.py", "b", 0o644)],
    ];
    for files in changes {
        let verified = keys.verify(&moved(&signed, files)).unwrap();
        assert!(matches!(verified, Signature::Broken(_)), "{files:?}: {verified:?}");
    }
    // Another profile with the same key: the signature names the profile that it was made for.
    let text = String::from_utf8(manifest::signature(&signed).unwrap().unwrap()).unwrap();
    let renamed = text.replace("release", "other");
    let other = zip(&[("a.py", "a", 0o644), ("b.py", "b", 0o644), (SIGNATURE_ENTRY, &renamed, 0o644)]);
    let unknown = Signature::Unknown { profile_version_arn: ARN.replace("release", "other") };
    assert_eq!(keys.verify(&other).unwrap(), unknown);
    let garbage = zip(&[("a.py", "a", 0o644), (SIGNATURE_ENTRY, "{", 0o644)]);
    assert!(matches!(keys.verify(&garbage).unwrap(), Signature::Broken(_)));
    assert_eq!(keys.verify(&package()).unwrap(), Signature::Missing);
}
