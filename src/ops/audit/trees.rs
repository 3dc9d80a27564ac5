//! The whole tree of the releases that matter: missing children, nodes without their own evidence, stale scans.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream;

use crate::evidence::PredicateType;
use crate::evidence::predicates::vulnerability::VulnerabilityPredicate;
use crate::evidence::verdict::{NodeKind, NodeVerdict, Requirements, TreeVerdict, Verdict};
use crate::oci::{Digest, DigestReference, Manifest, Tag};
use crate::ops::audit::{Audit, AuditRules, Facts, Finding};
use crate::ops::gather::Depth;
use crate::ops::look::Look;
use crate::ops::tree;
use crate::ops::verify::{fetch_root, gather_all, judge_nodes};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::plan::DigestRecords;
use crate::promotion::{Scope, Version};

/// Trees that are looked at at once; the registry client limits requests per host besides.
const PARALLEL_TREES: usize = 8;

/// One release, by the tag that names it best.
struct Release<'a> {
    digest: &'a Digest,
    tag: &'a Tag,
    /// Does a moving tag show it? Then people deploy it now.
    shown: bool,
}

pub(super) async fn check(look: &Look<'_>, rules: AuditRules<'_>, facts: &Facts, audit: &mut Audit) {
    let chosen = releases(facts).into_iter().take(rules.trees);
    let each = chosen.map(|release| async move { one(look, rules, facts, &release).await });
    let mut looked = stream::iter(each).buffer_unordered(PARALLEL_TREES);
    while let Some((findings, unknown)) = looked.next().await {
        audit.findings.extend(findings);
        audit.unknown.extend(unknown);
        audit.checked.trees += 1;
    }
}

/// Those with a record; what moving tags show first, then by version, newest first.
fn releases(facts: &Facts) -> Vec<Release<'_>> {
    let mut by_digest: BTreeMap<&Digest, Vec<&Tag>> = BTreeMap::new();
    for (tag, target) in &facts.input.targets {
        let Some(digest) = target else { continue };
        if matches!(facts.input.records.get(digest), Some(DigestRecords::Read(list)) if !list.is_empty()) {
            by_digest.entry(digest).or_default().push(tag);
        }
    }
    let version = |tags: &[&Tag]| tags.iter().filter_map(|tag| Version::of_tag(tag)).max();
    let mut found: Vec<(bool, Option<Version>, Release<'_>)> = by_digest
        .into_iter()
        .filter_map(|(digest, tags)| {
            let best = version(&tags);
            let named = |tag: &&&Tag| best.is_some() && Version::of_tag(tag) == best;
            let tag = *tags.iter().find(named).or(tags.first())?;
            let shown = best.is_none() || tags.iter().any(|tag| Scope::of_tag(tag).is_some());
            Some((shown, best, Release { digest, tag, shown }))
        })
        .collect();
    found.sort_by_key(|(shown, version, _)| (Reverse(*shown), Reverse(version.clone())));
    found.into_iter().map(|(_, _, release)| release).collect()
}

async fn one(
    look: &Look<'_>,
    rules: AuditRules<'_>,
    facts: &Facts,
    release: &Release<'_>,
) -> (Vec<Finding>, Vec<Reason>) {
    let mut findings = Vec::new();
    let repository = &facts.input.repository;
    let reference = DigestReference { repository: repository.clone(), digest: release.digest.clone() };
    let registry = look.registry.as_ref();
    let root = match fetch_root(registry, &reference.clone().into()).await {
        Ok(root) => root,
        Err(verification) => return (findings, verification.reasons),
    };
    let kind = match root.parse() {
        Ok(Manifest::Index(_)) => NodeKind::Index,
        Ok(Manifest::Image(image)) if image.is_container_image() => NodeKind::Image,
        Ok(Manifest::Image(_)) | Err(_) => NodeKind::Artifact,
    };
    let required = Requirements::of_promote(kind);
    let nodes = tree::read(registry, repository, &root).await;
    let (nodes, _) = gather_all(registry, repository, nodes, look.rules, &required, Depth::Enough).await;
    let verdict = judge_nodes(nodes, &required);
    let mut finding = |reason: Reason| {
        let (tag, digest) = (release.tag.clone(), release.digest.clone());
        findings.push(Finding { tag, digest, reason });
    };
    for node in verdict.nodes() {
        match node.verdict() {
            Verdict::Verified => {}
            Verdict::Refuted => missing(node, release).into_iter().for_each(&mut finding),
            Verdict::Unknown => audit_unknown(node, look),
        }
    }
    if let Some(stale) = stale(&verdict, rules, release) {
        finding(stale);
    }
    (findings, Vec::new())
}

fn audit_unknown(node: &NodeVerdict, look: &Look<'_>) {
    node.reasons().iter().for_each(|reason| look.failures.push(reason.clone()));
}

/// What a node lacks, each code once, with the way to mend it.
fn missing(node: &NodeVerdict, release: &Release<'_>) -> Vec<Reason> {
    let mut codes = BTreeSet::new();
    let fresh = node.reasons().iter().filter(|reason| codes.insert((reason.code, reason.message.clone())));
    let mend = |reason: &Reason| {
        let of = node.platform().map(|platform| format!(" ({platform})")).unwrap_or_default();
        let message = format!("{}{of}: {}", node.digest(), reason.message);
        let help = match (reason.code, Version::of_tag(release.tag)) {
            (ReasonCode::ChildMissing, _) => {
                "push the same image again, by digest, from the build that made it".to_owned()
            }
            (_, Some(version)) => format!("countersign promote --resume --version {version} attaches what is missing"),
            (_, None) => "run the gate for this build again".to_owned(),
        };
        Reason::new(reason.code, message).with_help(help)
    };
    fresh.map(mend).collect()
}

/// The newest report of some platform is too old, for a release that moving tags show.
fn stale(verdict: &TreeVerdict, rules: AuditRules<'_>, release: &Release<'_>) -> Option<Reason> {
    if !release.shown {
        return None;
    }
    let finished = |node: &NodeVerdict| {
        let statements = node.attestations().iter().filter_map(|attestation| attestation.statement());
        let reports = statements.filter(|s| *s.predicate_type() == PredicateType::VULNERABILITY);
        let read = reports
            .filter_map(|s| serde_json::from_value::<VulnerabilityPredicate>(s.content().predicate.clone()).ok());
        read.map(|report| report.metadata.scan_finished_on).max()
    };
    let oldest = verdict.nodes().iter().filter_map(finished).min()?;
    let age = rules.rules.moment.now.as_second().saturating_sub(oldest.as_second());
    if age <= rules.max_scan_age_seconds {
        return None;
    }
    let message = format!("the last scan ended {oldest}, {} days ago", age / 86_400);
    let help = "scan the digest again, and release a rebuild where it has new findings: countersign scan";
    Some(Reason::new(ReasonCode::ScanTooOld, message).with_help(help))
}
