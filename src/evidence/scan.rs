//! What a vulnerability scan found, in our own words. Foreign report formats stay in `scanner::report`.
//!
//! These are the shapes that policy, the vulnerability predicate and `scan --output json` share (product.md, "Machine
//! output"); field names are therefore API.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::oci::Digest;

/// Ordered: `Unknown < Low < Medium < High < Critical`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    Unknown,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }
}

/// One vulnerability of one installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// `CVE-…`, `GHSA-…`, as the database names it.
    pub id: String,
    /// The component's name in our SBOM.
    pub package: String,
    pub purl: String,
    pub installed: String,
    /// The version that fixes it, or null.
    pub fixed: Option<String>,
    pub severity: Severity,
    /// `fixed`, `affected`, `will_not_fix`, …; as the scanner says, `unknown` where it says nothing.
    pub status: String,
}

/// Which scanner looked, under which isolation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScannerIdentity {
    pub name: String,
    pub version: String,
    /// Of the executed binary.
    pub digest: Digest,
    /// The level reached, for example `landlock+seccomp`.
    pub isolation: String,
}

/// Which database it looked in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseIdentity {
    pub version: u32,
    pub updated_at: Timestamp,
    /// Of the file `trivy.db`.
    pub digest: Digest,
}

/// The result of scanning one SBOM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scan {
    pub scanner: ScannerIdentity,
    pub database: DatabaseIdentity,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// Sorted, without duplicates, without the canary.
    pub findings: Vec<Finding>,
}
