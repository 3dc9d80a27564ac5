//! What was found on one node: its manifest, its attestations, and what could not be read.

use jiff::Timestamp;
use serde::Serialize;

use crate::evidence::explain::explain;
use crate::evidence::verdict::Verdict;
use crate::evidence::{Found, PredicateType, Refusal, Statement, Verified};
use crate::identity::{ExpectedIdentities, SignerIdentity};
use crate::oci::manifest::ManifestError;
use crate::oci::{Digest, Manifest, Platform, RawManifest};
use crate::policy::Reason;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    Index,
    Image,
    Artifact,
}

/// In which layout an attestation was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Format {
    #[serde(rename = "bundle-v0.3")]
    BundleV03,
    #[serde(rename = "cosign-legacy")]
    CosignLegacy,
}

/// One attestation that was found, and whether it counts. Serialises as in `verify --output json`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttestationOutcome {
    pub(super) predicate_type: Option<PredicateType>,
    pub(super) identity: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) logged_at: Option<Timestamp>,
    pub(super) bundle: Digest,
    pub(super) format: Format,
    /// The page where it is kept, if that is not the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kept_at: Option<String>,
    pub(super) verdict: Verdict,
    pub(super) reasons: Vec<Reason>,
    #[serde(skip)]
    pub(super) statement: Option<Box<Verified<Statement>>>,
    /// Authentic, but not necessarily an expected one.
    #[serde(skip)]
    pub(super) signer: Option<Box<SignerIdentity>>,
}

impl AttestationOutcome {
    /// Of a bundle that was read. `bundle` is the digest of its blob.
    #[must_use]
    pub fn of(bundle: Digest, format: Format, result: Result<Verified<Statement>, Refusal>) -> Self {
        match result {
            Ok(statement) => Self {
                predicate_type: Some(statement.predicate_type().clone()),
                identity: Some(statement.signer().name.clone()),
                issuer: Some(statement.signer().issuer.clone()),
                logged_at: Some(statement.logged_at()),
                bundle,
                format,
                kept_at: None,
                verdict: Verdict::Verified,
                reasons: Vec::new(),
                signer: Some(Box::new(statement.signer().clone())),
                statement: Some(Box::new(statement)),
            },
            Err(refusal) => Self {
                predicate_type: refusal.found.as_ref().and_then(|found| found.predicate_type.clone()),
                identity: refusal.found.as_ref().map(|found| found.signer.name.clone()),
                issuer: refusal.found.as_ref().map(|found| found.signer.issuer.clone()),
                logged_at: refusal.found.as_ref().map(|found| found.logged_at),
                bundle,
                format,
                kept_at: None,
                verdict: Verdict::Refuted,
                reasons: vec![refusal.reason()],
                statement: None,
                signer: refusal.found.map(|found| Box::new(found.signer)),
            },
        }
    }

    /// Adds, to a refusal of something authentic, what was expected beside what was found.
    #[must_use]
    pub fn explained(
        mut self,
        found: Option<&Found>,
        expected: &ExpectedIdentities,
        required: &[PredicateType],
    ) -> Self {
        if let (Some(found), Some(reason)) = (found, self.reasons.first_mut()) {
            reason.explanation = Some(Box::new(explain(found, expected, required)));
        }
        self
    }

    /// Of a referrer whose manifest or bundle could not be read; `digest` is the one that was asked for.
    #[must_use]
    pub fn unread(digest: Digest, format: Format, reason: Reason) -> Self {
        Self {
            predicate_type: None,
            identity: None,
            issuer: None,
            logged_at: None,
            bundle: digest,
            format,
            kept_at: None,
            verdict: Verdict::Unknown,
            reasons: vec![reason],
            statement: None,
            signer: None,
        }
    }

    /// Says of what could not be read that it is of this type, or nothing: the other types are not made *unknown* by it.
    #[must_use]
    pub fn which_can_only_be(self, predicate_type: PredicateType) -> Self {
        Self { predicate_type: Some(predicate_type), ..self }
    }

    /// Says that it was not in the registry but at this page.
    #[must_use]
    pub fn kept_at(self, page: &str) -> Self {
        Self { kept_at: Some(page.to_owned()), ..self }
    }

    /// The page where it is kept; `None` for what the registry holds.
    #[must_use]
    pub fn keeper(&self) -> Option<&str> {
        self.kept_at.as_deref()
    }

    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    #[must_use]
    pub fn predicate_type(&self) -> Option<&PredicateType> {
        self.predicate_type.as_ref()
    }

    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Who signed it, where that was authenticated; whether it counts is the verdict's to say.
    #[must_use]
    pub fn signer(&self) -> Option<&SignerIdentity> {
        self.signer.as_deref()
    }

    /// The digest of the bundle, or of what could not be read instead of it.
    #[must_use]
    pub fn bundle(&self) -> &Digest {
        &self.bundle
    }

    /// The verified statement, where the verdict is *verified*.
    #[must_use]
    pub fn statement(&self) -> Option<&Verified<Statement>> {
        self.statement.as_deref()
    }
}

/// Everything found about one node of the tree.
#[derive(Debug, Clone)]
pub struct NodeEvidence {
    pub(super) digest: Digest,
    pub(super) kind: NodeKind,
    pub(super) platform: Option<Platform>,
    /// Children that need evidence: all but `BuildKit`'s attestation manifests.
    pub(super) children: Vec<Digest>,
    pub(super) attestations: Vec<AttestationOutcome>,
    /// What could have held evidence and was not readable, limits included.
    pub(super) problems: Vec<Reason>,
    /// What is wrong with the node itself: bytes that contradict their digest, a manifest that is missing.
    pub(super) contradictions: Vec<Reason>,
}

impl NodeEvidence {
    /// A node whose manifest was fetched. Its digest is computed from the bytes, so it is the caller's to compare with
    /// what was asked for; the children come from these bytes too.
    pub fn of(manifest: &RawManifest, platform: Option<Platform>) -> Result<Self, ManifestError> {
        let (kind, children) = match manifest.parse()? {
            Manifest::Index(index) => {
                let children = index.manifests.iter().filter(|child| !child.is_marked_as_buildkit_attestation());
                (NodeKind::Index, children.map(|child| child.digest.clone()).collect())
            }
            Manifest::Image(image) if image.is_container_image() => (NodeKind::Image, Vec::new()),
            Manifest::Image(_) => (NodeKind::Artifact, Vec::new()),
        };
        Ok(Self::bare(manifest.digest().clone(), kind, platform, children))
    }

    /// A node whose manifest could not be read: *unknown*.
    #[must_use]
    pub fn unread(digest: Digest, kind: NodeKind, platform: Option<Platform>, problem: Reason) -> Self {
        Self { problems: vec![problem], ..Self::bare(digest, kind, platform, Vec::new()) }
    }

    /// A node whose manifest is missing or not what its digest says: *refuted*.
    #[must_use]
    pub fn contradicted(digest: Digest, kind: NodeKind, platform: Option<Platform>, reason: Reason) -> Self {
        Self { contradictions: vec![reason], ..Self::bare(digest, kind, platform, Vec::new()) }
    }

    fn bare(digest: Digest, kind: NodeKind, platform: Option<Platform>, children: Vec<Digest>) -> Self {
        let (attestations, problems, contradictions) = (Vec::new(), Vec::new(), Vec::new());
        Self { digest, kind, platform, children, attestations, problems, contradictions }
    }

    /// Adds an attestation that was found.
    pub fn push(&mut self, attestation: AttestationOutcome) {
        self.attestations.push(attestation);
    }

    /// Keeps only the attestations that `keep` accepts; leaving some out never makes a verdict better.
    pub fn retain(&mut self, keep: impl Fn(&AttestationOutcome) -> bool) {
        self.attestations.retain(keep);
    }

    /// Notes that something which could have held evidence was not readable, or that a limit was hit.
    pub fn push_problem(&mut self, problem: Reason) {
        self.problems.push(problem);
    }

    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    #[must_use]
    pub fn kind(&self) -> NodeKind {
        self.kind
    }

    #[must_use]
    pub fn children(&self) -> &[Digest] {
        &self.children
    }

    #[must_use]
    pub fn attestations(&self) -> &[AttestationOutcome] {
        &self.attestations
    }

    /// What could have held evidence and was not readable.
    #[must_use]
    pub fn problems(&self) -> &[Reason] {
        &self.problems
    }

    /// Is there a verified attestation of every type in `types` already? Then reading may stop.
    #[must_use]
    pub fn has_all<'a>(&self, types: impl IntoIterator<Item = &'a PredicateType>) -> bool {
        types.into_iter().all(|t| self.state(t) == Verdict::Verified)
    }

    /// What this node alone says about one predicate type.
    pub(super) fn state(&self, predicate_type: &PredicateType) -> Verdict {
        let of_type =
            |a: &&AttestationOutcome| a.predicate_type.as_ref().is_some_and(|found| found.satisfies(predicate_type));
        if self.attestations.iter().filter(of_type).any(|a| a.verdict == Verdict::Verified) {
            return Verdict::Verified;
        }
        let may_be = |a: &AttestationOutcome| a.predicate_type.as_ref().is_none_or(|t| t.satisfies(predicate_type));
        let unread = |a: &AttestationOutcome| a.verdict == Verdict::Unknown && may_be(a);
        if !self.problems.is_empty() || self.attestations.iter().any(unread) {
            return Verdict::Unknown;
        }
        Verdict::Refuted
    }
}
