//! The facts of one repository: tag list, tags, and the promotion records behind them. Reads only.
//!
//! A look that failed leaves no entry, or says so; whatever depends on it is undecided (I6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{join_all, try_join_all};

use crate::evidence::verdict::NodeEvidence;
use crate::evidence::{PredicateType, Statement, Verified};
use crate::image::{RegistrySource, expand};
use crate::oci::{Digest, DigestReference, RawManifest, Repository, Tag};
use crate::ops::gather::{Depth, Rules, gather, lookup_failure};
use crate::policy::Reason;
use crate::promotion::plan::{
    Adoption, DigestRecords, PlanInput, RecordedRelease, RecordedRollback, TagList, tags_to_examine,
};
use crate::promotion::{AllowedTag, VerifiedRecord, VerifiedRollback, VerifiedWithdrawal, Version};
use crate::registry::{Registry, RegistryError};

/// What is said about a version: promoted, withdrawn, rolled back from.
pub const RECORDS: [PredicateType; 3] = [PredicateType::PROMOTION, PredicateType::WITHDRAWAL, PredicateType::ROLLBACK];

/// The label that tells the version of an adopted target.
const VERSION_LABEL: &str = "org.opencontainers.image.version";

/// Looks at registries under the rules by which evidence counts.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    pub registry: &'a Arc<dyn Registry>,
    pub rules: Rules<'a>,
    pub failures: &'a Failures,
}

/// Why looks failed, in the registry's words. A plan only says that it is undecided; whether that is "not authorised" or
/// "try again" shows here.
#[derive(Debug, Default)]
pub struct Failures(Mutex<Vec<Reason>>);

impl Failures {
    /// Each reason once.
    pub fn push(&self, reason: Reason) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&reason) {
            all.push(reason);
        }
    }

    /// Everything so far.
    #[must_use]
    pub fn take(&self) -> Vec<Reason> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a run knows about tags besides the list.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Written by this run and seen with this target since. Asked again only if a higher version appeared: whoever
    /// moved it otherwise looks at the list after us, and sees our version.
    pub confirmed: BTreeMap<Tag, Digest>,
    /// Seen by this run; a list that does not name it lags behind.
    pub seen: BTreeSet<Tag>,
}

impl Known {
    /// The targets that are known, and the tags that need a look.
    fn split(&self, tags: Vec<Tag>, list: &[Tag], higher: Vec<Tag>) -> (BTreeMap<Tag, Option<Digest>>, Vec<Tag>) {
        let listed: BTreeSet<&Tag> = list.iter().collect();
        let (mut targets, mut wanted) = (BTreeMap::new(), BTreeSet::new());
        for tag in tags {
            match self.confirmed.get(&tag) {
                Some(digest) if higher.is_empty() => _ = targets.insert(tag, Some(digest.clone())),
                Some(_) => _ = wanted.insert(tag),
                None if listed.contains(&tag) || self.seen.contains(&tag) => _ = wanted.insert(tag),
                None => _ = targets.insert(tag, None),
            }
        }
        wanted.extend(higher);
        (targets, wanted.into_iter().collect())
    }
}

impl Look<'_> {
    /// Tag list and targets for a plan; records are read by [`Look::read_records`].
    ///
    /// A tag that a complete list does not name is absent: its write looks again anyway. This, and `known`, keep the
    /// requests of a release within three per tag and three more.
    pub async fn facts(
        &self,
        candidate: &DigestReference,
        version: Option<Version>,
        allowed: &[AllowedTag],
        known: &Known,
    ) -> PlanInput {
        let list = self.tag_list(&candidate.repository).await;
        self.facts_listed(candidate, version, allowed, known, list).await
    }

    /// As [`Self::facts`], with the tag list at hand.
    pub async fn facts_listed(
        &self,
        candidate: &DigestReference,
        version: Option<Version>,
        allowed: &[AllowedTag],
        known: &Known,
        list: TagList,
    ) -> PlanInput {
        let repository = &candidate.repository;
        let tags: Vec<Tag> = allowed.iter().map(|allowed| allowed.tag.clone()).collect();
        let (mut targets, wanted) = match &list {
            TagList::Complete(list) => {
                let higher = tags_to_examine(version.as_ref(), allowed, list);
                known.split(tags, list, higher)
            }
            TagList::Unreadable { .. } => (BTreeMap::new(), tags),
        };
        targets.extend(self.heads(repository, wanted).await);
        PlanInput {
            repository: repository.clone(),
            digest: candidate.digest.clone(),
            version,
            allowed: allowed.to_vec(),
            list,
            targets,
            records: BTreeMap::new(),
            branches: BTreeMap::new(),
            adoption: Adoption::none(),
        }
    }

    /// Adds the records of every digest the plan depends on and that was not read yet.
    pub async fn read_records(&self, input: &mut PlanInput) {
        let missing = input.digests_to_read().into_iter().filter(|digest| !input.records.contains_key(digest));
        let missing: Vec<Digest> = missing.collect();
        let repository = input.repository.clone();
        let each = missing.into_iter().map(|digest| {
            let reference = DigestReference { repository: repository.clone(), digest };
            async move { (reference.digest.clone(), self.records_on(&reference).await) }
        });
        input.records.extend(join_all(each).await);
    }

    /// The records on a digest of the repository.
    pub async fn records_on(&self, reference: &DigestReference) -> DigestRecords {
        match self.node(reference, &RECORDS).await {
            Ok(node) => self.records_in(reference, &node),
            Err(why) => DigestRecords::Unreadable { why },
        }
    }

    /// Every record on `node` that verifies and whose signer may authorise it.
    #[must_use]
    pub fn records_in(&self, reference: &DigestReference, node: &NodeEvidence) -> DigestRecords {
        // Also where the referrers API gave no usable answer: a withdrawal may stand there and not be seen.
        if let Some(problem) = node.problems().first() {
            self.failures.push(problem.clone());
            return DigestRecords::Unreadable { why: problem.message.clone() };
        }
        let withdrawn: Vec<Version> =
            withdrawals_in(reference, node).iter().map(|w| w.said().version.clone()).collect();
        let rollbacks = rollbacks_in(reference, node);
        let releases = self.verified_in(reference, node).into_iter().map(|verified| {
            let record = verified.record().clone();
            let withdrawn = record.version.as_ref().is_some_and(|version| withdrawn.contains(version));
            let through = |r: &&VerifiedRollback| Some(&r.said().held_through) == record.version.as_ref();
            let rollbacks = rollbacks.iter().filter(through);
            let rollbacks =
                rollbacks.map(|r| RecordedRollback { rollback: r.said().clone(), at: r.logged_at() }).collect();
            RecordedRelease { record, withdrawn, rollbacks }
        });
        DigestRecords::Read(releases.collect())
    }

    /// The verified records on `node`.
    #[must_use]
    pub fn verified_in(&self, reference: &DigestReference, node: &NodeEvidence) -> Vec<VerifiedRecord> {
        let records = statements(node).filter_map(|s| VerifiedRecord::of(reference, s, self.rules.expected).ok());
        records.collect()
    }

    /// The verified records on several digests, for the approval of a second look.
    pub async fn verified_records(&self, references: Vec<DigestReference>) -> Result<Vec<VerifiedRecord>, String> {
        let each = references.into_iter().map(|reference| async move {
            let node = self.node(&reference, &[PredicateType::PROMOTION]).await?;
            Ok::<_, String>(self.verified_in(&reference, &node))
        });
        Ok(try_join_all(each).await?.into_iter().flatten().collect())
    }

    /// A node with its attestations of these types, as hinted.
    pub async fn node(&self, reference: &DigestReference, types: &[PredicateType]) -> Result<NodeEvidence, String> {
        let manifest = self.fetch(reference).await?;
        self.gathered(reference, &manifest, types, Depth::Hinted).await
    }

    /// As [`Self::node`], for a manifest that is at hand.
    pub async fn node_of(
        &self,
        reference: &DigestReference,
        manifest: &RawManifest,
        types: &[PredicateType],
    ) -> Result<NodeEvidence, String> {
        self.gathered(reference, manifest, types, Depth::Hinted).await
    }

    /// A node with everything that is attached to it.
    pub async fn everything(&self, reference: &DigestReference) -> Result<NodeEvidence, String> {
        let manifest = self.fetch(reference).await?;
        self.gathered(reference, &manifest, &[], Depth::Everything).await
    }

    async fn fetch(&self, reference: &DigestReference) -> Result<RawManifest, String> {
        let found = self.registry.manifest(&reference.clone().into()).await.map_err(|error| self.failed(&error))?;
        found.ok_or_else(|| format!("{reference} does not exist"))
    }

    async fn gathered(
        &self,
        reference: &DigestReference,
        manifest: &RawManifest,
        types: &[PredicateType],
        depth: Depth,
    ) -> Result<NodeEvidence, String> {
        let mut node = NodeEvidence::of(manifest, None).map_err(|e| e.to_string())?;
        gather(self.registry.as_ref(), &reference.repository, &mut node, self.rules, types, depth).await;
        Ok(node)
    }

    /// Every tag, or why the list is not complete.
    pub async fn tag_list(&self, repository: &Repository) -> TagList {
        match self.registry.tags(repository).await {
            Ok(tags) => TagList::Complete(tags.unwrap_or_default()),
            Err(error) => TagList::Unreadable { why: self.failed(&error) },
        }
    }

    fn failed(&self, error: &RegistryError) -> String {
        self.failures.push(lookup_failure(error));
        error.to_string()
    }

    /// HEAD of each tag; one that could not be looked up has no entry.
    pub async fn heads(&self, repository: &Repository, tags: Vec<Tag>) -> BTreeMap<Tag, Option<Digest>> {
        let each = tags.into_iter().map(|tag| async move {
            match self.registry.head(repository, &tag).await {
                Ok(digest) => Some((tag, digest)),
                Err(error) => {
                    self.failed(&error);
                    None
                }
            }
        });
        join_all(each).await.into_iter().flatten().collect()
    }

    /// The version label of each target, for `--adopt`.
    pub async fn labelled_versions(&self, input: &PlanInput) -> BTreeMap<Tag, Version> {
        let known = input.targets.iter().filter_map(|(tag, digest)| digest.as_ref().map(|digest| (tag, digest)));
        let each = known.map(|(tag, digest)| async move {
            let source = RegistrySource::new(self.registry.clone(), input.repository.clone());
            let tree = expand(&source, digest).await.ok()?;
            let label = tree.images().first()?.facts.labels.get(VERSION_LABEL)?.parse().ok()?;
            Some((tag.clone(), label))
        });
        join_all(each).await.into_iter().flatten().collect()
    }
}

fn statements(node: &NodeEvidence) -> impl Iterator<Item = &Verified<Statement>> {
    node.attestations().iter().filter_map(|attestation| attestation.statement())
}

/// The verified withdrawals on `node`.
#[must_use]
pub fn withdrawals_in(reference: &DigestReference, node: &NodeEvidence) -> Vec<VerifiedWithdrawal> {
    statements(node).filter_map(|statement| VerifiedWithdrawal::of(reference, statement).ok()).collect()
}

/// The verified rollbacks on `node`.
#[must_use]
pub fn rollbacks_in(reference: &DigestReference, node: &NodeEvidence) -> Vec<VerifiedRollback> {
    statements(node).filter_map(|statement| VerifiedRollback::of(reference, statement).ok()).collect()
}
