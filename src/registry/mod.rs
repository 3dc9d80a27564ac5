//! The registry port: what the rest of countersign may ask of an OCI registry (distribution spec 1.1).
//!
//! "Absent" is `Ok(None)`; not being able to look is an error, never absence (I6). Whatever comes back was capped and
//! hashed before it is handed out (I7). Which layout holds evidence (referrers API, fallback tag, legacy tags) is for
//! the caller to decide: this port only answers one question at a time. Implementations: `http`, `memory`.

pub mod attach;
mod backoff;
pub mod fallback;
pub mod http;
pub mod legacy;
pub mod memory;
mod stop;

use std::pin::Pin;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::oci::{Descriptor, Digest, RawManifest, Reference, Repository, Tag};
pub(crate) use http::endpoint::is_loopback;
pub(crate) use http::link::Pages;
pub use stop::StopSignal;

/// A blob as a stream. Reading ends with an error instead of end-of-file when length or digest of the whole differ
/// from the descriptor: nothing derived from it may be used before `read` returned `Ok(0)`.
pub type BlobStream = Pin<Box<dyn AsyncRead + Send>>;

/// What the referrers API said about a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferrersAnswer {
    /// 200 with an image index; all pages, bounded by [`MAX_REFERRERS`].
    Supported(Vec<Descriptor>),
    /// 404: this registry has no such API. Fallback tag and legacy tags decide.
    Absent,
    /// 400, 405, 501, a redirect, or something that is no index: nobody can say. Evidence found elsewhere counts,
    /// finding none is *unknown*.
    Unclear { why: String },
}

/// More referrers than this on one node are not looked at, and the node is *unknown* (product.md, "Limits").
pub const MAX_REFERRERS: usize = 100;

/// Under what name a manifest is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutTarget {
    Digest,
    Tag(Tag),
    /// Under this tag, which showed `from` when it was looked at a moment ago. The write is made on that condition, which
    /// most registries ignore; the tag is looked at again before the write is replayed, and not written once it shows
    /// something else. So the caller has to look after the write in any case.
    Move {
        tag: Tag,
        from: Option<Digest>,
    },
    /// Under its digest and all of these tags in one request, where the registry offers that (`?tag=…`, answered by
    /// `OCI-Tag`: zot, olareg). Elsewhere no tag is written: [`PutOutcome::tags`] says which were. A registry found not
    /// to offer it is not asked again. Never replayed: which of the tags to look at again, the caller knows.
    Tags(Vec<Tag>),
}

/// What the registry said on accepting a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PutOutcome {
    /// `OCI-Subject` was answered: the registry says it will list the manifest as a referrer.
    pub subject_handled: bool,
    /// Of [`PutTarget::Tags`], those that the registry says it wrote.
    pub tags: Vec<Tag>,
}

#[async_trait]
pub trait Registry: Send + Sync + std::fmt::Debug {
    /// The digest that `tag` points to now (HEAD, or GET where HEAD tells no digest). `Ok(None)`: no such tag.
    async fn head(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, RegistryError>;

    /// A manifest by tag or digest, at most 4 MiB, hashed; by digest, other bytes are an error.
    async fn manifest(&self, reference: &Reference) -> Result<Option<RawManifest>, RegistryError>;

    /// Writes the manifest's exact bytes. Safe to replay.
    async fn put_manifest(
        &self,
        repository: &Repository,
        target: &PutTarget,
        manifest: &RawManifest,
    ) -> Result<PutOutcome, RegistryError>;

    /// A blob as a verified stream of exactly `descriptor.size` bytes. `Ok(None)`: no such blob.
    async fn blob(&self, repository: &Repository, descriptor: &Descriptor)
    -> Result<Option<BlobStream>, RegistryError>;

    /// Uploads `bytes` unless the registry has them.
    async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Descriptor, RegistryError>;

    /// Brings a blob from one repository to another unless it is there; `true` where it was written. A blob that `from`
    /// lacks is a [`ErrorKind::Contradiction`]. Implementations for real registries hold no whole blob in memory.
    async fn copy_blob(
        &self,
        from: &Repository,
        to: &Repository,
        descriptor: &Descriptor,
    ) -> Result<bool, RegistryError> {
        let error = |kind, message: String| {
            RegistryError::new(kind, "copy blob", format!("{to}@{}", descriptor.digest), message)
        };
        if self.blob(to, descriptor).await?.is_some() {
            return Ok(false);
        }
        let found = self.blob(from, descriptor).await?;
        let missing = || error(ErrorKind::Contradiction, format!("blob {} is not in {from}", descriptor.digest));
        let mut bytes = Vec::new();
        let read = found.ok_or_else(missing)?.read_to_end(&mut bytes).await;
        read.map_err(|e| {
            RegistryError::of_io(&e).cloned().unwrap_or_else(|| error(ErrorKind::Unavailable, e.to_string()))
        })?;
        self.put_blob(to, &descriptor.media_type, &bytes).await?;
        Ok(true)
    }

    /// Every tag of the repository, all pages, in the registry's order. `Ok(None)`: no such repository.
    async fn tags(&self, repository: &Repository) -> Result<Option<Vec<Tag>>, RegistryError>;

    /// Asks the referrers API about `subject`.
    async fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<ReferrersAnswer, RegistryError>;

    /// Deletes a manifest, and with it every tag that points to it. `Ok(false)`: it was not there. Where nothing can be
    /// deleted, [`ErrorKind::Refused`].
    async fn delete_manifest(&self, repository: &Repository, digest: &Digest) -> Result<bool, RegistryError> {
        let subject = format!("{repository}@{digest}");
        Err(RegistryError::new(ErrorKind::Refused, "DELETE manifest", subject, "nothing can be deleted here"))
    }
}

/// For branching; texts are for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// 401: who are you, or an expired token.
    Unauthenticated,
    /// 403: known, but not allowed.
    Forbidden,
    /// 429, or 403 with a rate-limit text.
    RateLimited,
    /// Connection, time-out, 5xx, truncated answers.
    Unavailable,
    /// Bytes that contradict their digest or length.
    Contradiction,
    /// An answer that breaks the protocol.
    Malformed,
    /// More bytes, pages, names or referrers than we look at (I12): nobody knows what the rest says.
    Limit,
    /// The registry refused what we sent (400, 405, 413 …).
    Refused,
}

impl ErrorKind {
    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn may_pass(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable)
    }
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} {subject}: {message}")]
pub struct RegistryError {
    pub kind: ErrorKind,
    /// For example `GET manifest`.
    pub operation: &'static str,
    /// The reference or repository asked about.
    pub subject: String,
    /// Expected and found, without secrets.
    pub message: String,
}

impl RegistryError {
    #[must_use]
    pub fn new(
        kind: ErrorKind,
        operation: &'static str,
        subject: impl std::fmt::Display,
        message: impl Into<String>,
    ) -> Self {
        Self { kind, operation, subject: subject.to_string(), message: message.into() }
    }

    /// The registry error inside an error of a [`BlobStream`]; `None` for errors of other readers.
    #[must_use]
    pub fn of_io(error: &std::io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }
}
