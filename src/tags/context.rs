//! Where a build comes from, as a value. Reading it from the CI environment or from git is for the caller.

use std::fmt;
use std::str::FromStr;

use crate::promotion::{Commit, GitRef, Version};
use crate::tags::TagError;

/// For whom an image is built; only preset `storacha` tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Target {
    #[default]
    Prod,
    Dev,
}

impl FromStr for Target {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "prod" => Ok(Self::Prod),
            "dev" => Ok(Self::Dev),
            _ => Err(TagError::UnknownTarget { text: text.chars().take(100).collect() }),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prod => "prod",
            Self::Dev => "dev",
        })
    }
}

/// Ref and commit that were built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitContext {
    pub git_ref: GitRef,
    /// Needed for builds without a version.
    pub commit: Option<Commit>,
    pub target: Target,
}

/// What kind of build this is; it decides the tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Build {
    /// A release of this version.
    Version(Version),
    /// A push to this branch.
    Branch(String),
    PullRequest(u64),
}

impl Build {
    /// The kind of build that `context` and `--version` describe together.
    ///
    /// # Errors
    /// `--version` against another git tag, or a git tag that is no version and no `--version`.
    pub fn of(version: Option<&Version>, context: &GitContext) -> Result<Self, TagError> {
        let git_ref = &context.git_ref;
        match (version, git_ref.version(), git_ref) {
            (Some(version), Some(tagged), _) if *version != tagged => {
                Err(TagError::VersionMismatch { version: version.clone(), git_ref: git_ref.clone() })
            }
            (Some(version), _, _) => Ok(Self::Version(version.clone())),
            (None, Some(tagged), _) => Ok(Self::Version(tagged)),
            (None, None, GitRef::Tag(_)) => Err(TagError::NoVersion { git_ref: git_ref.clone() }),
            (None, None, GitRef::Branch(name)) => Ok(Self::Branch(name.clone())),
            (None, None, GitRef::PullRequest { number, .. }) => Ok(Self::PullRequest(*number)),
        }
    }

    /// The release's version, if it is one.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        match self {
            Self::Version(version) => Some(version),
            Self::Branch(_) | Self::PullRequest(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(git_ref: &str) -> GitContext {
        GitContext { git_ref: git_ref.parse().unwrap(), commit: "a".repeat(40).parse().ok(), target: Target::default() }
    }

    #[test]
    fn the_version_flag_and_the_git_tag_must_agree() {
        let version: Version = "1.2.3".parse().unwrap();
        assert_eq!(Build::of(Some(&version), &context("refs/tags/v1.2.3")), Ok(Build::Version(version.clone())));
        assert_eq!(Build::of(None, &context("refs/tags/1.2.3")), Ok(Build::Version(version.clone())));
        assert_eq!(Build::of(Some(&version), &context("refs/heads/main")), Ok(Build::Version(version.clone())));
        let other = Build::of(Some(&version), &context("refs/tags/v1.2.4"));
        assert!(matches!(other, Err(TagError::VersionMismatch { .. })));
        assert!(matches!(Build::of(None, &context("refs/tags/nightly")), Err(TagError::NoVersion { .. })));
    }

    #[test]
    fn without_a_version_the_ref_decides() {
        assert_eq!(Build::of(None, &context("refs/heads/main")), Ok(Build::Branch("main".to_owned())));
        assert_eq!(Build::of(None, &context("refs/pull/7/merge")), Ok(Build::PullRequest(7)));
    }
}
