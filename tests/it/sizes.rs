//! How long and how large `audit` and `retain` get in repositories with thousands of tags. Slow, so only when asked for:
//! `cargo test --test it sizes:: -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use countersign_sandbox::registry::Switch;
use countersign_sandbox::sigstore::{BundleOptions, CertificateOptions};
use serde_json::{Value, json};

use crate::support::{APP, EMAIL, Gateway, digest};

/// Eight reads at once, each this long: fifty requests a second.
const LATENCY: Duration = Duration::from_millis(160);

/// Adds one release whose index differs from `like` by an annotation, with a signed record and its version tags.
fn add(gateway: &Gateway, like: &str, version: &str, channels: &[String]) {
    let registry = &gateway.registry;
    let base = registry.manifest(APP, like).unwrap();
    let mut index: Value = serde_json::from_slice(&base.bytes).unwrap();
    index["annotations"] = json!({ "org.opencontainers.image.version": version });
    let bytes = index.to_string();
    let size = bytes.len();
    let subject = registry.put_manifest_raw(APP, &base.media_type, bytes);
    let zero = format!("sha256:{}", "0".repeat(64));
    let mut tags = vec![format!("v{version}"), version.to_owned()];
    tags.extend(channels.iter().cloned());
    let evidence: Vec<Value> = (0..11)
        .map(|_| json!({ "subject": subject, "predicateType": "https://cyclonedx.org/bom", "payload": zero }))
        .collect();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "app", "digest": { "sha256": subject.trim_start_matches("sha256:") } }],
        "predicateType": "https://countersign.dev/promotion/v1",
        "predicate": {
            "version": version, "git": { "ref": format!("refs/tags/v{version}"), "commit": "a".repeat(40) },
            "images": [{ "repository": gateway.repository(APP), "digest": subject, "tags": tags }],
            "policy": zero, "exceptions": [], "evidence": evidence,
            "scanner": { "digest": zero, "database": zero, "databaseUpdatedAt": "2026-11-20T00:00:00Z" },
        },
    });
    let claims = gateway.sigstore.email_claims(EMAIL);
    let (certificate, options) = (CertificateOptions::default(), BundleOptions::default());
    let bundle =
        gateway.sigstore.sign_bundle(statement.to_string().as_bytes(), &claims, &certificate, &options).unwrap();
    let (length, blob) = (bundle.len(), registry.put_blob(APP, bundle));
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let empty = registry.put_blob(APP, "{}");
    let referrer = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": kind,
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2 },
        "layers": [{ "mediaType": kind, "digest": blob, "size": length }],
        "subject": { "mediaType": base.media_type, "digest": subject, "size": size },
        "annotations": { "dev.sigstore.bundle.predicateType": "https://countersign.dev/promotion/v1" },
    });
    registry.put_manifest_raw(APP, "application/vnd.oci.image.manifest.v1+json", referrer.to_string());
    for tag in tags {
        registry.set_tag(APP, &tag, &subject);
    }
}

/// About `tags` tags: releases of ten patches for each minor version, and the newest fifteen by the real gate.
async fn repository(tags: usize) -> Gateway {
    let gateway = Gateway::start().await;
    let like = digest(&gateway.build("like")).to_owned();
    for minor in 0.. {
        if gateway.tags().len() + 15 * 3 + 2 >= tags {
            break;
        }
        for patch in 0..10 {
            let channels = if patch == 9 { vec![format!("1.{minor}")] } else { vec![] };
            add(&gateway, &like, &format!("1.{minor}.{patch}"), &channels);
        }
    }
    for minor in 0..15 {
        gateway.release(&format!("9.{minor}.0")).await;
    }
    gateway
}

/// Runs the program and says how it ended, how long it took, what it asked for, and its largest resident set in KiB.
async fn measured(gateway: &Gateway, arguments: &[&str]) -> (i32, Duration, usize, u64, Value) {
    gateway.registry.clear_log();
    let started = Instant::now();
    let child = gateway.command(arguments).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id().unwrap());
    let watched = tokio::spawn(async move {
        let mut peak = 0;
        while let Ok(text) = std::fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak = line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        peak
    });
    let output = child.wait_with_output().await.unwrap();
    let took = started.elapsed();
    let document = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let requests = gateway.registry.log().len();
    let code = output.status.code().unwrap_or(-1);
    if code != 0 {
        eprintln!("{}", String::from_utf8_lossy(&output.stdout).chars().take(2000).collect::<String>());
    }
    (code, took, requests, watched.await.unwrap(), document)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; measures"]
async fn audit_of_a_thousand_tags_at_fifty_requests_a_second() {
    let gateway = repository(1000).await;
    gateway.registry.faults().on(Switch::Latency(LATENCY));
    let (code, took, requests, peak, document) = measured(&gateway, &["audit", &gateway.repository(APP)]).await;
    let tags = gateway.tags().len();
    eprintln!("audit: {tags} tags, {:.1} s, {requests} requests, {} MiB, exit {code}", took.as_secs_f64(), peak / 1024);
    assert_eq!((code, &document["findings"]), (0, &json!([])));
    assert!(took < Duration::from_secs(60) && peak < 150 * 1024, "{took:?}, {peak} KiB");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; measures"]
async fn retain_of_five_thousand_tags() {
    let gateway = repository(5000).await;
    let arguments = ["retain", &gateway.repository(APP), "--keep-last", "100"];
    let (code, took, requests, peak, document) = measured(&gateway, &arguments).await;
    let (tags, gone) = (gateway.tags().len(), document["delete"].as_array().map_or(0, Vec::len));
    let seconds = took.as_secs_f64();
    eprintln!(
        "retain: {tags} tags, {gone} to delete, {seconds:.1} s, {requests} requests, {} MiB, exit {code}",
        peak / 1024
    );
    assert!(code == 0 && gone > 1000 && peak < 150 * 1024, "{peak} KiB");
}
