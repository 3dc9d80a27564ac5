//! A registry whose tag list was just read: fallback tags that are not in it are not asked for one by one.
//!
//! For commands that look at every digest of a repository. A list may lag behind; who finds nothing through this asks the
//! registry itself before saying that there is nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::oci::{Descriptor, Digest, RawManifest, Reference, Repository, Tag};
use crate::registry::{BlobStream, PutOutcome, PutTarget, ReferrersAnswer, Registry, RegistryError};

#[derive(Debug)]
pub struct Listed {
    inner: Arc<dyn Registry>,
    repository: Repository,
    evidence_tags: BTreeSet<Tag>,
    /// Whether fallback tags are known from the list, too, and not only cosign's older tags.
    fallback: AtomicBool,
}

impl Listed {
    #[must_use]
    pub fn new(inner: &Arc<dyn Registry>, repository: &Repository, list: &[Tag]) -> Self {
        let evidence_tags = list.iter().filter(|tag| is_evidence_tag(tag)).cloned().collect();
        Self {
            inner: Arc::clone(inner),
            repository: repository.clone(),
            evidence_tags,
            fallback: AtomicBool::new(true),
        }
    }

    /// As [`Self::new`], but fallback tags are asked for one by one until the referrers API gave a list: where they hold
    /// what this program writes, a list that lags behind must not hide it.
    #[must_use]
    pub fn beside_what_we_write(inner: &Arc<dyn Registry>, repository: &Repository, list: &[Tag], api: bool) -> Self {
        let listed = Self::new(inner, repository, list);
        listed.fallback.store(api, Ordering::Relaxed);
        listed
    }

    fn knows_absent(&self, repository: &Repository, tag: &Tag) -> bool {
        let known = self.fallback.load(Ordering::Relaxed) || tag.as_str().contains('.');
        known && *repository == self.repository && is_evidence_tag(tag) && !self.evidence_tags.contains(tag)
    }
}

/// `sha256-<hex>` and cosign's `sha256-<hex>.sig`: they hold evidence, and are no tags of people.
#[must_use]
pub fn is_evidence_tag(tag: &Tag) -> bool {
    let Some((algorithm, rest)) = tag.as_str().split_once('-') else { return false };
    let hex = rest.split('.').next().unwrap_or_default();
    let length = match algorithm {
        "sha256" => 64,
        // Cut to 64, as the tag schema says; cosign writes all 128.
        "sha512" => 64.max(hex.len().min(128)),
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

#[async_trait]
impl Registry for Listed {
    async fn head(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        match self.knows_absent(repository, tag) {
            true => Ok(None),
            false => self.inner.head(repository, tag).await,
        }
    }

    async fn manifest(&self, reference: &Reference) -> Result<Option<RawManifest>, RegistryError> {
        match reference {
            Reference::Tag(tag) if self.knows_absent(&tag.repository, &tag.tag) => Ok(None),
            Reference::Tag(_) | Reference::Digest(_) => self.inner.manifest(reference).await,
        }
    }

    async fn put_manifest(
        &self,
        repository: &Repository,
        target: &PutTarget,
        manifest: &RawManifest,
    ) -> Result<PutOutcome, RegistryError> {
        self.inner.put_manifest(repository, target, manifest).await
    }

    async fn blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Result<Option<BlobStream>, RegistryError> {
        self.inner.blob(repository, descriptor).await
    }

    async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Descriptor, RegistryError> {
        self.inner.put_blob(repository, media_type, bytes).await
    }

    async fn tags(&self, repository: &Repository) -> Result<Option<Vec<Tag>>, RegistryError> {
        self.inner.tags(repository).await
    }

    async fn delete_manifest(&self, repository: &Repository, digest: &Digest) -> Result<bool, RegistryError> {
        self.inner.delete_manifest(repository, digest).await
    }

    async fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<ReferrersAnswer, RegistryError> {
        let answer = self.inner.referrers(repository, subject).await;
        if matches!(answer, Ok(ReferrersAnswer::Supported(_))) {
            self.fallback.store(true, Ordering::Relaxed);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_hold_evidence_are_told_from_tags_of_people() {
        let hex = "a".repeat(64);
        for (tag, evidence) in [
            (format!("sha256-{hex}"), true),
            (format!("sha256-{hex}.sig"), true),
            (format!("sha256-{hex}.att"), true),
            (format!("sha512-{}", "b".repeat(64)), true),
            ("sha-abc1234".to_owned(), false),
            (format!("sha256-{}", "a".repeat(63)), false),
            (format!("sha256-{}", "x".repeat(64)), false),
            ("1.2.3".to_owned(), false),
        ] {
            assert_eq!(is_evidence_tag(&tag.parse().unwrap()), evidence, "{tag}");
        }
    }
}
