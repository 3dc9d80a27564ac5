//! Reads what is attached to one node, from whichever layout holds it, and verifies each bundle.
//!
//! Order: referrers API, then the fallback tag; reading stops once every required predicate type has a verified
//! attestation, unless everything is asked for. Annotations only decide what is fetched *first*, never what counts.
//! A look-up that failed is kept as a problem, so that a verdict is never made better by it (I6).

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::io::AsyncReadExt;

use crate::evidence::{MAX_BUNDLE_BYTES, Moment, PredicateType, Refusal, Statement, TrustRoot, Unverified, Verified, verify};
use crate::identity::ExpectedIdentities;
use crate::oci::{Descriptor, Digest, DigestReference, Manifest, Repository, media_type};
use crate::policy::{Reason, ReasonCode};
use crate::registry::{ErrorKind, MAX_REFERRERS, ReferrersAnswer, Registry, RegistryError, fallback};

/// Referrers of one node that are fetched at once; the registry client limits requests per host besides.
const PARALLEL: usize = 8;

/// The annotation by which cosign tells the predicate type of a referrer. Unsigned: a hint for the order only.
const PREDICATE_TYPE_HINT: &str = "dev.sigstore.bundle.predicateType";

/// Under which rules attestations count.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    pub trust_root: &'a TrustRoot,
    pub expected: &'a ExpectedIdentities,
    pub moment: Moment,
}

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Until every required predicate type is there.
    Enough,
    /// Everything that can be found.
    Everything,
}

/// One bundle that was found, verified or refused.
#[derive(Debug)]
pub struct Attached {
    /// Digest of the bundle blob; of the referrer manifest where the blob could not be read.
    pub bundle: Digest,
    pub result: Result<Verified<Statement>, Refusal>,
}

/// Something that might have held evidence and could not be read.
#[derive(Debug, Clone)]
pub struct Problem {
    pub kind: ErrorKind,
    pub reason: Reason,
}

impl Problem {
    fn of(error: &RegistryError) -> Self {
        Self { kind: error.kind, reason: Reason::new(reason_code(error.kind), error.to_string()) }
    }

    fn new(kind: ErrorKind, code: ReasonCode, message: impl Into<String>) -> Self {
        Self { kind, reason: Reason::new(code, message) }
    }
}

/// The code under which a failed look-up is reported.
#[must_use]
pub fn reason_code(kind: ErrorKind) -> ReasonCode {
    match kind {
        ErrorKind::Unauthenticated => ReasonCode::Unauthenticated,
        ErrorKind::Forbidden => ReasonCode::Forbidden,
        ErrorKind::RateLimited | ErrorKind::Unavailable => ReasonCode::Unreachable,
        ErrorKind::Contradiction => ReasonCode::DigestMismatch,
        ErrorKind::Malformed | ErrorKind::Refused => ReasonCode::MalformedAnswer,
        ErrorKind::Limit => ReasonCode::LimitExceeded,
    }
}

/// Everything that was found attached to one node.
#[derive(Debug, Default)]
pub struct Gathered {
    pub attached: Vec<Attached>,
    pub problems: Vec<Problem>,
    /// Entries of the fallback index, so that a later write of ours keeps them.
    pub fallback: Vec<Descriptor>,
}

impl Gathered {
    /// Verified attestations of one type, in the order found.
    pub fn verified<'a>(&'a self, kind: &'a PredicateType) -> impl Iterator<Item = &'a Verified<Statement>> {
        let verified = self.attached.iter().filter_map(|a| a.result.as_ref().ok());
        verified.filter(move |v| v.predicate_type() == kind)
    }

    fn satisfies(&self, required: &[PredicateType]) -> bool {
        required.iter().all(|kind| self.verified(kind).next().is_some())
    }
}

/// Reads the attestations of `subject` until those of the `required` types are there.
pub async fn gather(
    registry: &dyn Registry,
    repository: &Repository,
    subject: &Digest,
    rules: Rules<'_>,
    required: &[PredicateType],
    depth: Depth,
) -> Gathered {
    let node = Node { registry, repository, subject, rules, required, depth };
    let mut gathered = Gathered::default();
    let mut seen = BTreeSet::new();
    node.from_api(&mut gathered, &mut seen).await;
    if depth == Depth::Everything || !gathered.satisfies(required) {
        node.from_fallback(&mut gathered, &mut seen).await;
    }
    gathered
}

struct Node<'a> {
    registry: &'a dyn Registry,
    repository: &'a Repository,
    subject: &'a Digest,
    rules: Rules<'a>,
    required: &'a [PredicateType],
    depth: Depth,
}

impl Node<'_> {
    async fn from_api(&self, gathered: &mut Gathered, seen: &mut BTreeSet<Digest>) {
        match self.registry.referrers(self.repository, self.subject).await {
            Ok(ReferrersAnswer::Supported(list)) => self.read(list, gathered, seen).await,
            Ok(ReferrersAnswer::Absent) => {}
            Ok(ReferrersAnswer::Unclear { why }) => {
                let message = format!("the referrers API of {} gave no usable answer: {why}", self.repository);
                gathered.problems.push(Problem::new(ErrorKind::Malformed, ReasonCode::ReferrersUnclear, message));
            }
            Err(error) => gathered.problems.push(Problem::of(&error)),
        }
    }

    async fn from_fallback(&self, gathered: &mut Gathered, seen: &mut BTreeSet<Digest>) {
        match fallback::read_fallback(self.registry, self.repository, self.subject).await {
            Ok(None) => {}
            Ok(Some(list)) => {
                gathered.fallback.clone_from(&list);
                self.read(list, gathered, seen).await;
            }
            Err(error) => gathered.problems.push(Problem::of(&error)),
        }
    }

    /// What the hints call required comes first; the rest only if that was not enough.
    async fn read(&self, list: Vec<Descriptor>, gathered: &mut Gathered, seen: &mut BTreeSet<Digest>) {
        let fresh: Vec<Descriptor> = list.into_iter().filter(|d| seen.insert(d.digest.clone())).collect();
        if seen.len() > MAX_REFERRERS {
            let message = format!("{} has more than {MAX_REFERRERS} referrers", self.subject);
            gathered.problems.push(Problem::new(ErrorKind::Limit, ReasonCode::TooManyReferrers, message));
            return;
        }
        let (first, later): (Vec<_>, Vec<_>) = fresh.into_iter().partition(|d| self.hinted_as_required(d));
        self.fetch(first, gathered).await;
        if self.depth == Depth::Everything || !gathered.satisfies(self.required) {
            self.fetch(later, gathered).await;
        }
    }

    fn hinted_as_required(&self, descriptor: &Descriptor) -> bool {
        match descriptor.annotations.get(PREDICATE_TYPE_HINT) {
            Some(hint) => self.required.iter().any(|kind| kind.as_str() == hint),
            None => true,
        }
    }

    async fn fetch(&self, list: Vec<Descriptor>, gathered: &mut Gathered) {
        let fetched: Vec<_> = stream::iter(list.into_iter().map(|d| async move { self.attestation(&d.digest).await }))
            .buffered(PARALLEL)
            .collect()
            .await;
        for result in fetched {
            match result {
                Ok(Some(attached)) => gathered.attached.push(attached),
                Ok(None) => {}
                Err(problem) => gathered.problems.push(problem),
            }
        }
    }

    /// `Ok(None)`: a referrer of another kind, or one about another subject.
    async fn attestation(&self, digest: &Digest) -> Result<Option<Attached>, Problem> {
        let reference = DigestReference { repository: self.repository.clone(), digest: digest.clone() };
        let raw = match self.registry.manifest(&reference.into()).await {
            Ok(Some(raw)) => raw,
            // Listed, but gone: an index that lags behind a deletion.
            Ok(None) => return Ok(None),
            Err(error) if error.kind == ErrorKind::Contradiction => return Ok(Some(refused(digest, &error))),
            Err(error) => return Err(Problem::of(&error)),
        };
        let Ok(Manifest::Image(image)) = raw.parse() else { return Ok(None) };
        if image.subject.as_ref().is_none_or(|subject| subject.digest != *self.subject) {
            return Ok(None);
        }
        let [layer] = image.layers.as_slice() else { return Ok(None) };
        if layer.media_type != media_type::SIGSTORE_BUNDLE && !image.effective_artifact_type().contains("sigstore.bundle") {
            return Ok(None);
        }
        self.bundle(layer).await.map(Some)
    }

    async fn bundle(&self, layer: &Descriptor) -> Result<Attached, Problem> {
        let refuse = |code, message: String| {
            Attached { bundle: layer.digest.clone(), result: Err(Refusal::new(code, message)) }
        };
        if layer.size > MAX_BUNDLE_BYTES {
            let message = format!("the bundle has {} bytes, at most {MAX_BUNDLE_BYTES} are read", layer.size);
            return Ok(refuse(ReasonCode::BundleTooLarge, message));
        }
        let mut stream = match self.registry.blob(self.repository, layer).await {
            Ok(Some(stream)) => stream,
            Ok(None) => {
                let message = format!("bundle {} is listed but not there", layer.digest);
                return Err(Problem::new(ErrorKind::Unavailable, ReasonCode::Unreachable, message));
            }
            Err(error) if error.kind == ErrorKind::Contradiction => return Ok(refused(&layer.digest, &error)),
            Err(error) => return Err(Problem::of(&error)),
        };
        let mut bytes = Vec::new();
        if let Err(error) = stream.read_to_end(&mut bytes).await {
            return match RegistryError::of_io(&error) {
                Some(inner) if inner.kind == ErrorKind::Contradiction => Ok(refused(&layer.digest, inner)),
                Some(inner) => Err(Problem::of(inner)),
                None => Err(Problem::new(ErrorKind::Unavailable, ReasonCode::Unreachable, error.to_string())),
            };
        }
        let rules = self.rules;
        let result = Unverified::from_bytes(&bytes)
            .and_then(|bundle| verify(&bundle, self.subject, rules.expected, rules.trust_root, rules.moment));
        Ok(Attached { bundle: layer.digest.clone(), result })
    }
}

fn refused(digest: &Digest, error: &RegistryError) -> Attached {
    Attached { bundle: digest.clone(), result: Err(Refusal::new(ReasonCode::DigestMismatch, error.to_string())) }
}
