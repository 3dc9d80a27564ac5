//! The rules themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::evidence::PredicateType;
use crate::evidence::explain::explain_missing;
use crate::evidence::verdict::{AttestationOutcome, NodeEvidence, NodeKind, Requirements, Verdict};
use crate::identity::{SignerIdentity, accepting_flags};
use crate::oci::{Digest, Platform};
use crate::policy::{Reason, ReasonCode};

/// One node's verdict. Serialises as in `verify --output json`.
#[derive(Debug, Clone, Serialize)]
pub struct NodeVerdict {
    digest: Digest,
    kind: NodeKind,
    platform: Option<Platform>,
    verdict: Verdict,
    attestations: Vec<AttestationOutcome>,
    reasons: Vec<Reason>,
}

impl NodeVerdict {
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    #[must_use]
    pub fn kind(&self) -> NodeKind {
        self.kind
    }

    #[must_use]
    pub fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    #[must_use]
    pub fn attestations(&self) -> &[AttestationOutcome] {
        &self.attestations
    }

    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }
}

/// The whole tree's verdict: the worst of its nodes. Only [`judge`] makes it.
#[derive(Debug, Clone, Serialize)]
pub struct TreeVerdict {
    verdict: Verdict,
    /// The asked-for digest first.
    nodes: Vec<NodeVerdict>,
    /// Each distinct reason of the nodes that made the verdict what it is.
    reasons: Vec<Reason>,
}

impl TreeVerdict {
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    #[must_use]
    pub fn nodes(&self) -> &[NodeVerdict] {
        &self.nodes
    }

    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// Everybody who signed something about any node, expected or not, each once.
    #[must_use]
    pub fn signers(&self) -> Vec<SignerIdentity> {
        let mut signers: Vec<SignerIdentity> = Vec::new();
        for signer in self.nodes.iter().flat_map(|n| n.attestations.iter()).filter_map(AttestationOutcome::signer) {
            if !signers.contains(signer) {
                signers.push(signer.clone());
            }
        }
        signers
    }

    /// A verdict of the asked-for reference itself, where there is no tree to judge.
    pub(in crate::evidence) fn refuted(self, reason: Reason) -> Self {
        let mut reasons = self.reasons;
        reasons.insert(0, reason);
        Self { verdict: Verdict::Refuted, nodes: self.nodes, reasons }
    }
}

/// Judges a tree; `root` is the asked-for digest, `descendants` every node below it that needs evidence. A child that an
/// index names and that is not among them was not looked at, which is *unknown*.
#[must_use]
pub fn judge(root: NodeEvidence, descendants: Vec<NodeEvidence>, required: &Requirements) -> TreeVerdict {
    let descendants = complete(&root, descendants);
    let root_finding = judge_root(&root, &descendants, required);
    let mut nodes = Vec::with_capacity(descendants.len() + 1);
    for child in descendants {
        let finding = judge_child(&child, &root_finding, required);
        nodes.push(finding.of(child));
    }
    nodes.insert(0, root_finding.of(root));
    let verdict = nodes.iter().map(|node| node.verdict).max().unwrap_or(Verdict::Unknown);
    let mut seen = BTreeSet::new();
    let deciding = nodes.iter().filter(|node| verdict == Verdict::Verified || node.verdict != Verdict::Verified);
    let reasons = deciding.flat_map(|node| node.reasons.iter());
    let reasons = reasons.filter(|reason| seen.insert((reason.code, reason.message.clone()))).cloned().collect();
    TreeVerdict { verdict, nodes, reasons }
}

/// Adds an unread node for every child nobody looked at, and drops repetitions.
fn complete(root: &NodeEvidence, descendants: Vec<NodeEvidence>) -> Vec<NodeEvidence> {
    let mut known: BTreeMap<Digest, ()> = BTreeMap::from([(root.digest.clone(), ())]);
    let mut nodes: Vec<NodeEvidence> = Vec::new();
    for node in descendants {
        if known.insert(node.digest.clone(), ()).is_none() {
            nodes.push(node);
        }
    }
    let named = root.children.iter().chain(nodes.iter().flat_map(|node| node.children.iter()));
    let missing: BTreeSet<Digest> = named.filter(|child| !known.contains_key(child)).cloned().collect();
    nodes.extend(missing.into_iter().map(|digest| {
        let problem = Reason::new(ReasonCode::LimitExceeded, format!("child {digest} was not looked at"));
        NodeEvidence::unread(digest, NodeKind::Image, None, problem)
    }));
    nodes
}

struct Finding {
    verdict: Verdict,
    reasons: Vec<Reason>,
}

impl Finding {
    fn of(&self, node: NodeEvidence) -> NodeVerdict {
        let (verdict, reasons) = (self.verdict, self.reasons.clone());
        let NodeEvidence { digest, kind, platform, attestations, .. } = node;
        NodeVerdict { digest, kind, platform, verdict, attestations, reasons }
    }

    fn start(node: &NodeEvidence) -> Self {
        let verdict = if node.contradictions.is_empty() { Verdict::Verified } else { Verdict::Refuted };
        Self { verdict, reasons: node.contradictions.clone() }
    }

    fn add(&mut self, verdict: Verdict, reasons: Vec<Reason>) {
        self.verdict = self.verdict.max(verdict);
        for reason in reasons {
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
        }
    }
}

fn judge_root(root: &NodeEvidence, descendants: &[NodeEvidence], required: &Requirements) -> Finding {
    let mut finding = Finding::start(root);
    if finding.verdict == Verdict::Refuted {
        return finding;
    }
    for predicate_type in required.of_root(root.kind) {
        let mut state = root.state(&predicate_type);
        if predicate_type == PredicateType::PROVENANCE && root.kind == NodeKind::Index {
            state = either(state, descendants, &predicate_type);
        }
        finding.add(state, why(root, &predicate_type, state));
    }
    // A node that nothing is required of still has to be there.
    if required.types.is_empty() && !root.problems.is_empty() {
        finding.add(Verdict::Unknown, root.problems.clone());
    }
    finding
}

/// Is there provenance that counts, on the first of `nodes` or on every image below it?
#[must_use]
pub fn provenance_verdict(root: &NodeEvidence, descendants: &[NodeEvidence]) -> Verdict {
    let own = root.state(&PredicateType::PROVENANCE);
    match root.kind {
        NodeKind::Index => either(own, descendants, &PredicateType::PROVENANCE),
        NodeKind::Image | NodeKind::Artifact => own,
    }
}

/// Provenance on the index, or on every image.
fn either(own: Verdict, descendants: &[NodeEvidence], predicate_type: &PredicateType) -> Verdict {
    let images = descendants.iter().filter(|node| node.kind == NodeKind::Image);
    let worst = images.map(|node| node.state(predicate_type)).max().unwrap_or(Verdict::Refuted);
    match (own, worst) {
        (Verdict::Verified, _) | (_, Verdict::Verified) => Verdict::Verified,
        (Verdict::Unknown, _) => Verdict::Unknown,
        (Verdict::Refuted, worst) => worst,
    }
}

fn judge_child(child: &NodeEvidence, root: &Finding, required: &Requirements) -> Finding {
    let mut finding = Finding::start(child);
    if finding.verdict == Verdict::Refuted {
        return finding;
    }
    for predicate_type in required.of_child(child.kind) {
        let state = child.state(&predicate_type);
        if state != Verdict::Refuted || !required.may_be_covered(&predicate_type) {
            finding.add(state, why(child, &predicate_type, state));
            continue;
        }
        match root.verdict {
            Verdict::Verified => {
                let name = predicate_type.name();
                let message = format!("no {name} of its own; the verified index names this digest");
                finding.add(Verdict::Verified, vec![Reason::new(ReasonCode::CoveredByIndex, message)]);
            }
            // It would be covered if the index is good, which could not be found out.
            Verdict::Unknown => finding.add(Verdict::Unknown, root.reasons.clone()),
            Verdict::Refuted => finding.add(state, why(child, &predicate_type, state)),
        }
    }
    if required.of_child(child.kind).is_empty() && !child.problems.is_empty() {
        finding.add(Verdict::Unknown, child.problems.clone());
    }
    finding
}

/// Why a required type is not there.
fn why(node: &NodeEvidence, predicate_type: &PredicateType, state: Verdict) -> Vec<Reason> {
    match state {
        Verdict::Verified => Vec::new(),
        Verdict::Unknown => {
            let may_be =
                |a: &&AttestationOutcome| a.predicate_type.as_ref().is_none_or(|t| t.satisfies(predicate_type));
            let unread = node.attestations.iter().filter(|a| a.verdict == Verdict::Unknown).filter(may_be);
            node.problems.iter().chain(unread.flat_map(|a| a.reasons.iter())).cloned().collect()
        }
        Verdict::Refuted => {
            let name = predicate_type.name();
            let code = match *predicate_type {
                PredicateType::SIGNATURE => ReasonCode::Unsigned,
                _ => ReasonCode::MissingAttestation,
            };
            let mut reason = Reason::new(code, format!("no sufficient {name} on {}", node.digest));
            let there = node.attestations.iter().filter_map(AttestationOutcome::statement);
            let there: Vec<_> = there.map(|s| (s.predicate_type().clone(), accepting_flags(s.signer()))).collect();
            reason.explanation = explain_missing(predicate_type, &there).map(Box::new);
            let mut reasons = vec![reason];
            // A refused bundle whose type could not be authenticated may have been meant for this.
            let meant = |a: &&AttestationOutcome| a.predicate_type.as_ref().is_none_or(|t| t.satisfies(predicate_type));
            let refused = node.attestations.iter().filter(|a| a.verdict == Verdict::Refuted).filter(meant);
            reasons.extend(refused.flat_map(|a| a.reasons.iter()).cloned());
            reasons
        }
    }
}
