//! `retain`: what a repository has to keep, and what may go; deletes only when told to.
//!
//! The plan needs everything: one look that failed, and there is no plan (I6). Whatever is reachable from what is kept —
//! children of indexes however deep — is live and never listed. What goes takes its own children, referrers and fallback
//! tags along, tags first: a version tag that is still visible always has its evidence (I8).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;

use crate::oci::{Descriptor, Digest, DigestReference, Manifest, RawManifest, Repository, Tag, media_type};
use crate::ops::gather::{Rules, lookup_failure};
use crate::ops::listed::{Listed, is_evidence_tag};
use crate::ops::look::{Failures, Look, RECORDS};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::plan::{Adoption, Best, DigestRecords, PlanInput, RecordedRelease, TagList, best_of};
use crate::promotion::retention::{Held, HeldKind, Keep, Limits, decide};
use crate::promotion::{Scope, Version};
use crate::registry::{ReferrersAnswer, Registry, fallback};

/// Digests that are read at once; the registry client limits requests per host besides.
const PARALLEL: usize = 8;
/// Indexes nest this deep at most, as for every reader.
const MAX_DEPTH: usize = 4;

/// Something of the keep-set, by tagged digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub digest: Digest,
    pub tags: Vec<Tag>,
    pub why: Keep,
}

/// One tagged digest that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    pub digest: Digest,
    pub tags: Vec<Tag>,
    /// Children, referrers and fallback tags that go with it, in the order of deletion after it.
    pub with: Vec<Digest>,
}

/// What a repository keeps and what may go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retention {
    pub keep: Vec<Kept>,
    pub delete: Vec<Deletion>,
    /// Manifests reachable from what is kept.
    pub live: usize,
}

/// Makes the plan. Nothing is written.
///
/// # Errors
/// Whatever could not be looked at; then there is no plan.
pub async fn plan(
    registry: &Arc<dyn Registry>,
    repository: &Repository,
    rules: Rules<'_>,
    limits: Limits,
) -> Result<Retention, Vec<Reason>> {
    let list = match registry.tags(repository).await {
        Ok(Some(list)) => list,
        Ok(None) => return Err(vec![Reason::new(ReasonCode::NotFound, format!("{repository} does not exist"))]),
        Err(error) => return Err(vec![lookup_failure(&error)]),
    };
    let listed: Arc<dyn Registry> = Arc::new(Listed::new(registry, repository, &list));
    let failures = Failures::default();
    let look = Look { registry: &listed, rules, failures: &failures };
    let planned = Planning { look, repository, limits }.all(list).await;
    planned.map_err(|reason| {
        let mut reasons = vec![reason];
        reasons.extend(failures.take());
        reasons
    })
}

struct Planning<'a> {
    look: Look<'a>,
    repository: &'a Repository,
    limits: Limits,
}

/// A digest's records and the nodes right below it.
struct Root {
    records: DigestRecords,
    promoted_at: Option<jiff::Timestamp>,
    children: Vec<Descriptor>,
}

impl Planning<'_> {
    async fn all(&self, list: Vec<Tag>) -> Result<Retention, Reason> {
        let tags: Vec<Tag> = list.iter().filter(|tag| !is_evidence_tag(tag)).cloned().collect();
        let count = tags.len();
        let targets = self.look.heads(self.repository, tags).await;
        if targets.len() < count {
            return Err(unknown(format!("{} of {count} tags could not be looked at", count - targets.len())));
        }
        let mut by_digest: BTreeMap<Digest, Vec<Tag>> = BTreeMap::new();
        for (tag, digest) in targets.iter().filter_map(|(tag, digest)| Some((tag, digest.clone()?))) {
            by_digest.entry(digest).or_default().push(tag.clone());
        }
        let roots = self.roots(by_digest.keys().cloned().collect()).await?;
        let held = self.held(&by_digest, &roots, list, targets);
        let mut keeps = decide(&held, self.limits);
        let live = self.live(&held, &mut keeps, &roots).await?;
        let (mut keep, mut delete) = (Vec::new(), Vec::new());
        for (one, why) in held.into_iter().zip(keeps) {
            match why {
                Some(why) => keep.push(Kept { digest: one.digest, tags: one.tags, why }),
                None => {
                    let with = self.below(&one.digest, &live).await?;
                    delete.push(Deletion { digest: one.digest, tags: one.tags, with });
                }
            }
        }
        Ok(Retention { keep, delete, live: live.len() })
    }

    async fn roots(&self, digests: Vec<Digest>) -> Result<BTreeMap<Digest, Root>, Reason> {
        let each = digests.into_iter().map(|digest| async move {
            let root = self.root(&digest).await?;
            Ok::<_, Reason>((digest, root))
        });
        let mut read = stream::iter(each).buffer_unordered(PARALLEL);
        let mut roots = BTreeMap::new();
        while let Some(found) = read.next().await {
            let (digest, root) = found?;
            roots.insert(digest, root);
        }
        Ok(roots)
    }

    async fn root(&self, digest: &Digest) -> Result<Root, Reason> {
        let on = DigestReference { repository: self.repository.clone(), digest: digest.clone() };
        let manifest = self.manifest(digest).await?.ok_or_else(|| unknown(format!("{on} does not exist")))?;
        let node = self.look.node_of(&on, &manifest, &RECORDS).await.map_err(unknown)?;
        let promoted_at = self.look.verified_in(&on, &node).iter().map(|record| record.logged_at()).max();
        let mut records = self.look.records_in(&on, &node);
        match &mut records {
            DigestRecords::Unreadable { why } => return Err(unknown(why.clone())),
            DigestRecords::Read(list) => list.iter_mut().for_each(|r| {
                // Dozens of payload digests that nothing here asks for.
                (r.record.evidence, r.record.observed) = (Vec::new(), Vec::new());
            }),
        }
        Ok(Root { records, promoted_at, children: children(&manifest) })
    }

    async fn manifest(&self, digest: &Digest) -> Result<Option<RawManifest>, Reason> {
        let on = DigestReference { repository: self.repository.clone(), digest: digest.clone() };
        self.look.registry.manifest(&on.into()).await.map_err(|error| lookup_failure(&error))
    }

    fn held(
        &self,
        by_digest: &BTreeMap<Digest, Vec<Tag>>,
        roots: &BTreeMap<Digest, Root>,
        list: Vec<Tag>,
        targets: BTreeMap<Tag, Option<Digest>>,
    ) -> Vec<Held> {
        let channels: Vec<Tag> = list.iter().filter(|tag| Scope::of_tag(tag).is_some()).cloned().collect();
        let input = PlanInput {
            repository: self.repository.clone(),
            digest: Digest::of(b""),
            version: None,
            allowed: Vec::new(),
            list: TagList::Complete(list),
            targets,
            records: roots.iter().map(|(digest, root)| (digest.clone(), root.records.clone())).collect(),
            branches: BTreeMap::new(),
            adoption: Adoption::none(),
        };
        let next = next_targets(&input, &channels);
        let one = |(digest, tags): (&Digest, &Vec<Tag>)| {
            let (releases, promoted_at) = match roots.get(digest) {
                Some(Root { records: DigestRecords::Read(list), promoted_at, .. }) => (list.as_slice(), *promoted_at),
                Some(_) | None => (&[][..], None),
            };
            Held {
                digest: digest.clone(),
                tags: tags.clone(),
                kind: kind(tags),
                promoted_at,
                bound: bound(tags, releases, next.get(digest)),
            }
        };
        by_digest.iter().map(one).collect()
    }

    /// Everything reachable from what is kept. A tagged digest that turns out to be part of it is kept too.
    async fn live(
        &self,
        held: &[Held],
        keeps: &mut [Option<Keep>],
        roots: &BTreeMap<Digest, Root>,
    ) -> Result<BTreeSet<Digest>, Reason> {
        let mut live = BTreeSet::new();
        loop {
            for (one, _) in held.iter().zip(&*keeps).filter(|(_, keep)| keep.is_some()) {
                live.insert(one.digest.clone());
                let below = roots.get(&one.digest).map(|root| root.children.clone()).unwrap_or_default();
                self.reach(below, &mut live).await?;
            }
            let mut changed = false;
            for (one, keep) in held.iter().zip(keeps.iter_mut()).filter(|(one, _)| live.contains(&one.digest)) {
                if keep.is_none() {
                    (*keep, changed) = (Some(Keep::PartOf(one.digest.clone())), true);
                }
            }
            if !changed {
                return Ok(live);
            }
        }
    }

    async fn reach(&self, mut below: Vec<Descriptor>, live: &mut BTreeSet<Digest>) -> Result<(), Reason> {
        for _ in 0..MAX_DEPTH {
            let fresh: Vec<Descriptor> = below.into_iter().filter(|d| live.insert(d.digest.clone())).collect();
            below = Vec::new();
            for index in fresh.iter().filter(|d| media_type::is_index(&d.media_type)) {
                below.extend(self.manifest(&index.digest).await?.as_ref().map(children).unwrap_or_default());
            }
            if below.is_empty() {
                return Ok(());
            }
        }
        Err(Reason::new(ReasonCode::LimitExceeded, format!("indexes nest more than {MAX_DEPTH} deep")))
    }

    /// What goes with a digest: children that nothing kept needs, and the referrers of each node.
    async fn below(&self, root: &Digest, live: &BTreeSet<Digest>) -> Result<Vec<Digest>, Reason> {
        let (mut with, mut due, mut seen) = (Vec::new(), vec![root.clone()], BTreeSet::from([root.clone()]));
        while let Some(digest) = due.pop() {
            let Some(manifest) = self.manifest(&digest).await? else { continue };
            let mut found: Vec<Digest> = children(&manifest).into_iter().map(|child| child.digest).collect();
            found.extend(self.referrers(&digest).await?);
            for next in found.into_iter().filter(|next| !live.contains(next)) {
                if seen.insert(next.clone()) {
                    with.push(next.clone());
                    due.push(next);
                }
            }
        }
        Ok(with)
    }

    /// Referrers by API and fallback tag, and the index of the fallback tag and the legacy manifests themselves.
    async fn referrers(&self, digest: &Digest) -> Result<Vec<Digest>, Reason> {
        let (registry, failed) = (self.look.registry.as_ref(), |error| lookup_failure(&error));
        let mut found: Vec<Digest> = match registry.referrers(self.repository, digest).await.map_err(failed)? {
            ReferrersAnswer::Supported(list) => list.into_iter().map(|d| d.digest).collect(),
            ReferrersAnswer::Absent | ReferrersAnswer::Unclear { .. } => Vec::new(),
        };
        if let Some(list) = fallback::read_fallback(registry, self.repository, digest).await.map_err(failed)? {
            found.extend(list.into_iter().map(|d| d.digest));
        }
        let legacy = ["sig", "att", "sbom"].map(|suffix| Tag::cosign_legacy(digest, suffix));
        for tag in legacy.into_iter().chain([Tag::referrers_fallback(digest)]) {
            found.extend(registry.head(self.repository, &tag).await.map_err(failed)?.filter(|found| found != digest));
        }
        Ok(found)
    }
}

/// Carries out the deletions of a plan. Returns how many manifests went.
///
/// # Errors
/// The first deletion that failed; the plan made again goes on from there.
pub async fn apply(registry: &dyn Registry, repository: &Repository, plan: &Retention) -> Result<usize, Reason> {
    let mut gone = 0;
    for deletion in &plan.delete {
        for digest in std::iter::once(&deletion.digest).chain(&deletion.with) {
            let deleted = registry.delete_manifest(repository, digest).await;
            gone += usize::from(deleted.map_err(|error| lookup_failure(&error))?);
        }
    }
    Ok(gone)
}

fn unknown(why: String) -> Reason {
    Reason::new(ReasonCode::TargetUnknown, why)
}

fn children(manifest: &RawManifest) -> Vec<Descriptor> {
    match manifest.parse() {
        Ok(Manifest::Index(index)) => index.manifests,
        Ok(Manifest::Image(_)) | Err(_) => Vec::new(),
    }
}

/// Where each channel belongs now, and where it would go if that were withdrawn.
fn next_targets(input: &PlanInput, channels: &[Tag]) -> BTreeMap<Digest, Tag> {
    let mut next = BTreeMap::new();
    for channel in channels {
        let Some(scope) = Scope::of_tag(channel) else { continue };
        let mut below = None;
        for _ in 0..2 {
            let Ok(Best::Version { version, digest }) = best_of(input, channel, &scope, below.as_ref()) else { break };
            next.entry(digest).or_insert_with(|| channel.clone());
            below = Some(version);
        }
    }
    next
}

fn kind(tags: &[Tag]) -> HeldKind {
    match tags.iter().filter_map(Version::of_tag).max() {
        Some(version) if version.is_prerelease() => HeldKind::PreRelease(version),
        Some(version) => HeldKind::Release(version),
        None => HeldKind::Build,
    }
}

fn bound(tags: &[Tag], releases: &[RecordedRelease], next: Option<&Tag>) -> Option<Keep> {
    if let Some(tag) = tags.iter().find(|tag| !is_fixed(tag)) {
        return Some(Keep::ShownBy(tag.clone()));
    }
    if releases.iter().any(|r| r.withdrawn) {
        return Some(Keep::Withdrawn);
    }
    if releases.iter().any(|r| !r.rollbacks.is_empty()) {
        return Some(Keep::HoldsRollback);
    }
    next.map(|channel| Keep::NextFor(channel.clone()))
}

/// Version, commit and pull-request tags. Every other tag is somebody's name for what it shows.
fn is_fixed(tag: &Tag) -> bool {
    let text = tag.as_str();
    let is_hex = |text: &str| (7..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let commit = text.rsplit_once("sha-").is_some_and(|(before, hex)| {
        (before.is_empty() || before.ends_with('-')) && is_hex(hex.split('-').next().unwrap_or_default())
    });
    let bare = is_hex(text.split('-').next().unwrap_or_default()) && Scope::of_tag(tag).is_none();
    let pull_request = text.strip_prefix("pr-").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()) && !n.is_empty());
    Version::of_tag(tag).is_some() || commit || bare || pull_request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_move_are_told_from_names_that_stay() {
        for (tag, fixed) in [
            ("v1.2.3", true),
            ("1.2.3-rc.1", true),
            ("sha-abc1234", true),
            ("main-sha-abc1234", true),
            ("abc1234", true),
            ("abc1234-dev", true),
            ("pr-12", true),
            ("latest", false),
            ("1.2", false),
            ("1234567", false),
            ("main", false),
            ("main-dev", false),
            ("stable", false),
            ("pr-x", false),
        ] {
            assert_eq!(is_fixed(&tag.parse().unwrap()), fixed, "{tag}");
        }
    }
}
