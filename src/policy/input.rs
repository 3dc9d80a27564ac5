//! The input document: everything that a rule may know about one candidate, and nothing that it may not.
//!
//! A wire format of its own, version [`API_VERSION`], saved by `--evidence-dir` and described in `policies/README.md`.
//! Rules have no clock: each time stands beside its age in seconds at `now`, computed here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::evidence::scan::{Finding, Scan, Severity};
use crate::oci::{Digest, Platform, Repository};
use crate::packages::Anomaly;
use crate::promotion::{Commit, GitRef, Version};

/// Grows only when a field changes its meaning or goes.
pub const API_VERSION: &str = "countersign.dev/policy-input/v1";

/// One candidate: one digest of one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyInput {
    pub api_version: String,
    pub now: Timestamp,
    pub subject: SubjectInput,
    pub release: ReleaseInput,
    pub requirements: Requirements,
    pub settings: Settings,
    /// Of the index or of every image; absent in documents saved before there was such a rule.
    #[serde(default)]
    pub provenance: ProvenanceInput,
    /// One per platform image; an image without index is one.
    pub images: Vec<ImageInput>,
    /// Children of the index that are neither image nor attestation, or a platform twice.
    pub unsupported_children: Vec<UnsupportedChild>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubjectInput {
    pub repository: Repository,
    pub digest: Digest,
}

/// What is released, and from where. `version` is null for branch, commit and pull-request builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseInput {
    pub version: Option<Version>,
    pub git_ref: GitRef,
    /// Null where nobody could tell; then no label can agree with it.
    pub commit: Option<Commit>,
    /// `https://github.com/OWNER/REPO`, where known.
    pub source_repository: Option<String>,
}

/// `images[].require` and `policy.labels.require` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirements {
    pub platforms: Vec<Platform>,
    /// Of one platform image: manifest, configuration and layers as they are in the registry.
    pub max_compressed_size: Option<u64>,
    pub non_root: bool,
    pub labels: Vec<String>,
}

/// `policy.vulnerabilities` and `policy.scan` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    pub deny: Vec<Severity>,
    pub warn: Vec<Severity>,
    /// Findings without a fix warn instead of denying.
    pub fixable_only: bool,
    pub max_age_seconds: i64,
    pub max_database_age_seconds: i64,
    #[serde(default)]
    pub provenance: ProvenanceSettings,
}

/// `policy.provenance` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProvenanceSettings {
    pub require: bool,
    /// Each with its issuer, as messages name it.
    pub builders: Vec<String>,
}

/// One platform image with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageInput {
    pub digest: Digest,
    pub platform: Platform,
    /// `User` of the image configuration; empty is root.
    pub user: String,
    pub compressed_size: u64,
    pub labels: BTreeMap<String, String>,
    pub sbom: SbomInput,
    pub scan: ScanInput,
}

/// Build provenance that was looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProvenanceInput {
    /// Does the candidate have provenance that counts, by itself or on every image?
    pub verified: bool,
    pub attestations: Vec<ProvenanceAttestation>,
}

/// One that was authentic, whether it counts or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProvenanceAttestation {
    pub subject: Digest,
    pub predicate_type: String,
    pub builder: String,
    pub issuer: String,
    /// `SLSA_BUILD_LEVEL_1` or `_2`; null where it does not count.
    pub level: Option<String>,
    /// Why it does not count.
    pub refusals: Vec<ProvenanceRefusal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProvenanceRefusal {
    pub code: String,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SbomInput {
    pub complete: bool,
    pub components: Vec<ComponentInput>,
    pub anomalies: Vec<Anomaly>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComponentInput {
    pub name: String,
    pub version: String,
    pub purl: String,
    pub licenses: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScanInput {
    pub finished_at: Timestamp,
    pub age_seconds: i64,
    pub database_updated_at: Timestamp,
    pub database_age_seconds: i64,
    pub findings: Vec<Finding>,
}

impl ScanInput {
    /// `scan` as it looks at `now`.
    #[must_use]
    pub fn of(scan: &Scan, now: Timestamp) -> Self {
        Self {
            finished_at: scan.finished_at,
            age_seconds: age(scan.finished_at, now),
            database_updated_at: scan.database.updated_at,
            database_age_seconds: age(scan.database.updated_at, now),
            findings: scan.findings.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnsupportedChild {
    pub digest: Digest,
    pub why: String,
}

/// A document that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    #[error("policy input is of version {found:?}, expected {API_VERSION:?}")]
    Version { found: String },
    #[error("policy input says {what} of {image} is {found} seconds, expected {expected}")]
    Age { what: &'static str, image: Digest, expected: i64, found: i64 },
}

impl PolicyInput {
    /// Rules trust ages; a saved document must not lie about them.
    ///
    /// # Errors
    /// Another version, or an age that is not `now` minus its time.
    pub fn check(&self) -> Result<(), InputError> {
        if self.api_version != API_VERSION {
            return Err(InputError::Version { found: self.api_version.clone() });
        }
        for image in &self.images {
            let scan = &image.scan;
            let ages = [
                ("scan.ageSeconds", scan.finished_at, scan.age_seconds),
                ("scan.databaseAgeSeconds", scan.database_updated_at, scan.database_age_seconds),
            ];
            for (what, at, found) in ages {
                let expected = age(at, self.now);
                if expected != found {
                    return Err(InputError::Age { what, image: image.digest.clone(), expected, found });
                }
            }
        }
        Ok(())
    }

    /// Platforms spelled the usual way, so that rules may compare them.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        for platform in self.requirements.platforms.iter_mut().chain(self.images.iter_mut().map(|i| &mut i.platform)) {
            *platform = platform.normalised();
        }
        self
    }
}

/// Whole seconds from `at` to `now`; negative where `at` is in the future.
fn age(at: Timestamp, now: Timestamp) -> i64 {
    now.as_second() - at.as_second()
}
