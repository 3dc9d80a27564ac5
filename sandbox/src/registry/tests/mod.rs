//! The registry, asked by a raw client: the protocol, who may do what, and every switch and fault by its name.

mod access;
mod control;
mod discovery;
mod faults;
mod protocol;
mod switches;

use serde_json::json;

use super::client::{Answer, send};
use super::{Options, Registry, Switch};
use crate::image::samples::Sample;
use crate::image::{Content, Index};

pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An open registry with these switches, and the Debian sample in `org/app`.
pub(super) struct Bed {
    pub(super) registry: Registry,
    pub(super) sample: Index,
}

impl Bed {
    pub(super) async fn new(switches: Vec<Switch>) -> Self {
        Self::with(Options { switches, ..Options::default() }).await
    }

    pub(super) async fn with(options: Options) -> Self {
        let registry = Registry::start(options).await.unwrap();
        let sample = Sample::fixed().debian().unwrap();
        sample.push(&registry, "org/app");
        Self { registry, sample }
    }

    pub(super) async fn maybe(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Answer> {
        send(&self.registry.address(), method, target, headers, body).await
    }

    pub(super) async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.maybe(method, target, headers, body).await.expect("an answer")
    }

    pub(super) async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], b"").await
    }

    /// PUT of the sample's index under a tag or digest.
    pub(super) async fn put_index(&self, reference: &str) -> Answer {
        let target = format!("/v2/org/app/manifests/{reference}");
        self.send("PUT", &target, &[("content-type", OCI_INDEX)], &self.sample.manifest).await
    }

    /// Pushes an artifact about the sample's index; the answer of its PUT.
    pub(super) async fn attach(&self, artifact_type: &str, text: &str) -> (String, Answer) {
        let config = self.registry.put_blob("org/app", "{}");
        let layer = self.registry.put_blob("org/app", text.to_owned());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
            "layers": [{"mediaType": "text/plain", "digest": layer, "size": text.len()}],
            "subject": {"mediaType": OCI_INDEX, "digest": self.sample.digest, "size": self.sample.manifest.len()},
            "annotations": {"text": text},
        })
        .to_string();
        let digest = super::sha256(manifest.as_bytes());
        let target = format!("/v2/org/app/manifests/{digest}");
        let answer = self.send("PUT", &target, &[("content-type", OCI_MANIFEST)], manifest.as_bytes()).await;
        (digest, answer)
    }

    pub(super) fn index_path(&self) -> String {
        format!("/v2/org/app/manifests/{}", self.sample.digest)
    }

    pub(super) fn referrers_path(&self) -> String {
        format!("/v2/org/app/referrers/{}", self.sample.digest)
    }

    /// Path and bytes of the lowest layer of the first image.
    pub(super) fn layer(&self) -> (String, &[u8]) {
        let layer = &self.sample.images[0].layers[0];
        (format!("/v2/org/app/blobs/{}", layer.digest), &layer.bytes)
    }
}
