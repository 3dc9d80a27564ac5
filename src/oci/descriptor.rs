//! A content descriptor (OCI image spec, descriptor.md): what, how large, and which digest.
//!
//! Annotations are ordered, so that what we write has the same bytes each time; `oci-spec` keeps them in a hash map.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, Platform};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    /// Bytes of the content; a reader stops at exactly this length.
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "wire_platform")]
    pub platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    #[must_use]
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            artifact_type: None,
            platform: None,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// Does an index mark this child as one of `BuildKit`'s attestation manifests? Both marks are asked for, annotation and
    /// platform `unknown/unknown`: a runtime picks children by platform, so a child with a real one is an image, whatever
    /// its annotation says.
    #[must_use]
    pub fn is_marked_as_buildkit_attestation(&self) -> bool {
        let kind = self.annotations.get("vnd.docker.reference.type");
        let unknown = |p: &Platform| p.os == "unknown" && p.architecture == "unknown";
        kind.is_some_and(|kind| kind == "attestation-manifest") && self.platform.as_ref().is_some_and(unknown)
    }

    /// The descriptor of `bytes`.
    #[must_use]
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }
}

impl TryFrom<&oci_spec::image::Descriptor> for Descriptor {
    type Error = crate::oci::NameError;

    fn try_from(d: &oci_spec::image::Descriptor) -> Result<Self, Self::Error> {
        Ok(Self {
            media_type: d.media_type().to_string(),
            digest: d.digest().to_string().parse()?,
            size: d.size(),
            artifact_type: d.artifact_type().as_ref().map(ToString::to_string),
            platform: d.platform().as_ref().map(|p| Platform {
                os: p.os().to_string(),
                architecture: p.architecture().to_string(),
                variant: p.variant().clone(),
            }),
            urls: d.urls().clone().unwrap_or_default(),
            annotations: d.annotations().clone().unwrap_or_default().into_iter().collect(),
        })
    }
}

/// On the wire a platform is an object, in our own documents a string.
mod wire_platform {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::oci::Platform;

    #[derive(Serialize, Deserialize)]
    struct Wire {
        architecture: String,
        os: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        variant: Option<String>,
    }

    pub(super) fn serialize<S: Serializer>(platform: &Option<Platform>, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = platform.as_ref().map(|p| Wire {
            architecture: p.architecture.clone(),
            os: p.os.clone(),
            variant: p.variant.clone(),
        });
        wire.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Platform>, D::Error> {
        let wire = Option::<Wire>::deserialize(deserializer)?;
        Ok(wire.map(|w| Platform { os: w.os, architecture: w.architecture, variant: w.variant }))
    }
}
