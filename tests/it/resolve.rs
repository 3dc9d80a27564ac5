//! `resolve`: the verified digest behind a tag, and every reason not to give one.

use serde_json::json;

use crate::support::{APP, Gateway, digest, sample};

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_the_fields_of_the_contract() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.3").await;
    for tag in ["v1.2.3", "1.2.3", "1.2", "1", "latest"] {
        let json = gateway.run(&["resolve", &gateway.tagged(tag)]).await.verdict("verified", 0).json();
        assert_eq!((&json["kind"], &json["version"]), (&json!("Resolution"), &json!("1.2.3")));
        assert_eq!(json["digest"], digest(&candidate));
        assert_eq!(json["pin"], format!("{}@{}", gateway.tagged(tag), digest(&candidate)));
        assert!(json["promotedAt"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        assert_eq!(json["reasons"], json!([]));
    }
    let both = gateway.run(&["resolve", &gateway.tagged("1"), &gateway.tagged("1.2")]).await.exits(0);
    assert_eq!(both.json()["kind"], "ResolutionList");
    let mixed = gateway.run(&["resolve", &gateway.tagged("1"), &gateway.tagged("8")]).await;
    mixed.exits(5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsigned_digest_is_refuted() {
    let gateway = Gateway::start().await;
    gateway.release("1.2.3").await;
    let unsigned = gateway.build("1.2.4");
    gateway.registry.set_tag(APP, "latest", digest(&unsigned));
    let run = gateway.run(&["resolve", &gateway.tagged("latest")]).await.verdict("refuted", 4).because("unsigned");
    assert!(run.stderr.is_empty() || !run.stderr.contains("@sha256"), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_moved_back_by_somebody_is_not_the_highest() {
    let gateway = Gateway::start().await;
    let old = gateway.release("1.2.3").await;
    gateway.release("1.3.0").await;
    gateway.registry.set_tag(APP, "latest", digest(&old));
    gateway.run(&["resolve", &gateway.tagged("latest")]).await.verdict("refuted", 4).because("not-highest");
    gateway.run(&["resolve", &gateway.tagged("1.2")]).await.verdict("verified", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_digest_under_a_tag_its_record_does_not_name_is_refuted() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.3").await;
    for tag in ["1.2.9", "v2.0.0", "2", "stable"] {
        gateway.registry.set_tag(APP, tag, digest(&candidate));
        let run = gateway.run(&["resolve", &gateway.tagged(tag)]).await.verdict("refuted", 4);
        run.because("tag-not-authorised");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_of_another_repository_is_refuted() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.3").await;
    // Copied with all its evidence, as registry tools do.
    let (from, to) = (APP, "acme/mirror");
    let content = gateway.registry.snapshot().repositories[from].clone();
    for blob in content.blobs.keys() {
        gateway.registry.put_blob_at(to, blob, gateway.registry.blob(from, blob).unwrap());
    }
    for manifest in content.manifests.keys() {
        let found = gateway.registry.manifest(from, manifest).unwrap();
        gateway.registry.put_manifest_at(to, manifest, &found.media_type, found.bytes);
    }
    gateway.registry.set_tag(to, "1.2.3", digest(&candidate));
    let reference = format!("{}:1.2.3", gateway.repository(to));
    gateway.run(&["verify", &reference, "--require", "signature"]).await.verdict("verified", 0);
    gateway.run(&["resolve", &reference]).await.verdict("refuted", 4).because("repository-mismatch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_of_a_sibling_under_this_name_is_a_repository_mismatch() {
    let gateway = Gateway::of(&[APP, "acme/agent"]).await;
    let app = gateway.build("1.2.3");
    let agent = gateway.push("acme/agent", &sample("agent"));
    gateway.promote_with(&app, "1.2.3", &[&agent]).await.is("promoted", 0);
    let content = gateway.registry.snapshot().repositories["acme/agent"].clone();
    for blob in content.blobs.keys() {
        gateway.registry.put_blob_at(APP, blob, gateway.registry.blob("acme/agent", blob).unwrap());
    }
    for manifest in content.manifests.keys() {
        let found = gateway.registry.manifest("acme/agent", manifest).unwrap();
        gateway.registry.put_manifest_at(APP, manifest, &found.media_type, found.bytes);
    }
    gateway.registry.set_tag(APP, "1.2.3", digest(&agent));
    gateway.run(&["resolve", &gateway.tagged("1.2.3")]).await.verdict("refuted", 4).because("repository-mismatch");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_is_the_pin_and_nothing_else_and_only_if_verified() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.3").await;
    let pin = format!("{}@{}\n", gateway.tagged("1.2"), digest(&candidate));
    let run = gateway.run(&["resolve", &gateway.tagged("1.2"), "--output", "text"]).await.exits(0);
    assert_eq!(run.stdout, pin);
    gateway.registry.set_tag(APP, "1.2", digest(&gateway.build("1.2.4")));
    let run = gateway.run(&["resolve", &gateway.tagged("1.2"), "--output", "text"]).await.exits(4);
    assert!(!run.stdout.contains("@sha256:"), "{run}");
}
