//! The build's provenance, as the survey found it: for the decision, and for what the VSA may state.
//!
//! What counts was verified while it was read; here it is only told apart by node. A look that failed stays *unknown*: where
//! provenance is required the run ends there, before anything is scanned or decided.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::evidence::predicates::vsa::ResourceDescriptor;
use crate::evidence::provenance::BuildLevel;
use crate::evidence::verdict::{AttestationOutcome, NodeEvidence, NodeKind, Verdict, provenance_verdict};
use crate::oci::Digest;
use crate::ops::promote::survey::Surveyed;
use crate::ops::promote::{Gate, Promotion, State, Stop};
use crate::ops::tree::TreeNode;
use crate::policy::Reason;
use crate::policy::input::{ProvenanceAttestation, ProvenanceInput, ProvenanceRefusal};

/// Provenance on the nodes of one candidate.
#[derive(Debug, Clone)]
pub(in crate::ops::promote) struct Provenance {
    verdict: Verdict,
    root: Option<Digest>,
    images: Vec<Digest>,
    attestations: Vec<ProvenanceAttestation>,
    /// Per node, what counts.
    counting: BTreeMap<Digest, Vec<(BuildLevel, ResourceDescriptor)>>,
    /// Why somebody may have claimed it unseen.
    problems: Vec<Reason>,
}

impl Provenance {
    /// Of the nodes of a tree, the asked-for one first.
    pub(in crate::ops::promote) fn of(nodes: &[TreeNode]) -> Self {
        let evidence: Vec<NodeEvidence> = nodes.iter().map(|node| node.evidence.clone()).collect();
        let verdict = match evidence.split_first() {
            Some((root, descendants)) => provenance_verdict(root, descendants),
            None => Verdict::Unknown,
        };
        let images = evidence.iter().filter(|node| node.kind() == NodeKind::Image).map(|node| node.digest().clone());
        let mut found = Self {
            verdict,
            root: evidence.first().map(|node| node.digest().clone()),
            images: images.collect(),
            attestations: Vec::new(),
            counting: BTreeMap::new(),
            problems: Vec::new(),
        };
        for node in &evidence {
            found.problems.extend(node.problems().iter().cloned());
            node.attestations().iter().for_each(|attestation| found.add(node.digest(), attestation));
        }
        found
    }

    fn add(&mut self, node: &Digest, attestation: &AttestationOutcome) {
        if attestation.verdict() == Verdict::Unknown {
            self.problems.extend(attestation.reasons().iter().cloned());
        }
        let kind = attestation.predicate_type().filter(|kind| kind.is_provenance());
        let (Some(kind), Some(signer)) = (kind, attestation.signer()) else { return };
        let level = attestation.statement().map(|_| BuildLevel::of(signer));
        if let (Some(level), Some(statement)) = (level, attestation.statement())
            && let Some(input) = ResourceDescriptor::new(kind.as_str(), statement.payload_digest())
        {
            self.counting.entry(node.clone()).or_default().push((level, input));
        }
        let refusal = |reason: &Reason| ProvenanceRefusal {
            code: reason.code.as_str().to_owned(),
            message: reason.message.clone(),
        };
        self.attestations.push(ProvenanceAttestation {
            subject: node.clone(),
            predicate_type: kind.to_string(),
            builder: signer.name.clone(),
            issuer: signer.issuer.clone(),
            level: level.map(|level| level.as_str().to_owned()),
            refusals: attestation.reasons().iter().map(refusal).collect(),
        });
    }

    pub(in crate::ops::promote) fn input(&self) -> ProvenanceInput {
        ProvenanceInput { verified: self.verdict == Verdict::Verified, attestations: self.attestations.clone() }
    }

    /// The level that the provenance of `node` shows, and that provenance: its own, else the index's, which names the node by
    /// digest; of an index without its own, the lowest of its images where each has some.
    pub(in crate::ops::promote) fn shown(&self, node: &Digest) -> (Option<BuildLevel>, Vec<ResourceDescriptor>) {
        let own = |digest: &Digest| self.counting.get(digest).map(Vec::as_slice).unwrap_or_default();
        let on_index = self.root.as_ref().map(own).unwrap_or_default();
        let direct = [own(node), on_index].into_iter().find(|found| !found.is_empty());
        if let Some(direct) = direct {
            let inputs = direct.iter().map(|(_, input)| input.clone()).collect();
            return (direct.iter().map(|(level, _)| *level).max(), inputs);
        }
        if self.root.as_ref() != Some(node) || self.images.is_empty() {
            return (None, Vec::new());
        }
        let best = |image: &Digest| own(image).iter().map(|(level, _)| *level).max();
        let Some(levels) = self.images.iter().map(best).collect::<Option<Vec<_>>>() else { return (None, Vec::new()) };
        let inputs = self.images.iter().flat_map(own).map(|(_, input)| input.clone()).collect();
        (levels.into_iter().min(), inputs)
    }
}

impl Gate<'_> {
    /// Asks the builders' archive where provenance is required and the registry has none that counts. Only a run that has to
    /// decide does: a finished release stays finished, whether or not anybody answers.
    pub(in crate::ops::promote) async fn ask_builders(&self, mut surveyed: Vec<Surveyed>) -> Vec<Surveyed> {
        let Some(archive) = self.ports.archive.as_ref().filter(|_| self.request.settings.provenance.require) else {
            return surveyed;
        };
        let rules = self.rules();
        let each = surveyed.iter_mut().map(|surveyed| async move {
            archive.add_to(&mut surveyed.found, rules).await;
            surveyed.provenance = Provenance::of(&surveyed.found);
        });
        join_all(each).await;
        surveyed
    }

    /// Could not look is not "not there" (I6).
    pub(in crate::ops::promote) fn stop_unless_provenance_is_known(
        &self,
        result: &mut Promotion,
        surveyed: &[Surveyed],
    ) -> Result<(), Stop> {
        let unknown: Vec<_> = surveyed.iter().filter(|s| s.provenance.verdict == Verdict::Unknown).collect();
        if unknown.is_empty() || !self.request.settings.provenance.require {
            return Ok(());
        }
        let reasons = unknown.into_iter().flat_map(|s| s.provenance.problems.clone()).collect();
        Err(result.stop(State::Unknown, reasons))
    }
}
