//! Looks before deciding: tag list, tags, promotion records, and evidence that is already attached.
//!
//! Reads only. A look that fails makes the plan *undecided*, never a better one.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};

use crate::evidence::verdict::{NodeEvidence, NodeKind, Requirements};
use crate::evidence::{Moment, PredicateType, Statement, Verified, VerifiedEvidence};
use crate::identity::IdentityRole;
use crate::image::{ImageTree, RegistrySource, expand};
use crate::oci::{Descriptor, Digest, DigestReference, Repository, Tag};
use crate::ops::gather::{Depth, Rules, gather, lookup_failure};
use crate::ops::promote::{CandidateImage, Gate, Promotion, State, Stop};
use crate::ops::tree::{self, TreeNode};
use crate::ops::verify::gather_all;
use crate::promotion::plan::{
    DigestRecords, PlanInput, RecordedRelease, TagList, TagPlan, plan_tags, tags_to_examine,
};
use crate::promotion::{VerifiedRecord, Version};
use crate::registry::Registry;

/// The label that tells the version of an adopted target.
const VERSION_LABEL: &str = "org.opencontainers.image.version";

/// What is known about one candidate's repository.
#[derive(Debug, Clone)]
pub(in crate::ops::promote) struct Surveyed {
    pub(in crate::ops::promote) plan: TagPlan,
    /// The candidate's tree with the attestations found, root first.
    pub(in crate::ops::promote) nodes: Vec<TreeNode>,
    /// Per node, entries of its fallback index seen in this run.
    pub(in crate::ops::promote) fallback: BTreeMap<Digest, Vec<Descriptor>>,
    /// Evidence of an earlier run, where it is complete and verifies now.
    pub(in crate::ops::promote) complete: Option<VerifiedEvidence>,
}

impl Surveyed {
    /// Verified statements about `node` that are attached already.
    pub(in crate::ops::promote) fn attached(&self, node: &Digest) -> impl Iterator<Item = &Verified<Statement>> {
        let nodes = self.nodes.iter().filter(move |n| n.evidence.digest() == node);
        nodes.flat_map(|n| n.evidence.attestations().iter().filter_map(|a| a.statement()))
    }
}

impl Gate<'_> {
    /// Step 1 for every image of the release.
    pub(in crate::ops::promote) async fn expand(&self, result: &mut Promotion) -> Result<Vec<ImageTree>, Stop> {
        self.ports.reporter.begin("expand");
        let each = self.request.images.iter().map(|image| {
            let source = RegistrySource::new(self.ports.registry.clone(), image.reference.repository.clone());
            async move { expand(&source, &image.reference.digest).await }
        });
        let trees = join_all(each).await.into_iter().collect::<Result<Vec<_>, _>>();
        let trees = trees.map_err(|error| {
            use crate::image::ErrorKind as K;
            let state = if error.kind() == K::Refuted { State::Refuted } else { State::Unknown };
            result.stop(state, vec![error.reason()])
        })?;
        let images: usize = trees.iter().map(|tree| tree.images().len()).sum();
        self.step("expand", &format!("{} images, {images} platforms", trees.len()));
        Ok(trees)
    }

    /// Tags, records and attached evidence of every repository, and the plan made from them.
    pub(in crate::ops::promote) async fn survey(
        &self,
        result: &mut Promotion,
        trees: &[ImageTree],
    ) -> Result<Vec<Surveyed>, Stop> {
        self.ports.reporter.begin("survey");
        let each = self.request.images.iter().zip(trees).map(|(image, tree)| self.survey_one(image, tree));
        let surveyed = join_all(each).await;
        for (image, surveyed) in result.images.iter_mut().zip(&surveyed) {
            image.tree = surveyed.complete.as_ref().map(|complete| complete.tree().clone());
        }
        Ok(surveyed)
    }

    async fn survey_one(&self, image: &CandidateImage, tree: &ImageTree) -> Surveyed {
        let registry = self.ports.registry.as_ref();
        let repository = &image.reference.repository;
        let rules = self.rules();
        let required = Requirements::of_promote(kind_of(tree));
        let evidence = async {
            let nodes = tree::read(registry, repository, &tree.root.manifest).await;
            gather_all(registry, repository, nodes, rules, &required, Depth::Enough).await
        };
        let ((nodes, fallback), mut input) = tokio::join!(evidence, self.look(image));
        let own = self.records_in(&image.reference, &nodes[0].evidence);
        input.records.insert(image.reference.digest.clone(), own);
        self.read_records(&mut input).await;
        let fallback = nodes.iter().map(|n| n.evidence.digest().clone()).zip(fallback).collect();
        let mut parts = nodes.iter().map(|n| n.evidence.clone());
        let root = parts.next();
        let complete = root.and_then(|root| {
            VerifiedEvidence::gather(image.reference.clone(), root, parts.collect()).ok()
        });
        Surveyed { plan: plan_tags(&input), nodes, fallback, complete }
    }

    /// The facts of one repository, without records.
    pub(in crate::ops::promote) async fn look(&self, image: &CandidateImage) -> PlanInput {
        let registry = self.ports.registry.as_ref();
        let repository = &image.reference.repository;
        let version = self.request.candidate.version.clone();
        let allowed: Vec<Tag> = image.allowed.iter().map(|allowed| allowed.tag.clone()).collect();
        let (list, mut targets) = tokio::join!(tag_list(registry, repository), heads(registry, repository, allowed));
        if let TagList::Complete(list) = &list {
            let more = tags_to_examine(version.as_ref(), &image.allowed, list);
            let more = more.into_iter().filter(|tag| !targets.contains_key(tag)).collect();
            targets.extend(heads(registry, repository, more).await);
        }
        let labels = match &self.request.adopt {
            super::Adopt::ByLabel => labelled_versions(&self.ports.registry, repository, &targets).await,
            super::Adopt::None | super::Adopt::Named(_) => BTreeMap::new(),
        };
        let branches = self.request.branches.iter().filter(|((r, _), _)| r == repository);
        PlanInput {
            repository: repository.clone(),
            digest: image.reference.digest.clone(),
            version,
            allowed: image.allowed.clone(),
            list,
            targets,
            records: BTreeMap::new(),
            branches: branches.map(|((_, tag), ancestry)| (tag.clone(), *ancestry)).collect(),
            adoption: self.adoption(labels),
        }
    }

    /// Adds the records of every digest the plan depends on and that was not read yet.
    pub(in crate::ops::promote) async fn read_records(&self, input: &mut PlanInput) {
        let missing = input.digests_to_read().into_iter().filter(|digest| !input.records.contains_key(digest));
        let missing: Vec<Digest> = missing.collect();
        let repository = input.repository.clone();
        let each = missing.into_iter().map(|digest| {
            let reference = DigestReference { repository: repository.clone(), digest };
            async move { (reference.digest.clone(), self.records_on(&reference).await) }
        });
        input.records.extend(join_all(each).await);
    }

    async fn records_on(&self, reference: &DigestReference) -> DigestRecords {
        let registry = self.ports.registry.as_ref();
        let manifest = match registry.manifest(&reference.clone().into()).await {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return DigestRecords::Unreadable { why: format!("{reference} does not exist") },
            Err(error) => return DigestRecords::Unreadable { why: error.to_string() },
        };
        let mut node = match NodeEvidence::of(&manifest, None) {
            Ok(node) => node,
            Err(error) => return DigestRecords::Unreadable { why: error.to_string() },
        };
        let types = [PredicateType::PROMOTION, PredicateType::WITHDRAWAL];
        gather(registry, &reference.repository, &mut node, self.rules(), &types, Depth::Hinted).await;
        self.records_in(reference, &node)
    }

    /// Every record on `node` that verifies and whose signer may authorise it.
    fn records_in(&self, reference: &DigestReference, node: &NodeEvidence) -> DigestRecords {
        if let Some(problem) = node.problems().first() {
            return DigestRecords::Unreadable { why: problem.message.clone() };
        }
        let statements: Vec<&Verified<Statement>> = node.attestations().iter().filter_map(|a| a.statement()).collect();
        let withdrawn: Vec<Version> = statements.iter().filter_map(|s| withdrawn_version(s)).collect();
        let records = statements.iter().filter_map(|statement| {
            VerifiedRecord::of(reference, statement, &self.request.identities).ok()
        });
        let releases = records.map(|verified| {
            let record = verified.record().clone();
            let withdrawn = record.version.as_ref().is_some_and(|version| withdrawn.contains(version));
            RecordedRelease { record, withdrawn }
        });
        DigestRecords::Read(releases.collect())
    }

    /// Verified records on a digest, for the approval of a second look.
    pub(in crate::ops::promote) async fn verified_records(
        &self,
        references: Vec<DigestReference>,
    ) -> Result<Vec<VerifiedRecord>, String> {
        let registry = self.ports.registry.as_ref();
        let each = references.into_iter().map(|reference| async move {
            let found = registry.manifest(&reference.clone().into()).await.map_err(|e| e.to_string())?;
            let manifest = found.ok_or_else(|| format!("{reference} does not exist"))?;
            let mut node = NodeEvidence::of(&manifest, None).map_err(|e| e.to_string())?;
            let types = [PredicateType::PROMOTION];
            gather(registry, &reference.repository, &mut node, self.rules(), &types, Depth::Hinted).await;
            let statements = node.attestations().iter().filter_map(|a| a.statement());
            let records = statements.filter_map(|s| VerifiedRecord::of(&reference, s, &self.request.identities).ok());
            Ok::<_, String>(records.collect::<Vec<_>>())
        });
        Ok(try_join_all(each).await?.into_iter().flatten().collect())
    }

    pub(in crate::ops::promote) fn rules(&self) -> Rules<'_> {
        Rules {
            trust_root: &self.request.trust_root,
            expected: &self.request.identities,
            moment: Moment::now((self.request.clock)()),
        }
    }
}

/// The version a verified withdrawal by an operator names.
fn withdrawn_version(statement: &Verified<Statement>) -> Option<Version> {
    let may = |role: &IdentityRole| matches!(role, IdentityRole::Operator | IdentityRole::Named);
    if *statement.predicate_type() != PredicateType::WITHDRAWAL || !statement.roles().iter().any(may) {
        return None;
    }
    statement.content().predicate.get("version")?.as_str()?.parse().ok()
}

/// How evidence calls the kind of the tree's root.
pub(in crate::ops::promote) fn kind_of(tree: &ImageTree) -> NodeKind {
    match tree.root.kind {
        crate::image::NodeKind::Index => NodeKind::Index,
        crate::image::NodeKind::Image => NodeKind::Image,
        crate::image::NodeKind::Artifact | crate::image::NodeKind::BuildKitAttestation => NodeKind::Artifact,
    }
}

async fn tag_list(registry: &dyn Registry, repository: &Repository) -> TagList {
    match registry.tags(repository).await {
        Ok(tags) => TagList::Complete(tags.unwrap_or_default()),
        Err(error) => TagList::Unreadable { why: error.to_string() },
    }
}

/// HEAD of each tag; one that could not be looked up has no entry.
async fn heads(registry: &dyn Registry, repository: &Repository, tags: Vec<Tag>) -> BTreeMap<Tag, Option<Digest>> {
    let each = tags.into_iter().map(|tag| async move {
        match registry.head(repository, &tag).await {
            Ok(digest) => Some((tag, digest)),
            Err(error) => {
                tracing::warn!(reason = %lookup_failure(&error).code, "{error}");
                None
            }
        }
    });
    join_all(each).await.into_iter().flatten().collect()
}

/// The version label of each target, for `--adopt`.
async fn labelled_versions(
    registry: &Arc<dyn Registry>,
    repository: &Repository,
    targets: &BTreeMap<Tag, Option<Digest>>,
) -> BTreeMap<Tag, Version> {
    let known = targets.iter().filter_map(|(tag, digest)| digest.as_ref().map(|digest| (tag, digest)));
    let each = known.map(|(tag, digest)| async move {
        let source = RegistrySource::new(registry.clone(), repository.clone());
        let tree = expand(&source, digest).await.ok()?;
        let label = tree.images().first()?.facts.labels.get(VERSION_LABEL)?.parse().ok()?;
        Some((tag.clone(), label))
    });
    join_all(each).await.into_iter().flatten().collect()
}
