//! Attaches referrers to a subject, whichever layout the registry has, and stays until they are visible.
//!
//! Owns the order (manifests by digest, then ONE index update per subject) and the repair of lost updates: no registry
//! compares before it swaps a tag, eight concurrent writers of a fallback tag left two entries when measured, and a
//! referrers API lost one of several parallel writes. So (product.md, "Fallback index"): the new index is the union of
//! all versions seen in this run and ours; an entry once seen goes only if its manifest is 404; it is read back until
//! ours and all others stand. Signing and uploading of blobs are not done here, except the empty configuration.

mod place;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use crate::oci::{Descriptor, Digest, DigestReference, RawManifest, Repository, Tag, media_type};
use crate::registry::backoff::Backoff;
use crate::registry::{ErrorKind, MAX_REFERRERS, PutTarget, ReferrersAnswer, Registry, RegistryError, fallback};

pub use place::{Placed, place};

/// The configuration of every artifact we write (OCI image spec, "Guidance for an empty descriptor").
pub const EMPTY_CONFIG: &[u8] = b"{}";

/// The annotation by which cosign tells the predicate type of a referrer. Unsigned: a hint for people and for the order
/// of reading, never for what counts.
pub const PREDICATE_TYPE_HINT: &str = "dev.sigstore.bundle.predicateType";

const OPERATION: &str = "attach referrers";

/// Another writer's index may land after ours was read back, if it read before we wrote; the same happens inside some
/// referrers APIs. Nothing is believed to stand before it stood for this many times our own read and write took …
const SETTLE_FACTOR: u32 = 4;
/// … and at least this long, …
const SETTLE_MIN: Duration = Duration::from_millis(120);
/// … and at most this long, so that a slow registry does not stop the run.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// A referrers API gets this share of the deadline to list what it accepted, before the fallback tag is written too
/// (some answer `OCI-Subject`, or an empty list, and forget).
const API_PATIENCE_DIVISOR: u32 = 3;

/// Time limits of one [`attach`].
#[derive(Debug, Clone, Copy)]
pub struct AttachOptions {
    /// Gives up, with [`ErrorKind::Unavailable`], when the referrers are not visible after this time.
    pub deadline: Duration,
    /// First pause between two looks; doubles up to a second, with jitter.
    pub first_pause: Duration,
}

impl Default for AttachOptions {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(60), first_pause: Duration::from_millis(50) }
    }
}

/// Where the referrers are visible now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    ReferrersApi,
    FallbackTag,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachOutcome {
    pub layout: Layout,
    /// Digests of the referrer manifests, as given.
    pub digests: Vec<Digest>,
    /// How often the fallback index was written; more than one means that somebody else wrote it too.
    pub index_writes: u32,
}

/// Writes the referrer `manifests` of `subject` and makes them findable. Their blobs must be uploaded already.
///
/// All of them go into one index update. Fails with [`ErrorKind::Refused`] before any write if one of them has another
/// subject, with [`ErrorKind::Limit`] if the subject would have more than [`MAX_REFERRERS`], with
/// [`ErrorKind::Unavailable`] if they cannot be seen after the deadline. Safe to repeat. `known`: entries of the
/// fallback index seen earlier in this run, which a stale read must not make us drop.
pub async fn attach(
    registry: &dyn Registry,
    repository: &Repository,
    subject: &Descriptor,
    manifests: &[RawManifest],
    known: &[Descriptor],
    options: &AttachOptions,
) -> Result<AttachOutcome, RegistryError> {
    let attachment = Attachment::new(registry, repository, subject, manifests, options)?;
    let digests: Vec<Digest> = manifests.iter().map(|manifest| manifest.digest().clone()).collect();
    attachment.put_manifests().await?;
    if attachment.api_lists_ours().await? {
        return Ok(AttachOutcome { layout: Layout::ReferrersApi, digests, index_writes: 0 });
    }
    let index_writes = attachment.maintain_index(known).await?;
    Ok(AttachOutcome { layout: Layout::FallbackTag, digests, index_writes })
}

/// Uploads the empty configuration once, and each bundle; the descriptors come in the order of `bundles`.
pub async fn upload_bundles(
    registry: &dyn Registry,
    repository: &Repository,
    bundles: &[&[u8]],
) -> Result<Vec<Descriptor>, RegistryError> {
    let config = registry.put_blob(repository, media_type::OCI_EMPTY, EMPTY_CONFIG);
    let blobs = bundles.iter().map(|bundle| registry.put_blob(repository, media_type::SIGSTORE_BUNDLE, bundle));
    let (_, descriptors) = futures_util::future::try_join(config, try_join_all(blobs)).await?;
    Ok(descriptors)
}

/// The referrer manifest of a Sigstore bundle, as cosign 3 writes it. Annotations are hints for people and filters.
#[must_use]
pub fn bundle_manifest(
    bundle: &Descriptor,
    subject: &Descriptor,
    predicate_type: &str,
    created: Timestamp,
) -> RawManifest {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        schema_version: u8,
        media_type: &'static str,
        artifact_type: &'static str,
        config: Descriptor,
        layers: [Descriptor; 1],
        subject: Descriptor,
        annotations: BTreeMap<&'static str, String>,
    }
    // Whole seconds, as everybody else writes it.
    let created = created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let wire = Wire {
        schema_version: 2,
        media_type: media_type::OCI_MANIFEST,
        artifact_type: media_type::SIGSTORE_BUNDLE,
        config: Descriptor::of(media_type::OCI_EMPTY, EMPTY_CONFIG),
        layers: [Descriptor::new(media_type::SIGSTORE_BUNDLE, bundle.digest.clone(), bundle.size)],
        subject: Descriptor::new(&subject.media_type, subject.digest.clone(), subject.size),
        annotations: BTreeMap::from([
            ("dev.sigstore.bundle.content", "dsse-envelope".to_owned()),
            (PREDICATE_TYPE_HINT, predicate_type.to_owned()),
            ("org.opencontainers.image.created", created),
        ]),
    };
    // Strings and numbers only: serialising cannot fail.
    let bytes = serde_json::to_vec(&wire).expect("a manifest of plain descriptors serialises");
    RawManifest::new(media_type::OCI_MANIFEST, bytes)
}

/// One call of [`attach`].
struct Attachment<'a> {
    registry: &'a dyn Registry,
    repository: &'a Repository,
    subject: &'a Digest,
    manifests: &'a [RawManifest],
    ours: BTreeMap<Digest, Descriptor>,
    options: &'a AttachOptions,
    started: Instant,
}

impl<'a> Attachment<'a> {
    fn new(
        registry: &'a dyn Registry,
        repository: &'a Repository,
        subject: &'a Descriptor,
        manifests: &'a [RawManifest],
        options: &'a AttachOptions,
    ) -> Result<Self, RegistryError> {
        let mut ours = BTreeMap::new();
        for manifest in manifests {
            let Some(entry) = fallback::listed_under(manifest, &subject.digest) else {
                let message = format!("manifest {} is not a referrer of this subject", manifest.digest());
                let name = format!("{repository}@{}", subject.digest);
                return Err(RegistryError::new(ErrorKind::Refused, OPERATION, name, message));
            };
            ours.insert(manifest.digest().clone(), entry);
        }
        let started = Instant::now();
        Ok(Self { registry, repository, subject: &subject.digest, manifests, ours, options, started })
    }

    fn error(&self, kind: ErrorKind, message: String) -> RegistryError {
        RegistryError::new(kind, OPERATION, format!("{}@{}", self.repository, self.subject), message)
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(self.options.first_pause, Duration::from_secs(1))
    }

    async fn put_manifests(&self) -> Result<(), RegistryError> {
        let puts = self.manifests.iter().map(|m| self.registry.put_manifest(self.repository, &PutTarget::Digest, m));
        try_join_all(puts).await.map(drop)
    }

    /// Does the referrers API list all of ours, still after settling, within its share of the deadline? What it lost is
    /// put again: olareg drops one of several parallel writes, now and then after having listed it.
    async fn api_lists_ours(&self) -> Result<bool, RegistryError> {
        let mut backoff = self.backoff();
        let mut settle = Settle::after(self.started.elapsed());
        loop {
            let listed = match self.registry.referrers(self.repository, self.subject).await? {
                ReferrersAnswer::Supported(listed) => listed,
                ReferrersAnswer::Absent | ReferrersAnswer::Unclear { .. } => return Ok(false),
            };
            if self.ours.keys().all(|digest| listed.iter().any(|entry| entry.digest == *digest)) {
                match settle.remaining() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Ok(true),
                }
                continue;
            }
            if self.started.elapsed() > self.options.deadline / API_PATIENCE_DIVISOR {
                return Ok(false);
            }
            tokio::time::sleep(backoff.pause()).await;
            let put_at = Instant::now();
            self.put_manifests().await?;
            settle = Settle::after(put_at.elapsed());
        }
    }

    /// Rewrites the fallback index until it holds ours and everything that was ever seen in it; returns the writes.
    async fn maintain_index(&self, known: &[Descriptor]) -> Result<u32, RegistryError> {
        let mut union = Union::new(&self.ours, known);
        let mut backoff = self.backoff();
        let mut writes = 0;
        let mut settle = Settle::default();
        // The version we replaced last: seeing it again is a stale read, not somebody else's write.
        let mut replaced: Option<Version> = None;
        loop {
            let read_at = Instant::now();
            let index = fallback::read_index(self.registry, self.repository, self.subject).await?;
            let (version, annotations) = index.map_or((Version::None, BTreeMap::new()), |index| {
                (Version::Entries(index.manifests), index.annotations)
            });
            self.forget_deleted(&mut union, &version).await?;
            union.see(&version);
            if union.stands_in(&version) {
                match settle.remaining() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Ok(writes),
                }
                continue;
            }
            if self.started.elapsed() > self.options.deadline {
                let message = format!("the fallback index does not keep our entries after {writes} writes");
                return Err(self.error(ErrorKind::Unavailable, message));
            }
            if writes > 0 {
                tokio::time::sleep(backoff.pause()).await;
                if replaced.take_if(|old| *old == version).is_some() {
                    continue;
                }
            }
            self.write_index(&mut union, &annotations).await?;
            writes += 1;
            settle = Settle::after(read_at.elapsed());
            replaced = Some(version);
        }
    }

    /// Entries that were seen and are missing now are let go only if their manifest is gone.
    async fn forget_deleted(&self, union: &mut Union, version: &Version) -> Result<(), RegistryError> {
        for digest in union.missing_from(version) {
            if self.is_deleted(&digest).await? {
                union.forget(&digest);
            }
        }
        Ok(())
    }

    /// Twice 404, with a pause: docker-registry's file storage says 404 while a manifest is being written again.
    async fn is_deleted(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let reference = DigestReference { repository: self.repository.clone(), digest: digest.clone() }.into();
        if self.registry.manifest(&reference).await?.is_some() {
            return Ok(false);
        }
        tokio::time::sleep(SETTLE_MIN).await;
        Ok(self.registry.manifest(&reference).await?.is_none())
    }

    /// Writes the union. A registry that refuses an index with missing children (docker-registry 2.8 does) gets it
    /// without those whose manifest is 404.
    async fn write_index(
        &self,
        union: &mut Union,
        annotations: &BTreeMap<String, String>,
    ) -> Result<(), RegistryError> {
        match self.put_index(union, annotations).await {
            Err(error) if error.kind == ErrorKind::Refused => {
                let mut forgot = false;
                for digest in union.of_others() {
                    if self.is_deleted(&digest).await? {
                        union.forget(&digest);
                        forgot = true;
                    }
                }
                if forgot { self.put_index(union, annotations).await } else { Err(error) }
            }
            answer => answer,
        }
    }

    async fn put_index(&self, union: &Union, annotations: &BTreeMap<String, String>) -> Result<(), RegistryError> {
        let entries = union.entries();
        if entries.len() > MAX_REFERRERS {
            let message = format!("{} referrers would be more than {MAX_REFERRERS}", entries.len());
            return Err(self.error(ErrorKind::Limit, message));
        }
        let target = PutTarget::Tag(Tag::referrers_fallback(self.subject));
        let index = fallback::index_of(&entries, annotations);
        self.registry.put_manifest(self.repository, &target, &index).await.map(drop)
    }
}

/// What the fallback tag held when it was read.
#[derive(Debug, PartialEq)]
enum Version {
    None,
    Entries(Vec<Descriptor>),
}

impl Version {
    fn entries(&self) -> &[Descriptor] {
        match self {
            Self::None => &[],
            Self::Entries(entries) => entries,
        }
    }

    fn holds(&self, digest: &Digest) -> bool {
        self.entries().iter().any(|entry| entry.digest == *digest)
    }
}

/// Ours, and every entry of every version seen in this run that is not known to be deleted.
struct Union {
    ours: BTreeMap<Digest, Descriptor>,
    others: BTreeMap<Digest, Descriptor>,
    deleted: Vec<Digest>,
}

impl Union {
    fn new(ours: &BTreeMap<Digest, Descriptor>, known: &[Descriptor]) -> Self {
        let mut union = Self { ours: ours.clone(), others: BTreeMap::new(), deleted: Vec::new() };
        union.add(known);
        union
    }

    fn add(&mut self, entries: &[Descriptor]) {
        for entry in entries {
            if !self.ours.contains_key(&entry.digest) && !self.deleted.contains(&entry.digest) {
                self.others.insert(entry.digest.clone(), entry.clone());
            }
        }
    }

    fn see(&mut self, version: &Version) {
        self.add(version.entries());
    }

    fn forget(&mut self, digest: &Digest) {
        self.others.remove(digest);
        self.deleted.push(digest.clone());
    }

    fn missing_from(&self, version: &Version) -> Vec<Digest> {
        self.others.keys().filter(|digest| !version.holds(digest)).cloned().collect()
    }

    fn of_others(&self) -> Vec<Digest> {
        self.others.keys().cloned().collect()
    }

    fn stands_in(&self, version: &Version) -> bool {
        self.ours.keys().chain(self.others.keys()).all(|digest| version.holds(digest))
    }

    fn entries(&self) -> BTreeMap<Digest, Descriptor> {
        self.ours.iter().chain(&self.others).map(|(digest, entry)| (digest.clone(), entry.clone())).collect()
    }
}

/// How long the index must have stood after our write before we believe that no slower writer replaces it.
#[derive(Debug, Clone, Default)]
struct Settle {
    until: Option<Instant>,
}

impl Settle {
    fn after(read_and_write: Duration) -> Self {
        let pause = (read_and_write * SETTLE_FACTOR).clamp(SETTLE_MIN, SETTLE_MAX);
        Self { until: Some(Instant::now() + pause) }
    }

    fn remaining(&self) -> Option<Duration> {
        self.until.and_then(|until| until.checked_duration_since(Instant::now())).filter(|pause| !pause.is_zero())
    }
}
