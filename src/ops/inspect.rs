//! `inspect`: what a reference is, without judging it. Everything shown here is unverified but for digests.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;

use crate::image::{ImageError, ImageTree, Node, NodeKind, RegistrySource, expand};
use crate::oci::{Descriptor, Digest, Platform, Reference, Repository, Tag};
use crate::registry::attach::PREDICATE_TYPE_HINT;
use crate::registry::{ReferrersAnswer, Registry, fallback};

/// Tags whose target is looked up; of more, the rest is only counted (a HEAD each).
const MAX_TAGS: usize = 200;
/// HEAD requests at once.
const PARALLEL: usize = 8;

/// An attached artifact as listed.
#[derive(Debug, Clone)]
pub struct Attached {
    pub digest: Digest,
    pub artifact_type: Option<String>,
    /// The unsigned hint, for people.
    pub predicate_type: Option<String>,
    /// `referrers API` or `fallback tag`.
    pub place: &'static str,
}

#[derive(Debug, Clone)]
pub struct InspectedNode {
    pub digest: Digest,
    pub kind: &'static str,
    pub platform: Option<Platform>,
    pub compressed_size: Option<u64>,
    pub labels: BTreeMap<String, String>,
    pub layers: Vec<Descriptor>,
    pub referrers: Vec<Attached>,
    pub notes: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Inspection {
    pub reference: Reference,
    pub digest: Digest,
    pub nodes: Vec<InspectedNode>,
    /// Tags that point to the digest.
    pub tags: Vec<Tag>,
    pub notes: Vec<String>,
}

/// Reads the tree under `digest`, to which `reference` was resolved.
pub async fn inspect(
    registry: &Arc<dyn Registry>,
    reference: &Reference,
    digest: &Digest,
) -> Result<Inspection, ImageError> {
    let repository = reference.repository();
    let source = RegistrySource::new(registry.clone(), repository.clone());
    let tree: ImageTree = expand(&source, digest).await?;
    let nodes = join_all(tree.nodes().into_iter().map(|node| inspected(registry.as_ref(), repository, node))).await;
    let (tags, mut notes) = tags_of(registry.as_ref(), repository, digest).await;
    notes.extend(tree.problems.iter().map(|reason| format!("{}: {}", reason.code, reason.message)));
    Ok(Inspection { reference: reference.clone(), digest: digest.clone(), nodes, tags, notes })
}

async fn inspected(registry: &dyn Registry, repository: &Repository, node: &Node) -> InspectedNode {
    let (referrers, notes) = attached(registry, repository, node.digest()).await;
    InspectedNode {
        digest: node.digest().clone(),
        kind: match node.kind {
            NodeKind::Index => "index",
            NodeKind::Image => "image",
            NodeKind::Artifact => "artifact",
            NodeKind::BuildKitAttestation => "buildkit-attestation",
        },
        platform: node.platform.clone(),
        compressed_size: node.image.as_ref().map(|image| image.compressed_size),
        labels: node.image.as_ref().map(|image| image.labels.clone()).unwrap_or_default(),
        layers: node.image.as_ref().map(|image| image.layers.clone()).unwrap_or_default(),
        referrers,
        notes,
    }
}

async fn attached(registry: &dyn Registry, repository: &Repository, digest: &Digest) -> (Vec<Attached>, Vec<String>) {
    let mut found = Vec::new();
    let mut notes = Vec::new();
    let add = |list: Vec<Descriptor>, place: &'static str, found: &mut Vec<Attached>| {
        for descriptor in list {
            if !found.iter().any(|known: &Attached| known.digest == descriptor.digest) {
                let hint = descriptor.annotations.get(PREDICATE_TYPE_HINT).cloned();
                let Descriptor { digest, artifact_type, .. } = descriptor;
                found.push(Attached { digest, artifact_type, predicate_type: hint, place });
            }
        }
    };
    match registry.referrers(repository, digest).await {
        Ok(ReferrersAnswer::Supported(list)) => add(list, "referrers API", &mut found),
        Ok(ReferrersAnswer::Absent) => {}
        Ok(ReferrersAnswer::Unclear { why }) => notes.push(format!("referrers API: {why}")),
        Err(error) => notes.push(error.to_string()),
    }
    match fallback::read_fallback(registry, repository, digest).await {
        Ok(list) => add(list.unwrap_or_default(), "fallback tag", &mut found),
        Err(error) => notes.push(error.to_string()),
    }
    (found, notes)
}

async fn tags_of(registry: &dyn Registry, repository: &Repository, digest: &Digest) -> (Vec<Tag>, Vec<String>) {
    let tags = match registry.tags(repository).await {
        Ok(tags) => tags.unwrap_or_default(),
        Err(error) => return (Vec::new(), vec![error.to_string()]),
    };
    let mut notes = Vec::new();
    if tags.len() > MAX_TAGS {
        notes.push(format!("{} tags, only the first {MAX_TAGS} were looked at", tags.len()));
    }
    let heads = stream::iter(tags.into_iter().take(MAX_TAGS)).map(|tag| async move {
        let target = registry.head(repository, &tag).await;
        (tag, target)
    });
    let heads: Vec<_> = heads.buffered(PARALLEL).collect().await;
    let mut pointing = Vec::new();
    for (tag, target) in heads {
        match target {
            Ok(target) if target.as_ref() == Some(digest) => pointing.push(tag),
            Ok(_) => {}
            Err(error) => notes.push(error.to_string()),
        }
    }
    (pointing, notes)
}
