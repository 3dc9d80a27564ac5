//! Step 6: everything is fetched again by a client with empty caches and verified as a stranger would.

use futures_util::future::{join, join_all, try_join_all};

use crate::evidence::VerifiedEvidence;
use crate::evidence::verdict::{NodeEvidence, Requirements, TreeVerdict, Verdict};
use crate::oci::DigestReference;
use crate::ops::gather::{Depth, lookup_failure};
use crate::ops::lists::Lists;
use crate::ops::promote::publish::PlacedOn;
use crate::ops::promote::{Gate, Promotion, State, Stop};
use crate::ops::tree::{self, TreeNode};
use crate::ops::verify::{fetch_root, gather_all};
use crate::policy::Reason;
use crate::promotion::Layouts;
use crate::registry::attach::Placed;
use crate::registry::{Registry, RegistryError};

enum Refused {
    Tree(Box<TreeVerdict>),
    Root(Verdict, Vec<Reason>),
}

impl Gate<'_> {
    pub(in crate::ops::promote) async fn read_back(
        &self,
        result: &mut Promotion,
        placed: &[PlacedOn],
    ) -> Result<Vec<VerifiedEvidence>, Stop> {
        self.ports.reporter.begin("read back");
        let registry = self.ports.fresh.fresh()?;
        join_all(placed.iter().map(|one| one.placed.settled())).await;
        let each = self.request.images.iter().enumerate().map(|(i, image)| {
            let placed = placed.iter().filter(|one| one.image == i).map(|one| &one.placed).collect();
            self.read_back_one(registry.as_ref(), &image.reference, placed)
        });
        let mut evidence = Vec::new();
        let mut failed: Vec<(State, Vec<Reason>)> = Vec::new();
        for (i, read) in join_all(each).await.into_iter().enumerate() {
            match read {
                Ok(verified) => {
                    result.images[i].tree = Some(verified.tree().clone());
                    evidence.push(verified);
                }
                Err(Refused::Tree(tree)) => {
                    failed.push((state(tree.verdict()), tree.reasons().to_vec()));
                    result.images[i].tree = Some(*tree);
                }
                Err(Refused::Root(verdict, reasons)) => failed.push((state(verdict), reasons)),
            }
        }
        if failed.is_empty() {
            let attestations: usize = evidence.iter().map(|e| e.statements().count()).sum();
            self.step("read back", &format!("{attestations} attestations verified"));
            return Ok(evidence);
        }
        let refuted = failed.iter().any(|(state, _)| *state == State::Refuted);
        let reasons = failed.into_iter().flat_map(|(_, reasons)| reasons).collect();
        Err(result.stop(if refuted { State::Refuted } else { State::Unknown }, reasons))
    }

    async fn read_back_one(
        &self,
        registry: &dyn Registry,
        reference: &DigestReference,
        placed: Vec<&Placed>,
    ) -> Result<VerifiedEvidence, Refused> {
        let mut nodes = listed_tree(registry, reference).await?;
        let lost = placed.into_iter().filter(|placed| !stands(placed, &nodes));
        let repairs = lost.map(|placed| placed.repair(self.ports.registry.as_ref(), &reference.repository));
        let unseen = |error: RegistryError| Refused::Root(Verdict::Unknown, vec![lookup_failure(&error)]);
        if !try_join_all(repairs).await.map_err(unseen)?.is_empty() {
            nodes = listed_tree(registry, reference).await?;
        }
        let required = Requirements::of_promote(nodes[0].evidence.kind());
        let rules = self.own_rules();
        // What one layout has already would keep the other from being read.
        let depth = if self.request.layouts == Layouts::Bundle { Depth::Enough } else { Depth::Everything };
        let (nodes, _) = gather_all(registry, &reference.repository, nodes, rules, &required, depth).await;
        let nodes: Vec<NodeEvidence> = nodes.into_iter().map(|node| node.evidence).collect();
        match complete(self.request.layouts, reference, &nodes) {
            Some(complete) => complete.map_err(Refused::Tree),
            None => Err(Refused::Root(Verdict::Unknown, Vec::new())),
        }
    }
}

/// The nodes and what is listed for each; asked for while the first manifest is on its way.
async fn listed_tree(registry: &dyn Registry, reference: &DigestReference) -> Result<Vec<TreeNode>, Refused> {
    let asked = reference.clone().into();
    let lists = Lists::read(registry, &reference.repository, &reference.digest);
    let (root, lists) = join(fetch_root(registry, &asked), lists).await;
    let root = root.map_err(|verification| Refused::Root(verification.verdict, verification.reasons))?;
    Ok(tree::read_listed(registry, &reference.repository, &root, Some(lists)).await)
}

/// Nothing that this run or somebody else attached was lost: two who write an index at once overwrite each other.
fn stands(placed: &Placed, nodes: &[TreeNode]) -> bool {
    let listed = nodes.iter().filter(|node| node.evidence.digest() == placed.subject());
    let listed: Vec<_> = listed.flat_map(|node| node.lists.entries()).collect();
    placed.stands_in(&listed)
}

/// The evidence of a tree, root first, if each layout that is configured holds all of it; otherwise what is missing.
/// `None` for no nodes.
pub(in crate::ops::promote) fn complete(
    layouts: Layouts,
    reference: &DigestReference,
    nodes: &[NodeEvidence],
) -> Option<Result<VerifiedEvidence, Box<TreeVerdict>>> {
    let gather = |nodes: Vec<NodeEvidence>| {
        let mut nodes = nodes.into_iter();
        Some(VerifiedEvidence::gather(reference.clone(), nodes.next()?, nodes.collect()))
    };
    for format in layouts.formats() {
        let of_format = nodes.iter().cloned().map(|mut node| {
            node.retain(|attestation| attestation.format() == *format);
            node
        });
        if let incomplete @ Err(_) = gather(of_format.collect())? {
            return Some(incomplete);
        }
    }
    gather(nodes.to_vec())
}

fn state(verdict: Verdict) -> State {
    match verdict {
        Verdict::Refuted => State::Refuted,
        Verdict::Unknown | Verdict::Verified => State::Unknown,
    }
}
