//! The sandbox's Sigstore against the Sigstore clients of another project: what it makes is accepted with every check
//! on, and each switch makes them refuse.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests; the printed reasons are for whoever reads a failure"
)]

use countersign_sandbox::sigstore::{
    Authority, BundleOptions, CertificateOptions, Effect, LogOptions, Options, Sct, Service, Sigstore,
    TimestampOptions, When, Window, Windows,
};
use serde_json::{Value, json};
use sigstore_sign::{SigningContext, SigningServices};
use sigstore_trust_root::{SigningConfig, TrustedRoot};
use sigstore_verify::{VerificationPolicy, VerificationResult, Verifier, types::Bundle};
use std::time::{Duration, Instant};

const EMAIL: &str = "releaser@example.com";

fn statement(n: u32) -> Vec<u8> {
    let digest = format!("{n:064x}");
    let subject = json!([{"digest": {"sha256": digest}}]);
    json!({"_type": "https://in-toto.io/Statement/v1", "subject": subject,
        "predicateType": "https://example.com/test/v1", "predicate": {"n": n}})
    .to_string()
    .into_bytes()
}

fn digest(n: u32) -> sigstore_verify::types::Sha256Hash {
    sigstore_verify::types::Sha256Hash::from_hex(&format!("{n:064x}")).unwrap()
}

fn services(sigstore: &Sigstore) -> SigningServices {
    SigningServices::from_signing_config(&SigningConfig::from_json(&sigstore.signing_config_json()).unwrap()).unwrap()
}

async fn sign(sigstore: &Sigstore, token: &str, n: u32) -> Result<Bundle, sigstore_sign::Error> {
    let token = sigstore_sign::oidc::IdentityToken::from_jwt(token).unwrap();
    SigningContext::new(services(sigstore)).signer(token).sign_raw_statement(&statement(n)).await
}

fn verify_as(
    sigstore: &Sigstore,
    bundle: &Bundle,
    n: u32,
    san: &str,
    issuer: &str,
) -> Result<VerificationResult, String> {
    let root = TrustedRoot::from_json(&sigstore.trusted_root_json()).unwrap();
    let policy = VerificationPolicy::new(san, issuer);
    Verifier::new(&root).unwrap().verify(digest(n), bundle, &policy).map_err(|e| e.to_string())
}

fn verify(sigstore: &Sigstore, bundle: &Bundle, n: u32) -> Result<VerificationResult, String> {
    verify_as(sigstore, bundle, n, EMAIL, sigstore.email_issuer())
}

fn assert_all_checked(result: &VerificationResult) {
    assert!(result.tlog_verified(), "log");
    assert!(result.sct_verified(), "sct");
    assert!(result.certificate_verified(), "certificate");
    assert!(result.identity_policy_checked(), "identity");
    assert_eq!(result.verified_timestamps().len(), 1, "timestamp");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_signed_over_http_is_accepted_with_every_check_on() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    let bundle = sign(&sigstore, &sigstore.email_token(EMAIL), 1).await.unwrap();
    assert_all_checked(&verify(&sigstore, &bundle, 1).unwrap());
    assert!(verify(&sigstore, &bundle, 2).is_err(), "another digest");
    assert!(
        verify_as(&sigstore, &bundle, 1, "other@example.com", sigstore.email_issuer()).is_err(),
        "another identity"
    );

    let token_went_to: Vec<_> =
        sigstore.log().all().into_iter().filter(|r| r.identity_token || r.authorization).map(|r| r.service).collect();
    assert_eq!(token_went_to, [Service::Fulcio], "the token goes to Fulcio and nowhere else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ci_token_gives_a_workflow_uri_and_all_github_extensions() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    let token = sigstore.ci_token(&[("repository", "o/r"), ("ref", "refs/tags/v1.2.3"), ("environment", "prod")]);
    let bundle = sign(&sigstore, &token, 1).await.unwrap();
    let san = "https://github.com/o/r/.github/workflows/release.yml@refs/tags/v1.2.3";
    let result = verify_as(&sigstore, &bundle, 1, san, sigstore.ci_issuer()).unwrap();
    assert_all_checked(&result);
    let claims = format!("{:?}", result.certificate().unwrap().ci_claims);
    assert!(!claims.contains("None"), "every claim is set: {claims}");
    assert!(claims.contains("https://github.com/o/r/actions/runs/3000003/attempts/1"), "{claims}");
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_signatures_at_once_share_one_publication() {
    let options = Options { publication_interval: Duration::from_secs(1), ..Options::default() };
    let sigstore = Sigstore::start(options).await.unwrap();
    let token = sigstore.email_token(EMAIL);
    let begin = Instant::now();
    let bundles = futures_util::future::join_all((0..8).map(|n| sign(&sigstore, &token, n))).await;
    assert!(
        begin.elapsed() < Duration::from_secs(6),
        "took {:?}, eight intervals in a row would be eight seconds",
        begin.elapsed()
    );
    for (n, bundle) in (0..).zip(bundles) {
        assert_all_checked(&verify(&sigstore, &bundle.unwrap(), n).unwrap());
    }
    assert_eq!(sigstore.rekor_size(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_key_switch_makes_the_client_or_the_verifier_refuse() {
    let cases = [
        (Service::Rekor, Effect::WrongKey),
        (Service::Rekor, Effect::WrongInclusionProof),
        (Service::Fulcio, Effect::WrongKey),
        (Service::Fulcio, Effect::OtherRoot),
        (Service::Fulcio, Effect::NoSct),
        (Service::Fulcio, Effect::ExpiredCertificate),
        (Service::Fulcio, Effect::Lifetime(-1)),
        (Service::Fulcio, Effect::ClockOffset(3600)),
        (Service::Tsa, Effect::WrongKey),
        (Service::Tsa, Effect::ClockOffset(-3600)),
        (Service::Tsa, Effect::ClockOffset(3600)),
    ];
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    for (n, (service, effect)) in (0..).zip(cases) {
        sigstore.faults().clear();
        sigstore.faults().add(service, When::Always, effect.clone());
        let refused = match sign(&sigstore, &sigstore.email_token(EMAIL), n).await {
            Err(e) => e.to_string(),
            Ok(bundle) => verify(&sigstore, &bundle, n).expect_err(&format!("{service:?} {effect:?}")),
        };
        println!("{service:?} {effect:?}: {refused}");
    }
    sigstore.faults().clear();
    let bundle = sign(&sigstore, &sigstore.email_token(EMAIL), 99).await.unwrap();
    assert_all_checked(&verify(&sigstore, &bundle, 99).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_a_service_reach_the_client_and_name_their_request() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    for (n, (effect, logged)) in (0..).zip([
        (Effect::Status(409), false),
        (Effect::Status(503), false),
        (Effect::TooManyRequests { retry_after: 1 }, false),
        (Effect::DropBefore, false),
        (Effect::StatusAfter(502), true),
        (Effect::DropAfter, true),
    ]) {
        sigstore.faults().clear();
        sigstore.faults().renumber();
        sigstore.log().clear();
        sigstore.faults().add(Service::Rekor, When::Nth(1), effect.clone());
        let before = sigstore.rekor_size();
        let error =
            sign(&sigstore, &sigstore.email_token(EMAIL), n).await.expect_err(&format!("{effect:?}")).to_string();
        println!("{effect:?}: {error}");
        assert_eq!(sigstore.rekor_size() - before, usize::from(logged), "{effect:?}");
        let seen = sigstore.log().of(Service::Rekor);
        assert_eq!((seen.len(), seen[0].number), (1, 1));
        assert_eq!(seen[0].status.is_none(), matches!(effect, Effect::DropBefore | Effect::DropAfter));
    }
    let begin = Instant::now();
    sigstore.faults().clear();
    sigstore.faults().add(Service::Tsa, When::Always, Effect::Slow(Duration::from_millis(300)));
    sign(&sigstore, &sigstore.email_token(EMAIL), 99).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_fulcio_would_refuse_are_refused() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    let forged = {
        let good = sigstore.email_token(EMAIL);
        let other = Sigstore::start(Options::default()).await.unwrap().email_token(EMAIL);
        let (head, _) = good.rsplit_once('.').unwrap();
        format!("{head}.{}", other.rsplit_once('.').unwrap().1)
    };
    for (token, why) in [
        (sigstore.expired_token(), "expired"),
        (sigstore.ci_token(&[("aud", "other")]), "audience"),
        (sigstore.ci_token(&[("iss", "http://127.0.0.1:1")]), "issuer"),
        (sigstore.ci_token(&[("job_workflow_ref", "")]), "job_workflow_ref"),
        (forged, "signature"),
    ] {
        let error = sign(&sigstore, &token, 1).await.expect_err(why).to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
    assert_eq!(sigstore.rekor_size(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_made_in_process_are_accepted_and_each_defect_is_not() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    let make = |n, certificate: &CertificateOptions, bundle: &BundleOptions| {
        let json = sigstore.sign_bundle(&statement(n), &sigstore.email_claims(EMAIL), certificate, bundle).unwrap();
        Bundle::from_json(&json).map_err(|e| e.to_string()).and_then(|b| verify(&sigstore, &b, n))
    };
    let (good_certificate, good_bundle) = (CertificateOptions::default(), BundleOptions::default());
    for n in 0..5 {
        assert_all_checked(&make(n, &good_certificate, &good_bundle).unwrap());
    }
    let certificate = || CertificateOptions::default();
    for (n, (name, options)) in (10..).zip([
        ("no SCT", CertificateOptions { sct: Sct::None, ..certificate() }),
        ("wrong CT key", CertificateOptions { sct: Sct::WrongKey, ..certificate() }),
        ("foreign CA", CertificateOptions { authority: Authority::Foreign, ..certificate() }),
        ("no EKU", CertificateOptions { extended_key_usage: vec![], ..certificate() }),
        ("no SAN", CertificateOptions { san: Some(vec![]), ..certificate() }),
        ("next year", CertificateOptions { not_before_offset: 365 * 86_400, ..certificate() }),
    ]) {
        assert!(make(n, &options, &good_bundle).is_err(), "{name}");
    }
    let bundle = || BundleOptions::default();
    let log = |log| BundleOptions { log: Some(log), ..bundle() };
    let stamp = |timestamp| BundleOptions { timestamp: Some(timestamp), ..bundle() };
    for (n, (name, options)) in (20..).zip([
        ("no log entry", BundleOptions { log: None, ..bundle() }),
        ("wrong log key", log(LogOptions { wrong_key: true, ..LogOptions::default() })),
        ("wrong proof", log(LogOptions { wrong_proof: true, ..LogOptions::default() })),
        ("other digest logged", BundleOptions { logged_digest: Some([7; 32]), ..bundle() }),
        ("no timestamp", BundleOptions { timestamp: None, ..bundle() }),
        ("wrong TSA key", stamp(TimestampOptions { wrong_key: true, ..TimestampOptions::default() })),
        ("late timestamp", stamp(TimestampOptions { clock_offset: 3600, ..TimestampOptions::default() })),
        ("other bytes stamped", BundleOptions { stamped: Some(b"other".to_vec()), ..bundle() }),
        ("two signatures", BundleOptions { signatures: 2, ..bundle() }),
        ("unknown media type", BundleOptions { media_type: "application/json".to_owned(), ..bundle() }),
    ]) {
        assert!(make(n, &good_certificate, &options).is_err(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_crate_does_not_check_can_be_made() {
    // Three gaps of sigstore-verify 0.15.1 that the product closes itself: here they are real bundles, and it accepts them.
    let expired = Sigstore::start(Options { intermediate_ends: Some(-60), ..Options::default() }).await.unwrap();
    let window = Window { starts: -7200, ends: Some(-3600) };
    let retired =
        Sigstore::start(Options { windows: Windows { rekor: window, ..Windows::default() }, ..Options::default() })
            .await
            .unwrap();
    let plain = Sigstore::start(Options::default()).await.unwrap();
    let origin = BundleOptions {
        log: Some(LogOptions { origin: Some("other.sandbox".to_owned()), ..LogOptions::default() }),
        ..BundleOptions::default()
    };
    for (name, sigstore, options) in [
        ("expired intermediate", &expired, BundleOptions::default()),
        ("retired log key", &retired, BundleOptions::default()),
        ("other origin", &plain, origin),
    ] {
        let json = sigstore
            .sign_bundle(&statement(1), &sigstore.email_claims(EMAIL), &CertificateOptions::default(), &options)
            .unwrap();
        let accepted = verify(sigstore, &Bundle::from_json(&json).unwrap(), 1);
        assert!(accepted.is_ok(), "{name}: {accepted:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_github_job_fetches_its_token_with_its_secret_only() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    let environment = sigstore.actions_environment(&[("repository", "o/r"), ("ref", "refs/tags/v1.2.3")]);
    let url = format!("{}&audience=sigstore", environment[1].1);
    let http = sigstore_sign::reqwest::Client::new();
    let refused = http.get(&url).bearer_auth("wrong").send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 401);
    let answer = http.get(&url).bearer_auth(&environment[2].1).send().await.unwrap().bytes().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let bundle = sign(&sigstore, answer["value"].as_str().unwrap(), 1).await.unwrap();
    let san = "https://github.com/o/r/.github/workflows/release.yml@refs/tags/v1.2.3";
    assert_all_checked(&verify_as(&sigstore, &bundle, 1, san, sigstore.ci_issuer()).unwrap());
    let to_issuer = sigstore.log().of(Service::Oidc);
    assert!(to_issuer.iter().all(|r| r.authorization && !r.identity_token), "{to_issuer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_serves_its_checkpoint_and_tiles() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    for n in 0..3 {
        sign(&sigstore, &sigstore.email_token(EMAIL), n).await.unwrap();
    }
    let client = sigstore_sign::rekor::RekorV2Client::new(&sigstore.urls().rekor).unwrap();
    let checkpoint = client.get_checkpoint().await.unwrap();
    assert_eq!((checkpoint.origin(), checkpoint.tree_size()), ("rekor.sandbox", 3));
    let three = std::num::NonZeroU8::new(3);
    assert_eq!(client.get_tile(0, 0, three).await.unwrap().bytes.len(), 96);
    let entries = client.get_entry_bundle(0, three).await.unwrap().bytes;
    assert!(entries[2..].starts_with(br#"{"apiVersion":"0.0.2","kind":"hashedrekord""#));
    assert!(client.get_tile(0, 0, None).await.is_err(), "a full tile does not exist yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_sandbox_answers_no_more() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    let url = format!("{}/healthz", sigstore.urls().fulcio);
    let http = sigstore_sign::reqwest::Client::new();
    assert!(http.get(&url).send().await.is_ok());
    drop(sigstore);
    assert!(http.get(&url).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_entry_twice_is_a_conflict() {
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    let bundle = sign(&sigstore, &sigstore.email_token(EMAIL), 1).await.unwrap();
    let bundle: Value = serde_json::from_str(&bundle.to_json().unwrap()).unwrap();
    let certificate = &bundle["verificationMaterial"]["certificate"]["rawBytes"];
    let payload = statement(1);
    let pae = [format!("DSSEv1 28 application/vnd.in-toto+json {} ", payload.len()).as_bytes(), &payload].concat();
    let digest = sigstore_sign::crypto::sha256(&pae);
    let request = |digest: &sigstore_verify::types::Sha256Hash| {
        json!({"hashedRekordRequestV002": {"digest": digest, "signature": {"content": bundle["dsseEnvelope"]["signatures"][0]["sig"],
            "verifier": {"keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": {"rawBytes": certificate}}}}})
        .to_string()
    };
    let http = sigstore_sign::reqwest::Client::new();
    let url = format!("{}/api/v2/log/entries", sigstore.urls().rekor);
    let again = http.post(&url).body(request(&digest)).send().await.unwrap();
    assert_eq!(again.status().as_u16(), 409);
    let other = http.post(&url).body(request(&sigstore_sign::crypto::sha256(b"other"))).send().await.unwrap();
    assert_eq!(other.status().as_u16(), 400, "a signature over something else");
    assert_eq!(sigstore.rekor_size(), 1);
}

/// Writes what `scripts/interop/sigstore-python.sh` and cosign check.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs INTEROP_DIR, a folder to write into"]
async fn write_interop_files() {
    #[expect(clippy::disallowed_methods, reason = "the script names the folder")]
    let folder = std::path::PathBuf::from(std::env::var("INTEROP_DIR").unwrap());
    let sigstore = Sigstore::start(Options::default()).await.unwrap();
    sigstore.write_files(&folder).unwrap();
    let parse = |json: String| serde_json::from_str::<Value>(&json).unwrap();
    let config = json!({"mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": parse(sigstore.trusted_root_json()), "signingConfig": parse(sigstore.signing_config_json())});
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("trust_config.json", config.to_string().as_bytes());
    write("email_issuer", sigstore.email_issuer().as_bytes());
    write("ci_issuer", sigstore.ci_issuer().as_bytes());
    let blob = b"a blob\n";
    write("blob", blob);
    for (name, token) in [("email", sigstore.email_token(EMAIL)), ("ci", sigstore.ci_token(&[]))] {
        let token = sigstore_sign::oidc::IdentityToken::from_jwt(&token).unwrap();
        let signer = SigningContext::new(services(&sigstore)).signer(token);
        write(
            &format!("{name}.blob.sigstore.json"),
            signer.sign(blob.as_slice()).await.unwrap().to_json().unwrap().as_bytes(),
        );
        write(
            &format!("{name}.dsse.sigstore.json"),
            signer.sign_raw_statement(&statement(1)).await.unwrap().to_json().unwrap().as_bytes(),
        );
    }
    let (certificate, bundle) = (CertificateOptions::default(), BundleOptions::default());
    let claims = sigstore.email_claims(EMAIL);
    write("inprocess.blob.sigstore.json", sigstore.sign_blob(blob, &claims, &certificate, &bundle).unwrap().as_bytes());
    write(
        "inprocess.dsse.sigstore.json",
        sigstore.sign_bundle(&statement(1), &claims, &certificate, &bundle).unwrap().as_bytes(),
    );
    // With INTEROP_WAIT, serve until the folder holds a file `done`, so that another client can sign here.
    write("token", sigstore.email_token(EMAIL).as_bytes());
    #[expect(clippy::disallowed_methods, reason = "the script asks for it")]
    if std::env::var("INTEROP_WAIT").is_ok() {
        write("ready", b"");
        while !folder.join("done").exists() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
