use std::sync::Arc;

use lambent_kit::clock::{SystemClock, TestClock};
use lambent_ports::sandbox::CA_BUNDLE;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::*;

const YEAR_MS: u64 = 365 * 86_400_000;

fn open(dir: &Path) -> Authority {
    Authority::open(dir, Arc::new(SystemClock)).unwrap()
}

/// What a client does: a chain to the authority, now, for this name.
fn verify(
    authority: &str,
    leaf: &CertificateDer<'_>,
    name: &str,
    now: UnixTime,
) -> Result<(), webpki::Error> {
    let root = CertificateDer::from_pem_slice(authority.as_bytes()).unwrap();
    let anchor = webpki::anchor_from_trusted_cert(&root).unwrap();
    let leaf = webpki::EndEntityCert::try_from(leaf).unwrap();
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &[anchor],
        &[],
        now,
        webpki::KeyUsage::server_auth(),
        None,
        None,
    )?;
    leaf.verify_is_valid_for_subject_name(&ServerName::try_from(name.to_owned()).unwrap())
}

fn at(ms: u64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_millis(ms))
}

#[test]
fn an_authority_stays_the_same_and_its_key_is_the_owners() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).certificate;
    let key = dir.path().join("ca").join(KEY);
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let second = open(dir.path());
    assert_eq!(second.certificate, first);
    // What sandboxes see holds the certificate, and never the key.
    let bundle = second.trust_dir().join(Path::new(CA_BUNDLE).file_name().unwrap());
    assert!(std::fs::read_to_string(bundle).unwrap().ends_with(&first));
    for file in std::fs::read_dir(second.trust_dir()).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("PRIVATE KEY"));
    }
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Authority::open(dir.path(), Arc::new(SystemClock)), Err(CaError::Exposed(_))));
}

#[test]
fn a_certificate_is_good_for_its_name_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let trusted = open(dir.path()).certificate;
    let clock = Arc::new(SystemClock);
    let now = at(clock.now_ms());
    let leaves = Leaves::new(open(dir.path()).issuer, clock).unwrap();
    let long = format!("{}.s3.eu-west-1.amazonaws.com", "b".repeat(63));
    for name in ["sqs.us-east-1.amazonaws.com", "a.b.s3.amazonaws.com", "s3.us-east-1.api.aws", &long] {
        let key = leaves.of(name).unwrap();
        verify(&trusted, &key.cert[0], name, now).unwrap();
        assert!(Arc::ptr_eq(&key, &leaves.of(name).unwrap()), "made once");
    }
    let key = leaves.of("sqs.us-east-1.amazonaws.com").unwrap();
    assert!(verify(&trusted, &key.cert[0], "sns.us-east-1.amazonaws.com", now).is_err());
    assert!(leaves.of("example.com").is_none());
}

#[test]
fn whoever_has_the_key_can_sign_for_no_other_name() {
    let dir = tempfile::tempdir().unwrap();
    let authority = open(dir.path());
    let pair = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&pair, &authority.issuer).unwrap();
    let refused = verify(&authority.certificate, leaf.der(), "example.com", at(SystemClock.now_ms()));
    assert_eq!(refused, Err(webpki::Error::NameConstraintViolation));
}

#[test]
fn a_server_that_runs_for_years_presents_nothing_that_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::at(1_790_000_000_000));
    let authority = open(dir.path());
    let trusted = authority.certificate.clone();
    let leaves = Leaves::new(authority.issuer, Arc::clone(&clock) as _).unwrap();
    for _ in 0..5 {
        let key = leaves.of("s3.amazonaws.com").unwrap();
        verify(&trusted, &key.cert[0], "s3.amazonaws.com", at(clock.now_ms())).unwrap();
        clock.advance(YEAR_MS);
    }
}
