//! Build provenance that the builder left with GitHub instead of the registry (`actions/attest-*` without
//! `push-to-registry`).
//!
//! Asked only where provenance is required and the registry has none that counts. The bundles are verified exactly as those
//! of a registry, and count as build provenance and as nothing else. A look that failed makes *provenance* unknown, never
//! another kind of evidence: that could not have been there (I6).

use std::sync::Arc;

use crate::evidence::verdict::{AttestationOutcome, Format, NodeEvidence, NodeKind, Verdict, provenance_verdict};
use crate::evidence::{MAX_BUNDLE_BYTES, PredicateType, Refusal, Unverified, verify};
use crate::github::{ErrorKind, GitHub, GitHubError};
use crate::identity::GitHubRepository;
use crate::oci::Digest;
use crate::ops::gather::Rules;
use crate::ops::tree::TreeNode;
use crate::policy::{Reason, ReasonCode};

/// Images below an index that are asked about one by one. Without a token GitHub answers 60 requests an hour.
const MAX_IMAGES: usize = 32;

/// Where builders may have left provenance: GitHub, about this repository's builds.
#[derive(Debug, Clone)]
pub struct BuildersArchive {
    pub github: Arc<dyn GitHub>,
    pub repository: GitHubRepository,
}

impl BuildersArchive {
    /// Adds what GitHub has about `nodes`, the asked-for one first, unless provenance that counts is there already.
    pub async fn add_to(&self, nodes: &mut [TreeNode], rules: Rules<'_>) {
        if verdict(nodes) == Verdict::Verified {
            return;
        }
        let Some(root) = nodes.first_mut() else { return };
        let found = self.look(root.evidence.digest(), rules).await;
        let failed = found.iter().any(|outcome| outcome.verdict() == Verdict::Unknown);
        add(&mut root.evidence, found);
        // What failed for the index would fail for its images, and they would not make up for it.
        if failed || verdict(nodes) == Verdict::Verified {
            return;
        }
        self.add_to_images(nodes, rules).await;
    }

    /// Provenance on every image is as good as on the index.
    async fn add_to_images(&self, nodes: &mut [TreeNode], rules: Rules<'_>) {
        let without = |node: &&mut TreeNode| {
            node.evidence.kind() == NodeKind::Image && !node.evidence.has_all(&[PredicateType::PROVENANCE])
        };
        let mut images: Vec<&mut TreeNode> = nodes.iter_mut().skip(1).filter(without).collect();
        let too_many = images.len() > MAX_IMAGES;
        if let Some(first) = images.first_mut().filter(|_| too_many) {
            let digest = first.evidence.digest().clone();
            let message = format!("GitHub is asked about at most {MAX_IMAGES} images of one index");
            first.evidence.push(unread(digest, Reason::new(ReasonCode::LimitExceeded, message)));
            return;
        }
        // One after another: what each answer may hold is bounded, several of them together are not.
        for node in images {
            let found = self.look(node.evidence.digest(), rules).await;
            add(&mut node.evidence, found);
        }
    }

    async fn look(&self, subject: &Digest, rules: Rules<'_>) -> Vec<AttestationOutcome> {
        let page = format!("{}/attestations", self.repository.uri());
        let found: Vec<AttestationOutcome> = match self.github.attestations(&self.repository, subject).await {
            Ok(bundles) => bundles.into_iter().filter_map(|bundle| outcome(subject, bundle, rules)).collect(),
            Err(error) => vec![unread(subject.clone(), lookup_failure(&error))],
        };
        found.into_iter().map(|outcome| outcome.kept_at(&page)).collect()
    }
}

/// `None` for what is authentic and something else than build provenance.
fn outcome(subject: &Digest, bundle: Result<Vec<u8>, GitHubError>, rules: Rules<'_>) -> Option<AttestationOutcome> {
    let bytes = match bundle {
        Ok(bytes) => bytes,
        Err(error) => return Some(unread(subject.clone(), lookup_failure(&error))),
    };
    let digest = Digest::of(&bytes);
    if bytes.len() as u64 > MAX_BUNDLE_BYTES {
        let message = format!("the bundle has {} bytes, at most {MAX_BUNDLE_BYTES} are read", bytes.len());
        return Some(unread(digest, Reason::new(ReasonCode::BundleTooLarge, message)));
    }
    let Rules { trust_root, expected, moment, .. } = rules;
    let result: Result<_, Refusal> =
        Unverified::from_bytes(&bytes).and_then(|bundle| verify(&bundle, subject, expected, trust_root, moment));
    let found = result.as_ref().err().and_then(|refusal| refusal.found.clone());
    let looked_at = AttestationOutcome::of(digest, Format::BundleV03, result);
    let is_provenance = looked_at.predicate_type().is_none_or(PredicateType::is_provenance);
    is_provenance.then(|| looked_at.explained(found.as_deref(), expected, &[PredicateType::PROVENANCE]))
}

/// The same bundle may lie in the registry too.
fn add(node: &mut NodeEvidence, found: Vec<AttestationOutcome>) {
    for outcome in found {
        if !node.attestations().iter().any(|known| known.bundle() == outcome.bundle()) {
            node.push(outcome);
        }
    }
}

fn unread(digest: Digest, reason: Reason) -> AttestationOutcome {
    AttestationOutcome::unread(digest, Format::BundleV03, reason).which_can_only_be(PredicateType::PROVENANCE)
}

fn verdict(nodes: &[TreeNode]) -> Verdict {
    let evidence: Vec<NodeEvidence> = nodes.iter().map(|node| node.evidence.clone()).collect();
    evidence.split_first().map_or(Verdict::Unknown, |(root, descendants)| provenance_verdict(root, descendants))
}

/// What a failed look at GitHub is called in reports.
fn lookup_failure(error: &GitHubError) -> Reason {
    let (code, help) = match error.kind {
        ErrorKind::Unauthenticated => (ReasonCode::Unauthenticated, "set GITHUB_TOKEN to a token that is good"),
        ErrorKind::Forbidden => (ReasonCode::Forbidden, "the token needs attestations: read"),
        ErrorKind::RateLimited => (ReasonCode::Unreachable, "set GITHUB_TOKEN, or try again later"),
        ErrorKind::Unavailable => (ReasonCode::Unreachable, "try again"),
        ErrorKind::Malformed => (ReasonCode::MalformedAnswer, "check github-api in the configuration"),
        ErrorKind::Limit => {
            (ReasonCode::LimitExceeded, "push the attestation to the registry (push-to-registry: true)")
        }
    };
    Reason::new(code, format!("build provenance kept by GitHub: {error}")).with_help(help)
}
