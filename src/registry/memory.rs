//! The registry port in memory, for tests of everything above it.
//!
//! It stores what it is given and answers like a well-behaved registry; three switches make it behave like others:
//! the referrers API ([`MemoryRegistry::set_referrers`]), an error for a coming call ([`MemoryRegistry::fail_next`])
//! and lying content ([`MemoryRegistry::corrupt_blob`]). Every call and every write is recorded in order. It knows no
//! HTTP: what a protocol can get wrong is tested against the sandbox registry.

use std::collections::{BTreeMap, VecDeque};
use std::io::Cursor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::oci::{Descriptor, Digest, RawManifest, Reference, Repository, Tag};
use crate::registry::{
    BlobStream, ErrorKind, MAX_REFERRERS, PutOutcome, PutTarget, ReferrersAnswer, Registry, RegistryError, fallback,
};

/// A method of the port, to name calls in records and injected errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    Head,
    Manifest,
    PutManifest,
    Blob,
    PutBlob,
    Tags,
    Referrers,
}

/// A change that somebody made, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    Manifest { repository: Repository, target: PutTarget, digest: Digest },
    Blob { repository: Repository, digest: Digest },
}

/// How the referrers API behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReferrersMode {
    #[default]
    Supported,
    /// As docker-registry 2.8: 404, and no `OCI-Subject`.
    Absent,
    /// As GHCR on some days: a redirect to a web page.
    Unclear,
}

/// Clones share their content.
#[derive(Debug, Clone, Default)]
pub struct MemoryRegistry {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    repositories: BTreeMap<Repository, Content>,
    referrers: ReferrersMode,
    failures: BTreeMap<Call, VecDeque<Option<ErrorKind>>>,
    calls: Vec<(Call, String)>,
    writes: Vec<Write>,
}

#[derive(Debug, Default)]
struct Content {
    manifests: BTreeMap<Digest, RawManifest>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    tags: BTreeMap<Tag, Digest>,
}

impl MemoryRegistry {
    /// Empty, with the referrers API.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub fn set_referrers(&self, mode: ReferrersMode) {
        self.lock().referrers = mode;
    }

    /// The next unclaimed call of this method answers with an error of this kind, and changes nothing.
    pub fn fail_next(&self, call: Call, kind: ErrorKind) {
        self.lock().failures.entry(call).or_default().push_back(Some(kind));
    }

    /// Lets one call of this method pass before what [`Self::fail_next`] queued behind it.
    pub fn pass_next(&self, call: Call) {
        self.lock().failures.entry(call).or_default().push_back(None);
    }

    /// Stores a manifest without recording a write, under a tag if one is given.
    pub fn seed_manifest(&self, repository: &Repository, tag: Option<&Tag>, manifest: &RawManifest) {
        self.lock().store_manifest(repository, tag, manifest);
    }

    /// Stores a blob without recording a write.
    pub fn seed_blob(&self, repository: &Repository, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.lock().content(repository).blobs.insert(digest.clone(), bytes.to_vec());
        digest
    }

    /// The blob `digest` is served with these bytes from now on; its readers end with an error.
    pub fn corrupt_blob(&self, repository: &Repository, digest: &Digest, bytes: &[u8]) {
        self.lock().content(repository).blobs.insert(digest.clone(), bytes.to_vec());
    }

    /// Points `tag` elsewhere behind everybody's back, or removes it; no write is recorded.
    pub fn set_tag(&self, repository: &Repository, tag: &Tag, digest: Option<&Digest>) {
        let mut state = self.lock();
        let tags = &mut state.content(repository).tags;
        match digest {
            Some(digest) => tags.insert(tag.clone(), digest.clone()),
            None => tags.remove(tag),
        };
    }

    /// Deletes a manifest, and with it every tag that points to it.
    pub fn remove_manifest(&self, repository: &Repository, digest: &Digest) {
        let mut state = self.lock();
        let content = state.content(repository);
        content.manifests.remove(digest);
        content.tags.retain(|_, target| target != digest);
    }

    /// Every write so far, in order; blobs that were there already are not written again.
    #[must_use]
    pub fn writes(&self) -> Vec<Write> {
        self.lock().writes.clone()
    }

    /// Every call so far with its subject, failed ones included.
    #[must_use]
    pub fn calls(&self) -> Vec<(Call, String)> {
        self.lock().calls.clone()
    }

    /// Where a tag points, without a recorded call.
    #[must_use]
    pub fn tag(&self, repository: &Repository, tag: &Tag) -> Option<Digest> {
        self.lock().repositories.get(repository)?.tags.get(tag).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the call; the lock comes back for its work unless an error was queued.
    fn enter(
        &self,
        call: Call,
        operation: &'static str,
        subject: String,
    ) -> Result<MutexGuard<'_, State>, RegistryError> {
        let mut state = self.lock();
        state.calls.push((call, subject.clone()));
        match state.failures.get_mut(&call).and_then(VecDeque::pop_front).flatten() {
            Some(kind) => Err(RegistryError::new(kind, operation, subject, "injected failure")),
            None => Ok(state),
        }
    }
}

impl State {
    fn content(&mut self, repository: &Repository) -> &mut Content {
        self.repositories.entry(repository.clone()).or_default()
    }

    fn store_manifest(&mut self, repository: &Repository, tag: Option<&Tag>, manifest: &RawManifest) {
        let content = self.content(repository);
        content.manifests.insert(manifest.digest().clone(), manifest.clone());
        if let Some(tag) = tag {
            content.tags.insert(tag.clone(), manifest.digest().clone());
        }
    }
}

#[async_trait]
impl Registry for MemoryRegistry {
    async fn head(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        let state = self.enter(Call::Head, "HEAD manifest", format!("{repository}:{tag}"))?;
        Ok(state.repositories.get(repository).and_then(|content| content.tags.get(tag).cloned()))
    }

    async fn manifest(&self, reference: &Reference) -> Result<Option<RawManifest>, RegistryError> {
        let state = self.enter(Call::Manifest, "GET manifest", reference.to_string())?;
        let Some(content) = state.repositories.get(reference.repository()) else { return Ok(None) };
        let digest = match reference {
            Reference::Digest(reference) => Some(&reference.digest),
            Reference::Tag(reference) => content.tags.get(&reference.tag),
        };
        Ok(digest.and_then(|digest| content.manifests.get(digest)).cloned())
    }

    async fn put_manifest(
        &self,
        repository: &Repository,
        target: &PutTarget,
        manifest: &RawManifest,
    ) -> Result<PutOutcome, RegistryError> {
        let (subject, tag) = match target {
            PutTarget::Digest => (format!("{repository}@{}", manifest.digest()), None),
            PutTarget::Tag(tag) | PutTarget::Move { tag, .. } => (format!("{repository}:{tag}"), Some(tag)),
            // Like a registry that was found not to offer it.
            PutTarget::Tags(_) => return Ok(PutOutcome::default()),
        };
        let mut state = self.enter(Call::PutManifest, "PUT manifest", subject)?;
        state.store_manifest(repository, tag, manifest);
        let write = Write::Manifest {
            repository: repository.clone(),
            target: target.clone(),
            digest: manifest.digest().clone(),
        };
        state.writes.push(write);
        let has_subject = manifest.parse().is_ok_and(|parsed| parsed.subject().is_some());
        let subject_handled = has_subject && state.referrers == ReferrersMode::Supported;
        Ok(PutOutcome { subject_handled, tags: Vec::new() })
    }

    async fn blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Result<Option<BlobStream>, RegistryError> {
        let subject = format!("{repository}@{}", descriptor.digest);
        let state = self.enter(Call::Blob, "GET blob", subject.clone())?;
        let Some(content) = state.repositories.get(repository) else { return Ok(None) };
        let Some(bytes) = content.blobs.get(&descriptor.digest) else { return Ok(None) };
        if bytes.len() as u64 != descriptor.size || !descriptor.digest.matches(bytes) {
            return Ok(Some(Box::pin(LyingBlob { subject })));
        }
        Ok(Some(Box::pin(Cursor::new(bytes.clone()))))
    }

    async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Descriptor, RegistryError> {
        let descriptor = Descriptor::of(media_type, bytes);
        let subject = format!("{repository}@{}", descriptor.digest);
        let mut state = self.enter(Call::PutBlob, "PUT blob", subject)?;
        let digest = descriptor.digest.clone();
        if state.content(repository).blobs.insert(digest.clone(), bytes.to_vec()).is_none() {
            state.writes.push(Write::Blob { repository: repository.clone(), digest });
        }
        Ok(descriptor)
    }

    async fn tags(&self, repository: &Repository) -> Result<Option<Vec<Tag>>, RegistryError> {
        let state = self.enter(Call::Tags, "GET tags", repository.to_string())?;
        Ok(state.repositories.get(repository).map(|content| content.tags.keys().cloned().collect()))
    }

    async fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<ReferrersAnswer, RegistryError> {
        let name = format!("{repository}@{subject}");
        let state = self.enter(Call::Referrers, "GET referrers", name.clone())?;
        match state.referrers {
            ReferrersMode::Absent => return Ok(ReferrersAnswer::Absent),
            ReferrersMode::Unclear => return Ok(ReferrersAnswer::Unclear { why: "303 See Other".to_owned() }),
            ReferrersMode::Supported => {}
        }
        let manifests = state.repositories.get(repository).into_iter().flat_map(|content| content.manifests.values());
        let listed: Vec<Descriptor> =
            manifests.filter_map(|manifest| fallback::listed_under(manifest, subject)).collect();
        if listed.len() > MAX_REFERRERS {
            let message = format!("{} referrers, at most {MAX_REFERRERS} are looked at", listed.len());
            return Err(RegistryError::new(ErrorKind::Limit, "GET referrers", name, message));
        }
        Ok(ReferrersAnswer::Supported(listed))
    }
}

/// A blob whose stored bytes are not what its descriptor promises.
struct LyingBlob {
    subject: String,
}

impl tokio::io::AsyncRead for LyingBlob {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let error = RegistryError::new(
            ErrorKind::Contradiction,
            "GET blob",
            &self.subject,
            "content differs from its descriptor",
        );
        std::task::Poll::Ready(Err(std::io::Error::other(error)))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::oci::media_type;

    fn repository() -> Repository {
        "r.example.com/a".parse().unwrap()
    }

    fn referrer(subject: &RawManifest) -> RawManifest {
        let subject = serde_json::to_string(&subject.descriptor()).unwrap();
        let config = serde_json::to_string(&Descriptor::of(media_type::OCI_EMPTY, b"{}")).unwrap();
        let json =
            format!(r#"{{"schemaVersion":2,"artifactType":"x/y","config":{config},"layers":[],"subject":{subject}}}"#);
        RawManifest::new(media_type::OCI_MANIFEST, json.into_bytes())
    }

    #[tokio::test]
    async fn what_was_put_is_found_and_recorded_in_order() {
        let (registry, repository, tag) = (MemoryRegistry::new(), repository(), "1.0".parse::<Tag>().unwrap());
        assert_eq!(registry.tags(&repository).await.unwrap(), None);
        let subject = RawManifest::new(media_type::OCI_INDEX, b"{\"manifests\":[]}".to_vec());
        registry.put_blob(&repository, "x/y", b"hello").await.unwrap();
        registry.put_blob(&repository, "x/y", b"hello").await.unwrap();
        registry.put_manifest(&repository, &PutTarget::Tag(tag.clone()), &subject).await.unwrap();
        assert_eq!(registry.head(&repository, &tag).await.unwrap().as_ref(), Some(subject.digest()));
        assert_eq!(registry.writes().len(), 2);
        assert_eq!(registry.tags(&repository).await.unwrap(), Some(vec![tag]));
    }

    #[tokio::test]
    async fn the_referrers_switch_decides_who_lists() {
        let (registry, repository) = (MemoryRegistry::new(), repository());
        let subject = RawManifest::new(media_type::OCI_INDEX, b"{\"manifests\":[]}".to_vec());
        let referrer = referrer(&subject);
        let put = registry.put_manifest(&repository, &PutTarget::Digest, &referrer).await.unwrap();
        assert!(put.subject_handled);
        let ReferrersAnswer::Supported(list) = registry.referrers(&repository, subject.digest()).await.unwrap() else {
            panic!("expected a list");
        };
        assert_eq!((list.len(), list[0].artifact_type.as_deref()), (1, Some("x/y")));
        registry.set_referrers(ReferrersMode::Absent);
        let put = registry.put_manifest(&repository, &PutTarget::Digest, &referrer).await.unwrap();
        assert!(!put.subject_handled);
        assert_eq!(registry.referrers(&repository, subject.digest()).await.unwrap(), ReferrersAnswer::Absent);
    }

    #[tokio::test]
    async fn injected_errors_come_in_order_and_change_nothing() {
        let (registry, repository) = (MemoryRegistry::new(), repository());
        registry.pass_next(Call::PutBlob);
        registry.fail_next(Call::PutBlob, ErrorKind::RateLimited);
        assert!(registry.put_blob(&repository, "x/y", b"1").await.is_ok());
        let error = registry.put_blob(&repository, "x/y", b"2").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::RateLimited);
        assert!(registry.put_blob(&repository, "x/y", b"3").await.is_ok());
        assert_eq!((registry.writes().len(), registry.calls().len()), (2, 3));
    }

    #[tokio::test]
    async fn a_corrupted_blob_ends_with_a_contradiction() {
        let (registry, repository) = (MemoryRegistry::new(), repository());
        let descriptor = registry.put_blob(&repository, "x/y", b"good").await.unwrap();
        registry.corrupt_blob(&repository, &descriptor.digest, b"evil");
        let mut stream = registry.blob(&repository, &descriptor).await.unwrap().unwrap();
        let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(RegistryError::of_io(&error).unwrap().kind, ErrorKind::Contradiction);
    }
}
