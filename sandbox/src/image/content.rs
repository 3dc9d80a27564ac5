//! Where finished images go: into a registry of this process, or into an OCI layout folder.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use serde_json::json;

use super::index::INDEX;
use crate::registry::Registry;

/// A manifest with its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Digest of the bytes.
    pub digest: String,
    /// Media type of the bytes.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Anything that can be pushed: an image or an index.
pub trait Content {
    /// The manifest that names everything else.
    fn root(&self) -> Node;
    /// All manifests, children first, the root last.
    fn manifests(&self) -> Vec<Node>;
    /// All blobs with their digests.
    fn blobs(&self) -> Vec<(String, Vec<u8>)>;

    /// Stores everything in the repository, by digest, without a tag; returns the digest of the root.
    fn push(&self, registry: &Registry, repository: &str) -> String {
        for (digest, bytes) in self.blobs() {
            registry.put_blob_at(repository, &digest, bytes);
        }
        for node in self.manifests() {
            registry.put_manifest_at(repository, &node.digest, &node.media_type, node.bytes);
        }
        self.root().digest
    }

    /// As [`push`](Self::push), and sets a tag.
    fn push_tagged(&self, registry: &Registry, repository: &str, tag: &str) -> String {
        let digest = self.push(registry, repository);
        registry.set_tag(repository, tag, &digest);
        digest
    }
}

/// Writes an OCI layout folder with these contents, each under its reference name (`org.opencontainers.image.ref.name`).
///
/// # Errors
/// When the folder cannot be written.
pub fn write_layout(folder: &Path, contents: &[(&str, &dyn Content)]) -> Result<()> {
    let blobs = folder.join("blobs").join("sha256");
    fs::create_dir_all(&blobs).with_context(|| format!("create {}", blobs.display()))?;
    let write = |digest: &str, bytes: &[u8]| -> Result<()> {
        let name = digest.strip_prefix("sha256:").ok_or_else(|| anyhow!("{digest} is not a sha256 digest"))?;
        fs::write(blobs.join(name), bytes).with_context(|| format!("write blob {digest}"))
    };
    let mut entries = Vec::new();
    for (name, content) in contents {
        for (digest, bytes) in content.blobs() {
            write(&digest, &bytes)?;
        }
        for node in content.manifests() {
            write(&node.digest, &node.bytes)?;
        }
        let root = content.root();
        entries.push(json!({
            "mediaType": root.media_type,
            "digest": root.digest,
            "size": root.bytes.len(),
            "annotations": {"org.opencontainers.image.ref.name": name},
        }));
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
    fs::write(folder.join("index.json"), index.to_string())?;
    fs::write(folder.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string())?;
    Ok(())
}
