//! The nodes of a reference as evidence sees them: every manifest fetched and hashed, children concurrently.
//!
//! A missing child and bytes that contradict their digest are *refuted*, a child that cannot be read is *unknown*; the
//! other children are still looked at. Limits: product.md, "Verdict rules".

use futures_util::future::{BoxFuture, join, join_all};

use crate::evidence::verdict::{NodeEvidence, NodeKind};
use crate::evidence::{Statement, Verified};
use crate::image::limits::{MAX_CHILDREN, MAX_INDEX_DEPTH};
use crate::oci::{Descriptor, DigestReference, Manifest, Platform, RawManifest, Repository, media_type};
use crate::ops::gather::lookup_failure;
use crate::ops::lists::Lists;
use crate::policy::{Reason, ReasonCode};
use crate::registry::{ErrorKind, Registry};

/// A node with what is needed to write about it.
#[derive(Debug, Clone)]
pub struct TreeNode {
    pub evidence: NodeEvidence,
    pub descriptor: Descriptor,
    /// What is listed for it; read while the manifests came in.
    pub lists: Lists,
}

impl TreeNode {
    /// Without the verified attestations whose signer `accept` refuses.
    #[must_use]
    pub fn signed_by(mut self, accept: impl Fn(&Verified<Statement>) -> bool) -> Self {
        self.evidence.retain(|outcome| outcome.statement().is_none_or(&accept));
        self
    }
}

/// The asked-for node first, then everything below it that needs evidence.
pub async fn read(registry: &dyn Registry, repository: &Repository, root: &RawManifest) -> Vec<TreeNode> {
    read_listed(registry, repository, root, None).await
}

/// As [`read`], with the root's lists where they are known already.
pub async fn read_listed(
    registry: &dyn Registry,
    repository: &Repository,
    root: &RawManifest,
    lists: Option<Lists>,
) -> Vec<TreeNode> {
    node(registry, repository, root.descriptor(), None, Ok(root.clone()), lists, 1).await
}

fn node<'a>(
    registry: &'a dyn Registry,
    repository: &'a Repository,
    descriptor: Descriptor,
    platform: Option<Platform>,
    manifest: Result<RawManifest, (bool, Reason)>,
    lists: Option<Lists>,
    depth: usize,
) -> BoxFuture<'a, Vec<TreeNode>> {
    Box::pin(async move {
        let kind = if media_type::is_index(&descriptor.media_type) { NodeKind::Index } else { NodeKind::Image };
        let digest = descriptor.digest.clone();
        let own_lists = async {
            match lists {
                Some(lists) => lists,
                None => Lists::read(registry, repository, &descriptor.digest).await,
            }
        };
        let wrong = |reason| NodeEvidence::contradicted(digest.clone(), kind, platform.clone(), reason);
        let unread = |reason| NodeEvidence::unread(digest.clone(), kind, platform.clone(), reason);
        let manifest = match manifest {
            Ok(manifest) => manifest,
            Err((refuted, reason)) => {
                let evidence = if refuted { wrong(reason) } else { unread(reason) };
                let lists = own_lists.await;
                return vec![TreeNode { evidence, descriptor, lists }];
            }
        };
        let (mut evidence, parsed) = match (NodeEvidence::of(&manifest, platform.clone()), manifest.parse()) {
            (Ok(evidence), Ok(parsed)) => (evidence, parsed),
            (Err(error), _) | (_, Err(error)) => {
                let evidence = wrong(Reason::new(ReasonCode::DigestMismatch, error.to_string()));
                let lists = own_lists.await;
                return vec![TreeNode { evidence, descriptor, lists }];
            }
        };
        let Manifest::Index(index) = parsed else {
            let lists = own_lists.await;
            return vec![TreeNode { evidence, descriptor, lists }];
        };
        let wanted = |child: &&Descriptor| evidence.children().contains(&child.digest);
        let children: Vec<Descriptor> = index.manifests.iter().filter(wanted).cloned().collect();
        if depth > MAX_INDEX_DEPTH || children.len() > MAX_CHILDREN {
            let message =
                format!("{digest}: indexes nest at most {MAX_INDEX_DEPTH} deep with at most {MAX_CHILDREN} children");
            evidence.push_problem(Reason::new(ReasonCode::LimitExceeded, message));
            let lists = own_lists.await;
            return vec![TreeNode { evidence, descriptor, lists }];
        }
        let below = children.into_iter().map(|child| async move {
            let lists = Lists::read(registry, repository, &child.digest);
            let (fetched, lists) = join(fetch(registry, repository, &child), lists).await;
            let platform = child.platform.clone();
            node(registry, repository, child, platform, fetched, Some(lists), depth + 1).await
        });
        let (lists, below) = join(own_lists, join_all(below)).await;
        let mut nodes = vec![TreeNode { evidence, descriptor, lists }];
        nodes.extend(below.into_iter().flatten());
        nodes
    })
}

/// A child's manifest, or whether its absence refutes the tree, and why.
async fn fetch(
    registry: &dyn Registry,
    repository: &Repository,
    child: &Descriptor,
) -> Result<RawManifest, (bool, Reason)> {
    let reference = DigestReference { repository: repository.clone(), digest: child.digest.clone() };
    match registry.manifest(&reference.into()).await {
        Ok(Some(manifest)) if manifest.bytes().len() as u64 == child.size => Ok(manifest),
        Ok(Some(manifest)) => {
            let found = manifest.bytes().len();
            let message = format!("child {}: expected {} bytes, found {found}", child.digest, child.size);
            Err((true, Reason::new(ReasonCode::DigestMismatch, message)))
        }
        Ok(None) => {
            let message = format!("child {} is not in {repository}", child.digest);
            Err((true, Reason::new(ReasonCode::ChildMissing, message)))
        }
        Err(error) => Err((error.kind == ErrorKind::Contradiction, lookup_failure(&error))),
    }
}
