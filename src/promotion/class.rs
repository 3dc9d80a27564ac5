//! What kind of tag a tag is, and how it may move (product.md, "Tag classes and presets").

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::oci::Tag;
use crate::promotion::Version;

/// How far a channel reaches.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// `1.2`
    Minor { major: u64, minor: u64 },
    /// `1`
    Major { major: u64 },
    /// `latest`
    Latest,
}

/// The versions that compete for a channel. `1.2` and `v1.2` have the same scope; `1.2-dev` has one of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    pub level: Level,
    /// Image variant, `dev` in `latest-dev`.
    pub variant: Option<String>,
}

impl Scope {
    #[must_use]
    pub fn new(level: Level) -> Self {
        Self { level, variant: None }
    }

    /// The scope that a channel's name spells; `None` if the tag is no channel name.
    #[must_use]
    pub fn of_tag(tag: &Tag) -> Option<Self> {
        let (base, variant) = match tag.as_str().split_once('-') {
            Some((_, "")) => return None,
            Some((base, variant)) => (base, Some(variant.to_owned())),
            None => (tag.as_str(), None),
        };
        if base == "latest" {
            return Some(Self { level: Level::Latest, variant });
        }
        let numbers = base.strip_prefix('v').unwrap_or(base);
        let level = match numbers.split_once('.') {
            Some((major, minor)) => Level::Minor { major: number(major)?, minor: number(minor)? },
            None => Level::Major { major: number(numbers)? },
        };
        Some(Self { level, variant })
    }

    /// May `version` be in this scope? A pre-release is in none (I5).
    #[must_use]
    pub fn contains(&self, version: &Version) -> bool {
        let level = match self.level {
            Level::Minor { major, minor } => (version.major(), version.minor()) == (major, minor),
            Level::Major { major } => version.major() == major,
            Level::Latest => true,
        };
        level && !version.is_prerelease()
    }
}

/// A number without sign or leading zero, as in a version.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// The classes of product.md's table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TagClass {
    /// Write-once (I3).
    Version,
    /// Write-once; taken by another build of the same commit is no error.
    Commit,
    /// Forward within its scope only (I4).
    Channel(Scope),
    /// To a descendant commit.
    Branch,
    /// Freely.
    PullRequest,
}

impl TagClass {
    /// When tags of this class are written.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Version | Self::Commit => Phase::Versions,
            Self::Channel(Scope { level: Level::Latest, .. }) => Phase::Latest,
            Self::Channel(_) | Self::Branch | Self::PullRequest => Phase::Channels,
        }
    }

    /// The word of the machine output.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Commit => "commit",
            Self::Channel(_) => "channel",
            Self::Branch => "branch",
            Self::PullRequest => "pull-request",
        }
    }
}

impl fmt::Display for TagClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// All write-once tags in every repository come first, then channels, `latest` last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Versions,
    Channels,
    Latest,
}

impl Phase {
    /// In the order of writing.
    pub const ALL: [Self; 3] = [Self::Versions, Self::Channels, Self::Latest];
}

/// A tag that a release may carry, before anyone looked at the registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AllowedTag {
    pub tag: Tag,
    pub class: TagClass,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_names_are_recognised_and_nothing_else_is() {
        let scope = |t: &str| Scope::of_tag(&t.parse().unwrap());
        assert_eq!(scope("1.2"), scope("v1.2"));
        assert_eq!(scope("latest"), Some(Scope::new(Level::Latest)));
        assert_eq!(scope("v1"), Some(Scope::new(Level::Major { major: 1 })));
        assert_eq!(scope("1.2-dev").unwrap().variant.as_deref(), Some("dev"));
        for not in ["1.2.3", "main", "v", "latest-", "01", "1.", "1.02", "x1"] {
            assert_eq!(scope(not), None, "{not}");
        }
    }

    #[test]
    fn a_prerelease_is_in_no_scope() {
        let contains = |t: &str, v: &str| Scope::of_tag(&t.parse().unwrap()).unwrap().contains(&v.parse().unwrap());
        assert!(contains("1", "1.9.0") && contains("1.2", "1.2.7") && contains("latest", "3.0.0"));
        assert!(!contains("1", "2.0.0") && !contains("1.2", "1.3.0"));
        assert!(!contains("1", "1.9.0-rc.1") && !contains("latest", "3.0.0-rc.1"));
    }

    #[test]
    fn latest_is_written_last_and_versions_first() {
        let phase = |t: &str| TagClass::Channel(Scope::of_tag(&t.parse().unwrap()).unwrap()).phase();
        assert!(TagClass::Version.phase() < phase("1.2") && phase("1") < phase("latest"));
        assert_eq!(phase("latest-dev"), Phase::Latest);
    }
}
