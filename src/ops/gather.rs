//! Reads what is attached to one node, from whichever layout holds it, and verifies each bundle.
//!
//! Order: referrers API, then the fallback tag, then cosign's older tags; reading stops once every required predicate type has a verified
//! attestation, unless everything is asked for. Annotations only decide what is fetched *first*, never what counts.
//! A look-up that failed becomes a problem of the node, so that a verdict is never made better by it (I6).

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::io::AsyncReadExt;

use crate::evidence::verdict::{AttestationOutcome, Format, NodeEvidence};
use crate::evidence::{MAX_BUNDLE_BYTES, Moment, PredicateType, Refusal, TrustRoot, Unverified, legacy, verify};
use crate::identity::ExpectedIdentities;
use crate::oci::{Descriptor, Digest, DigestReference, Manifest, Reference, Repository, Tag, TagReference, media_type};
use crate::ops::lists::Lists;
use crate::policy::{Reason, ReasonCode};
use crate::registry::attach::PREDICATE_TYPE_HINT;
use crate::registry::{ErrorKind, MAX_REFERRERS, ReferrersAnswer, Registry, RegistryError};

/// Referrers of one node that are fetched at once; the registry client limits requests per host besides.
const PARALLEL: usize = 8;

/// Under which rules attestations count.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    pub trust_root: &'a TrustRoot,
    pub expected: &'a ExpectedIdentities,
    pub moment: Moment,
    pub unclear_api: UnclearApi,
}

/// What a referrers API says that answers 400, 405, 501, a redirect or something foreign (product.md, "Verdict rules").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnclearApi {
    /// It may hold evidence that cannot be seen: what is found elsewhere counts, nothing found is *unknown*.
    MayHoldEvidence,
    /// There is none, for `promote`: that writes to the fallback tag and reads back there.
    IsNoApi,
}

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Until every required predicate type is there.
    Enough,
    /// All that its hint does not call something else. Who can write the registry can hide an attestation from this,
    /// just as by deleting it.
    Hinted,
    /// Everything that can be found.
    Everything,
}

/// What a failed look-up is called in reports.
#[must_use]
pub fn lookup_failure(error: &RegistryError) -> Reason {
    let code = match error.kind {
        ErrorKind::Unauthenticated => ReasonCode::Unauthenticated,
        ErrorKind::Forbidden => ReasonCode::Forbidden,
        ErrorKind::RateLimited | ErrorKind::Unavailable => ReasonCode::Unreachable,
        ErrorKind::Contradiction => ReasonCode::DigestMismatch,
        ErrorKind::Malformed | ErrorKind::Refused => ReasonCode::MalformedAnswer,
        ErrorKind::Limit => ReasonCode::LimitExceeded,
    };
    Reason::new(code, error.to_string())
}

/// Adds to `node` the attestations about it until those of the `required` types are there. Returns the entries of the
/// fallback index as far as it was read, so that a later write of ours keeps them.
pub async fn gather(
    registry: &dyn Registry,
    repository: &Repository,
    node: &mut NodeEvidence,
    rules: Rules<'_>,
    required: &[PredicateType],
    depth: Depth,
) -> Vec<Descriptor> {
    let lists = Lists::read(registry, repository, node.digest()).await;
    gather_listed(registry, repository, node, rules, required, depth, lists).await
}

/// As [`gather`], with the lists at hand.
pub async fn gather_listed(
    registry: &dyn Registry,
    repository: &Repository,
    node: &mut NodeEvidence,
    rules: Rules<'_>,
    required: &[PredicateType],
    depth: Depth,
    mut lists: Lists,
) -> Vec<Descriptor> {
    let subject = node.digest().clone();
    let mut gathering =
        Gathering { registry, repository, subject, rules, required, depth, node, seen: BTreeSet::new() };
    let api = std::mem::replace(&mut lists.api, Ok(ReferrersAnswer::Absent));
    gathering.read_api(api).await;
    let fallback = match gathering.wants_more() {
        true => gathering.read_fallback_tag(lists).await,
        false => Vec::new(),
    };
    if gathering.wants_more() {
        gathering.read_legacy_tags().await;
    }
    fallback
}

struct Gathering<'a> {
    registry: &'a dyn Registry,
    repository: &'a Repository,
    subject: Digest,
    rules: Rules<'a>,
    required: &'a [PredicateType],
    depth: Depth,
    node: &'a mut NodeEvidence,
    seen: BTreeSet<Digest>,
}

/// One referrer that was looked at: nothing of ours, an outcome, or a look-up that failed.
enum Look {
    Foreign,
    Outcome(Box<AttestationOutcome>),
    Failed(Reason),
}

impl Gathering<'_> {
    fn wants_more(&self) -> bool {
        self.depth == Depth::Everything || !self.node.has_all(self.required)
    }

    async fn read_api(&mut self, answer: Result<ReferrersAnswer, RegistryError>) {
        match answer {
            Ok(ReferrersAnswer::Supported(list)) => self.read(list).await,
            Ok(ReferrersAnswer::Absent) => {}
            Ok(ReferrersAnswer::Unclear { why }) if self.rules.unclear_api == UnclearApi::IsNoApi => {
                tracing::debug!("the referrers API of {} is taken as absent: {why}", self.repository);
            }
            Ok(ReferrersAnswer::Unclear { why }) => {
                let message = format!("the referrers API of {} gave no usable answer: {why}", self.repository);
                self.node.push_problem(Reason::new(ReasonCode::ReferrersUnclear, message));
            }
            Err(error) => self.node.push_problem(lookup_failure(&error)),
        }
    }

    async fn read_fallback_tag(&mut self, mut lists: Lists) -> Vec<Descriptor> {
        match lists.fallback(self.registry, self.repository, &self.subject).await {
            Ok(None) => Vec::new(),
            Ok(Some(list)) => {
                self.read(list.clone()).await;
                // Entries that others wrote without a size are read, but nothing that we write repeats them.
                list.into_iter().filter(|entry| entry.size > 0).collect()
            }
            Err(error) => {
                self.node.push_problem(lookup_failure(&error));
                Vec::new()
            }
        }
    }

    /// What the hints call required comes first; the rest only if that was not enough.
    async fn read(&mut self, list: Vec<Descriptor>) {
        let fresh: Vec<Descriptor> = list.into_iter().filter(|d| self.seen.insert(d.digest.clone())).collect();
        if self.seen.len() > MAX_REFERRERS {
            let message = format!("{} has more than {MAX_REFERRERS} referrers", self.subject);
            self.node.push_problem(Reason::new(ReasonCode::TooManyReferrers, message));
            return;
        }
        let (first, later): (Vec<_>, Vec<_>) = fresh.into_iter().partition(|d| self.hinted_as_required(d));
        self.fetch(first).await;
        if self.depth != Depth::Hinted && self.wants_more() {
            self.fetch(later).await;
        }
    }

    fn hinted_as_required(&self, descriptor: &Descriptor) -> bool {
        match descriptor.annotations.get(PREDICATE_TYPE_HINT) {
            Some(hint) => {
                self.required.iter().any(|kind| hint.parse::<PredicateType>().is_ok_and(|t| t.satisfies(kind)))
            }
            None => true,
        }
    }

    async fn fetch(&mut self, list: Vec<Descriptor>) {
        let looks: Vec<Vec<Look>> = {
            let this = &*self;
            stream::iter(list).map(|d| async move { this.look(&d.digest).await }).buffered(PARALLEL).collect().await
        };
        self.note(looks.into_iter().flatten());
    }

    fn note(&mut self, looks: impl IntoIterator<Item = Look>) {
        for look in looks {
            match look {
                Look::Foreign => {}
                Look::Outcome(outcome) => self.node.push(*outcome),
                Look::Failed(reason) => self.node.push_problem(reason),
            }
        }
    }

    async fn look(&self, digest: &Digest) -> Vec<Look> {
        let reference = DigestReference { repository: self.repository.clone(), digest: digest.clone() };
        let raw = match self.registry.manifest(&reference.into()).await {
            Ok(Some(raw)) => raw,
            // Listed, but gone: an index that lags behind a deletion.
            Ok(None) => return vec![Look::Foreign],
            Err(error) => return vec![failed(digest, Format::BundleV03, &error)],
        };
        let Ok(Manifest::Image(image)) = raw.parse() else { return vec![Look::Foreign] };
        if image.subject.as_ref().is_none_or(|subject| subject.digest != self.subject) {
            return vec![Look::Foreign];
        }
        // cosign's intermediate layout (`--experimental-oci11`): older layers in a referrer.
        if image.layers.iter().any(|layer| legacy::max_layer_bytes(layer).is_some()) {
            return self.legacy_layers(image.layers).await;
        }
        let [layer] = image.layers.as_slice() else { return vec![Look::Foreign] };
        let is_bundle = |media_type: &str| media_type.starts_with("application/vnd.dev.sigstore.bundle");
        if !is_bundle(&layer.media_type) && !is_bundle(image.effective_artifact_type()) {
            return vec![Look::Foreign];
        }
        if layer.media_type != media_type::SIGSTORE_BUNDLE {
            let message = format!("expected a bundle of {}, found {:?}", media_type::SIGSTORE_BUNDLE, layer.media_type);
            let refusal = Refusal::new(ReasonCode::BundleVersion, message);
            return vec![refused(&layer.digest, Format::BundleV03, refusal)];
        }
        vec![self.signature(layer, Format::BundleV03, MAX_BUNDLE_BYTES).await]
    }

    /// cosign's older tags: `.sig` has signatures only, `.att` everything else.
    async fn read_legacy_tags(&mut self) {
        let missing = |t: &PredicateType| self.depth != Depth::Enough || !self.node.has_all([t]);
        let everything = self.depth == Depth::Everything;
        let signature = everything || self.required.iter().any(|t| *t == PredicateType::SIGNATURE && missing(t));
        let others = everything || self.required.iter().any(|t| *t != PredicateType::SIGNATURE && missing(t));
        let tags = [("sig", signature), ("att", others)].into_iter().filter(|(_, wanted)| *wanted);
        let looks: Vec<Vec<Look>> = {
            let this = &*self;
            stream::iter(tags).map(|(suffix, _)| this.legacy_tag(suffix)).buffered(2).collect().await
        };
        self.note(looks.into_iter().flatten());
    }

    async fn legacy_tag(&self, suffix: &str) -> Vec<Look> {
        let tag = Tag::cosign_legacy(&self.subject, suffix);
        let reference = Reference::Tag(TagReference { repository: self.repository.clone(), tag });
        let raw = match self.registry.manifest(&reference).await {
            // GitLab resolves some of these tags to the subject itself.
            Ok(Some(raw)) if *raw.digest() != self.subject => raw,
            Ok(_) => return Vec::new(),
            Err(error) => return vec![Look::Failed(lookup_failure(&error))],
        };
        match raw.parse() {
            Ok(Manifest::Image(image)) => self.legacy_layers(image.layers).await,
            Ok(Manifest::Index(_)) | Err(_) => vec![Look::Foreign],
        }
    }

    /// What an unsigned hint calls something else than required is left out where that is enough.
    async fn legacy_layers(&self, mut layers: Vec<Descriptor>) -> Vec<Look> {
        if layers.len() > MAX_REFERRERS {
            let message = format!("{} has more than {MAX_REFERRERS} legacy signatures", self.subject);
            return vec![Look::Failed(Reason::new(ReasonCode::TooManyReferrers, message))];
        }
        layers.retain(|layer| legacy::max_layer_bytes(layer).is_some());
        if self.depth == Depth::Hinted {
            let hinted = |layer: &Descriptor| match layer.annotations.get(legacy::PREDICATE_TYPE_ANNOTATION) {
                Some(hint) => self.required.iter().any(|kind| kind.as_str() == hint),
                None => true,
            };
            layers.retain(hinted);
        }
        let each = layers.iter().map(|layer| {
            let max = legacy::max_layer_bytes(layer).unwrap_or_default();
            self.signature(layer, Format::CosignLegacy, max)
        });
        stream::iter(each).buffered(PARALLEL).collect().await
    }

    /// One signature: a bundle, or a layer of the older layout.
    async fn signature(&self, layer: &Descriptor, format: Format, max: u64) -> Look {
        if layer.size > max {
            let message = format!("the bundle has {} bytes, at most {max} are read", layer.size);
            // A limit, so nobody knows what it says. Not a problem of the node: nothing that we write is this large.
            let reason = Reason::new(ReasonCode::BundleTooLarge, message);
            return outcome(AttestationOutcome::unread(layer.digest.clone(), format, reason));
        }
        let bytes = match self.blob(layer, format).await {
            Ok(bytes) => bytes,
            Err(look) => return *look,
        };
        let Rules { trust_root, expected, moment, .. } = self.rules;
        let unverified = match format {
            Format::BundleV03 => Unverified::from_bytes(&bytes),
            Format::CosignLegacy => Unverified::from_legacy(layer, &bytes),
        };
        let result = unverified.and_then(|bundle| verify(&bundle, &self.subject, expected, trust_root, moment));
        let found = result.as_ref().err().and_then(|refusal| refusal.found.clone());
        let looked_at = AttestationOutcome::of(layer.digest.clone(), format, result);
        outcome(looked_at.explained(found.as_deref(), expected, self.required))
    }

    async fn blob(&self, layer: &Descriptor, format: Format) -> Result<Vec<u8>, Box<Look>> {
        let mut stream = match self.registry.blob(self.repository, layer).await {
            Ok(Some(stream)) => stream,
            Ok(None) => {
                let message = format!("bundle {} is listed but not there", layer.digest);
                return Err(Box::new(Look::Failed(Reason::new(ReasonCode::Unreachable, message))));
            }
            Err(error) => return Err(Box::new(failed(&layer.digest, format, &error))),
        };
        let mut bytes = Vec::new();
        match stream.read_to_end(&mut bytes).await {
            Ok(_) => Ok(bytes),
            Err(error) => Err(Box::new(match RegistryError::of_io(&error) {
                Some(inner) => failed(&layer.digest, format, inner),
                None => Look::Failed(Reason::new(ReasonCode::Unreachable, error.to_string())),
            })),
        }
    }
}

fn outcome(outcome: AttestationOutcome) -> Look {
    Look::Outcome(Box::new(outcome))
}

/// Bytes that contradict their digest were looked at, and are wrong; anything else is a look that failed.
fn failed(digest: &Digest, format: Format, error: &RegistryError) -> Look {
    match error.kind {
        ErrorKind::Contradiction => {
            refused(digest, format, Refusal::new(ReasonCode::DigestMismatch, error.to_string()))
        }
        _ => Look::Failed(lookup_failure(error)),
    }
}

fn refused(bundle: &Digest, format: Format, refusal: Refusal) -> Look {
    outcome(AttestationOutcome::of(bundle.clone(), format, Err(refusal)))
}
