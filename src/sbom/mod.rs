//! Packages to CycloneDX documents, and back as far as findings need it.
//!
//! One document serves Trivy (its properties decide which advisories match), Grype, Dependency-Track and GUAC. The same
//! inventory always gives the same bytes but for time and serial number. The image's environment is never in it (I10).
//! Spec: CycloneDX 1.5 (cyclonedx.org/docs/1.5/json); 1.6 differs for us in that licences are marked as declared.

mod component;
mod document;
pub mod foreign;
mod licence;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::oci::{Digest, Platform, Repository};
pub use document::document;
pub(crate) use read::timeless;
pub use read::{ComponentName, components, content_serial, equivalent, full_name, with_spec_version};

/// Property of the root component that holds one anomaly.
pub const ANOMALY_PROPERTY: &str = "countersign:anomaly";
/// Property of the root component of an artifact that is no image: its type.
pub const ARTIFACT_TYPE_PROPERTY: &str = "countersign:artifact-type";
/// Property of an OS package from another vendor's repository, about which the distribution's advisories say nothing.
pub const THIRD_PARTY_PROPERTY: &str = "countersign:third-party";

/// The image that a document describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SbomSubject {
    /// `None` for an image from a layout or an archive.
    pub repository: Option<Repository>,
    /// Of the image manifest.
    pub digest: Digest,
    pub platform: Option<Platform>,
    /// Of the image configuration: Docker's image id.
    pub config: Digest,
    pub diff_ids: Vec<Digest>,
    pub labels: BTreeMap<String, String>,
    /// Compressed bytes.
    pub size: u64,
    /// For a chart or another artifact its type: then the document says that nobody looked inside.
    pub artifact_type: Option<String>,
}

/// Which CycloneDX version to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpecVersion {
    #[default]
    V1_5,
    V1_6,
}

impl FromStr for SpecVersion {
    type Err = SbomError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "1.5" => Ok(Self::V1_5),
            "1.6" => Ok(Self::V1_6),
            other => Err(SbomError::SpecVersion { text: other.chars().take(40).collect() }),
        }
    }
}

impl fmt::Display for SpecVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_5 => "1.5",
            Self::V1_6 => "1.6",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SbomError {
    #[error("SBOM of {digest} cannot be written: {why}")]
    Write { digest: Digest, why: String },
    #[error("not a CycloneDX document: {why}")]
    Malformed { why: String },
    #[error("an SPDX document: only CycloneDX is read")]
    Spdx,
    #[error("CycloneDX {version:?} is not read: expected one of {}", foreign::READABLE.join(", "))]
    Unreadable { version: String },
    #[error("unknown CycloneDX version {text:?}: expected 1.5 or 1.6")]
    SpecVersion { text: String },
}

#[cfg(test)]
mod tests;

#[cfg(test)]
#[path = "consumers_tests.rs"]
mod consumers;
