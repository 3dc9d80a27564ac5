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

/// The registry as it was, as who can write it could restore it.
fn restore(gateway: &Gateway, before: &std::collections::BTreeMap<String, String>) {
    for tag in gateway.tag_names() {
        gateway.registry.delete_tag(APP, &tag);
    }
    for (tag, digest) in before {
        gateway.registry.set_tag(APP, tag, digest);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_goes_back_or_stands_still_is_noticed_by_what_was_seen() {
    let gateway = Gateway::start().await;
    gateway.release("1.2.0").await;
    let before = gateway.tags();
    let state = ["--state", "state.json"];
    let resolve =
        async |tag: &str, flags: &[&str]| gateway.run(&[&["resolve", &gateway.tagged(tag)], flags].concat()).await;
    resolve("latest", &state).await.verdict("verified", 0);
    gateway.release("1.3.0").await;
    resolve("1.3", &state).await.verdict("verified", 0);
    restore(&gateway, &before);
    // Without a memory the old state looks right.
    resolve("latest", &[]).await.verdict("verified", 0);
    resolve("latest", &state).await.verdict("refuted", 4).because("channel-frozen");
    let run = resolve("1.2", &state).await.verdict("verified", 0);
    assert_eq!(run.json()["version"], "1.2.0");

    let gateway = Gateway::start().await;
    gateway.release("1.2.0").await;
    let before = gateway.tags();
    let bad = gateway.release("1.3.0").await;
    let resolve = async |tag: &str| gateway.run(&["resolve", &gateway.tagged(tag), "--state", "state.json"]).await;
    resolve("latest").await.verdict("verified", 0);
    let after = gateway.tags();
    restore(&gateway, &before);
    resolve("latest").await.verdict("refuted", 4).because("channel-rolled-back");
    gateway.registry.delete_manifest(APP, digest(&bad));
    resolve("latest").await.verdict("refuted", 4).because("channel-rolled-back");
    drop(after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_rollback_or_withdrawal_explains_what_was_seen() {
    let gateway = Gateway::start().await;
    for version in ["1.2.0", "1.3.0", "1.4.0"] {
        gateway.release(version).await;
    }
    let resolve = async |tag: &str| gateway.run(&["resolve", &gateway.tagged(tag), "--state", "state.json"]).await;
    resolve("latest").await.verdict("verified", 0);
    let repository = gateway.repository(APP);
    gateway.run(&["withdraw", &repository, "--version", "1.4.0", "--reason", "x"]).await.exits(0);
    assert_eq!(resolve("latest").await.verdict("verified", 0).json()["version"], "1.3.0");
    gateway.run(&["rollback", &gateway.tagged("latest"), "--to", "1.2.0"]).await.exits(0);
    assert_eq!(resolve("latest").await.verdict("verified", 0).json()["version"], "1.2.0");
    resolve("1.4.0").await.verdict("refuted", 4).because("withdrawn");
    std::fs::write(gateway.path("state.json"), "{}").unwrap();
    resolve("latest").await.exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn references_in_files_are_pinned_in_place_and_drift_is_reported() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.3").await;
    let (channel, pin) = (gateway.tagged("1.2"), format!("{}@{}", gateway.tagged("1.2"), digest(&candidate)));
    let text = format!("services:\n  app:\n    image: {channel}\n  other:\n    image: {}.3\n", channel);
    std::fs::write(gateway.path("compose.yaml"), &text).unwrap();
    let read = || std::fs::read_to_string(gateway.path("compose.yaml")).unwrap();
    let drift = gateway.run(&["resolve", &channel, "--check", "compose.yaml"]).await.exits(8);
    assert_eq!((read(), &drift.json()["files"][0]["state"]), (text.clone(), &json!("drift")));
    gateway.run(&["resolve", "--write", "compose.yaml", &channel]).await.exits(0);
    assert_eq!(read(), text.replace(&format!("{channel}\n"), &format!("{pin}\n")));
    gateway.run(&["resolve", &channel, "--check", "compose.yaml"]).await.exits(0);
    gateway.run(&["resolve", &channel, "--write", "compose.yaml"]).await.exits(0);

    let next = gateway.release("1.2.4").await;
    gateway.run(&["resolve", &channel, "--check", "compose.yaml"]).await.exits(8);
    gateway.run(&["resolve", &channel, "--write", "compose.yaml"]).await.exits(0);
    assert!(read().contains(digest(&next)) && !read().contains(digest(&candidate)));
    let unmentioned = gateway.tagged("latest");
    gateway.run(&["resolve", &unmentioned, "--write", "compose.yaml"]).await.exits(5);
    gateway.run(&["resolve", &channel, "--check", "none.yaml"]).await.exits(2);
    // Nothing is pinned to what does not verify.
    gateway.registry.set_tag(APP, "1.2", digest(&gateway.build("evil")));
    let before = read();
    gateway.run(&["resolve", &channel, "--write", "compose.yaml"]).await.exits(4);
    assert_eq!(read(), before);
}
