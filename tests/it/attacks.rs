//! Bundles with exactly one defect, made with the sandbox's own CA, log and timestamp authority.

use std::time::SystemTime;

use countersign::evidence::{Moment, Statement, TrustRoot, Unverified, verify};
use countersign::identity::{ExpectedIdentities, ExpectedIdentity, NamePattern};
use countersign::oci::Digest;
use countersign::policy::ReasonCode;
use countersign_sandbox::sigstore::{
    Authority, BundleOptions, CertificateOptions, KindV1, LogOptions, LogV1Options, Options, Promise, San, Sct,
    Sigstore, TimestampOptions, Window, Windows,
};
use jiff::Timestamp;

const EMAIL: &str = "releaser@example.com";

struct Case {
    statement: Vec<u8>,
    certificate: CertificateOptions,
    bundle: BundleOptions,
}

type Defect = fn(&mut Case);

fn subject() -> Digest {
    Digest::of(b"image")
}

fn now() -> Timestamp {
    SystemTime::now().try_into().unwrap()
}

/// What verification says about a bundle made with `defect`.
fn outcome(sigstore: &Sigstore, defect: Defect) -> Result<(), ReasonCode> {
    outcome_of(sigstore, defect)
}

fn outcome_of(sigstore: &Sigstore, defect: impl FnOnce(&mut Case)) -> Result<(), ReasonCode> {
    let mut case = Case {
        statement: Statement::signature(subject()).to_bytes(),
        certificate: CertificateOptions::default(),
        bundle: BundleOptions::default(),
    };
    defect(&mut case);
    let claims = sigstore.email_claims(EMAIL);
    let bundle = sigstore.sign_bundle(&case.statement, &claims, &case.certificate, &case.bundle).unwrap();
    let root = TrustRoot::from_json(sigstore.trusted_root_json().as_bytes()).unwrap();
    let name = NamePattern::exact(EMAIL).unwrap();
    let issuer = sigstore.email_issuer().parse().unwrap();
    let expected = ExpectedIdentities::one(ExpectedIdentity::Name { issuer, name });
    let result = Unverified::from_bytes(bundle.as_bytes())
        .and_then(|bundle| verify(&bundle, &subject(), &expected, &root, Moment::now(now())));
    result.map(|_| ()).map_err(|refusal| refusal.code)
}

fn statement(json: &serde_json::Value) -> Vec<u8> {
    json.to_string().into_bytes()
}

fn log(case: &mut Case) -> &mut LogOptions {
    case.bundle.log.as_mut().unwrap()
}

fn timestamp(case: &mut Case) -> &mut TimestampOptions {
    case.bundle.timestamp.as_mut().unwrap()
}

fn oid(text: &str) -> x509_cert::der::oid::ObjectIdentifier {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_with_one_defect_is_refused_with_its_own_code() {
    use ReasonCode as R;
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    assert_eq!(outcome(&sigstore, |_| {}), Ok(()), "the positive control");
    let cases: Vec<(&str, ReasonCode, Defect)> = vec![
        // statement
        ("another subject", R::SubjectMismatch, |c| c.statement = Statement::signature(Digest::of(b"x")).to_bytes()),
        ("two subjects", R::SubjectCount, |c| {
            let mut json: serde_json::Value = serde_json::from_slice(&c.statement).unwrap();
            let other = serde_json::json!({"digest": {"sha256": Digest::of(b"x").hex()}});
            json["subject"].as_array_mut().unwrap().push(other);
            c.statement = statement(&json);
        }),
        ("the same subject twice", R::SubjectCount, |c| {
            let mut json: serde_json::Value = serde_json::from_slice(&c.statement).unwrap();
            let again = json["subject"][0].clone();
            json["subject"].as_array_mut().unwrap().push(again);
            c.statement = statement(&json);
        }),
        ("no subject", R::SubjectCount, |c| {
            let mut json: serde_json::Value = serde_json::from_slice(&c.statement).unwrap();
            json["subject"] = serde_json::json!([]);
            c.statement = statement(&json);
        }),
        ("unknown statement type", R::StatementMalformed, |c| {
            let mut json: serde_json::Value = serde_json::from_slice(&c.statement).unwrap();
            json["_type"] = "https://in-toto.io/Statement/v9".into();
            c.statement = statement(&json);
        }),
        ("no statement", R::StatementMalformed, |c| c.statement = b"[]".to_vec()),
        // envelope and bundle
        ("another payload type", R::PayloadType, |c| c.bundle.payload_type = "text/plain".to_owned()),
        ("two signatures", R::SignatureCount, |c| c.bundle.signatures = 2),
        ("no signature", R::SignatureCount, |c| c.bundle.signatures = 0),
        ("a chain in the bundle", R::BundleMaterial, |c| c.bundle.with_chain = true),
        ("bundle v0.2", R::BundleVersion, |c| {
            c.bundle.media_type = "application/vnd.dev.sigstore.bundle+json;version=0.2".to_owned();
        }),
        // log
        ("no log entry", R::LogEntryMissing, |c| c.bundle.log = None),
        ("the log entry twice", R::LogEntryCount, |c| c.bundle.log_entry_copies = 2),
        ("an entry about something else", R::LogEntryMismatch, |c| c.bundle.logged_digest = Some([7; 32])),
        ("a checkpoint by another key", R::CheckpointInvalid, |c| log(c).wrong_key = true),
        ("a wrong inclusion proof", R::InclusionProofInvalid, |c| log(c).wrong_proof = true),
        ("a checkpoint of another log", R::CheckpointInvalid, |c| log(c).origin = Some("rekor.example".to_owned())),
        // time
        ("no timestamp", R::TimestampMissing, |c| c.bundle.timestamp = None),
        ("a timestamp by another key", R::TimestampInvalid, |c| timestamp(c).wrong_key = true),
        ("a timestamp of something else", R::TimestampInvalid, |c| c.bundle.stamped = Some(b"x".to_vec())),
        ("a timestamp after the certificate's end", R::CertificateExpired, |c| timestamp(c).clock_offset = 3600),
        ("a timestamp before the certificate", R::CertificateExpired, |c| timestamp(c).clock_offset = -3600),
        ("certificate and timestamp of next year", R::TimeInFuture, |c| {
            c.certificate.not_before_offset = 365 * 86_400;
            timestamp(c).clock_offset = 365 * 86_400 + 60;
        }),
        // certificate
        ("a foreign root of the same names", R::CertificateUntrusted, |c| c.certificate.authority = Authority::Foreign),
        ("an expired certificate", R::CertificateExpired, |c| c.certificate.not_before_offset = -7200),
        ("a CA as signer", R::CertificateInvalid, |c| c.certificate.basic_constraints = Some(true)),
        ("no key usage", R::CertificateInvalid, |c| c.certificate.key_usage = None),
        ("no extended key usage", R::CertificateUntrusted, |c| c.certificate.extended_key_usage = Vec::new()),
        ("no name", R::CertificateInvalid, |c| c.certificate.san = Some(Vec::new())),
        ("two names", R::CertificateInvalid, |c| {
            c.certificate.san = Some(vec![San::Email(EMAIL.to_owned()), San::Email("x@example.com".to_owned())]);
        }),
        ("the right name of another kind of issuer", R::IdentityMismatch, |c| {
            c.certificate.san = Some(vec![San::Uri(format!("mailto:{EMAIL}"))]);
        }),
        ("a lookalike with a suffix", R::IdentityMismatch, |c| {
            c.certificate.san = Some(vec![San::Email(format!("{EMAIL}.evil.example"))]);
        }),
        ("no issuer", R::CertificateInvalid, |c| c.certificate.omit = vec![oid("1.3.6.1.4.1.57264.1.8")]),
        // certificate transparency
        ("no SCT", R::SctMissing, |c| c.certificate.sct = Sct::None),
        ("the same SCT twice", R::SctInvalid, |c| c.certificate.sct = Sct::Twice),
        ("an SCT by another key", R::SctInvalid, |c| c.certificate.sct = Sct::WrongKey),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .map(|(what, code, defect)| (what, *code, outcome(&sigstore, *defect)))
        .filter(|(_, code, found)| *found != Err(*code))
        .collect();
    assert!(wrong.is_empty(), "(defect, expected, found): {wrong:#?}");
    eprintln!("{} defects refused", cases.len());
}

/// CVE-2026-24122; `sigstore-verify` alone accepts it.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_intermediate_refuses_what_it_signed() {
    let expired = Options { intermediate_ends: Some(-60), ..Options::default() };
    let sigstore = Sigstore::start(expired).await.unwrap();
    assert_eq!(outcome(&sigstore, |_| {}), Err(ReasonCode::AuthorityExpired));
    let in_date = Options { intermediate_ends: Some(3600), ..Options::default() };
    let sigstore = Sigstore::start(in_date).await.unwrap();
    assert_eq!(outcome(&sigstore, |_| {}), Ok(()));
}

/// CVE-2026-54787; `sigstore-verify` compares the window with signed entry timestamps only, which Rekor v2 has not.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_key_vouches_only_inside_its_window() {
    for (starts, ends, expected) in [
        (-7200, Some(-3600), Err(ReasonCode::LogKeyWindow)),
        (3600, None, Err(ReasonCode::LogKeyWindow)),
        (-3600, Some(3600), Ok(())),
        (-3600, None, Ok(())),
    ] {
        let windows = Windows { rekor: Window { starts, ends }, ..Windows::default() };
        let options = Options { windows, ..Options::default() };
        let sigstore = Sigstore::start(options).await.unwrap();
        assert_eq!(outcome(&sigstore, |_| {}), expected, "{starts} {ends:?}");
    }
}

/// Rekor v1: the promise makes the time trusted, the proof stands besides; a timestamp replaces the promise's time.
#[tokio::test(flavor = "multi_thread")]
async fn entries_of_rekor_v1_verify_by_proof_and_promise() {
    use ReasonCode as R;
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    let cases: Vec<(&str, Result<(), ReasonCode>, Defect)> = vec![
        ("dsse", Ok(()), |_| {}),
        ("intoto", Ok(()), |c| v1(c).kind = KindV1::Intoto),
        ("proof and timestamp without a promise", Ok(()), |c| {
            v1(c).promise = Promise::None;
            c.bundle.timestamp = Some(TimestampOptions::default());
        }),
        ("proof, promise and timestamp", Ok(()), |c| c.bundle.timestamp = Some(TimestampOptions::default())),
        ("a hashedrekord for an envelope", Err(R::BundleMalformed), |c| v1(c).kind = KindV1::HashedRekord),
        ("no promise and no timestamp", Err(R::TimestampMissing), |c| v1(c).promise = Promise::None),
        ("no proof", Err(R::InclusionProofInvalid), |c| v1(c).no_proof = true),
        ("a promise by another key", Err(R::InclusionPromiseInvalid), |c| v1(c).promise = Promise::WrongKey),
        ("CVE-2022-23649: another entry's promise", Err(R::InclusionPromiseInvalid), |c| {
            v1(c).promise = Promise::OfAnother;
        }),
        ("a wrong proof", Err(R::InclusionProofInvalid), |c| v1(c).wrong_proof = true),
        ("a checkpoint by another key", Err(R::CheckpointInvalid), |c| v1(c).wrong_key = true),
        ("logged after the certificate's end", Err(R::CertificateExpired), |c| {
            c.certificate.not_before_offset = -7200;
        }),
        ("logged in the future", Err(R::TimeInFuture), |c| {
            v1(c).clock_offset = 400;
        }),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .map(|(what, expected, defect)| {
            let found = outcome_of(&sigstore, |case| {
                case.bundle = BundleOptions::rekor_v1(LogV1Options::default());
                defect(case);
            });
            (what, expected, found)
        })
        .filter(|(_, expected, found)| found != *expected)
        .collect();
    assert!(wrong.is_empty(), "(case, expected, found): {wrong:#?}");
}

fn v1(case: &mut Case) -> &mut LogV1Options {
    case.bundle.log_v1.as_mut().unwrap()
}
