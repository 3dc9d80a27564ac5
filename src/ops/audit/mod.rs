//! `audit`: every tag of a repository against the signed records, with the next step for whatever does not fit.
//!
//! Each tag is looked at, and the records of each digest; the whole tree with all its evidence only of the releases that
//! channels show and of the newest, because that costs ten times as much. What could not be looked at is *unknown* and
//! never a finding (I6).

mod tags;
mod trees;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;

use crate::oci::{Digest, DigestReference, Reference, Repository, Tag, TagReference};
use crate::ops::gather::Rules;
use crate::ops::gather::lookup_failure;
use crate::ops::kept::Kept;
use crate::ops::listed::{Listed, is_evidence_tag};
use crate::ops::look::{Failures, Look, RECORDS};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::Version;
use crate::promotion::plan::{Adoption, DigestRecords, PlanInput, TagList};
use crate::registry::Registry;

/// Digests and tags that are looked at at once; the registry client limits requests per host besides.
const PARALLEL: usize = 16;

/// Releases whose whole tree is looked at unless more are asked for: about thirty requests each.
pub const DEFAULT_TREES: usize = 10;

/// Under which rules, and how far.
#[derive(Debug, Clone, Copy)]
pub struct AuditRules<'a> {
    pub rules: Rules<'a>,
    /// Age at which a scan is stale.
    pub max_scan_age_seconds: i64,
    /// How many trees are looked at.
    pub trees: usize,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub tag: Tag,
    pub digest: Digest,
    pub reason: Reason,
}

/// What was found out about one repository.
#[derive(Debug, Clone)]
pub struct Audit {
    pub repository: Repository,
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    pub unknown: Vec<Reason>,
    pub checked: Checked,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    pub tags: usize,
    pub digests: usize,
    pub trees: usize,
}

/// Looks at every tag of `repository`.
pub async fn audit(registry: &Arc<dyn Registry>, repository: &Repository, rules: AuditRules<'_>) -> Audit {
    let (findings, unknown, checked) = (Vec::new(), Vec::new(), Checked::default());
    let mut audit = Audit { repository: repository.clone(), findings, unknown, checked };
    let list = match registry.tags(repository).await {
        Ok(Some(list)) => list,
        Ok(None) => {
            audit.unknown.push(Reason::new(ReasonCode::NotFound, format!("{repository} does not exist")));
            return audit;
        }
        Err(error) => {
            audit.unknown.push(lookup_failure(&error));
            return audit;
        }
    };
    let listed: Arc<dyn Registry> = Arc::new(Listed::new(registry, repository, &list));
    let failures = Failures::default();
    // Trees come back to what was read of their root.
    let kept: Arc<dyn Registry> = Arc::new(Kept::new(&listed));
    let look = Look { registry: &kept, rules: rules.rules, failures: &failures };
    let facts = read(&look, registry, repository, list, &mut audit).await;
    tags::check(&facts, &mut audit);
    trees::check(&look, rules, &facts, &mut audit).await;
    for reason in failures.take() {
        if !audit.unknown.contains(&reason) {
            audit.unknown.push(reason);
        }
    }
    audit.findings.sort_by(|a, b| (&a.tag, a.reason.code).cmp(&(&b.tag, b.reason.code)));
    audit
}

/// Tags, targets and records, as a plan needs them, and which digests carry no record.
struct Facts {
    input: PlanInput,
    bare: BTreeMap<Digest, Bare>,
}

/// A digest without a record of this repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bare {
    /// Nothing that verifies is attached.
    Unsigned,
    /// Something is, but no record.
    HalfSigned,
}

async fn read(
    look: &Look<'_>,
    registry: &Arc<dyn Registry>,
    repository: &Repository,
    list: Vec<Tag>,
    audit: &mut Audit,
) -> Facts {
    let tags: Vec<Tag> = list.iter().filter(|tag| !is_evidence_tag(tag)).cloned().collect();
    audit.checked.tags = tags.len();
    // One GET gives digest and manifest of a release; its other spellings need a HEAD only.
    let mut seen = BTreeSet::new();
    let (first, others): (Vec<Tag>, Vec<Tag>) =
        tags.into_iter().partition(|tag| Version::of_tag(tag).is_some_and(|version| seen.insert(version)));
    let mut targets = BTreeMap::new();
    let mut records = BTreeMap::new();
    let mut bare = BTreeMap::new();
    let each = first.into_iter().map(|tag| async move {
        let reference = Reference::Tag(TagReference { repository: repository.clone(), tag: tag.clone() });
        match look.registry.manifest(&reference).await {
            Ok(Some(manifest)) => {
                let on = DigestReference { repository: repository.clone(), digest: manifest.digest().clone() };
                let found = read_digest(look, registry, &on, Some(&manifest)).await;
                Ok((tag, Some((on.digest, found))))
            }
            Ok(None) => Ok((tag, None)),
            Err(error) => Err(lookup_failure(&error)),
        }
    });
    let mut read = stream::iter(each).buffer_unordered(PARALLEL);
    while let Some(found) = read.next().await {
        match found {
            Ok((tag, Some((digest, found)))) => {
                targets.insert(tag, Some(digest.clone()));
                insert(&mut records, &mut bare, digest, found);
            }
            Ok((tag, None)) => _ = targets.insert(tag, None),
            Err(reason) => audit.unknown.push(reason),
        }
    }
    drop(read);
    targets.extend(look.heads(repository, others).await);
    let missing: BTreeSet<Digest> = targets.values().flatten().filter(|d| !records.contains_key(*d)).cloned().collect();
    let each = missing.into_iter().map(|digest| async move {
        let on = DigestReference { repository: repository.clone(), digest };
        let found = read_digest(look, registry, &on, None).await;
        (on.digest, found)
    });
    let mut read = stream::iter(each).buffer_unordered(PARALLEL);
    while let Some((digest, found)) = read.next().await {
        insert(&mut records, &mut bare, digest, found);
    }
    drop(read);
    audit.checked.digests = records.len();
    let input = PlanInput {
        repository: repository.clone(),
        // Nothing is proposed; no digest is ours.
        digest: Digest::of(b""),
        version: None,
        allowed: Vec::new(),
        list: TagList::Complete(list),
        targets,
        records,
        branches: BTreeMap::new(),
        adoption: Adoption::none(),
    };
    Facts { input, bare }
}

fn insert(
    records: &mut BTreeMap<Digest, DigestRecords>,
    bare: &mut BTreeMap<Digest, Bare>,
    digest: Digest,
    (found, state): (DigestRecords, Option<Bare>),
) {
    if let Some(state) = state {
        bare.insert(digest.clone(), state);
    }
    records.insert(digest, found);
}

/// The records on a digest; where there are none, everything else that is attached, without trust in the tag list.
async fn read_digest(
    look: &Look<'_>,
    registry: &Arc<dyn Registry>,
    on: &DigestReference,
    manifest: Option<&crate::oci::RawManifest>,
) -> (DigestRecords, Option<Bare>) {
    let node = match manifest {
        Some(manifest) => look.node_of(on, manifest, &RECORDS).await,
        None => look.node(on, &RECORDS).await,
    };
    let found = match node {
        Ok(node) => look.records_in(on, &node),
        Err(why) => return (DigestRecords::Unreadable { why }, None),
    };
    if !matches!(&found, DigestRecords::Read(list) if list.is_empty()) {
        return (slim(found), None);
    }
    let look = Look { registry, ..*look };
    match look.everything(on).await {
        Ok(node) => {
            let found = look.records_in(on, &node);
            let signed = node.attestations().iter().any(|attestation| attestation.statement().is_some());
            let bare = matches!(&found, DigestRecords::Read(list) if list.is_empty()).then_some(if signed {
                Bare::HalfSigned
            } else {
                Bare::Unsigned
            });
            (slim(found), bare)
        }
        Err(why) => (DigestRecords::Unreadable { why }, None),
    }
}

/// A record lists dozens of payloads that no plan asks for; thousands of records would hold them all.
fn slim(found: DigestRecords) -> DigestRecords {
    match found {
        DigestRecords::Read(mut list) => {
            for release in &mut list {
                release.record.evidence = Vec::new();
                release.record.observed = Vec::new();
            }
            DigestRecords::Read(list)
        }
        unreadable @ DigestRecords::Unreadable { .. } => unreadable,
    }
}
