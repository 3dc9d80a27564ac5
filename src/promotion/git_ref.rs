//! A git ref and a commit, as texts that CI and certificates use. Nothing here runs git.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::promotion::{ReleaseNameError, Version};

/// Longest ref we take (GitHub allows 255 bytes for a name).
const MAX_REF_LEN: usize = 300;

/// A full ref name, as `GITHUB_REF` and Fulcio's source-ref extension spell it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum GitRef {
    /// `refs/heads/NAME`
    Branch(String),
    /// `refs/tags/NAME`
    Tag(String),
    /// `refs/pull/NUMBER/KIND`, KIND is `merge` or `head`.
    PullRequest { number: u64, kind: String },
}

impl GitRef {
    /// The ref of version `version`'s own git tag, `refs/tags/v1.2.3`.
    #[must_use]
    pub fn of_version(version: &Version) -> Self {
        Self::Tag(format!("v{version}"))
    }

    /// The version this git tag names, with or without `v`; `None` for branches, pull requests and other tags.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::Tag(name) => name.parse().ok(),
            Self::Branch(_) | Self::PullRequest { .. } => None,
        }
    }
}

impl FromStr for GitRef {
    type Err = ReleaseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ReleaseNameError::GitRef { text: text.chars().take(200).collect() };
        let rest = text.strip_prefix("refs/").ok_or_else(refuse)?;
        let (family, name) = rest.split_once('/').ok_or_else(refuse)?;
        let clean = !name.is_empty()
            && text.len() <= MAX_REF_LEN
            && !name.chars().any(|c| c.is_control() || c.is_whitespace())
            && !name.starts_with('/')
            && !name.ends_with('/')
            && !name.contains("..");
        if !clean {
            return Err(refuse());
        }
        match family {
            "heads" => Ok(Self::Branch(name.to_owned())),
            "tags" => Ok(Self::Tag(name.to_owned())),
            "pull" => match name.split_once('/') {
                Some((number, kind @ ("merge" | "head"))) if !number.starts_with(['0', '+']) => {
                    Ok(Self::PullRequest { number: number.parse().map_err(|_| refuse())?, kind: kind.to_owned() })
                }
                _ => Err(refuse()),
            },
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(name) => write!(f, "refs/heads/{name}"),
            Self::Tag(name) => write!(f, "refs/tags/{name}"),
            Self::PullRequest { number, kind } => write!(f, "refs/pull/{number}/{kind}"),
        }
    }
}

impl TryFrom<String> for GitRef {
    type Error = ReleaseNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<GitRef> for String {
    fn from(git_ref: GitRef) -> Self {
        git_ref.to_string()
    }
}

/// A full commit name: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Commit(String);

impl Commit {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, as commit tags carry them.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl FromStr for Commit {
    type Err = ReleaseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if matches!(text.len(), 40 | 64) && text.bytes().all(hex) {
            return Ok(Self(text.to_owned()));
        }
        Err(ReleaseNameError::Commit { text: text.chars().take(100).collect() })
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Commit {
    type Error = ReleaseNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Commit> for String {
    fn from(commit: Commit) -> Self {
        commit.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_round_trip_and_name_their_version() {
        for text in ["refs/heads/main", "refs/heads/feat/x", "refs/tags/v1.2.3", "refs/pull/12/merge"] {
            assert_eq!(text.parse::<GitRef>().unwrap().to_string(), text);
        }
        let version: Version = "1.2.3".parse().unwrap();
        assert_eq!(GitRef::of_version(&version).to_string(), "refs/tags/v1.2.3");
        assert_eq!("refs/tags/1.2.3".parse::<GitRef>().unwrap().version(), Some(version));
        assert_eq!("refs/heads/v1.2.3".parse::<GitRef>().unwrap().version(), None);
    }

    #[test]
    fn anything_but_a_full_ref_is_refused() {
        for bad in [
            "",
            "main",
            "refs/heads/",
            "refs/x/y",
            "refs/heads/a b",
            "refs/heads/../x",
            "refs/pull/x/merge",
            "refs/pull/1",
        ] {
            assert!(bad.parse::<GitRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_commit_is_full_length_hex() {
        let commit: Commit = "abc1234".repeat(6)[..40].parse().unwrap();
        assert_eq!(commit.short(), "abc1234");
        assert!("abc1234".parse::<Commit>().is_err() && "A".repeat(40).parse::<Commit>().is_err());
    }
}
