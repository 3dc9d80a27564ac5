//! One test per invariant of docs/architecture.md that shows from outside; I4, I5 and I8 have files of their own.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_sandbox::image::samples::Sample;
use countersign_sandbox::image::{Content, Image, ImageBuilder, IndexBuilder, LayerBuilder};
use countersign_sandbox::registry::{Access, Bait, Fault, Options, Place, Switch, User, When};
use countersign_sandbox::sigstore::Service;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::evidence::{nodes, statements};
use crate::support::{APP, Gateway, Run, digest, sample, vulnerable};

const USER: &str = "robot";
const PASSWORD: &str = "correct-horse-battery-staple";
const ENV_SECRET: &str = "hunter2-in-the-image-env";

/// Runs a promote, pauses it before its first attestation is attached, changes the world, and lets it go on.
async fn changed_before_attaching(gateway: &Gateway, candidate: &str, change: impl FnOnce()) -> Run {
    let mut stop = gateway.registry.faults().stop(When::method("PUT").matching("/manifests/").first(1), Place::Before);
    let promote = gateway.command(&["promote", candidate, "--version", "1.2.3", "--timeout", "2s"]).output();
    let running = tokio::spawn(promote);
    stop.wait_for_stop().await.unwrap();
    change();
    stop.release();
    Run::of(running.await.unwrap().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_no_tag_without_evidence_that_reads_back() {
    for (place, fault, code) in [(Place::After, Fault::WrongBytes, 4), (Place::Before, Fault::Status(500), 7)] {
        let gateway = Gateway::start().await;
        let candidate = gateway.build("1.2.3");
        let faults = gateway.registry.faults();
        let blobs = When::method("GET").matching("/blobs/");
        let run = changed_before_attaching(&gateway, &candidate, || faults.add(blobs, place, fault)).await;
        assert_eq!(run.code, code, "{run}");
        assert!(gateway.tags().is_empty(), "{run}");
        assert!(gateway.sigstore.rekor_size() > 0, "the evidence had been made: {run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_nothing_is_written_before_the_decision_nor_after_a_deny() {
    let gateway = Gateway::start().await;
    let (bad, good) = (gateway.push(APP, &vulnerable("1.2.3")), gateway.build("1.2.3"));
    let before = gateway.registry.snapshot();
    let saved = ["--evidence-dir", "evidence"];
    gateway.promote_with(&bad, "1.2.3", &saved).await.is("denied", 3).because("vulnerability-denied");
    let names: Vec<String> = fs::read_dir(gateway.path("evidence"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    for kind in ["policy-input", "decision"] {
        assert!(names.iter().any(|name| name.contains(kind)), "{names:?}");
    }
    gateway.promote_with(&bad, "1.2.3", &["--plan"]).await.is("denied", 3).because("vulnerability-denied");
    let plan = gateway.promote_with(&good, "1.2.3", &["--plan"]).await.is("planned", 0);
    assert!(plan.actions().values().all(|action| action == "create"), "{plan}");
    assert_eq!(gateway.writes(), Vec::<String>::new());
    assert_eq!(gateway.registry.snapshot(), before);
    for service in [Service::Fulcio, Service::Rekor, Service::Tsa] {
        assert!(gateway.sigstore.log().of(service).is_empty(), "{service:?} was asked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_a_denied_image_stops_its_sibling_too() {
    let gateway = Gateway::of(&[APP, "acme/agent"]).await;
    let good = gateway.build("1.2.3");
    let bad = gateway.push("acme/agent", &vulnerable("1.2.3"));
    let before = gateway.registry.snapshot();
    gateway.promote_with(&good, "1.2.3", &[&bad]).await.is("denied", 3);
    assert_eq!(gateway.registry.snapshot(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_a_taken_version_tag_changes_nothing_in_any_repository() {
    let gateway = Gateway::of(&[APP, "acme/agent"]).await;
    let app = gateway.build("1.2.3");
    let agent = gateway.push("acme/agent", &sample("1.2.3"));
    let other = gateway.push("acme/agent", &sample("other"));
    gateway.registry.set_tag("acme/agent", "1.2.3", digest(&other));
    let before = gateway.registry.snapshot();
    for flags in [vec![agent.as_str()], vec![&agent, "--plan"], vec![&agent, "--adopt"]] {
        gateway.promote_with(&app, "1.2.3", &flags).await.is("conflict", 8).because("tag-taken");
        assert_eq!(gateway.registry.snapshot(), before);
        assert_eq!(gateway.writes(), Vec::<String>::new());
    }
    assert_eq!(gateway.sigstore.rekor_size(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_what_could_not_be_looked_at_is_unknown() {
    use countersign_sandbox::registry::RetryAfter;
    let places = ["/referrers/", "/tags/list", "/manifests/sha256:", "/manifests/sha256-", "/blobs/"];
    let faults = [
        (Fault::Status(401), Place::Before, 6),
        (Fault::Status(403), Place::Before, 6),
        (Fault::RateLimited(RetryAfter::Silent), Place::Before, 7),
        (Fault::SecondaryRateLimit, Place::Before, 7),
        (Fault::Status(500), Place::Before, 7),
        (Fault::Reset, Place::Before, 7),
        (Fault::Delay(Duration::from_secs(8)), Place::Before, 7),
    ];
    for place in places {
        let each = faults.clone().map(|(fault, at, code)| async move {
            // A registry with the referrers API is not asked for fallback tags that its tag list does not name.
            let switches = if place == "/manifests/sha256-" { vec![Switch::ReferrersOff] } else { Vec::new() };
            let gateway = Gateway::with(&[APP], Options { switches, ..Options::default() }).await;
            let candidate = gateway.build("1.2.3");
            let before = gateway.registry.snapshot();
            gateway.registry.faults().add(When::any().matching(place), at, fault.clone());
            let run = gateway.promote_with(&candidate, "1.2.3", &["--timeout", "1s"]).await;
            assert_eq!(run.code, code, "{fault:?} for {place}: {run}");
            assert_eq!(gateway.registry.snapshot(), before, "{fault:?} for {place}: {run}");
            assert!(gateway.sigstore.rekor_size() == 0, "{fault:?} for {place}: {run}");
        });
        join_all(each).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_evidence_that_could_not_be_read_is_unknown_never_unsigned() {
    let gateway = Gateway::start().await;
    gateway.release("1.2.3").await;
    let reference = gateway.tagged("1.2.3");
    for (fault, place, code) in [
        (Fault::Status(401), Place::Before, 6),
        (Fault::Status(500), Place::Before, 7),
        (Fault::TruncatedBody, Place::After, 7),
        (Fault::Close, Place::Before, 7),
    ] {
        for target in ["/referrers/", "/blobs/"] {
            gateway.registry.faults().add(When::method("GET").matching(target), place, fault.clone());
            for command in ["verify", "resolve"] {
                let run = gateway.run(&[command, &reference, "--timeout", "1s"]).await;
                assert_eq!((run.code, &run.json()["verdict"]), (code, &json!("unknown")), "{fault:?} {target}: {run}");
            }
            gateway.registry.faults().clear();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_bytes_that_contradict_their_digest_are_refuted() {
    let gateway = Gateway::start().await;
    let image = sample("1.2.3");
    let candidate = gateway.push(APP, &image);
    let child = &image.images[0];
    let layer = &child.layers[0];
    let mut swapped = layer.bytes.clone();
    let last = swapped.len() - 9;
    swapped[last] ^= 1;
    let original = |digest: &str| gateway.registry.manifest(APP, digest).unwrap();
    let unchanged = gateway.registry.snapshot();

    gateway.registry.put_blob_at(APP, &layer.digest, swapped);
    gateway.promote(&candidate, "1.2.3").await.is("refuted", 4).because("digest-mismatch");
    gateway.registry.put_blob_at(APP, &layer.digest, sample("other").images[0].layers[1].bytes.clone());
    gateway.promote(&candidate, "1.2.3").await.is("refuted", 4);
    gateway.registry.put_blob_at(APP, &layer.digest, layer.bytes.clone());

    for digest in [child.digest.clone(), image.digest.clone()] {
        let right = original(&digest);
        let mut wrong = right.bytes.to_vec();
        let place = wrong.iter().position(|b| *b == b'2').unwrap();
        wrong[place] = b'3';
        gateway.registry.put_manifest_at(APP, &digest, &right.media_type, wrong);
        let run = gateway.promote(&candidate, "1.2.3").await.is("refuted", 4).because("digest-mismatch");
        assert!(gateway.tags().is_empty(), "{run}");
        gateway.run(&["verify", &candidate]).await.verdict("refuted", 4);
        gateway.registry.put_manifest_at(APP, &digest, &right.media_type, right.bytes);
    }
    assert_eq!(gateway.registry.snapshot(), unchanged);
    assert_eq!(gateway.sigstore.rekor_size(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_a_truncated_body_is_unknown() {
    let gateway = Gateway::start().await;
    let candidate = gateway.build("1.2.3");
    gateway.registry.faults().add(When::method("GET").matching("/blobs/"), Place::After, Fault::TruncatedBody);
    gateway.promote_with(&candidate, "1.2.3", &["--timeout", "1s"]).await.is("unknown", 7);
    assert!(gateway.tags().is_empty() && gateway.sigstore.rekor_size() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn i9_the_evidence_names_isolation_scanner_and_database() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.3").await;
    let children = nodes(&gateway.registry, APP, digest(&candidate)).split_off(1);
    assert_eq!(children.len(), 2);
    for child in children {
        let all = statements(&gateway.registry, APP, &child);
        let result = &all["https://cosign.sigstore.dev/attestation/vuln/v1"]["predicate"]["scanner"]["result"];
        assert!(result["scanner"]["isolation"].as_str().is_some_and(|level| !level.is_empty()), "{result:#}");
        assert!(result["scanner"]["digest"].as_str().unwrap().starts_with("sha256:"), "{result:#}");
        assert!(result["database"]["digest"].as_str().unwrap().starts_with("sha256:"), "{result:#}");
    }
}

/// A registry with a password, and a release whose image has a secret in its `Env`.
async fn secretive(switches: Vec<Switch>) -> (Gateway, String) {
    let options = Options {
        access: Access::Token { lifetime: Duration::from_secs(300) },
        users: vec![User::new(USER, PASSWORD)],
        switches,
        ..Options::default()
    };
    let gateway = Gateway::with(&[APP], options).await;
    let home = gateway.path("home/.docker");
    fs::create_dir_all(&home).unwrap();
    let auths = json!({"auths": {gateway.registry.address(): {"auth": basic()}}});
    fs::write(home.join("config.json"), auths.to_string()).unwrap();
    let image = with_env(&Sample::fixed().debian().unwrap().images[0]);
    let candidate = gateway.push(APP, &IndexBuilder::default().image(image).build());
    (gateway, candidate)
}

fn basic() -> String {
    STANDARD.encode(format!("{USER}:{PASSWORD}"))
}

fn with_env(image: &Image) -> Image {
    let mut builder = ImageBuilder::new("amd64").env("API_KEY", ENV_SECRET);
    for layer in &image.layers {
        builder = builder.finished_layer(layer.clone());
    }
    builder.layer(LayerBuilder::default().file("app/version", "1")).unwrap().build()
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_secrets_are_in_nothing_that_is_printed_or_written() {
    let (gateway, candidate) = secretive(vec![]).await;
    let token = gateway.sigstore.email_token(crate::support::EMAIL);
    gateway.token(&token);
    let before = gateway.registry.snapshot();
    let reference = gateway.tagged("1.2.3");
    let mut printed = String::new();
    let promote = ["promote", &candidate, "--version", "1.2.3", "--evidence-dir", "evidence", "-vv"];
    printed.push_str(&gateway.run(&promote).await.is("promoted", 0).to_string());
    for command in ["verify", "resolve", "inspect", "sbom", "scan"] {
        printed.push_str(&gateway.run(&[command, &reference, "-vv"]).await.exits(0).to_string());
    }
    // Failures talk most.
    gateway.registry.faults().add(When::any(), Place::Before, Fault::Status(403));
    printed.push_str(&gateway.run(&["verify", &reference, "-vv"]).await.exits(6).to_string());
    gateway.registry.faults().clear();
    gateway.sigstore.faults().add(
        Service::Fulcio,
        countersign_sandbox::sigstore::When::Always,
        countersign_sandbox::sigstore::Effect::Status(400),
    );
    let other = gateway.push(APP, &sample("1.2.4"));
    printed.push_str(&gateway.promote_with(&other, "1.2.4", &["-vv"]).await.to_string());

    let mut written = vec![("the output".to_owned(), printed.into_bytes())];
    for entry in fs::read_dir(gateway.path("evidence")).unwrap() {
        let path = entry.unwrap().path();
        written.push((path.display().to_string(), fs::read(&path).unwrap()));
    }
    assert!(written.len() > 3, "the evidence folder is empty");
    let after = gateway.registry.snapshot();
    let (old, new) = (&before.repositories[APP], &after.repositories[APP]);
    let pushed = sample("1.2.4");
    let ours: Vec<String> = pushed.blobs().into_iter().map(|(digest, _)| digest).collect();
    for blob in new.blobs.keys().filter(|b| !old.blobs.contains_key(*b) && !ours.contains(b)) {
        let bytes = gateway.registry.blob(APP, blob).unwrap().to_vec();
        let bundle: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if let Some(payload) = bundle["dsseEnvelope"]["payload"].as_str() {
            written.push((format!("payload of {blob}"), STANDARD.decode(payload).unwrap()));
        }
        written.push((blob.clone(), bytes));
    }
    for manifest in new.manifests.keys().filter(|m| !old.manifests.contains_key(*m)) {
        written.push((manifest.clone(), gateway.registry.manifest(APP, manifest).unwrap().bytes.to_vec()));
    }
    let signature = token.rsplit('.').next().unwrap();
    for (name, bytes) in &written {
        let text = String::from_utf8_lossy(bytes);
        for (what, secret) in [
            ("token", token.as_str()),
            ("token", signature),
            ("password", PASSWORD),
            ("basic", &basic()),
            ("env", ENV_SECRET),
        ] {
            assert!(!text.contains(secret), "{name} contains the {what}:\n{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_a_foreign_realm_gets_no_credential() {
    let trap = countersign_sandbox::registry::Trap::start(Bait::Token("stolen".to_owned())).await.unwrap();
    let (gateway, candidate) = secretive(vec![Switch::ForeignRealm(format!("{}/token", trap.origin()))]).await;
    let run = gateway.promote_with(&candidate, "1.2.3", &["--timeout", "2s"]).await.exits(6);
    assert!(!trap.caught_a_secret(), "{:?} {run}", trap.caught());
    assert!(gateway.tags().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_redirects_carry_no_credential() {
    let (gateway, candidate) = secretive(vec![]).await;
    let blobs = gateway.registry.trap(Bait::Blobs).await.unwrap();
    let referrers = gateway.registry.trap(Bait::Answer(200, b"<html>".to_vec())).await.unwrap();
    gateway.registry.faults().on(Switch::BlobRedirect(blobs.origin().to_owned()));
    gateway.registry.faults().on(Switch::ReferrersRedirect(referrers.origin().to_owned()));
    gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
    gateway.run(&["verify", &gateway.tagged("1.2.3")]).await.verdict("verified", 0);
    assert!(!blobs.caught().is_empty(), "the layers came from there");
    assert!(!blobs.caught_a_secret(), "{:?}", blobs.caught());
    assert_eq!(referrers.caught(), [], "a referrers redirect is not followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_the_identity_token_goes_to_fulcio_only() {
    let (gateway, candidate) = secretive(vec![]).await;
    gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
    let holders: Vec<Service> = gateway
        .sigstore
        .log()
        .all()
        .iter()
        .filter(|r| r.authorization || r.identity_token)
        .map(|r| r.service)
        .collect();
    assert!(!holders.is_empty() && holders.iter().all(|s| *s == Service::Fulcio), "{holders:?}");
}

/// A referrer of `subject` with one layer of this size that says it is a bundle.
fn put_referrer(gateway: &Gateway, subject: &str, layer: (&str, usize), marker: usize) {
    let empty = gateway.registry.put_blob(APP, "{}");
    let size = gateway.registry.manifest(APP, subject).unwrap().bytes.len();
    let bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": bundle,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
        "layers": [{"mediaType": bundle, "digest": layer.0, "size": layer.1}],
        "subject": {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": subject, "size": size},
        "annotations": {"marker": marker.to_string()},
    });
    gateway.registry.put_manifest_raw(APP, "application/vnd.oci.image.manifest.v1+json", manifest.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_more_than_a_hundred_referrers_are_unknown() {
    let gateway = Gateway::start().await;
    let candidate = gateway.build("1.2.3");
    let blob = gateway.registry.put_blob(APP, "{}");
    for marker in 0..=100 {
        put_referrer(&gateway, digest(&candidate), (&blob, 2), marker);
    }
    let run = gateway.run(&["verify", &candidate, "--require", "signature"]).await.verdict("unknown", 7);
    assert!(run.stdout.contains("more than 100 referrers"), "{run}");
    gateway.promote(&candidate, "1.2.3").await.is("unknown", 7);
    assert!(gateway.tags().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_a_bundle_of_more_than_ten_megabytes_is_not_read() {
    let gateway = Gateway::start().await;
    let candidate = gateway.build("1.2.3");
    let huge = vec![b' '; 11 * 1024 * 1024];
    let blob = gateway.registry.put_blob(APP, huge.clone());
    put_referrer(&gateway, digest(&candidate), (&blob, huge.len()), 0);
    gateway.registry.clear_log();
    let run = gateway.run(&["verify", &candidate, "--require", "signature"]).await.verdict("unknown", 7);
    assert!(run.stdout.contains("bundle-too-large"), "{run}");
    assert!(gateway.registry.log().iter().all(|r| !r.path().ends_with(&blob)), "it was fetched");
    // Beside good evidence it does no harm.
    gateway.promote(&candidate, "1.2.3").await.is("promoted", 0);
    gateway.run(&["verify", &candidate]).await.verdict("verified", 0);
}
