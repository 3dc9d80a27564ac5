//! Images of several platforms.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::builder::{Image, MANIFEST};
use super::content::{Content, Node};
use crate::registry::sha256;

pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An index that is being built.
#[derive(Debug, Clone, Default)]
pub struct IndexBuilder {
    entries: Vec<Value>,
    images: Vec<Image>,
    annotations: BTreeMap<String, String>,
}

/// A finished index with its images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Digest of the index.
    pub digest: String,
    /// The index.
    pub manifest: Vec<u8>,
    /// In the order of the index.
    pub images: Vec<Image>,
}

impl IndexBuilder {
    /// Adds an image with its own platform.
    #[must_use]
    pub fn image(self, image: Image) -> Self {
        let platform = image.platform.clone();
        self.image_with(image, |entry| entry["platform"] = platform)
    }

    /// Adds an image with an entry that the caller changes: no platform, annotations, another artifact type.
    #[must_use]
    pub fn image_with(mut self, image: Image, change: impl FnOnce(&mut Value)) -> Self {
        let mut entry = json!({"mediaType": MANIFEST, "digest": image.digest, "size": image.manifest.len()});
        change(&mut entry);
        self.entries.push(entry);
        self.images.push(image);
        self
    }

    /// Adds an image as BuildKit adds an attestation about another one.
    #[must_use]
    pub fn buildkit_attestation(self, image: Image, about: &str) -> Self {
        self.image_with(image, |entry| {
            entry["annotations"] = json!({
                "vnd.docker.reference.digest": about,
                "vnd.docker.reference.type": "attestation-manifest",
            });
            entry["platform"] = json!({"architecture": "unknown", "os": "unknown"});
        })
    }

    /// Sets an annotation of the index.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The finished index.
    #[must_use]
    pub fn build(self) -> Index {
        let mut index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.entries});
        if !self.annotations.is_empty() {
            index["annotations"] = json!(self.annotations);
        }
        let manifest = index.to_string().into_bytes();
        Index { digest: sha256(&manifest), manifest, images: self.images }
    }
}

impl Content for Index {
    fn root(&self) -> Node {
        Node { digest: self.digest.clone(), media_type: INDEX.to_owned(), bytes: self.manifest.clone() }
    }

    fn manifests(&self) -> Vec<Node> {
        self.images.iter().map(Content::root).chain(std::iter::once(self.root())).collect()
    }

    fn blobs(&self) -> Vec<(String, Vec<u8>)> {
        self.images.iter().flat_map(Content::blobs).collect()
    }
}
