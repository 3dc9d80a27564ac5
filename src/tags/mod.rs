//! Which tags a build may carry: presets and git context as values.
//!
//! Pure names: nobody looks at a registry here, and whether a tag may move is for [`crate::promotion::plan`]. The rule
//! language of docker/metadata-action is not part of this yet.

pub mod context;
pub mod preset;
mod sanitise;

pub use context::{Build, GitContext, Target};
pub use preset::Preset;

use crate::oci::NameError;
use crate::promotion::{GitRef, Version};

/// Why a build has no tags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    #[error("unknown preset {text:?}: expected one of both, plain, v, brokkr, kube9, storacha")]
    UnknownPreset { text: String },
    #[error("unknown target {text:?}: expected prod or dev")]
    UnknownTarget { text: String },
    #[error("--version {version} and git tag {git_ref} disagree")]
    VersionMismatch { version: Version, git_ref: GitRef },
    #[error("git tag {git_ref} is no version: expected refs/tags/v1.2.3 or refs/tags/1.2.3, or --version")]
    NoVersion { git_ref: GitRef },
    #[error("branch {branch:?} would become the tag {tag:?}, which looks like a version, channel or commit tag")]
    ReservedBranchName { branch: String, tag: String },
    #[error("a branch build needs its commit: pass --sha")]
    NoCommit,
    #[error("branch {branch:?} has no character that a tag may start with")]
    EmptyBranchName { branch: String },
    #[error("preset {preset} has no target dev")]
    TargetUnsupported { preset: Preset },
    #[error(transparent)]
    Name(#[from] NameError),
}
