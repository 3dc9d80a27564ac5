//! Looks before deciding: tag list, tags, promotion records, and evidence that is already attached.
//!
//! Reads only. A look that fails makes the plan *undecided*, never a better one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{join, join_all};

use crate::evidence::verdict::{Format, NodeKind, Requirements};
use crate::evidence::{Moment, PredicateType, Statement, Verified, VerifiedEvidence};
use crate::identity::ExpectedIdentities;
use crate::image::{ImageTree, RegistrySource, expand};
use crate::oci::{Descriptor, Digest, DigestReference, Repository, Tag};
use crate::ops::gather::{Depth, Rules, UnclearApi};
use crate::ops::listed::Listed;
use crate::ops::lists::Lists;
use crate::ops::look::{Known, Look};
use crate::ops::promote::provenance::Provenance;
use crate::ops::promote::read_back::complete;
use crate::ops::promote::{Adopt, CandidateImage, Gate, Promotion, State, Stop};
use crate::ops::tree::{self, TreeNode};
use crate::ops::verify::gather_all;
use crate::policy::{Reason, ReasonCode};
use crate::promotion::plan::{PlanInput, TagList, TagPlan, left_over, plan_tags};
use crate::promotion::{Layouts, TagClass};
use crate::registry::Registry;

/// What is known about one candidate's repository.
#[derive(Debug, Clone)]
pub(in crate::ops::promote) struct Surveyed {
    pub(in crate::ops::promote) plan: TagPlan,
    /// Channels where an earlier run that was killed before its second look left something to do.
    pub(in crate::ops::promote) left_over: BTreeSet<Tag>,
    /// The candidate's tree with the attestations found, root first.
    pub(in crate::ops::promote) nodes: Vec<TreeNode>,
    /// The same with what others signed.
    pub(in crate::ops::promote) found: Vec<TreeNode>,
    /// Per node, entries of its fallback index seen in this run.
    pub(in crate::ops::promote) fallback: BTreeMap<Digest, Vec<Descriptor>>,
    /// Who claims to have built it.
    pub(in crate::ops::promote) provenance: Provenance,
    /// Evidence of an earlier run, where it is complete and verifies now.
    pub(in crate::ops::promote) complete: Option<VerifiedEvidence>,
}

impl Surveyed {
    /// The plan has nothing to write.
    pub(in crate::ops::promote) fn in_place(&self) -> bool {
        !self.plan.moves.iter().any(|line| line.action.writes())
    }

    /// The candidate bears the release identity's signature, but no record of this gate: somebody else signs under that
    /// identity, and plain `cosign verify` cannot tell the two apart.
    pub(in crate::ops::promote) fn shared_identity(&self, own: &ExpectedIdentities) -> Option<Reason> {
        let statements = || self.nodes.iter().flat_map(|n| n.evidence.attestations()).filter_map(|a| a.statement());
        let ours = |kind: &PredicateType| {
            [PredicateType::PROMOTION, PredicateType::VSA, PredicateType::VULNERABILITY].contains(kind)
        };
        let attestations = self.nodes.iter().flat_map(|n| n.evidence.attestations());
        // Provenance of the gate's own identity does not count, and shows the same.
        let foreign = attestations.filter_map(|a| a.signer()).find(|signer| own.matches(signer).is_ok())?;
        if statements().any(|statement| ours(statement.predicate_type())) {
            return None;
        }
        let message = format!("{} is signed by {} already, before any gate", self.plan.digest, foreign.name);
        Some(Reason::new(ReasonCode::IdentityShared, message))
    }

    /// Verified statements about `node` that are attached already.
    pub(in crate::ops::promote) fn attached(
        &self,
        node: &Digest,
    ) -> impl Iterator<Item = (Format, &Verified<Statement>)> {
        let nodes = self.nodes.iter().filter(move |n| n.evidence.digest() == node);
        nodes.flat_map(|n| n.evidence.attestations().iter().filter_map(|a| Some((a.format(), a.statement()?))))
    }
}

impl Gate<'_> {
    /// Step 1 for every image of the release. The second value is what is listed for each: asked while the first manifest
    /// is on its way, so that for everything below it is known whether there is a referrers API.
    pub(in crate::ops::promote) async fn expand(
        &self,
        result: &mut Promotion,
    ) -> Result<(Vec<ImageTree>, Vec<Lists>), Stop> {
        self.ports.reporter.begin("expand");
        let each = self.request.images.iter().map(|image| {
            let DigestReference { repository, digest } = &image.reference;
            let source = RegistrySource::new(self.registry(), repository.clone());
            async move { join(expand(&source, digest), Lists::read(self.kept.as_ref(), repository, digest)).await }
        });
        let (trees, lists): (Vec<_>, Vec<_>) = join_all(each).await.into_iter().unzip();
        let trees = trees.into_iter().collect::<Result<Vec<_>, _>>().map_err(|error| {
            use crate::image::ErrorKind as K;
            let state = if error.kind() == K::Refuted { State::Refuted } else { State::Unknown };
            result.stop(state, vec![error.reason()])
        })?;
        let images: usize = trees.iter().map(|tree| tree.images().len()).sum();
        self.step("expand", &format!("{} images, {images} platforms", trees.len()));
        Ok((trees, lists))
    }

    /// Tags, records and attached evidence of every repository, and the plan made from them.
    pub(in crate::ops::promote) async fn survey(
        &self,
        result: &mut Promotion,
        trees: &[ImageTree],
        lists: Vec<Lists>,
    ) -> Result<Vec<Surveyed>, Stop> {
        self.ports.reporter.begin("survey");
        let each = self.request.images.iter().zip(trees).zip(lists);
        let each = each.map(|((image, tree), lists)| self.survey_one(image, tree, lists));
        let surveyed = join_all(each).await;
        for (image, surveyed) in result.images.iter_mut().zip(&surveyed) {
            image.tree = surveyed.complete.as_ref().map(|complete| complete.tree().clone());
        }
        Ok(surveyed)
    }

    async fn survey_one(&self, image: &CandidateImage, tree: &ImageTree, lists: Lists) -> Surveyed {
        let repository = &image.reference.repository;
        let required = Requirements::of_promote(kind_of(tree));
        let nodes = tree::read_listed(self.kept.as_ref(), repository, &tree.root.manifest, Some(lists));
        let (nodes, list) = join(nodes, self.look().tag_list(repository)).await;
        let api = nodes.iter().all(|node| node.lists.from_api());
        let listed = self.listed(repository, &list, api);
        let evidence = gather_all(listed.as_ref(), repository, nodes, self.rules(), &required, Depth::Everything);
        let nothing_yet = Known::default();
        let ((nodes, fallback), mut input) = join(evidence, self.facts(image, &nothing_yet, list)).await;
        let own = self.look().records_in(&image.reference, &nodes[0].evidence);
        input.records.insert(image.reference.digest.clone(), own);
        Look { registry: &listed, ..self.look() }.read_records(&mut input).await;
        let fallback = nodes.iter().map(|n| n.evidence.digest().clone()).zip(fallback).collect();
        let provenance = Provenance::of(&nodes);
        let found = nodes.clone();
        // What a branch build signed is no evidence for a version: a stranger asks for the release identity.
        let ours = |statement: &Verified<Statement>| self.own.matches(statement.signer()).is_ok();
        let nodes: Vec<TreeNode> = nodes.into_iter().map(|node| node.signed_by(ours)).collect();
        let evidence: Vec<_> = nodes.iter().map(|n| n.evidence.clone()).collect();
        let complete = complete(self.request.layouts, &image.reference, &evidence).and_then(Result::ok);
        let (plan, left_over) = (plan_tags(&input), left_over(&input));
        Surveyed { plan, left_over, nodes, found, fallback, provenance, complete }
    }

    /// The registry for evidence beside the layout we write to: cosign's older tags, and fallback tags where there is a
    /// referrers API. A list that was just read says whether there are any. Nothing of ours is there, and what it hides
    /// while it lags behind cannot make a verdict better, except for provenance: where that is required, each is asked.
    pub(in crate::ops::promote) fn listed(
        &self,
        repository: &Repository,
        list: &TagList,
        api: bool,
    ) -> Arc<dyn Registry> {
        match list {
            TagList::Complete(list)
                if self.request.layouts == Layouts::Bundle && !self.request.settings.provenance.require =>
            {
                Arc::new(Listed::beside_what_we_write(&self.registry(), repository, list, api))
            }
            TagList::Complete(_) | TagList::Unreadable { .. } => self.registry(),
        }
    }

    /// The facts of one repository, without records.
    pub(in crate::ops::promote) async fn facts(
        &self,
        image: &CandidateImage,
        known: &Known,
        list: TagList,
    ) -> PlanInput {
        let version = self.request.candidate.version.clone();
        let mut input = self.look().facts_listed(&image.reference, version, &image.allowed, known, list).await;
        let labels = match &self.request.adopt {
            Adopt::ByLabel => self.look().labelled_versions(&input).await,
            Adopt::None | Adopt::Named(_) => BTreeMap::new(),
        };
        input.adoption = self.adoption(labels);
        self.read_ancestry(image, &mut input).await;
        input
    }

    /// For each branch tag that shows another digest: does our commit descend from the one its record names?
    async fn read_ancestry(&self, image: &CandidateImage, input: &mut PlanInput) {
        let Some(ours) = &self.request.candidate.git.commit else { return };
        for allowed in image.allowed.iter().filter(|allowed| allowed.class == TagClass::Branch) {
            let Some(Some(target)) = input.targets.get(&allowed.tag) else { continue };
            if *target == input.digest {
                continue;
            }
            let reference = DigestReference { repository: input.repository.clone(), digest: target.clone() };
            let records = self.look().verified_records(vec![reference]).await.unwrap_or_default();
            let theirs = records.iter().max_by_key(|record| record.logged_at());
            if let Some(theirs) = theirs.and_then(|record| record.record().git.commit.as_ref()) {
                let ancestry = self.ports.history.ancestry(theirs, ours).await;
                input.branches.insert(allowed.tag.clone(), ancestry);
            }
        }
    }

    pub(in crate::ops::promote) fn look(&self) -> Look<'_> {
        Look { registry: &self.shared, rules: self.rules(), failures: &self.failures }
    }

    /// As [`Self::rules`], for what this run itself attaches.
    pub(in crate::ops::promote) fn own_rules(&self) -> Rules<'_> {
        Rules { expected: &self.own, ..self.rules() }
    }

    pub(in crate::ops::promote) fn rules(&self) -> Rules<'_> {
        Rules {
            trust_root: &self.request.trust_root,
            expected: &self.request.identities,
            moment: Moment::now((self.request.clock)()),
            unclear_api: UnclearApi::IsNoApi,
        }
    }
}

/// How evidence calls the kind of the tree's root.
pub(in crate::ops::promote) fn kind_of(tree: &ImageTree) -> NodeKind {
    match tree.root.kind {
        crate::image::NodeKind::Index => NodeKind::Index,
        crate::image::NodeKind::Image => NodeKind::Image,
        crate::image::NodeKind::Artifact | crate::image::NodeKind::BuildKitAttestation => NodeKind::Artifact,
    }
}
