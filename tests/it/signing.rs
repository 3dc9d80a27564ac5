//! Keyless signing against the sandbox's Sigstore over loopback HTTP, and who sees which secret.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use countersign::evidence::{Moment, PredicateType, Statement, TrustRoot, Unverified, verify};
use countersign::identity::{ExpectedIdentities, ExpectedIdentity, GitHubExpectation, NamePattern};
use countersign::oci::Digest;
use countersign::policy::ReasonCode;
use countersign::sigstore::{
    KeylessSigner, Payload, Services, SignedBundle, Signer, SigstoreError, SigstoreErrorKind, TokenSource,
};
use countersign_sandbox::sigstore::{Effect, Options, Service, Sigstore, When};
use jiff::Timestamp;
use secrecy::SecretString;

const EMAIL: &str = "releaser@example.com";

fn now() -> Timestamp {
    SystemTime::now().try_into().unwrap()
}

fn signer(sigstore: &Sigstore, tokens: TokenSource) -> KeylessSigner {
    let services = Services::from_json(sigstore.signing_config_json().as_bytes()).unwrap();
    KeylessSigner::new(services, tokens, trust_root(sigstore), Arc::new(now)).unwrap()
}

fn trust_root(sigstore: &Sigstore) -> TrustRoot {
    TrustRoot::from_json(sigstore.trusted_root_json().as_bytes()).unwrap()
}

fn email(sigstore: &Sigstore) -> TokenSource {
    TokenSource::Value(SecretString::from(sigstore.email_token(EMAIL)))
}

fn statements(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|i| statement(i).to_bytes()).collect()
}

fn statement(i: usize) -> Statement {
    let predicate = serde_json::json!({"components": vec!["x"; i * 1000]});
    Statement::new(Digest::of(&i.to_be_bytes()), PredicateType::CYCLONEDX, predicate)
}

fn by_email(sigstore: &Sigstore) -> ExpectedIdentities {
    let name = NamePattern::exact(EMAIL).unwrap();
    ExpectedIdentities::one(ExpectedIdentity::Name { issuer: sigstore.email_issuer().parse().unwrap(), name })
}

fn check_all(sigstore: &Sigstore, expected: &ExpectedIdentities, bundles: &[SignedBundle]) {
    let root = trust_root(sigstore);
    for (i, bundle) in bundles.iter().enumerate() {
        let unverified = Unverified::from_bytes(&bundle.bytes).unwrap();
        let verified = verify(&unverified, &statement(i).subject, expected, &root, Moment::now(now())).unwrap();
        assert_eq!(verified.content(), &statement(i));
        assert_eq!(verified.payload_digest(), &bundle.payload_digest);
        assert_eq!(verified.logged_at(), bundle.logged_at);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_signed_with_one_certificate_in_one_publication() {
    let interval = Duration::from_millis(500);
    let options = Options { publication_interval: interval, ..Options::default() };
    let sigstore = Sigstore::start(options).await.unwrap();
    let claims = [("repository", "org/app"), ("ref", "refs/tags/v1.2.3")];
    let environment = sigstore.actions_environment(&claims);
    let value = |name: &str| environment.iter().find(|(n, _)| *n == name).unwrap().1.clone();
    let tokens = TokenSource::GitHub {
        request_url: value("ACTIONS_ID_TOKEN_REQUEST_URL").parse().unwrap(),
        request_token: SecretString::from(value("ACTIONS_ID_TOKEN_REQUEST_TOKEN")),
    };
    let signer = signer(&sigstore, tokens);
    let started = Instant::now();
    let bundles = signer.sign(&statements(11)).await.unwrap();
    let took = started.elapsed();
    assert!(took < interval * 5, "11 statements one after another would take {:?}, took {took:?}", interval * 11);
    let github = GitHubExpectation {
        repository: "org/app".parse().unwrap(),
        workflow: None,
        git_ref: Some("refs/tags/v*".parse().unwrap()),
    };
    let expected = ExpectedIdentity::GitHub { issuer: sigstore.ci_issuer().parse().unwrap(), github };
    check_all(&sigstore, &ExpectedIdentities::one(expected), &bundles);
    let count = |service| sigstore.log().of(service).len();
    assert_eq!((count(Service::Fulcio), count(Service::Rekor), count(Service::Tsa)), (1, 11, 11));

    let token = signer.token().await.unwrap();
    assert_eq!(token.git_ref(), Some("refs/tags/v1.2.3"));
    assert!(token.agrees_with(Some("refs/tags/v1.2.4"), None).is_err());
    eprintln!("11 statements signed in {took:?} with a log that publishes every {interval:?}");
}

/// I11.
#[tokio::test(flavor = "multi_thread")]
async fn the_identity_token_goes_to_fulcio_only() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    signer(&sigstore, email(&sigstore)).sign(&statements(2)).await.unwrap();
    for request in sigstore.log().all() {
        assert_eq!(request.identity_token, request.service == Service::Fulcio, "{request:?}");
        assert!(!request.authorization, "{request:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_that_may_mend_are_tried_again() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    sigstore.faults().add(Service::Fulcio, When::Nth(1), Effect::Status(503));
    sigstore.faults().add(Service::Fulcio, When::Nth(2), Effect::DropAfter);
    sigstore.faults().add(Service::Rekor, When::Nth(1), Effect::TooManyRequests { retry_after: 1 });
    sigstore.faults().add(Service::Rekor, When::Nth(3), Effect::DropAfter);
    sigstore.faults().add(Service::Tsa, When::Nth(1), Effect::Status(500));
    let bundles = signer(&sigstore, email(&sigstore)).sign(&statements(3)).await.unwrap();
    check_all(&sigstore, &by_email(&sigstore), &bundles);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_in_the_log_is_signed_again() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    sigstore.faults().add(Service::Rekor, When::First(2), Effect::Status(409));
    let bundles = signer(&sigstore, email(&sigstore)).sign(&statements(1)).await.unwrap();
    check_all(&sigstore, &by_email(&sigstore), &bundles);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_unavailable_and_ends_by_the_deadline() {
    for service in [Service::Fulcio, Service::Rekor, Service::Tsa] {
        let sigstore = Sigstore::start(Options::default()).await.unwrap();
        sigstore.faults().add(service, When::Always, Effect::Status(503));
        let signer = signer(&sigstore, email(&sigstore)).with_deadline(Duration::from_secs(1));
        let started = Instant::now();
        let error = signer.sign(&statements(1)).await.unwrap_err();
        assert_eq!(error.kind(), SigstoreErrorKind::Unavailable, "{error}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_used_is_an_authorisation_failure() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    let expired = TokenSource::Value(SecretString::from(sigstore.expired_token()));
    let error = signer(&sigstore, expired).sign(&statements(1)).await.unwrap_err();
    assert!(matches!(error, SigstoreError::TokenExpired { .. }), "{error}");
    assert_eq!(error.kind(), SigstoreErrorKind::Unauthorized);
    assert!(sigstore.log().all().is_empty(), "an expired token is not sent anywhere");

    let error = signer(&sigstore, TokenSource::None).sign(&statements(1)).await.unwrap_err();
    assert_eq!(error.kind(), SigstoreErrorKind::Unauthorized);

    sigstore.faults().add(Service::Fulcio, When::Always, Effect::Status(401));
    let secret = sigstore.email_token(EMAIL);
    let tokens = TokenSource::Value(SecretString::from(secret.clone()));
    let error = signer(&sigstore, tokens).sign(&statements(1)).await.unwrap_err();
    assert_eq!(error.kind(), SigstoreErrorKind::Unauthorized);
    assert!(!format!("{error} {error:?}").contains(&secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_token_is_read_for_each_use() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let signer = signer(&sigstore, TokenSource::File(file.path().to_owned()));
    assert_eq!(signer.sign(&statements(1)).await.unwrap_err().kind(), SigstoreErrorKind::Unauthorized);
    std::fs::write(file.path(), format!("{}\n", sigstore.email_token(EMAIL))).unwrap();
    check_all(&sigstore, &by_email(&sigstore), &signer.sign(&statements(1)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_the_trust_root_refuses_is_not_handed_out() {
    let cases = [
        (Service::Rekor, Effect::WrongKey, ReasonCode::CheckpointInvalid),
        (Service::Rekor, Effect::WrongInclusionProof, ReasonCode::InclusionProofInvalid),
        (Service::Rekor, Effect::WrongOrigin, ReasonCode::CheckpointInvalid),
        (Service::Tsa, Effect::WrongKey, ReasonCode::TimestampInvalid),
        (Service::Fulcio, Effect::WrongKey, ReasonCode::SctInvalid),
        (Service::Fulcio, Effect::NoSct, ReasonCode::SctMissing),
        (Service::Fulcio, Effect::OtherRoot, ReasonCode::CertificateUntrusted),
        (Service::Fulcio, Effect::ExpiredCertificate, ReasonCode::CertificateExpired),
    ];
    for (service, effect, expected) in cases {
        let sigstore = Sigstore::start(Options::default()).await.unwrap();
        sigstore.faults().add(service, When::Always, effect.clone());
        let error = signer(&sigstore, email(&sigstore)).sign(&statements(1)).await.unwrap_err();
        let SigstoreError::NotVerifiable { code, .. } = error else { panic!("{service:?} {effect:?}: {error}") };
        assert_eq!(code, expected, "{service:?} {effect:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rekor_v1_is_spoken_where_the_signing_configuration_says_so() {
    let sigstore = Sigstore::start(Options { rekor_versions: vec![1], ..Options::default() }).await.unwrap();
    let bundles = signer(&sigstore, email(&sigstore)).sign(&statements(3)).await.unwrap();
    check_all(&sigstore, &by_email(&sigstore), &bundles);
    let bundle: serde_json::Value = serde_json::from_slice(&bundles[0].bytes).unwrap();
    let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
    assert_eq!(entry["kindVersion"], serde_json::json!({"kind": "dsse", "version": "0.0.1"}));
    assert!(entry["inclusionPromise"]["signedEntryTimestamp"].is_string(), "{entry:#}");
    // The answer is lost, the entry is there: 409, and a new signature.
    sigstore.faults().renumber();
    sigstore.faults().add(Service::Rekor, When::Nth(1), Effect::DropAfter);
    check_all(
        &sigstore,
        &by_email(&sigstore),
        &signer(&sigstore, email(&sigstore)).sign(&statements(1)).await.unwrap(),
    );
    assert_eq!(sigstore.log().of(Service::Rekor).iter().filter(|r| r.status == Some(409)).count(), 1);
    for (effect, expected) in [
        (Effect::WrongPromise, ReasonCode::InclusionPromiseInvalid),
        (Effect::WrongKey, ReasonCode::CheckpointInvalid),
        (Effect::WrongInclusionProof, ReasonCode::InclusionProofInvalid),
    ] {
        sigstore.faults().clear();
        sigstore.faults().add(Service::Rekor, When::Always, effect);
        let error = signer(&sigstore, email(&sigstore)).sign(&statements(1)).await.unwrap_err();
        let SigstoreError::NotVerifiable { code, .. } = error else { panic!("{error}") };
        assert_eq!(code, expected);
    }
}

/// Rekor v1 is sent whole statements, and refuses large ones without a word about the reason.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_log_would_refuse_for_its_size_is_refused_before_anything_is_signed() {
    let sigstore = Sigstore::start(Options { rekor_versions: vec![1], ..Options::default() }).await.unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&sigstore.signing_config_json()).unwrap();
    config["rekorTlogUrls"][0]["url"] = serde_json::json!("https://rekor.sigstore.dev");
    let of_bytes = |bytes: usize| {
        let predicate = serde_json::json!({"components": "x".repeat(bytes)});
        Statement::new(Digest::of(b"x"), PredicateType::CYCLONEDX, predicate).to_bytes()
    };
    let public = Services::from_json(config.to_string().as_bytes()).unwrap();
    let public = KeylessSigner::new(public, email(&sigstore), trust_root(&sigstore), Arc::new(now)).unwrap();
    for payload in [Payload::Bundle(of_bytes(3_500_000)), Payload::LegacyStatement(of_bytes(3_500_000))] {
        let small = Payload::Bundle(of_bytes(10));
        let error = public.sign_each(&[small, payload]).await.unwrap_err();
        assert!(matches!(error, SigstoreError::TooLarge { most: 3_499_999, .. }), "{error}");
        assert_eq!((error.kind(), error.setup().0), (SigstoreErrorKind::Configuration, "attestation-too-large"));
    }
    assert!(sigstore.log().all().is_empty(), "nobody was asked for anything");
    // No verifier reads a larger bundle, wherever it is logged.
    let error = signer(&sigstore, email(&sigstore)).sign(&[of_bytes(8_000_000)]).await.unwrap_err();
    assert!(matches!(error, SigstoreError::TooLarge { .. }), "{error}");
    // A log of one's own may take less: its refusal is told with the likely reason.
    sigstore.faults().add(Service::Rekor, When::Always, Effect::Status(413));
    let error = signer(&sigstore, email(&sigstore)).sign(&[of_bytes(800_000)]).await.unwrap_err();
    assert_eq!(error.kind(), SigstoreErrorKind::Rejected);
    assert!(error.to_string().contains("may refuse it for its size"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redirect_is_followed() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    sigstore.faults().add(Service::Fulcio, When::Always, Effect::Status(307));
    let error = signer(&sigstore, email(&sigstore)).sign(&statements(1)).await.unwrap_err();
    assert_eq!(error.kind(), SigstoreErrorKind::Rejected, "{error}");
    assert_eq!(sigstore.log().of(Service::Fulcio).len(), 1);
}

/// Against real services: `SIGNING_CONFIG`, `TRUSTED_ROOT`, `IDENTITY_TOKEN` (files), and `OUT`, a folder for the bundles
/// and the digests they are about, so that cosign can be asked about them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a running Fulcio, Rekor and timestamp authority: SIGNING_CONFIG, TRUSTED_ROOT, IDENTITY_TOKEN, OUT"]
async fn real_services_sign_a_release() {
    let path = |name: &str| std::path::PathBuf::from(std::env::var_os(name).expect(name));
    let services = Services::from_file(&path("SIGNING_CONFIG")).unwrap();
    let root = countersign::sigstore::load_trust_root(&path("TRUSTED_ROOT")).unwrap();
    let signer = KeylessSigner::new(services, TokenSource::File(path("IDENTITY_TOKEN")), root, Arc::new(now)).unwrap();
    let started = Instant::now();
    let bundles = signer.sign(&statements(11)).await.unwrap();
    eprintln!("11 statements signed in {:?}", started.elapsed());
    for (i, bundle) in bundles.iter().enumerate() {
        let name = statement(i).subject.hex().to_owned();
        std::fs::write(path("OUT").join(format!("{name}.sigstore.json")), &bundle.bytes).unwrap();
    }
}
