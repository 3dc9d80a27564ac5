//! Images of one platform: layers and configuration in, manifest and digest out.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::content::{Content, Node};
use super::layer::{Layer, LayerBuilder, Packing};
use crate::registry::sha256;

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// An image of one platform that is being built.
#[derive(Debug, Clone)]
pub struct ImageBuilder {
    os: String,
    architecture: String,
    variant: Option<String>,
    layers: Vec<Layer>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    env: Vec<String>,
    user: String,
    entrypoint: Vec<String>,
    created: String,
}

/// A finished image of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Digest of the manifest.
    pub digest: String,
    /// The manifest.
    pub manifest: Vec<u8>,
    /// The configuration.
    pub config: Vec<u8>,
    /// From the lowest.
    pub layers: Vec<Layer>,
    pub(super) platform: Value,
}

impl ImageBuilder {
    /// `linux` and this architecture (`amd64`, `arm64`, `arm/v7`).
    #[must_use]
    pub fn new(architecture: &str) -> Self {
        let (architecture, variant) = match architecture.split_once('/') {
            Some((architecture, variant)) => (architecture, Some(variant.to_owned())),
            None => (architecture, None),
        };
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant,
            layers: Vec::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            env: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()],
            user: String::new(),
            entrypoint: vec!["/bin/sh".to_owned()],
            created: "2026-01-01T00:00:00Z".to_owned(),
        }
    }

    /// Adds a gzip layer on top.
    ///
    /// # Errors
    /// When a path or a link is not allowed in a tar archive.
    pub fn layer(self, layer: LayerBuilder) -> Result<Self> {
        let layer = layer.build(Packing::Gzip)?;
        Ok(self.finished_layer(layer))
    }

    /// Adds any layer on top.
    #[must_use]
    pub fn finished_layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Sets a label of the configuration.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Sets an annotation of the manifest.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Adds `KEY=VALUE` to the environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.push(format!("{key}={value}"));
        self
    }

    /// The user that the container runs as.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// The entry point.
    #[must_use]
    pub fn entrypoint(mut self, words: &[&str]) -> Self {
        self.entrypoint = words.iter().map(|w| (*w).to_owned()).collect();
        self
    }

    /// The finished image.
    #[must_use]
    pub fn build(self) -> Image {
        let config = self.config().to_string().into_bytes();
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|l| json!({"mediaType": l.media_type, "digest": l.digest, "size": l.bytes.len()}))
            .collect();
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": sha256(&config), "size": config.len()},
            "layers": layers,
        });
        if !self.annotations.is_empty() {
            manifest["annotations"] = json!(self.annotations);
        }
        let mut platform = json!({"architecture": self.architecture, "os": self.os});
        if let Some(variant) = &self.variant {
            platform["variant"] = json!(variant);
        }
        let manifest = manifest.to_string().into_bytes();
        Image { digest: sha256(&manifest), manifest, config, layers: self.layers, platform }
    }

    fn config(&self) -> Value {
        let history: Vec<Value> = (1..=self.layers.len())
            .map(|n| json!({"created": self.created, "created_by": format!("sandbox layer {n}")}))
            .collect();
        let mut config = json!({
            "created": self.created,
            "architecture": self.architecture,
            "os": self.os,
            "config": {"Env": self.env, "Entrypoint": self.entrypoint, "Labels": self.labels},
            "rootfs": {"type": "layers", "diff_ids": self.layers.iter().map(|l| &l.diff_id).collect::<Vec<_>>()},
            "history": history,
        });
        if let Some(variant) = &self.variant {
            config["variant"] = json!(variant);
        }
        if !self.user.is_empty() {
            config["config"]["User"] = json!(self.user);
        }
        config
    }
}

impl Content for Image {
    fn root(&self) -> Node {
        Node { digest: self.digest.clone(), media_type: MANIFEST.to_owned(), bytes: self.manifest.clone() }
    }

    fn manifests(&self) -> Vec<Node> {
        vec![self.root()]
    }

    fn blobs(&self) -> Vec<(String, Vec<u8>)> {
        let layers = self.layers.iter().map(|l| (l.digest.clone(), l.bytes.clone()));
        std::iter::once((sha256(&self.config), self.config.clone())).chain(layers).collect()
    }
}
