//! The scanner port: one SBOM in, its known vulnerabilities out. Trivy is the one implementation.
//!
//! What a scanner says is believed only as far as its binary, its database and its isolation are known (I9): all three
//! are part of the answer. A scan that could not be made is an error, never an empty list. How old a database may be is
//! policy's business; this module only reports its age. Foreign JSON stays in `report`.

mod accepted;
mod canary;
mod child;
mod database;
mod document;
mod filter;
mod isolate;
pub mod launch;
mod pinned;
mod report;
mod trivy;
mod workspace;

/// The parser of the scanner's answer, for fuzz/ only.
#[doc(hidden)]
pub mod fuzzing {
    /// A report about a document without components: no bytes may do harm.
    pub fn report(json: &[u8]) {
        if let Ok(document) = super::document::Document::prepare(br#"{"bomFormat":"CycloneDX","specVersion":"1.5"}"#) {
            let _ = super::report::read(json, &document);
        }
        let _ = super::report::version(json);
    }
}

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::evidence::scan::{DatabaseIdentity, Scan, ScannerIdentity};
use crate::oci::Digest;

pub use self::accepted::AcceptedBinary;
pub use self::isolate::{Isolation, Level};
pub use self::trivy::{DEFAULT_REQUIRED, DEFAULT_TIMEOUT, Trivy, TrivyOptions};

/// Looks up the known vulnerabilities of an SBOM's components.
#[async_trait]
pub trait Scanner: Send + Sync + std::fmt::Debug {
    /// Scans a CycloneDX JSON document; the findings carry our components' names, versions and purls.
    async fn scan(&self, sbom: &[u8]) -> Result<Scan, ScanError>;

    /// Who would scan, reached how isolated, without scanning: the binary is checked, started and asked its version.
    async fn identity(&self) -> Result<ScannerIdentity, ScanError>;

    /// Which database would be used.
    async fn database(&self) -> Result<DatabaseIdentity, ScanError>;
}

/// For branching and exit codes; texts are for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanErrorKind {
    /// Scanner or database missing or unusable, or less isolation than required: exit 2.
    Setup,
    /// A binary that is not in the table of accepted ones: exit 4.
    NotAccepted,
    /// Crash, garbage, time-out, empty database: nothing was decided, exit 7.
    Undecided,
    /// The document handed in is not a CycloneDX document: exit 2.
    Document,
}

/// Why there is no scan.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("no trivy found: looked at {looked_at}")]
    NotFound { looked_at: String },
    #[error("scanner {}: cannot be read", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("scanner {}: not an accepted binary, found {digest}", path.display())]
    NotAccepted { path: PathBuf, digest: Digest },
    #[error("scanner {}: trivy {version} is a known malicious release (CVE-2026-33634)", path.display())]
    Denied { path: PathBuf, version: String },
    #[error("scanner isolation: required {required}, reached {reached}")]
    Isolation { reached: Isolation, required: Level },
    #[error("vulnerability database {}: missing", path.display())]
    DatabaseMissing { path: PathBuf },
    #[error("vulnerability database {}: {why}", path.display())]
    DatabaseMalformed { path: PathBuf, why: String },
    #[error("{}: changed while it was in use", path.display())]
    Changed { path: PathBuf },
    #[error("scanner could not be started: {why}")]
    Launch { why: String },
    #[error("scanner workspace {}", path.display())]
    Workspace { path: PathBuf, source: std::io::Error },
    #[error("scanner ended with {status}: {stderr}")]
    Crashed { status: String, stderr: String },
    #[error("scanner printed an unusable report: {why}")]
    Garbage { why: String },
    #[error("scanner did not finish within {} s", limit.as_secs())]
    Timeout { limit: Duration },
    #[error(
        "the scanner did not find the known vulnerability planted in the document ({expected}): \
         the vulnerability database is empty or foreign, and a clean result would mean nothing"
    )]
    CanaryNotFound { expected: String },
    #[error("scanner reports {id} for a component that is not in the document: {reference:?}")]
    UnmappedFinding { id: String, reference: String },
    #[error("not a CycloneDX document: {why}")]
    Document { why: String },
}

impl ScanError {
    #[must_use]
    pub fn kind(&self) -> ScanErrorKind {
        match self {
            Self::NotFound { .. }
            | Self::Unreadable { .. }
            | Self::Isolation { .. }
            | Self::DatabaseMissing { .. }
            | Self::DatabaseMalformed { .. } => ScanErrorKind::Setup,
            Self::NotAccepted { .. } | Self::Denied { .. } => ScanErrorKind::NotAccepted,
            Self::Changed { .. }
            | Self::Launch { .. }
            | Self::Workspace { .. }
            | Self::Crashed { .. }
            | Self::Garbage { .. }
            | Self::Timeout { .. }
            | Self::CanaryNotFound { .. }
            | Self::UnmappedFinding { .. } => ScanErrorKind::Undecided,
            Self::Document { .. } => ScanErrorKind::Document,
        }
    }

    /// The next step, or an empty string.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "install Trivy (scripts/install-trivy.sh) or pass --trivy PATH",
            Self::NotAccepted { .. } => "use the official Trivy 0.76.0, or add the digest to the accepted binaries",
            Self::Denied { .. } => "remove this binary and rotate every credential it could read",
            Self::Isolation { .. } => "run on a kernel with Landlock and seccomp (Linux 5.13 or later)",
            Self::DatabaseMissing { .. } => "run trivy image --download-db-only, or pass --trivy-db DIR",
            Self::DatabaseMalformed { .. } | Self::CanaryNotFound { .. } => "download the database again",
            Self::Changed { .. } | Self::Timeout { .. } | Self::Crashed { .. } => "try again",
            Self::Unreadable { .. }
            | Self::Launch { .. }
            | Self::Workspace { .. }
            | Self::Garbage { .. }
            | Self::UnmappedFinding { .. }
            | Self::Document { .. } => "",
        }
    }
}
