//! `copy`: an image tree with all its evidence to another repository, verified before and, with a fresh client, after.
//!
//! Order: verify at the source, blobs, manifests from the leaves up, evidence, verify at the destination. Everything is
//! written by digest; the only tags are those of the evidence layouts (`sha256-<hex>`, `.sig`, `.att`, `.sbom`), never a
//! release tag. Each step asks first and writes what is missing, so that a copy that was stopped goes on where it was, and
//! a finished one writes nothing.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::evidence::verdict::{Requirements, Verdict};
use crate::image::limits::{MAX_CHILDREN, MAX_INDEX_DEPTH};
use crate::oci::{
    Descriptor, Digest, DigestReference, Manifest, RawManifest, Reference, Repository, Tag, TagReference,
};
use crate::ops::gather::{Depth, Rules, lookup_failure};
use crate::ops::lists::Lists;
use crate::ops::verify::{Verification, verify};
use crate::policy::{Reason, ReasonCode};
use crate::registry::attach::{AttachOptions, attach};
use crate::registry::legacy::merge_tag;
use crate::registry::{MAX_REFERRERS, PutTarget, ReferrersAnswer, Registry, RegistryError, StopSignal, fallback};

/// Blobs under way at once; each holds one chunk in memory.
const PARALLEL_BLOBS: usize = 3;
/// cosign's tags beside an image.
const LEGACY_SUFFIXES: [&str; 3] = ["sig", "att", "sbom"];

/// What was written; what stood already is not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    pub manifests: usize,
    pub blobs: usize,
    pub bytes: u64,
    pub referrers: usize,
    /// Tags of cosign's older layout.
    pub legacy_tags: usize,
}

impl Copied {
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// How a copy ended.
#[derive(Debug, Clone)]
pub struct Copy {
    pub source: DigestReference,
    pub destination: DigestReference,
    /// At the destination; at the source where nothing was written.
    pub verification: Verification,
    pub copied: Copied,
    /// Why it stopped before the end, if it did.
    pub failed: Option<Reason>,
}

/// Copies `source` to `repository`. `fresh` must be another client than `registry`, with empty caches.
pub async fn copy(
    registry: &dyn Registry,
    fresh: &dyn Registry,
    source: &DigestReference,
    repository: &Repository,
    rules: Rules<'_>,
    required: &Requirements,
    stop: &StopSignal,
) -> Copy {
    let destination = DigestReference { repository: repository.clone(), digest: source.digest.clone() };
    let at_source = verify(registry, &source.clone().into(), rules, required, Depth::Enough).await;
    let mut copy = Copy {
        source: source.clone(),
        destination: destination.clone(),
        verification: at_source,
        copied: Copied::default(),
        failed: None,
    };
    if copy.verification.verdict != Verdict::Verified {
        return copy;
    }
    let mut carrier = Carrier { registry, from: &source.repository, to: repository, copied: Copied::default(), stop };
    let carried = carrier.carry(&source.digest).await;
    copy.copied = carrier.copied;
    if let Err(error) = carried {
        copy.failed = Some(error);
        return copy;
    }
    copy.verification = verify(fresh, &destination.into(), rules, required, Depth::Enough).await;
    copy
}

struct Carrier<'a> {
    registry: &'a dyn Registry,
    from: &'a Repository,
    to: &'a Repository,
    copied: Copied,
    stop: &'a StopSignal,
}

impl Carrier<'_> {
    async fn carry(&mut self, root: &Digest) -> Result<(), Reason> {
        let nodes = self.tree(root.clone(), 1).await?;
        self.go_on()?;
        self.blobs(&nodes).await?;
        for node in &nodes {
            self.go_on()?;
            self.manifest(node).await?;
        }
        // Evidence last: a tag of evidence must not exist before what it is about.
        for node in &nodes {
            self.go_on()?;
            self.referrers(node).await?;
            for suffix in LEGACY_SUFFIXES {
                self.legacy_tag(node.digest(), suffix).await?;
            }
        }
        Ok(())
    }

    fn go_on(&self) -> Result<(), Reason> {
        match self.stop.is_requested() {
            false => Ok(()),
            true => Err(Reason::new(ReasonCode::Interrupted, "a signal stopped this copy")),
        }
    }

    /// The manifests below and at `digest`, leaves first, each once.
    fn tree(&self, digest: Digest, depth: usize) -> BoxFuture<'_, Result<Vec<RawManifest>, Reason>> {
        Box::pin(async move {
            let raw = self.read_manifest(&digest).await?.ok_or_else(|| {
                let message = format!("manifest {digest} is not in {}", self.from);
                Reason::new(ReasonCode::ChildMissing, message)
            })?;
            let parsed = raw.parse().map_err(|e| Reason::new(ReasonCode::MalformedAnswer, e.to_string()))?;
            let mut nodes: Vec<RawManifest> = Vec::new();
            if let Manifest::Index(index) = parsed {
                if depth > MAX_INDEX_DEPTH || index.manifests.len() > MAX_CHILDREN {
                    let message = format!("{digest}: at most {MAX_INDEX_DEPTH} levels of {MAX_CHILDREN} children");
                    return Err(Reason::new(ReasonCode::LimitExceeded, message));
                }
                let mut seen = BTreeSet::new();
                let children = index.manifests.into_iter().filter(|child| seen.insert(child.digest.clone()));
                let each = children.map(|child| self.tree(child.digest, depth + 1));
                let below: Vec<_> = stream::iter(each).buffered(PARALLEL_BLOBS).try_collect().await?;
                for node in below.into_iter().flatten() {
                    if nodes.iter().all(|known| known.digest() != node.digest()) {
                        nodes.push(node);
                    }
                }
            }
            nodes.push(raw);
            Ok(nodes)
        })
    }

    async fn read_manifest(&self, digest: &Digest) -> Result<Option<RawManifest>, Reason> {
        let reference = DigestReference { repository: self.from.clone(), digest: digest.clone() };
        self.registry.manifest(&reference.into()).await.map_err(|e| lookup_failure(&e))
    }

    /// Every blob that the manifests name, streamed, unless it is there.
    async fn blobs(&mut self, manifests: &[RawManifest]) -> Result<(), Reason> {
        let mut seen = BTreeSet::new();
        let mut blobs: Vec<Descriptor> = Vec::new();
        for manifest in manifests {
            if let Ok(Manifest::Image(image)) = manifest.parse() {
                let all = std::iter::once(image.config).chain(image.layers);
                // Foreign layers are fetched from elsewhere by whoever runs the image.
                let all = all.filter(|blob| blob.urls.is_empty() && seen.insert(blob.digest.clone()));
                blobs.extend(all);
            }
        }
        let this = &*self;
        let each = blobs.iter().map(|blob| async move {
            this.go_on()?;
            let written = this.registry.copy_blob(this.from, this.to, blob).await.map_err(|e| lookup_failure(&e))?;
            Ok::<_, Reason>(written.then_some(blob.size))
        });
        let written: Vec<Option<u64>> = stream::iter(each).buffer_unordered(PARALLEL_BLOBS).try_collect().await?;
        self.copied.blobs += written.iter().flatten().count();
        self.copied.bytes += written.iter().flatten().sum::<u64>();
        Ok(())
    }

    async fn manifest(&mut self, manifest: &RawManifest) -> Result<(), Reason> {
        let there = DigestReference { repository: self.to.clone(), digest: manifest.digest().clone() };
        let failed = |e: RegistryError| lookup_failure(&e);
        if self.registry.manifest(&there.into()).await.map_err(failed)?.is_some() {
            return Ok(());
        }
        self.registry.put_manifest(self.to, &PutTarget::Digest, manifest).await.map_err(failed)?;
        self.copied.manifests += 1;
        Ok(())
    }

    /// Referrers of a node from API and fallback tag, those that are not listed there yet in one update.
    async fn referrers(&mut self, subject: &RawManifest) -> Result<(), Reason> {
        let here = self.listed(self.from, subject.digest()).await?;
        if here.is_empty() {
            return Ok(());
        }
        let there = self.listed(self.to, subject.digest()).await?;
        let mut manifests: Vec<RawManifest> = Vec::new();
        for digest in here.difference(&there) {
            // Listed, but gone; or about something else, which a list may claim of anything.
            let Some(manifest) = self.read_manifest(digest).await? else { continue };
            if fallback::listed_under(&manifest, subject.digest()).is_some() {
                manifests.push(manifest);
            }
        }
        if manifests.is_empty() {
            return Ok(());
        }
        self.blobs(&manifests).await?;
        let (descriptor, options) = (subject.descriptor(), AttachOptions::default());
        let attached = attach(self.registry, self.to, &descriptor, &manifests, &[], &options).await;
        self.copied.referrers += attached.map_err(|e| lookup_failure(&e))?.digests.len();
        Ok(())
    }

    /// Both lists: some registries have an API, and what was written before they had it under the tag.
    async fn listed(&self, repository: &Repository, subject: &Digest) -> Result<BTreeSet<Digest>, Reason> {
        let mut lists = Lists::read(self.registry, repository, subject).await;
        let fallback = lists.fallback(self.registry, repository, subject).await.map_err(|e| lookup_failure(&e))?;
        let api = match lists.api.map_err(|e| lookup_failure(&e))? {
            ReferrersAnswer::Supported(list) => list,
            ReferrersAnswer::Absent => Vec::new(),
            ReferrersAnswer::Unclear { why } => {
                tracing::debug!("the referrers API of {repository} is taken as absent: {why}");
                Vec::new()
            }
        };
        let all: BTreeSet<Digest> = api.into_iter().chain(fallback.unwrap_or_default()).map(|d| d.digest).collect();
        if all.len() > MAX_REFERRERS {
            let message = format!("{subject} has more than {MAX_REFERRERS} referrers");
            return Err(Reason::new(ReasonCode::TooManyReferrers, message));
        }
        Ok(all)
    }

    async fn legacy_tag(&mut self, subject: &Digest, suffix: &str) -> Result<(), Reason> {
        let tag = Tag::cosign_legacy(subject, suffix);
        let reference = Reference::Tag(TagReference { repository: self.from.clone(), tag: tag.clone() });
        let failed = |e: RegistryError| lookup_failure(&e);
        let Some(manifest) = self.registry.manifest(&reference).await.map_err(failed)? else { return Ok(()) };
        let Ok(Manifest::Image(_)) = manifest.parse() else { return Ok(()) };
        if manifest.digest() == subject {
            return Ok(());
        }
        self.blobs(std::slice::from_ref(&manifest)).await?;
        let written = merge_tag(self.registry, self.to, &tag, &manifest).await.map_err(failed)?;
        self.copied.legacy_tags += usize::from(written);
        Ok(())
    }
}
