//! Manifests as raw bytes with their media type, and what they say once parsed.
//!
//! Bytes stay as they came end to end (re-serialising changes the digest). Parsing uses the `oci-spec` types, then
//! converts to ours; the caller has capped the bytes ([`MAX_MANIFEST_BYTES`]) and checked their digest before.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::oci::{Descriptor, Digest, media_type};

/// Manifests larger than this are refused. Registries must accept 4 MiB (distribution spec, "Pushing manifests");
/// docker-registry 2.8 refuses more.
pub const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// A manifest's bytes with the media type under which they are pushed. The digest is computed, never believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawManifest {
    media_type: String,
    bytes: Vec<u8>,
    digest: Digest,
}

impl RawManifest {
    #[must_use]
    pub fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        let digest = Digest::of(&bytes);
        Self { media_type: media_type.to_owned(), bytes, digest }
    }

    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, self.digest.clone(), self.bytes.len() as u64)
    }

    /// Reads the document. The media type inside the document wins over the transport's; the two contradicting each
    /// other, or an index that also has layers (CVE-2021-41190), is an error.
    pub fn parse(&self) -> Result<Manifest, ManifestError> {
        let malformed = |why: String| ManifestError::Malformed { digest: self.digest.clone(), why };
        let peek: Peek = serde_json::from_slice(&self.bytes).map_err(|e| malformed(e.to_string()))?;
        if let Some(inside) = &peek.media_type
            && *inside != self.media_type
        {
            return Err(ManifestError::MediaType {
                digest: self.digest.clone(),
                transport: self.media_type.clone(),
                document: inside.clone(),
            });
        }
        if peek.manifests.is_some() && (peek.layers.is_some() || peek.config.is_some()) {
            return Err(malformed("both an index and an image manifest".to_owned()));
        }
        // Version 1 signs itself, and its layers are named elsewhere.
        let known = media_type::is_index(&self.media_type) || media_type::is_image_manifest(&self.media_type);
        if known && peek.schema_version != 2 {
            return Err(malformed(format!("schemaVersion is {}, expected 2", peek.schema_version)));
        }
        if media_type::is_index(&self.media_type) {
            self.parse_index().map(Manifest::Index)
        } else if media_type::is_image_manifest(&self.media_type) {
            self.parse_image().map(Manifest::Image)
        } else {
            Err(ManifestError::Unsupported { digest: self.digest.clone(), media_type: self.media_type.clone() })
        }
    }

    /// The entries of a list of referrers. Others write such lists with fields missing or wrong, and nothing in them is
    /// signed: only the digest has to be there, everything else is read from the manifest itself.
    pub fn parse_referrer_list(&self) -> Result<Vec<Descriptor>, ManifestError> {
        let malformed = |why: String| ManifestError::Malformed { digest: self.digest.clone(), why };
        let list: WireList = serde_json::from_slice(&self.bytes).map_err(|e| malformed(e.to_string()))?;
        if list.layers.is_some() || list.config.is_some() {
            return Err(malformed("both an index and an image manifest".to_owned()));
        }
        let entries = list.manifests.into_iter().map(|entry| {
            let digest = entry.digest.parse().map_err(|e: crate::oci::NameError| malformed(e.to_string()))?;
            let text = |value: serde_json::Value| value.as_str().map(str::to_owned);
            let media_type = entry.media_type.and_then(text).unwrap_or_else(|| media_type::OCI_MANIFEST.to_owned());
            let mut descriptor = Descriptor::new(&media_type, digest, entry.size.and_then(|s| s.as_u64()).unwrap_or(0));
            descriptor.artifact_type = entry.artifact_type.and_then(text);
            if let Some(serde_json::Value::Object(annotations)) = entry.annotations {
                let readable = annotations.into_iter().filter_map(|(name, value)| Some((name, text(value)?)));
                descriptor.annotations = readable.collect();
            }
            Ok(descriptor)
        });
        entries.collect()
    }

    fn parse_index(&self) -> Result<Index, ManifestError> {
        let malformed = |why: String| ManifestError::Malformed { digest: self.digest.clone(), why };
        let index: oci_spec::image::ImageIndex =
            serde_json::from_slice(&self.bytes).map_err(|e| malformed(e.to_string()))?;
        Ok(Index {
            artifact_type: index.artifact_type().as_ref().map(ToString::to_string),
            manifests: descriptors(index.manifests()).map_err(|e| malformed(e.to_string()))?,
            subject: one(index.subject().as_ref()).map_err(|e| malformed(e.to_string()))?,
            annotations: index.annotations().clone().unwrap_or_default().into_iter().collect(),
        })
    }

    fn parse_image(&self) -> Result<Image, ManifestError> {
        let malformed = |why: String| ManifestError::Malformed { digest: self.digest.clone(), why };
        let image: oci_spec::image::ImageManifest =
            serde_json::from_slice(&self.bytes).map_err(|e| malformed(e.to_string()))?;
        Ok(Image {
            artifact_type: image.artifact_type().as_ref().map(ToString::to_string),
            config: image.config().try_into().map_err(|e: crate::oci::NameError| malformed(e.to_string()))?,
            layers: descriptors(image.layers()).map_err(|e| malformed(e.to_string()))?,
            subject: one(image.subject().as_ref()).map_err(|e| malformed(e.to_string()))?,
            annotations: image.annotations().clone().unwrap_or_default().into_iter().collect(),
        })
    }
}

fn descriptors(list: &[oci_spec::image::Descriptor]) -> Result<Vec<Descriptor>, crate::oci::NameError> {
    list.iter().map(Descriptor::try_from).collect()
}

fn one(descriptor: Option<&oci_spec::image::Descriptor>) -> Result<Option<Descriptor>, crate::oci::NameError> {
    descriptor.map(Descriptor::try_from).transpose()
}

#[derive(Deserialize)]
struct WireList {
    manifests: Vec<WireEntry>,
    layers: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEntry {
    digest: String,
    media_type: Option<serde_json::Value>,
    size: Option<serde_json::Value>,
    artifact_type: Option<serde_json::Value>,
    annotations: Option<serde_json::Value>,
}

/// Just enough to tell an index from an image before the typed parse.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Peek {
    #[serde(default)]
    schema_version: u64,
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, one per manifest: a box would only cost the readers")]
pub enum Manifest {
    Index(Index),
    Image(Image),
}

impl Manifest {
    #[must_use]
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Index(index) => index.subject.as_ref(),
            Self::Image(image) => image.subject.as_ref(),
        }
    }

    #[must_use]
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Index(index) => &index.annotations,
            Self::Image(image) => &image.annotations,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub artifact_type: Option<String>,
    pub manifests: Vec<Descriptor>,
    pub subject: Option<Descriptor>,
    pub annotations: BTreeMap<String, String>,
}

/// An image manifest: a container image, or any artifact that is packed as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub artifact_type: Option<String>,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    pub subject: Option<Descriptor>,
    pub annotations: BTreeMap<String, String>,
}

impl Image {
    /// The artifact type of a referrer (distribution spec: `artifactType`, else the configuration's media type).
    #[must_use]
    pub fn effective_artifact_type(&self) -> &str {
        self.artifact_type.as_deref().unwrap_or(&self.config.media_type)
    }

    /// Is this a container image, as opposed to a chart, a bundle or another artifact?
    #[must_use]
    pub fn is_container_image(&self) -> bool {
        self.artifact_type.is_none() && media_type::is_image_config(&self.config.media_type)
    }
}

/// Why a manifest's bytes, although of the right digest, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("manifest {digest} is malformed: {why}")]
    Malformed { digest: Digest, why: String },
    #[error("manifest {digest} says media type {document:?} but came as {transport:?}")]
    MediaType { digest: Digest, transport: String, document: String },
    #[error("manifest {digest} has media type {media_type:?}, which is neither an index nor an image manifest")]
    Unsupported { digest: Digest, media_type: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(media_type: &str, json: &str) -> RawManifest {
        RawManifest::new(media_type, json.as_bytes().to_vec())
    }

    #[test]
    fn an_index_is_parsed_and_keeps_its_bytes() {
        let child = Digest::of(b"child");
        let json = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{child}","size":7,"platform":{{"os":"linux","architecture":"arm64","variant":"v8"}}}}]}}"#,
            media_type::OCI_MANIFEST
        );
        let manifest = raw(media_type::OCI_INDEX, &json);
        let Manifest::Index(index) = manifest.parse().unwrap() else { panic!("not an index") };
        assert_eq!(index.manifests[0].platform.as_ref().unwrap().to_string(), "linux/arm64/v8");
        assert_eq!(manifest.bytes(), json.as_bytes());
    }

    #[test]
    fn a_document_that_is_index_and_image_at_once_is_refused() {
        let json = r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
        assert!(matches!(raw(media_type::OCI_INDEX, json).parse(), Err(ManifestError::Malformed { .. })));
    }

    #[test]
    fn media_types_of_transport_and_document_must_agree() {
        let json = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, media_type::OCI_INDEX);
        assert!(matches!(raw(media_type::OCI_MANIFEST, &json).parse(), Err(ManifestError::MediaType { .. })));
        assert!(matches!(raw("text/html", "{}").parse(), Err(ManifestError::Unsupported { .. })));
        assert!(matches!(raw(media_type::OCI_INDEX, "no json").parse(), Err(ManifestError::Malformed { .. })));
    }
}
