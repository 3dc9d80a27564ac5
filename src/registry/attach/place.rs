//! Writes referrers without staying to see them, for a caller that reads everything back anyway: one look at each list
//! instead of two.
//!
//! The rules are those of [`attach`]: the new index is the union of what stands and ours, read right
//! before it is written. Whether it stands after settling is for the caller to look at, who repairs what does not.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::oci::{Descriptor, Digest, RawManifest, Repository};
use crate::registry::attach::{AttachOptions, AttachOutcome, Attachment, Settle, Union, Version, attach};
use crate::registry::{ReferrersAnswer, Registry, RegistryError, fallback};

/// Referrers of one subject that were written, and must be seen once they have settled.
#[derive(Debug, Clone)]
#[must_use = "nobody has seen these referrers yet"]
pub struct Placed {
    subject: Descriptor,
    manifests: Vec<RawManifest>,
    /// Ours, and whatever the index held before.
    entries: BTreeMap<Digest, Descriptor>,
    settle: Settle,
}

/// Writes the referrer `manifests` of `subject`: all that [`attach`] does before its second look. `api`: the referrers
/// API of this repository gave a list in this run.
///
/// # Errors
/// As [`attach`], except that nothing is waited for.
pub async fn place(
    registry: &dyn Registry,
    repository: &Repository,
    subject: &Descriptor,
    manifests: &[RawManifest],
    known: &[Descriptor],
    api: bool,
) -> Result<Placed, RegistryError> {
    let options = AttachOptions::default();
    let attachment = Attachment::new(registry, repository, subject, manifests, &options)?;
    attachment.put_manifests().await?;
    let mut union = Union::new(&attachment.ours, &[]);
    let mut settle = Settle::after(attachment.started.elapsed());
    let listed = api || matches!(registry.referrers(repository, &subject.digest).await?, ReferrersAnswer::Supported(_));
    if !listed {
        union.add(known);
        let read_at = Instant::now();
        let index = fallback::read_index(registry, repository, &subject.digest).await?;
        let (version, annotations) = index
            .map_or((Version::None, BTreeMap::new()), |index| (Version::Entries(index.manifests), index.annotations));
        attachment.forget_deleted(&mut union, &version).await?;
        union.see(&version);
        if !union.stands_in(&version) {
            attachment.write_index(&mut union, &annotations).await?;
        }
        settle = Settle::after(read_at.elapsed());
    }
    Ok(Placed { subject: subject.clone(), manifests: manifests.to_vec(), entries: union.entries(), settle })
}

impl Placed {
    #[must_use]
    pub fn subject(&self) -> &Digest {
        &self.subject.digest
    }

    /// Waits until no slower writer, who read before we wrote, should replace what we wrote.
    pub async fn settled(&self) {
        if let Some(pause) = self.settle.remaining() {
            tokio::time::sleep(pause).await;
        }
    }

    /// Does a list of referrers that was read after settling hold all of ours, and all that was there before?
    #[must_use]
    pub fn stands_in(&self, listed: &[&Descriptor]) -> bool {
        self.entries.keys().all(|digest| listed.iter().any(|entry| entry.digest == *digest))
    }

    /// Writes again what was lost, and stays until it stands.
    ///
    /// # Errors
    /// As [`attach`].
    pub async fn repair(
        &self,
        registry: &dyn Registry,
        repository: &Repository,
    ) -> Result<AttachOutcome, RegistryError> {
        let known: Vec<Descriptor> = self.entries.values().cloned().collect();
        attach(registry, repository, &self.subject, &self.manifests, &known, &AttachOptions::default()).await
    }
}
