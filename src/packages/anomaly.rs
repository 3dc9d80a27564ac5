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
    /// OS packages of a foreign SBOM that do not name their source package: advisories are filed under it.
    SourceUnknown,
    /// Components of a foreign SBOM without a package URL: no advisory can be matched with them.
    IdentifierMissing,
    /// An SBOM that says of itself that it is incomplete.
    DocumentIncomplete,
}

impl AnomalyCode {
    /// Every code.
    pub const ALL: [Self; 12] = [
        Self::EntryUnreadable,
        Self::DatabaseUnreadable,
        Self::DatabaseUnsupported,
        Self::LimitExceeded,
        Self::OsWithoutPackages,
        Self::OsUnknown,
        Self::LayerUnsupported,
        Self::LinkUnresolved,
        Self::NoComponents,
        Self::SourceUnknown,
        Self::IdentifierMissing,
        Self::DocumentIncomplete,
    ];

    /// When it is given, for the reference.
    #[must_use]
    pub fn when(self) -> &'static str {
        match self {
            Self::EntryUnreadable => "an entry of a package database cannot be parsed; its neighbours are kept",
            Self::DatabaseUnreadable => "a package database or archive as a whole cannot be parsed",
            Self::DatabaseUnsupported => "a package database of a kind that is not catalogued",
            Self::LimitExceeded => "a file, entry count, depth or size limit was hit",
            Self::OsWithoutPackages => "the operating system is known, but no package of it was found",
            Self::OsUnknown => "OS packages of a system that nothing names, or for which no advisories are matched",
            Self::LayerUnsupported => "a layer that is not read: foreign, encrypted, of another operating system",
            Self::LinkUnresolved => "a hard or symbolic link to a package database points nowhere inside the image",
            Self::NoComponents => "no package of any kind was found",
            Self::SourceUnknown => "a foreign SBOM does not name the source package of OS packages",
            Self::IdentifierMissing => "a foreign SBOM has components without a package URL",
            Self::DocumentIncomplete => "an SBOM says of itself that it is incomplete",
        }
    }

    /// Only documents of other tools can have it, no image.
    #[must_use]
    pub fn is_of_documents(self) -> bool {
        matches!(self, Self::SourceUnknown | Self::IdentifierMissing | Self::DocumentIncomplete)
    }

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
            Self::SourceUnknown => "source-unknown",
            Self::IdentifierMissing => "identifier-missing",
            Self::DocumentIncomplete => "document-incomplete",
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
