//! An OCI layout with its referrers, seen through the registry port: `verify --offline`.
//!
//! As `oras cp -r --to-oci-layout` writes it, referrers stand in `index.json` beside the image; as `regctl image copy
//! --referrers --digest-tags` does, the fallback index stands there under its tag. Both are found. Read-only: every
//! write is refused. Bytes are capped and hashed by [`LayoutSource`].

use async_trait::async_trait;

use crate::image::{ErrorKind as ImageErrorKind, ImageError, ImageSource, LayoutSource, ref_name};
use crate::oci::{Descriptor, Digest, RawManifest, Reference, Repository, Tag, media_type};
use crate::registry::{
    BlobStream, ErrorKind, MAX_REFERRERS, PutOutcome, PutTarget, ReferrersAnswer, Registry, RegistryError,
};

/// Entries of `index.json` that are looked at; a copied image with all its evidence has a few dozen.
const MAX_ENTRIES: usize = 4096;

/// A layout folder in place of a registry. The repository of a reference is not compared: a layout does not know where
/// it came from, and what counts is the digest.
#[derive(Debug)]
pub struct OfflineRegistry {
    source: LayoutSource,
    entries: Vec<Descriptor>,
}

impl OfflineRegistry {
    pub async fn open(folder: &std::path::Path) -> Result<Self, ImageError> {
        let source = LayoutSource::open(folder).await?;
        let entries = source.roots().await?;
        if entries.len() > MAX_ENTRIES {
            let subject = folder.display().to_string();
            return Err(ImageError::Limit { subject, what: "entries in index.json", max: MAX_ENTRIES as u64 });
        }
        Ok(Self { source, entries })
    }

    /// Tools write either the bare tag or the whole reference as the name.
    fn tagged(&self, tag: &Tag) -> Option<&Descriptor> {
        let is_named = |descriptor: &&Descriptor| {
            ref_name(descriptor).is_some_and(|name| {
                name == tag.as_str() || name.rsplit_once(':').is_some_and(|(_, last)| last == tag.as_str())
            })
        };
        self.entries.iter().find(is_named)
    }
}

#[async_trait]
impl Registry for OfflineRegistry {
    async fn head(&self, _repository: &Repository, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        Ok(self.tagged(tag).map(|descriptor| descriptor.digest.clone()))
    }

    async fn manifest(&self, reference: &Reference) -> Result<Option<RawManifest>, RegistryError> {
        let digest = match reference {
            Reference::Digest(reference) => Some(reference.digest.clone()),
            Reference::Tag(reference) => self.tagged(&reference.tag).map(|descriptor| descriptor.digest.clone()),
        };
        let Some(digest) = digest else { return Ok(None) };
        self.source.manifest(&digest).await.map_err(|error| refused("read manifest", reference, &error))
    }

    async fn put_manifest(
        &self,
        repository: &Repository,
        _target: &PutTarget,
        _manifest: &RawManifest,
    ) -> Result<PutOutcome, RegistryError> {
        Err(read_only(repository))
    }

    async fn blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Result<Option<BlobStream>, RegistryError> {
        self.source.blob(descriptor).await.map_err(|error| refused("read blob", repository, &error))
    }

    async fn put_blob(&self, repository: &Repository, _: &str, _: &[u8]) -> Result<Descriptor, RegistryError> {
        Err(read_only(repository))
    }

    async fn tags(&self, _repository: &Repository) -> Result<Option<Vec<Tag>>, RegistryError> {
        let names = self.entries.iter().filter_map(ref_name);
        Ok(Some(names.filter_map(|name| name.rsplit(':').next()?.parse().ok()).collect()))
    }

    /// Every entry whose manifest names `subject`. An entry that cannot be read may be one, so it is an error.
    async fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<ReferrersAnswer, RegistryError> {
        let mut found = Vec::new();
        for entry in self.entries.iter().filter(|entry| is_manifest(entry)) {
            let manifest = self.source.manifest(&entry.digest).await;
            let manifest = manifest.map_err(|error| refused("read referrers", repository, &error))?;
            let parsed = manifest.as_ref().and_then(|manifest| manifest.parse().ok());
            if parsed.is_some_and(|m| m.subject().is_some_and(|s| s.digest == *subject)) {
                found.push(entry.clone());
            }
            if found.len() > MAX_REFERRERS {
                let message = format!("more than {MAX_REFERRERS} referrers of {subject}");
                return Err(RegistryError::new(ErrorKind::Limit, "read referrers", repository, message));
            }
        }
        Ok(ReferrersAnswer::Supported(found))
    }
}

fn is_manifest(descriptor: &Descriptor) -> bool {
    media_type::is_image_manifest(&descriptor.media_type) || media_type::is_index(&descriptor.media_type)
}

fn refused(operation: &'static str, subject: &dyn std::fmt::Display, error: &ImageError) -> RegistryError {
    let kind = match error.kind() {
        ImageErrorKind::Refuted => ErrorKind::Contradiction,
        ImageErrorKind::Undecided => ErrorKind::Limit,
        ImageErrorKind::Unauthenticated => ErrorKind::Unauthenticated,
        ImageErrorKind::Forbidden => ErrorKind::Forbidden,
        ImageErrorKind::NotFound | ImageErrorKind::Unreachable | ImageErrorKind::Internal => ErrorKind::Unavailable,
    };
    RegistryError::new(kind, operation, subject, error.to_string())
}

fn read_only(repository: &Repository) -> RegistryError {
    RegistryError::new(ErrorKind::Refused, "write", repository, "a layout opened with --offline is read-only")
}
