//! `verify --offline DIR`: a layout with its referrers, and no registry.

use std::fs;
use std::path::Path;

use countersign_sandbox::registry::Registry;
use serde_json::{Value, json};

use crate::support::{APP, Gateway, digest};

/// Writes the whole repository as a layout: every manifest in `index.json`, with tags as names where there are any.
/// That is a superset of what oras (referrers beside the image) and regctl (fallback tags) write.
fn export(registry: &Registry, folder: &Path) {
    let snapshot = registry.snapshot();
    let repository = &snapshot.repositories[APP];
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let write =
        |digest: &str, bytes: &[u8]| fs::write(blobs.join(digest.strip_prefix("sha256:").unwrap()), bytes).unwrap();
    let mut entries: Vec<Value> = Vec::new();
    for (digest, (_, media_type)) in &repository.manifests {
        let manifest = registry.manifest(APP, digest).unwrap();
        write(digest, &manifest.bytes);
        let entry = json!({ "mediaType": media_type, "digest": digest, "size": manifest.bytes.len() });
        let tags: Vec<&String> = repository.tags.iter().filter(|(_, d)| *d == digest).map(|(tag, _)| tag).collect();
        entries.extend(tags.iter().map(|tag| {
            let mut entry = entry.clone();
            entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
            entry
        }));
        if tags.is_empty() {
            entries.push(entry);
        }
    }
    for blob in repository.blobs.keys() {
        write(blob, &registry.blob(APP, blob).unwrap());
    }
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(folder.join("index.json"), json!({ "schemaVersion": 2, "manifests": entries }).to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_layout_verifies_without_a_registry_and_a_changed_one_does_not() {
    let gateway = Gateway::start().await;
    let candidate = gateway.release("1.2.3").await;
    let layout = gateway.path("layout");
    export(&gateway.registry, &layout);
    gateway.registry.clear_log();
    let folder = layout.to_str().unwrap();
    let verify = |reference: String| {
        let gateway = &gateway;
        async move { gateway.run(&["verify", &reference, "--offline", folder, "--output", "json"]).await }
    };
    verify(candidate.clone()).await.verdict("verified", 0);
    verify(gateway.tagged("1.2")).await.verdict("verified", 0);
    verify(gateway.tagged("9.9")).await.exits(5);
    assert_eq!(gateway.registry.log().len(), 0, "nothing was asked over the network");

    let path = layout.join("blobs/sha256").join(digest(&candidate).strip_prefix("sha256:").unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes.push(b' ');
    fs::write(&path, bytes).unwrap();
    verify(candidate).await.verdict("refuted", 4).because("digest-mismatch");
}
