//! What the registry holds: repositories with manifests, tags, blobs and open uploads. All in memory.
//!
//! Bytes are kept exactly as they came. Nothing here knows HTTP; the rules of the protocol live beside the routes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytes::Bytes;
use serde_json::Value;

use super::digest::sha256;

#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) repositories: BTreeMap<String, Repository>,
    pub(super) uploads: BTreeMap<String, Upload>,
    pub(super) next_upload: u64,
}

#[derive(Debug, Default)]
pub(super) struct Repository {
    pub(super) manifests: BTreeMap<String, Manifest>,
    pub(super) tags: BTreeMap<String, Tag>,
    pub(super) blobs: BTreeMap<String, Bytes>,
}

/// A stored manifest: its bytes, and the media type it was pushed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The bytes as they were pushed.
    pub bytes: Bytes,
    /// The `Content-Type` of the push.
    pub media_type: String,
}

/// Where a tag points, and where it pointed before, for stale reads.
#[derive(Debug, Clone)]
pub(super) struct Tag {
    pub(super) digest: String,
    pub(super) previous: Option<String>,
    pub(super) changed: Instant,
    pub(super) reads: u32,
}

#[derive(Debug)]
pub(super) struct Upload {
    pub(super) repository: String,
    pub(super) bytes: Vec<u8>,
}

/// The complete content of the registry as a comparable value. Open uploads are not content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// By repository name. Repositories without any content are left out.
    pub repositories: BTreeMap<String, RepositorySnapshot>,
}

/// One repository of a [`Snapshot`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepositorySnapshot {
    /// Tag to digest.
    pub tags: BTreeMap<String, String>,
    /// Digest under which it is stored, to the digest of the stored bytes and the media type.
    pub manifests: BTreeMap<String, (String, String)>,
    /// Digest under which it is stored, to the number of bytes.
    pub blobs: BTreeMap<String, usize>,
}

impl Manifest {
    /// The manifest as JSON, or null.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }
}

impl Store {
    pub(super) fn repository(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }

    pub(super) fn manifest(&self, repository: &str, digest: &str) -> Option<&Manifest> {
        self.repositories.get(repository)?.manifests.get(digest)
    }

    pub(super) fn blob(&self, repository: &str, digest: &str) -> Option<&Bytes> {
        self.repositories.get(repository)?.blobs.get(digest)
    }

    /// A blob of that digest in any repository, or a manifest of that digest: for blob storage on another origin.
    pub(super) fn any_blob(&self, digest: &str) -> Option<Bytes> {
        self.repositories.values().find_map(|r| r.blobs.get(digest).cloned())
    }

    /// Digests of all manifests of the repository whose `subject` is this digest, in digest order.
    pub(super) fn referrers(&self, repository: &str, subject: &str) -> Vec<(String, Manifest)> {
        let Some(repository) = self.repositories.get(repository) else { return Vec::new() };
        let is_referrer = |m: &Manifest| m.json()["subject"]["digest"].as_str() == Some(subject);
        repository.manifests.iter().filter(|(_, m)| is_referrer(m)).map(|(d, m)| (d.clone(), m.clone())).collect()
    }

    pub(super) fn open_upload(&mut self, repository: &str) -> String {
        self.next_upload += 1;
        let session = format!("upload-{:08x}", self.next_upload);
        self.uploads.insert(session.clone(), Upload { repository: repository.to_owned(), bytes: Vec::new() });
        session
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let repositories = self.repositories.iter().map(|(name, r)| (name.clone(), r.snapshot()));
        Snapshot { repositories: repositories.filter(|(_, r)| *r != RepositorySnapshot::default()).collect() }
    }
}

impl Repository {
    pub(super) fn set_tag(&mut self, tag: &str, digest: &str) {
        let previous = self.tags.get(tag).map(|t| t.digest.clone());
        let tag_now = Tag { digest: digest.to_owned(), previous, changed: Instant::now(), reads: 0 };
        self.tags.insert(tag.to_owned(), tag_now);
    }

    /// Removes the manifest and every tag of it, as registries do. Returns whether it was there.
    pub(super) fn delete_manifest(&mut self, digest: &str) -> bool {
        self.tags.retain(|_, t| t.digest != digest);
        self.manifests.remove(digest).is_some()
    }

    pub(super) fn tag_names(&self) -> BTreeSet<String> {
        self.tags.keys().cloned().collect()
    }

    fn snapshot(&self) -> RepositorySnapshot {
        RepositorySnapshot {
            tags: self.tags.iter().map(|(t, s)| (t.clone(), s.digest.clone())).collect(),
            manifests: self
                .manifests
                .iter()
                .map(|(d, m)| (d.clone(), (sha256(&m.bytes), m.media_type.clone())))
                .collect(),
            blobs: self.blobs.iter().map(|(d, b)| (d.clone(), b.len())).collect(),
        }
    }
}
