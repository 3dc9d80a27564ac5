//! What the image configuration says (OCI image spec, config.md), without the environment: `Env` may hold secrets and
//! is never kept (I10).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use crate::image::ImageError;
use crate::image::limits::MAX_LAYERS;
use crate::oci::manifest::Image;
use crate::oci::{Descriptor, Digest, Platform};

/// One container image: its configuration's facts and its layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    pub config: Descriptor,
    /// Digests of the uncompressed layers, lowest first; as many as `layers`.
    pub diff_ids: Vec<Digest>,
    pub layers: Vec<Descriptor>,
    pub labels: BTreeMap<String, String>,
    /// `USER`; `None` or empty means root.
    pub user: Option<String>,
    pub created: Option<Timestamp>,
    /// What the configuration says; the index's descriptor may say it too.
    pub platform: Option<Platform>,
    /// Configuration and layers as they lie in the registry, in bytes.
    pub compressed_size: u64,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    variant: Option<String>,
    created: Option<String>,
    #[serde(default)]
    config: Option<WireConfig>,
    rootfs: WireRootfs,
}

#[derive(Deserialize, Default)]
struct WireConfig {
    #[serde(rename = "User")]
    user: Option<String>,
    #[serde(rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct WireRootfs {
    #[serde(default)]
    diff_ids: Vec<Digest>,
}

impl ImageFacts {
    /// From the manifest and its configuration's bytes, which the caller has capped and hashed.
    pub(super) fn parse(image: &Image, bytes: &[u8]) -> Result<Self, ImageError> {
        let digest = &image.config.digest;
        let malformed = |why: String| ImageError::Config { digest: digest.clone(), why };
        let wire: Wire = serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
        if image.layers.len() > MAX_LAYERS {
            let subject = format!("image with configuration {digest}");
            return Err(ImageError::Limit { subject, what: "layers", max: MAX_LAYERS as u64 });
        }
        if wire.rootfs.diff_ids.len() != image.layers.len() {
            let (diff_ids, layers) = (wire.rootfs.diff_ids.len(), image.layers.len());
            return Err(malformed(format!("{diff_ids} diff_ids for {layers} layers")));
        }
        let platform = [&wire.os, &wire.architecture].iter().all(|part| !part.is_empty()).then(|| Platform {
            os: wire.os.clone(),
            architecture: wire.architecture.clone(),
            variant: wire.variant.clone().filter(|v| !v.is_empty()),
        });
        let config = wire.config.unwrap_or_default();
        let sizes = std::iter::once(&image.config).chain(&image.layers).map(|d| d.size);
        Ok(Self {
            config: image.config.clone(),
            diff_ids: wire.rootfs.diff_ids,
            layers: image.layers.clone(),
            labels: config.labels.unwrap_or_default(),
            user: config.user.filter(|u| !u.is_empty()),
            created: wire.created.and_then(|text| text.parse().ok()),
            platform,
            compressed_size: sizes.fold(0, u64::saturating_add),
        })
    }
}
