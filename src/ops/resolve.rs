//! `resolve`: the verified digest behind a tag, now.
//!
//! Besides the evidence of the whole tree, a promotion record on the digest must name this repository and this tag, its
//! version must not be withdrawn, and a channel must point to the highest version of its scope (product.md).

use std::sync::Arc;

use jiff::Timestamp;

use crate::evidence::verdict::{NodeKind, Requirements, Verdict};
use crate::oci::{Digest, DigestReference, Manifest, TagReference};
use crate::ops::gather::{Depth, Rules, lookup_failure};
use crate::ops::look::{Failures, Known, Look};
use crate::ops::remembered::Memory;
use crate::ops::tree;
use crate::ops::verify::{fetch_root, gather_all, judge_nodes};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::plan::{Action, DigestRecords, PlanInput, plan_tags};
use crate::promotion::{AllowedTag, Scope, TagClass, VerifiedRecord, Version};
use crate::registry::Registry;

/// What a tag came to.
#[derive(Debug, Clone)]
pub struct Resolution {
    pub reference: TagReference,
    pub digest: Option<Digest>,
    pub verdict: Verdict,
    pub version: Option<Version>,
    /// When the record that authorises the tag was signed.
    pub promoted_at: Option<Timestamp>,
    /// When the rollback that holds the channel was signed.
    pub rolled_back_at: Option<Timestamp>,
    pub reasons: Vec<Reason>,
}

impl Resolution {
    /// Before anything was looked at.
    #[must_use]
    pub fn nothing_known(reference: &TagReference) -> Self {
        Self {
            reference: reference.clone(),
            digest: None,
            verdict: Verdict::Unknown,
            version: None,
            promoted_at: None,
            rolled_back_at: None,
            reasons: Vec::new(),
        }
    }

    fn refuse(mut self, verdict: Verdict, reason: Reason) -> Self {
        self.verdict = verdict;
        self.reasons.push(reason);
        self
    }
}

/// Resolves `reference` and verifies what is behind it; what earlier runs saw counts too.
pub async fn resolve(
    registry: &Arc<dyn Registry>,
    reference: &TagReference,
    rules: Rules<'_>,
    memory: &Memory,
) -> Resolution {
    let resolution = now(registry, reference, rules, memory).await;
    match memory.contradicts(&resolution) {
        Some(reason) if resolution.verdict == Verdict::Verified => resolution.refuse(Verdict::Refuted, reason),
        Some(_) | None => resolution,
    }
}

async fn now(registry: &Arc<dyn Registry>, reference: &TagReference, rules: Rules<'_>, memory: &Memory) -> Resolution {
    let mut resolution = Resolution::nothing_known(reference);
    let repository = &reference.repository;
    let root = match fetch_root(registry.as_ref(), &reference.clone().into()).await {
        Ok(root) => root,
        Err(verification) => {
            resolution.verdict = verification.verdict;
            resolution.reasons = verification.reasons;
            return resolution;
        }
    };
    let subject = DigestReference { repository: repository.clone(), digest: root.digest().clone() };
    resolution.digest = Some(subject.digest.clone());
    let kind = match root.parse() {
        Ok(Manifest::Index(_)) => NodeKind::Index,
        Ok(Manifest::Image(image)) if image.is_container_image() => NodeKind::Image,
        Ok(Manifest::Image(_)) | Err(_) => NodeKind::Artifact,
    };
    let required = Requirements::of_promote(kind);
    let nodes = tree::read(registry.as_ref(), repository, &root).await;
    // Withdrawals matter too, so everything is read.
    let (nodes, _) = gather_all(registry.as_ref(), repository, nodes, rules, &required, Depth::Everything).await;
    let failures = Failures::default();
    let look = Look { registry, rules, failures: &failures };
    let records = look.verified_in(&subject, &nodes[0].evidence);
    let releases = look.records_in(&subject, &nodes[0].evidence);
    let tree = judge_nodes(nodes, &required);
    resolution.verdict = tree.verdict();
    resolution.reasons = tree.reasons().to_vec();
    if resolution.verdict != Verdict::Verified {
        return resolution;
    }
    authorised(&look, resolution, &subject, &records, releases, memory).await
}

/// The evidence is good: may this tag point here?
async fn authorised(
    look: &Look<'_>,
    mut resolution: Resolution,
    subject: &DigestReference,
    records: &[VerifiedRecord],
    releases: DigestRecords,
    memory: &Memory,
) -> Resolution {
    let reference = resolution.reference.clone();
    let naming = records.iter().filter(|r| r.record().allows(&subject.repository, &subject.digest, &reference.tag));
    let best = naming.max_by(|a, b| (&a.record().version, a.logged_at()).cmp(&(&b.record().version, b.logged_at())));
    let Some(best) = best else {
        // A sibling's record names this repository too, with another digest.
        let of_this = |record: &VerifiedRecord| {
            record.record().image(&subject.repository).is_some_and(|image| image.digest == subject.digest)
        };
        let here = records.iter().any(of_this);
        let (code, what) = if here || records.is_empty() {
            (ReasonCode::TagNotAuthorised, format!("no promotion record on {subject} names {reference}"))
        } else {
            (
                ReasonCode::RepositoryMismatch,
                format!("{} was promoted in another repository, not in {}", subject.digest, subject.repository),
            )
        };
        return resolution.refuse(Verdict::Refuted, Reason::new(code, what));
    };
    resolution.version.clone_from(&best.record().version);
    resolution.promoted_at = Some(best.logged_at());
    let version = best.record().version.clone();
    let withdrawn = match &releases {
        DigestRecords::Read(list) => list.iter().any(|r| r.withdrawn && r.record.version == version),
        DigestRecords::Unreadable { why } => {
            let reason = Reason::new(ReasonCode::TargetUnknown, why.clone());
            return resolution.refuse(Verdict::Unknown, reason);
        }
    };
    if let (true, Some(version)) = (withdrawn, &version) {
        let reason = Reason::new(ReasonCode::Withdrawn, format!("{version} of {} was withdrawn", subject.repository));
        return resolution.refuse(Verdict::Refuted, reason);
    }
    match (version, Scope::of_tag(&reference.tag)) {
        (Some(version), Some(scope)) => highest(look, resolution, subject, version, scope, releases, memory).await,
        _ => resolution,
    }
}

/// A channel is right only at the highest version of its scope: the plan for the version it shows must be "keep".
async fn highest(
    look: &Look<'_>,
    mut resolution: Resolution,
    subject: &DigestReference,
    version: Version,
    scope: Scope,
    releases: DigestRecords,
    memory: &Memory,
) -> Resolution {
    let remembered = memory.above(&subject.repository, &version, &scope);
    let tag = resolution.reference.tag.clone();
    let allowed = [AllowedTag { tag: tag.clone(), class: TagClass::Channel(scope) }];
    let known = Known { seen: [tag.clone()].into(), ..Known::default() };
    let mut input = look.facts(subject, Some(version.clone()), &allowed, &known).await;
    input.records.insert(subject.digest.clone(), releases);
    look.read_records(&mut input).await;
    let resolution = {
        resolution.rolled_back_at = input.held_since(&tag);
        judged(look, resolution, &version, &input)
    };
    if resolution.verdict != Verdict::Verified || remembered.is_empty() {
        return resolution;
    }
    // Once more, with the versions that were seen before as if they were listed.
    let mut gone = false;
    for (seen, digest) in remembered {
        let reference = DigestReference { repository: subject.repository.clone(), digest: digest.clone() };
        match look.registry.manifest(&reference.into()).await {
            Ok(Some(_)) => {}
            Ok(None) => gone = true,
            Err(error) => return resolution.refuse(Verdict::Unknown, lookup_failure(&error)),
        }
        input.remember(&seen, digest);
    }
    look.read_records(&mut input).await;
    let again = judged(look, resolution.clone(), &version, &input);
    let missed = |resolution: Resolution| {
        let code = memory.missing(&resolution.reference, &version);
        let message = format!(
            "{} shows {version}, although a higher version of its scope was resolved before, and no withdrawal or \
             rollback that verifies explains it",
            resolution.reference
        );
        resolution.refuse(Verdict::Refuted, Reason::new(code, message))
    };
    match again.verdict {
        Verdict::Verified => resolution,
        Verdict::Refuted => missed(resolution),
        Verdict::Unknown if gone => missed(resolution),
        Verdict::Unknown => again,
    }
}

fn judged(look: &Look<'_>, resolution: Resolution, version: &Version, input: &PlanInput) -> Resolution {
    let plan = plan_tags(input);
    if let Some(reason) = plan.undecided.first() {
        let mut resolution = resolution.refuse(Verdict::Unknown, reason.clone());
        resolution.reasons.extend(look.failures.take());
        return resolution;
    }
    match plan.moves.first() {
        Some(line) if line.action == Action::Keep => resolution,
        Some(line) => {
            let why =
                line.why.as_ref().map_or_else(|| format!("{} moved meanwhile", line.tag), |why| why.message.clone());
            let message =
                format!("{} shows {version}, which is not the highest of its scope: {why}", resolution.reference);
            resolution.refuse(Verdict::Refuted, Reason::new(ReasonCode::NotHighest, message))
        }
        None => resolution,
    }
}
