//! `verify`: a reference and everything below it, looked at as a stranger would, with a three-valued verdict.

use futures_util::future::{join, join_all};

use crate::evidence::PredicateType;
use crate::evidence::verdict::{NodeEvidence, NodeKind, Requirements, TreeVerdict, Verdict, judge};
use crate::oci::{Descriptor, Digest, RawManifest, Reference, Repository};
use crate::ops::builders::BuildersArchive;
use crate::ops::gather::{Depth, Rules, gather_listed, lookup_failure};
use crate::ops::lists::Lists;
use crate::ops::tree::{self, TreeNode};
use crate::policy::{Reason, ReasonCode};
use crate::registry::{ErrorKind, Registry};

/// What was found out about one reference.
#[derive(Debug, Clone)]
pub struct Verification {
    pub reference: Reference,
    /// `None` where the reference could not be resolved.
    pub digest: Option<Digest>,
    pub verdict: Verdict,
    /// `None` where there was no manifest to start from.
    pub tree: Option<TreeVerdict>,
    pub reasons: Vec<Reason>,
}

impl Verification {
    fn without_tree(reference: &Reference, digest: Option<Digest>, verdict: Verdict, reason: Reason) -> Self {
        Self { reference: reference.clone(), digest, verdict, tree: None, reasons: vec![reason] }
    }
}

/// Fetches the manifest behind `reference`, or says why there is nothing to verify.
pub async fn fetch_root(registry: &dyn Registry, reference: &Reference) -> Result<RawManifest, Verification> {
    let digest = match reference {
        Reference::Digest(r) => Some(r.digest.clone()),
        Reference::Tag(_) => None,
    };
    match registry.manifest(reference).await {
        Ok(Some(manifest)) => Ok(manifest),
        Ok(None) => {
            let reason = Reason::new(ReasonCode::NotFound, format!("{reference} does not exist"));
            Err(Verification::without_tree(reference, digest, Verdict::Unknown, reason))
        }
        Err(error) => {
            let verdict = if error.kind == ErrorKind::Contradiction { Verdict::Refuted } else { Verdict::Unknown };
            Err(Verification::without_tree(reference, digest, verdict, lookup_failure(&error)))
        }
    }
}

/// Resolves `reference` once and verifies the tree behind it; only the digest is used afterwards.
pub async fn verify(
    registry: &dyn Registry,
    reference: &Reference,
    rules: Rules<'_>,
    required: &Requirements,
    depth: Depth,
) -> Verification {
    verify_with(registry, None, reference, rules, required, depth).await
}

/// As [`verify`], and asks the builders' archive for provenance that is required and not in the registry.
pub async fn verify_with(
    registry: &dyn Registry,
    archive: Option<&BuildersArchive>,
    reference: &Reference,
    rules: Rules<'_>,
    required: &Requirements,
    depth: Depth,
) -> Verification {
    // What is listed under a digest can be asked before its manifest is there.
    let early_lists = async {
        match reference {
            Reference::Digest(r) => Some(Lists::read(registry, &r.repository, &r.digest).await),
            Reference::Tag(_) => None,
        }
    };
    let (root, lists) = join(fetch_root(registry, reference), early_lists).await;
    let root = match root {
        Ok(root) => root,
        Err(verification) => return verification,
    };
    let nodes = tree::read_listed(registry, reference.repository(), &root, lists).await;
    let (mut nodes, _) = gather_all(registry, reference.repository(), nodes, rules, required, depth).await;
    if let Some(archive) = archive.filter(|_| required.types.contains(&PredicateType::PROVENANCE)) {
        archive.add_to(&mut nodes, rules).await;
    }
    let tree = judge_nodes(nodes, required);
    Verification {
        reference: reference.clone(),
        digest: Some(root.digest().clone()),
        verdict: tree.verdict(),
        reasons: tree.reasons().to_vec(),
        tree: Some(tree),
    }
}

/// Reads the attestations of every node, nodes concurrently. The second value has each node's fallback entries.
pub async fn gather_all(
    registry: &dyn Registry,
    repository: &Repository,
    nodes: Vec<TreeNode>,
    rules: Rules<'_>,
    required: &Requirements,
    depth: Depth,
) -> (Vec<TreeNode>, Vec<Vec<Descriptor>>) {
    let each = nodes.into_iter().enumerate().map(|(i, mut node)| async move {
        let kind = node.evidence.kind();
        let mut types = if i == 0 { required.of_root(kind) } else { required.of_child(kind) };
        // It stands on the index or on every image; where, only looking tells.
        if i > 0 && kind == NodeKind::Image && required.types.contains(&PredicateType::PROVENANCE) {
            types.push(PredicateType::PROVENANCE);
        }
        let lists = node.lists.clone();
        let fallback = gather_listed(registry, repository, &mut node.evidence, rules, &types, depth, lists).await;
        (node, fallback)
    });
    join_all(each).await.into_iter().unzip()
}

/// The first node is the asked-for one.
#[must_use]
pub fn judge_nodes(nodes: Vec<TreeNode>, required: &Requirements) -> TreeVerdict {
    let mut evidence: Vec<NodeEvidence> = nodes.into_iter().map(|node| node.evidence).collect();
    let root = evidence.remove(0);
    judge(root, evidence, required)
}
