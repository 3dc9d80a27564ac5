//! A registry whose manifests are fetched once in a run, for use cases that come back to the same digests.
//!
//! Only content under its own digest is kept, hashed by the port or written by this run: it cannot change, but it can be
//! deleted. So whoever asks *whether* something is there (read-back, repair of an index) asks the registry itself, and
//! tags, lists and referrers are never kept.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::oci::{Descriptor, Digest, RawManifest, Reference, Repository, Tag};
use crate::registry::{BlobStream, PutOutcome, PutTarget, ReferrersAnswer, Registry, RegistryError};

/// Bytes that one run keeps; what comes later is fetched again. A release keeps some hundred kilobytes.
const MAX_KEPT_BYTES: usize = 32 * 1024 * 1024;

#[derive(Debug)]
pub struct Kept {
    inner: Arc<dyn Registry>,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    manifests: HashMap<(Repository, Digest), RawManifest>,
    blobs: HashMap<(Repository, Digest), Vec<u8>>,
    bytes: usize,
}

impl Content {
    fn takes(&mut self, bytes: usize) -> bool {
        let fits = self.bytes + bytes <= MAX_KEPT_BYTES;
        self.bytes += if fits { bytes } else { 0 };
        fits
    }
}

impl Kept {
    #[must_use]
    pub fn new(inner: &Arc<dyn Registry>) -> Self {
        Self { inner: Arc::clone(inner), content: Mutex::default() }
    }

    /// A manifest of `repository`, as written by this run.
    pub fn keep_manifest(&self, repository: &Repository, manifest: &RawManifest) {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (repository.clone(), manifest.digest().clone());
        if !content.manifests.contains_key(&key) && content.takes(manifest.bytes().len()) {
            content.manifests.insert(key, manifest.clone());
        }
    }

    /// A small blob of `repository`, as written by this run. Bytes of another digest are not kept.
    pub fn keep_blob(&self, repository: &Repository, digest: &Digest, bytes: &[u8]) {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (repository.clone(), digest.clone());
        if !content.blobs.contains_key(&key) && digest.matches(bytes) && content.takes(bytes.len()) {
            content.blobs.insert(key, bytes.to_vec());
        }
    }

    fn manifest_of(&self, reference: &Reference) -> Option<RawManifest> {
        let Reference::Digest(reference) = reference else { return None };
        let content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        content.manifests.get(&(reference.repository.clone(), reference.digest.clone())).cloned()
    }

    fn blob_of(&self, repository: &Repository, descriptor: &Descriptor) -> Option<Vec<u8>> {
        let content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = content.blobs.get(&(repository.clone(), descriptor.digest.clone()))?;
        // A descriptor with another size is somebody's error; the port says so.
        (bytes.len() as u64 == descriptor.size).then(|| bytes.clone())
    }
}

#[async_trait]
impl Registry for Kept {
    async fn head(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        self.inner.head(repository, tag).await
    }

    async fn manifest(&self, reference: &Reference) -> Result<Option<RawManifest>, RegistryError> {
        if let Some(kept) = self.manifest_of(reference) {
            return Ok(Some(kept));
        }
        let found = self.inner.manifest(reference).await?;
        if let Some(manifest) = &found {
            self.keep_manifest(reference.repository(), manifest);
        }
        Ok(found)
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
        match self.blob_of(repository, descriptor) {
            Some(bytes) => Ok(Some(Box::pin(Cursor::new(bytes)))),
            None => self.inner.blob(repository, descriptor).await,
        }
    }

    async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Descriptor, RegistryError> {
        self.inner.put_blob(repository, media_type, bytes).await
    }

    async fn copy_blob(
        &self,
        from: &Repository,
        to: &Repository,
        descriptor: &Descriptor,
    ) -> Result<bool, RegistryError> {
        self.inner.copy_blob(from, to, descriptor).await
    }

    async fn tags(&self, repository: &Repository) -> Result<Option<Vec<Tag>>, RegistryError> {
        self.inner.tags(repository).await
    }

    async fn delete_manifest(&self, repository: &Repository, digest: &Digest) -> Result<bool, RegistryError> {
        self.inner.delete_manifest(repository, digest).await
    }

    async fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<ReferrersAnswer, RegistryError> {
        self.inner.referrers(repository, subject).await
    }
}
