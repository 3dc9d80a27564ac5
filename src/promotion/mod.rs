//! Versions, tag classes, promotion records, tag plans, and the approval that alone may write a tag (I1).
//!
//! Everything here is a pure function of what was read before: plans are made from the tags and verified records that a
//! caller looked up, and say *undecided* where it could not look (I6). Nothing here fetches, signs, or writes; `ops`
//! carries out the moves of an [`Approval`] and of nothing else.

pub mod approval;
pub mod class;
pub mod git_ref;
pub mod history;
pub mod layouts;
pub mod operator;
pub mod plan;
pub mod record;
pub mod retention;
pub mod rollback;
pub mod saved_plan;
pub mod verified_record;
pub mod version;
pub mod withdrawal;

pub use approval::{Approval, ApprovalError, Candidate, Instruction, VerifiedDigest, approve, approve_restoration};
pub use class::{AllowedTag, Level, Phase, Scope, TagClass};
pub use git_ref::{Commit, GitRef};
pub use layouts::Layouts;
pub use operator::{Instructs, NotAnInstruction};
pub use plan::{Action, PlanInput, ReleasePlan, TagMove, TagPlan};
pub use record::Record;
pub use rollback::{Rollback, RollbackTarget, VerifiedRollback};
pub use verified_record::{NotARecord, VerifiedRecord};
pub use version::Version;
pub use withdrawal::{VerifiedWithdrawal, Withdrawal};

/// Why a text is not the release word it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseNameError {
    #[error("not a version: {text:?}: {why}")]
    Version { text: String, why: String },
    #[error("not a git ref: {text:?}: expected refs/heads/…, refs/tags/… or refs/pull/…")]
    GitRef { text: String },
    #[error("not a commit: {text:?}: expected 40 or 64 lower-case hex digits")]
    Commit { text: String },
}
