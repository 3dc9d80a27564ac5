//! The approval: the only thing with which tags may be written (I1).
//!
//! [`approve`] makes one from a plan without obstacles and evidence that was read back and verified. There is no other
//! way: no public constructor, no `Default`, no serde. `tests/ui` shows that the ways around do not compile.

use std::collections::BTreeSet;

use crate::evidence::VerifiedEvidence;
use crate::identity::ExpectedIdentities;
use crate::oci::{Digest, DigestReference, Repository, Tag};
use crate::promotion::plan::PlanOutcome;
use crate::promotion::record::GitSource;
use crate::promotion::{
    Phase, Record, ReleasePlan, TagClass, TagMove, VerifiedRecord, VerifiedRollback, VerifiedWithdrawal, Version,
};

/// What a build proposes: one release, one digest per repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub version: Option<Version>,
    pub git: GitSource,
    pub images: Vec<DigestReference>,
}

/// A digest whose evidence was read back and verified for this release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedDigest {
    reference: DigestReference,
}

impl VerifiedDigest {
    #[must_use]
    pub fn reference(&self) -> &DigestReference {
        &self.reference
    }
}

/// Permission to carry out exactly these tag moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    images: Vec<VerifiedDigest>,
    moves: Vec<TagMove>,
    authorised: BTreeSet<(Repository, Digest, Tag)>,
}

impl Approval {
    #[must_use]
    pub fn images(&self) -> &[VerifiedDigest] {
        &self.images
    }

    /// What to write in `phase`, all repositories: creates and moves only.
    pub fn moves(&self, phase: Phase) -> impl Iterator<Item = &TagMove> {
        self.moves.iter().filter(move |line| line.phase() == phase)
    }

    /// Permission for the moves of a second look ([`crate::promotion::plan::next_after_list`]): back to this release's
    /// digests, or forward to a higher version whose own record verifies now.
    ///
    /// # Errors
    /// A move that neither this release's records nor `records` authorise.
    pub fn follow(&self, moves: &[TagMove], records: &[VerifiedRecord]) -> Result<Self, ApprovalError> {
        let mut authorised = self.authorised.clone();
        for proof in records {
            authorise(&mut authorised, proof.subject(), proof.record());
        }
        let moves: Vec<TagMove> = moves.iter().filter(|line| line.action.writes()).cloned().collect();
        all_authorised(&moves, &authorised)?;
        Ok(Self { images: self.images.clone(), moves, authorised })
    }
}

/// Why there is no approval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    #[error("the plan cannot be carried out: {outcome:?}")]
    NotReady { outcome: PlanOutcome },
    #[error("the plan is about {found}, which is no candidate of this release")]
    NotACandidate { found: DigestReference },
    #[error("no plan for {missing}")]
    NoPlan { missing: DigestReference },
    #[error("no verified evidence for {missing}")]
    NoEvidence { missing: DigestReference },
    #[error("the promotion record on {subject} does not count: {why}")]
    NotARecord { subject: DigestReference, why: String },
    #[error("the promotion record on {subject} is of another release: {what} differs")]
    OtherRelease { subject: DigestReference, what: &'static str },
    #[error("no verified record allows {repository}:{tag} to point to {to}")]
    NotAuthorised { repository: Repository, tag: Tag, to: Digest },
}

/// The gate's last check. Every candidate has a plan and verified evidence of its own; every record is of exactly this
/// release; every tag that would be written is authorised by the record on its digest.
///
/// # Errors
/// The first of these that does not hold. Nothing may be written then.
pub fn approve(
    candidate: &Candidate,
    plan: &ReleasePlan,
    evidence: &[VerifiedEvidence],
    expected: &ExpectedIdentities,
) -> Result<Approval, ApprovalError> {
    let own = evidence.iter().map(|e| own_record(candidate, e, expected)).collect::<Result<Vec<_>, _>>()?;
    let records: Vec<(&DigestReference, &Record)> = own.iter().map(|r| (r.subject(), r.record())).collect();
    let (moves, authorised) = check(candidate, plan, &records)?;
    let images = candidate.images.iter().map(|reference| VerifiedDigest { reference: reference.clone() }).collect();
    Ok(Approval { images, moves, authorised })
}

/// An operator's statement that asks for channels to be moved, as it verifies now.
#[derive(Debug, Clone, Copy)]
pub enum Instruction<'a> {
    Withdrawal(&'a VerifiedWithdrawal),
    Rollback(&'a VerifiedRollback),
}

impl Instruction<'_> {
    /// May this line be written because of it? Channels only, and of one repository.
    fn covers(&self, line: &TagMove) -> bool {
        let TagClass::Channel(scope) = &line.class else { return false };
        match self {
            Self::Withdrawal(w) => w.said().repository == line.repository && scope.contains(&w.said().version),
            Self::Rollback(r) => r.said().repository == line.repository && r.said().channel == line.tag,
        }
    }
}

/// Permission to move channels back: each move is one that `instruction` asks for, to a digest whose own record, which
/// verifies now, allows the channel.
///
/// # Errors
/// A move that the instruction does not cover or that none of `records` authorises.
pub fn approve_restoration(
    instruction: Instruction<'_>,
    moves: &[TagMove],
    records: &[VerifiedRecord],
) -> Result<Approval, ApprovalError> {
    let mut authorised = BTreeSet::new();
    for proof in records {
        authorise(&mut authorised, proof.subject(), proof.record());
    }
    let moves: Vec<TagMove> = moves.iter().filter(|line| line.action.writes()).cloned().collect();
    all_authorised(&moves, &authorised)?;
    if let Some(line) = moves.iter().find(|line| !instruction.covers(line)) {
        let (repository, tag, to) = (line.repository.clone(), line.tag.clone(), line.to.clone());
        return Err(ApprovalError::NotAuthorised { repository, tag, to });
    }
    Ok(Approval { images: Vec::new(), moves, authorised })
}

/// Several releases may share a digest: the one record on it that is of this release, else what is wrong with the last.
fn own_record(
    candidate: &Candidate,
    evidence: &VerifiedEvidence,
    expected: &ExpectedIdentities,
) -> Result<VerifiedRecord, ApprovalError> {
    let subject = evidence.reference();
    let mut refusal = ApprovalError::NoEvidence { missing: subject.clone() };
    for found in evidence.records() {
        match VerifiedRecord::of(subject, found.statement(), expected) {
            Ok(record) => match same_release(candidate, subject, record.record()) {
                Ok(()) => return Ok(record),
                Err(error) => refusal = error,
            },
            Err(why) => refusal = ApprovalError::NotARecord { subject: subject.clone(), why: why.to_string() },
        }
    }
    Err(refusal)
}

type Authorised = BTreeSet<(Repository, Digest, Tag)>;

fn check(
    candidate: &Candidate,
    plan: &ReleasePlan,
    records: &[(&DigestReference, &Record)],
) -> Result<(Vec<TagMove>, Authorised), ApprovalError> {
    match plan.outcome() {
        PlanOutcome::Ready | PlanOutcome::Unchanged => {}
        outcome @ (PlanOutcome::Conflict | PlanOutcome::Denied | PlanOutcome::Undecided) => {
            return Err(ApprovalError::NotReady { outcome });
        }
    }
    let mut planned = BTreeSet::new();
    for one in plan.plans() {
        let found = DigestReference { repository: one.repository.clone(), digest: one.digest.clone() };
        if !candidate.images.contains(&found) {
            return Err(ApprovalError::NotACandidate { found });
        }
        planned.insert(found);
    }
    let mut authorised = BTreeSet::new();
    for image in &candidate.images {
        if !planned.contains(image) {
            return Err(ApprovalError::NoPlan { missing: image.clone() });
        }
        let own = records.iter().find(|(reference, _)| *reference == image);
        let (_, record) = own.ok_or_else(|| ApprovalError::NoEvidence { missing: image.clone() })?;
        same_release(candidate, image, record)?;
        authorise(&mut authorised, image, record);
    }
    let moves: Vec<TagMove> = plan.moves().filter(|line| line.action.writes()).cloned().collect();
    all_authorised(&moves, &authorised)?;
    Ok((moves, authorised))
}

fn same_release(candidate: &Candidate, subject: &DigestReference, record: &Record) -> Result<(), ApprovalError> {
    let refuse = |what| Err(ApprovalError::OtherRelease { subject: subject.clone(), what });
    if record.version != candidate.version {
        return refuse("version");
    }
    if record.git != candidate.git {
        return refuse("git ref or commit");
    }
    let named: BTreeSet<(&Repository, &Digest)> = record.images.iter().map(|i| (&i.repository, &i.digest)).collect();
    let proposed: BTreeSet<(&Repository, &Digest)> =
        candidate.images.iter().map(|i| (&i.repository, &i.digest)).collect();
    if named == proposed { Ok(()) } else { refuse("set of images") }
}

/// A record speaks for its own subject only, not for its siblings.
fn authorise(authorised: &mut Authorised, subject: &DigestReference, record: &Record) {
    let own = record.image(&subject.repository).filter(|image| image.digest == subject.digest);
    for tag in own.iter().flat_map(|image| &image.tags) {
        authorised.insert((subject.repository.clone(), subject.digest.clone(), tag.clone()));
    }
}

fn all_authorised(moves: &[TagMove], authorised: &Authorised) -> Result<(), ApprovalError> {
    for line in moves {
        let key = (line.repository.clone(), line.to.clone(), line.tag.clone());
        if !authorised.contains(&key) {
            let (repository, to, tag) = key;
            return Err(ApprovalError::NotAuthorised { repository, tag, to });
        }
    }
    Ok(())
}
