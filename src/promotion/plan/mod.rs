//! Tag plans: which tag of which repository is created, moved, kept, skipped, or in conflict, decided before any write.
//!
//! A plan is a pure function of [`PlanInput`]. A conflict in one repository is a conflict of the release: nothing moves
//! anywhere (I3). What could not be looked up is *undecided*, and nothing moves either (I6). [`next_after_list`] is the
//! second look after the channels were written (I4).

mod after;
mod decide;
mod input;
mod restore;
#[cfg(test)]
mod tests;

use crate::oci::{Digest, Repository, Tag};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::{Phase, TagClass, Version};

pub use after::{AfterList, left_over, next_after_list};
pub use decide::plan_tags;
pub use input::{
    Adoption, Ancestry, DigestRecords, PlanInput, RecordedRelease, RecordedRollback, TagList, tags_to_examine,
};
pub use restore::{
    Best, Touched, best_of, concerns_withdrawal, restore, shown_version, shows_withdrawn, withdrawal_channels,
};

/// What happens to a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// The tag does not exist yet.
    Create,
    /// It points elsewhere and may move.
    Move,
    /// It already points here.
    Keep,
    /// It stays where it is, rightly; the reason says why.
    Skip,
    /// It must not move, and the release stops.
    Conflict,
}

impl Action {
    /// The word of the machine output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Move => "move",
            Self::Keep => "keep",
            Self::Skip => "skip",
            Self::Conflict => "conflict",
        }
    }

    /// The sign of the plan table.
    #[must_use]
    pub fn sign(self) -> char {
        match self {
            Self::Create => '+',
            Self::Move => '~',
            Self::Keep => '=',
            Self::Skip => '-',
            Self::Conflict => '!',
        }
    }

    /// Is there something to PUT?
    #[must_use]
    pub fn writes(self) -> bool {
        match self {
            Self::Create | Self::Move => true,
            Self::Keep | Self::Skip | Self::Conflict => false,
        }
    }
}

/// One tag's line in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagMove {
    pub repository: Repository,
    pub tag: Tag,
    pub class: TagClass,
    pub action: Action,
    /// Where the tag pointed when the plan was made.
    pub from: Option<Digest>,
    /// Where it points afterwards; for skip and conflict, where it was meant to point.
    pub to: Digest,
    /// Given for every skip and conflict.
    pub why: Option<Reason>,
}

impl TagMove {
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.class.phase()
    }
}

/// The plan for one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagPlan {
    pub repository: Repository,
    /// The candidate's digest.
    pub digest: Digest,
    pub version: Option<Version>,
    /// One per allowed tag, in order of writing.
    pub moves: Vec<TagMove>,
    /// What could not be looked up; not empty means that nothing moves.
    pub undecided: Vec<Reason>,
    /// Why this release may not be promoted at all (withdrawn).
    pub denials: Vec<Reason>,
    /// Digests that earlier records of this very version name, for the check across repositories.
    recorded: Vec<(Repository, Digest)>,
}

/// What a release's plan comes to. Precedence as the exit codes: conflict, denied, undecided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlanOutcome {
    /// Something is to be written, and may be once approved.
    Ready,
    /// Every tag is in place or rightly passed.
    Unchanged,
    Conflict,
    Denied,
    Undecided,
}

/// The plans of all repositories of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasePlan {
    plans: Vec<TagPlan>,
}

impl ReleasePlan {
    /// Puts the plans together and compares each with what records of its siblings say about it: a rebuilt sibling is
    /// a conflict even where its own version tag was never written.
    #[must_use]
    pub fn new(mut plans: Vec<TagPlan>) -> Self {
        let recorded: Vec<(Repository, Digest)> = plans.iter().flat_map(|plan| plan.recorded.clone()).collect();
        for plan in &mut plans {
            let other =
                recorded.iter().find(|(repository, digest)| *repository == plan.repository && *digest != plan.digest);
            let (Some((_, other)), Some(version)) = (other, plan.version.clone()) else { continue };
            let why = version_recorded(&version, &plan.repository, &plan.digest, other);
            for line in plan.moves.iter_mut().filter(|line| line.class == TagClass::Version) {
                if line.action != Action::Conflict {
                    line.action = Action::Conflict;
                    line.why = Some(why.clone());
                }
            }
        }
        Self { plans }
    }

    #[must_use]
    pub fn plans(&self) -> &[TagPlan] {
        &self.plans
    }

    /// Every line of every repository.
    pub fn moves(&self) -> impl Iterator<Item = &TagMove> {
        self.plans.iter().flat_map(|plan| &plan.moves)
    }

    /// The lines of one phase, all repositories. Phases are carried out in the order of [`Phase::ALL`].
    pub fn phase(&self, phase: Phase) -> impl Iterator<Item = &TagMove> {
        self.moves().filter(move |line| line.phase() == phase)
    }

    #[must_use]
    pub fn outcome(&self) -> PlanOutcome {
        if self.moves().any(|line| line.action == Action::Conflict) {
            PlanOutcome::Conflict
        } else if self.plans.iter().any(|plan| !plan.denials.is_empty()) {
            PlanOutcome::Denied
        } else if self.plans.iter().any(|plan| !plan.undecided.is_empty()) {
            PlanOutcome::Undecided
        } else if self.moves().any(|line| line.action.writes()) {
            PlanOutcome::Ready
        } else {
            PlanOutcome::Unchanged
        }
    }

    /// Everything that keeps the plan from being carried out: conflicts, denials, then what is undecided.
    #[must_use]
    pub fn obstacles(&self) -> Vec<Reason> {
        let conflicts = self.moves().filter(|line| line.action == Action::Conflict).filter_map(|line| line.why.clone());
        let denials = self.plans.iter().flat_map(|plan| plan.denials.clone());
        let undecided = self.plans.iter().flat_map(|plan| plan.undecided.clone());
        let mut found: Vec<Reason> = Vec::new();
        for reason in conflicts.chain(denials).chain(undecided) {
            if !found.contains(&reason) {
                found.push(reason);
            }
        }
        found
    }
}

fn version_recorded(version: &Version, repository: &Repository, ours: &Digest, other: &Digest) -> Reason {
    let message = format!("version {version} of {repository} is recorded as {other}, not {ours}");
    Reason::new(ReasonCode::VersionRecorded, message)
        .with_help(format!("countersign promote --resume --version {version}, or release a new version"))
}
