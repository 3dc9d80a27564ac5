//! What could not be read, said aloud: an SBOM with an anomaly is incomplete.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::oci::Digest;

/// What went wrong, kebab-case on the wire; stable API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnomalyCode {
    /// An entry of a package database that cannot be parsed (its neighbours were kept).
    EntryUnreadable,
    /// A whole package database or archive that cannot be parsed.
    DatabaseUnreadable,
    /// A package database of a kind that is not catalogued (yet).
    DatabaseUnsupported,
    /// A file, entry count, depth or size limit was hit.
    LimitExceeded,
    /// The operating system is known but no package of it was found.
    OsWithoutPackages,
    /// Packages of an operating system that nothing names: no advisory can be matched with them.
    OsUnknown,
    /// A layer of a kind that is not read (foreign, encrypted, Windows).
    LayerUnsupported,
    /// A hard or symbolic link that points nowhere inside the image.
    LinkUnresolved,
    /// Nothing at all was found in the image.
    NoComponents,
}

impl AnomalyCode {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EntryUnreadable => "entry-unreadable",
            Self::DatabaseUnreadable => "database-unreadable",
            Self::DatabaseUnsupported => "database-unsupported",
            Self::LimitExceeded => "limit-exceeded",
            Self::OsWithoutPackages => "os-without-packages",
            Self::OsUnknown => "os-unknown",
            Self::LayerUnsupported => "layer-unsupported",
            Self::LinkUnresolved => "link-unresolved",
            Self::NoComponents => "no-components",
        }
    }
}

impl fmt::Display for AnomalyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that the SBOM does not show although it should.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Anomaly {
    pub code: AnomalyCode,
    /// Path in the image, without leading slash; empty for the image itself.
    pub path: String,
    /// The layer's digest as in the manifest.
    pub layer: Option<Digest>,
    pub detail: String,
}
