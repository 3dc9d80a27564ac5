//! What earlier runs of `resolve` saw (`--state FILE`): the only way to notice that a registry hides a newer release.
//!
//! Who can write the registry can delete a version's tags, its withdrawal or a rollback, and point a channel back; what is
//! left then looks consistent. A memory of verified resolutions tells the difference: versions that were seen count as if
//! they were still listed, unless a withdrawal or a rollback that verifies explains it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::oci::{Digest, Repository, TagReference};
use crate::ops::resolve::Resolution;
use crate::policy::{Reason, ReasonCode};
use crate::promotion::{Scope, Version};

/// The state file is read whole; hundreds of references need a tenth of this.
pub const MAX_STATE_BYTES: u64 = 4 * 1024 * 1024;
/// Only the highest versions can be missed; older ones are forgotten.
const MAX_VERSIONS: usize = 100;

const API_VERSION: &str = "countersign.dev/v1";
const KIND: &str = "ResolveState";

/// Everything remembered, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    api_version: String,
    kind: String,
    #[serde(default)]
    references: BTreeMap<String, Seen>,
    #[serde(default)]
    repositories: BTreeMap<String, SeenRepository>,
}

/// The last verified resolution of a reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    digest: Digest,
    version: Option<Version>,
    promoted_at: Option<Timestamp>,
    /// When the rollback that held the channel was signed.
    #[serde(default)]
    rolled_back_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct SeenRepository {
    /// Verified, with their digests.
    #[serde(default)]
    versions: BTreeMap<Version, Digest>,
    #[serde(default)]
    withdrawn: BTreeSet<Version>,
}

impl Default for Memory {
    fn default() -> Self {
        let (references, repositories) = (BTreeMap::new(), BTreeMap::new());
        Self { api_version: API_VERSION.to_owned(), kind: KIND.to_owned(), references, repositories }
    }
}

impl Memory {
    /// # Errors
    /// Not a state file, in words.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let memory: Self = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        match (memory.api_version.as_str(), memory.kind.as_str()) {
            (API_VERSION, KIND) => Ok(memory),
            (version, kind) => Err(format!("expected {API_VERSION} {KIND}, found {version} {kind}")),
        }
    }

    /// Versions of the scope above `version` that were seen.
    #[must_use]
    pub fn above(&self, repository: &Repository, version: &Version, scope: &Scope) -> Vec<(Version, Digest)> {
        let Some(seen) = self.repositories.get(&repository.to_string()) else { return Vec::new() };
        let above = seen.versions.iter().filter(|(v, _)| *v > version && scope.contains(v));
        above.filter(|(v, _)| !seen.withdrawn.contains(v)).map(|(v, d)| (v.clone(), d.clone())).collect()
    }

    /// What a channel that misses a version seen before is called: it went back itself, or never came forward.
    #[must_use]
    pub fn missing(&self, reference: &TagReference, version: &Version) -> ReasonCode {
        let last = self.references.get(&reference.to_string()).and_then(|seen| seen.version.as_ref());
        if last.is_some_and(|last| last > version) { ReasonCode::ChannelRolledBack } else { ReasonCode::ChannelFrozen }
    }

    /// Does a resolution that verifies contradict what was seen?
    #[must_use]
    pub fn contradicts(&self, resolution: &Resolution) -> Option<Reason> {
        let reference = &resolution.reference;
        let digest = resolution.digest.as_ref()?;
        let repository = self.repositories.get(&reference.repository.to_string());
        if let (Some(version), Some(seen)) = (&resolution.version, repository) {
            if seen.withdrawn.contains(version) {
                let message =
                    format!("{version} of {} was withdrawn when it was resolved before", reference.repository);
                return Some(Reason::new(ReasonCode::Withdrawn, message));
            }
            if let Some(before) = seen.versions.get(version).filter(|before| *before != digest) {
                let message = format!("{version} of {} was {before} before, now it is {digest}", reference.repository);
                let help = "a version never changes: find out who moved the tag";
                return Some(Reason::new(ReasonCode::ChannelRolledBack, message).with_help(help));
            }
        }
        let seen = self.references.get(&reference.to_string())?;
        let older = match (&resolution.version, &seen.version) {
            (None, None) => seen.digest != *digest && resolution.promoted_at < seen.promoted_at,
            // Versions are compared with the help of the registry's records.
            _ => resolution.rolled_back_at < seen.rolled_back_at && resolution.version < seen.version,
        };
        older.then(|| {
            let message = format!("{reference} shows an older record than when it was resolved before");
            Reason::new(ReasonCode::ChannelRolledBack, message)
        })
    }

    /// Remembers a resolution: a verified one as it is, of a withdrawn one that it was withdrawn.
    pub fn learn(&mut self, resolution: &Resolution) {
        let repository = resolution.reference.repository.to_string();
        if let Some(version) = &resolution.version
            && resolution.reasons.iter().any(|reason| reason.code == ReasonCode::Withdrawn)
        {
            self.repositories.entry(repository).or_default().withdrawn.insert(version.clone());
            return;
        }
        let (crate::evidence::verdict::Verdict::Verified, Some(digest)) = (resolution.verdict, &resolution.digest)
        else {
            return;
        };
        if let Some(version) = &resolution.version {
            let seen = self.repositories.entry(repository).or_default();
            seen.versions.insert(version.clone(), digest.clone());
            while seen.versions.len() > MAX_VERSIONS {
                seen.versions.pop_first();
            }
        }
        let seen = Seen {
            digest: digest.clone(),
            version: resolution.version.clone(),
            promoted_at: resolution.promoted_at,
            rolled_back_at: resolution.rolled_back_at,
        };
        self.references.insert(resolution.reference.to_string(), seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_state_files_of_this_version_are_read() {
        let memory = Memory::default();
        assert_eq!(Memory::parse(&serde_json::to_vec(&memory).unwrap()), Ok(memory));
        for bad in ["", "{}", "[]", r#"{"apiVersion":"countersign.dev/v2","kind":"ResolveState"}"#] {
            assert!(Memory::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
