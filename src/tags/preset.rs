//! The presets: one table of tag names per kind of build (product.md, "Tag classes and presets").
//!
//! A pre-release gets its full version tags only (I5), and major 0 gives no `0`: anything may change in 0.x, so a tag
//! that spans it promises nothing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::oci::Tag;
use crate::promotion::{AllowedTag, Commit, Level, Scope, TagClass, Version};
use crate::tags::sanitise::branch_tag;
use crate::tags::{Build, GitContext, TagError, Target};

/// A named set of tag rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Preset {
    #[default]
    Both,
    Plain,
    V,
    Brokkr,
    Kube9,
    Storacha,
}

impl Preset {
    pub const ALL: [Self; 6] = [Self::Both, Self::Plain, Self::V, Self::Brokkr, Self::Kube9, Self::Storacha];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Plain => "plain",
            Self::V => "v",
            Self::Brokkr => "brokkr",
            Self::Kube9 => "kube9",
            Self::Storacha => "storacha",
        }
    }

    /// The tags that `build` may carry, in the table's order; empty where the preset publishes nothing.
    ///
    /// # Errors
    /// A branch name that makes no tag or one of another class, or a target that the preset does not know.
    pub fn tags(self, build: &Build, context: &GitContext) -> Result<Vec<AllowedTag>, TagError> {
        if context.target == Target::Dev && self != Self::Storacha {
            return Err(TagError::TargetUnsupported { preset: self });
        }
        match build {
            Build::Version(version) => self.version_tags(version, context.target),
            Build::Branch(branch) => {
                let commit = context.commit.as_ref().ok_or(TagError::NoCommit)?;
                self.branch_tags(branch, commit, context.target)
            }
            Build::PullRequest(number) => self.pull_request_tags(*number),
        }
    }

    fn version_tags(self, version: &Version, target: Target) -> Result<Vec<AllowedTag>, TagError> {
        let (full, channels): (&[&str], &[&str]) = match (self, target) {
            (Self::Storacha, Target::Dev) => (&[], &[]),
            (Self::Storacha, Target::Prod) => (&["v"], &[]),
            (Self::Both | Self::Kube9, _) => (&["v", ""], &[""]),
            (Self::Plain, _) => (&[""], &[""]),
            (Self::V, _) => (&["v"], &["v"]),
            (Self::Brokkr, _) => (&["v", ""], &["v", ""]),
        };
        let mut tags = Vec::new();
        for prefix in full {
            tags.push(allowed(format!("{prefix}{version}"), TagClass::Version)?);
        }
        if version.is_prerelease() || channels.is_empty() {
            return Ok(tags);
        }
        let (major, minor) = (version.major(), version.minor());
        for prefix in channels {
            tags.push(channel(format!("{prefix}{major}.{minor}"), Level::Minor { major, minor })?);
        }
        for prefix in channels.iter().filter(|_| major > 0) {
            tags.push(channel(format!("{prefix}{major}"), Level::Major { major })?);
        }
        tags.push(channel("latest".to_owned(), Level::Latest)?);
        Ok(tags)
    }

    fn branch_tags(self, branch: &str, commit: &Commit, target: Target) -> Result<Vec<AllowedTag>, TagError> {
        let short = commit.short();
        let named = |suffix| -> Result<AllowedTag, TagError> {
            Ok(AllowedTag { tag: branch_tag(branch, suffix)?, class: TagClass::Branch })
        };
        let by_commit = |text| allowed(text, TagClass::Commit);
        match (self, target) {
            (Self::Both | Self::Plain | Self::V, _) => Ok(vec![named("")?, by_commit(format!("sha-{short}"))?]),
            (Self::Brokkr, _) => {
                let branch = named("")?;
                let of_branch = by_commit(format!("{}-sha-{short}", branch.tag))?;
                Ok(vec![branch, of_branch, by_commit(format!("sha-{short}"))?])
            }
            (Self::Kube9, _) => Ok(Vec::new()),
            (Self::Storacha, Target::Prod) => Ok(vec![by_commit(short.to_owned())?, named("")?]),
            (Self::Storacha, Target::Dev) => Ok(vec![by_commit(format!("{short}-dev"))?, named("-dev")?]),
        }
    }

    fn pull_request_tags(self, number: u64) -> Result<Vec<AllowedTag>, TagError> {
        match self {
            Self::Both | Self::Plain | Self::V | Self::Brokkr => {
                Ok(vec![allowed(format!("pr-{number}"), TagClass::PullRequest)?])
            }
            Self::Kube9 | Self::Storacha => Ok(Vec::new()),
        }
    }
}

fn allowed(text: String, class: TagClass) -> Result<AllowedTag, TagError> {
    Ok(AllowedTag { tag: Tag::try_from(text)?, class })
}

fn channel(text: String, level: Level) -> Result<AllowedTag, TagError> {
    allowed(text, TagClass::Channel(Scope::new(level)))
}

impl FromStr for Preset {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|preset| preset.as_str() == text);
        found.ok_or_else(|| TagError::UnknownPreset { text: text.chars().take(100).collect() })
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Preset {
    type Error = TagError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Preset> for String {
    fn from(preset: Preset) -> Self {
        preset.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(git_ref: &str, target: Target) -> GitContext {
        let commit = format!("abc1234{}", "0".repeat(33));
        GitContext { git_ref: git_ref.parse().unwrap(), commit: commit.parse().ok(), target }
    }

    /// Tag names with the first letter of their class, `v1.2.3:v main:b`.
    fn tags(preset: &str, git_ref: &str, target: Target) -> String {
        let context = context(git_ref, target);
        let build = Build::of(None, &context).unwrap();
        let tags = preset.parse::<Preset>().unwrap().tags(&build, &context).unwrap();
        let words: Vec<String> = tags.iter().map(|t| format!("{}:{}", t.tag, &t.class.as_str()[..2])).collect();
        words.join(" ")
    }

    #[test]
    fn a_release_gets_the_tags_of_the_table() {
        for (preset, expected) in [
            ("both", "v1.2.3:ve 1.2.3:ve 1.2:ch 1:ch latest:ch"),
            ("plain", "1.2.3:ve 1.2:ch 1:ch latest:ch"),
            ("v", "v1.2.3:ve v1.2:ch v1:ch latest:ch"),
            ("brokkr", "v1.2.3:ve 1.2.3:ve v1.2:ch 1.2:ch v1:ch 1:ch latest:ch"),
            ("kube9", "v1.2.3:ve 1.2.3:ve 1.2:ch 1:ch latest:ch"),
            ("storacha", "v1.2.3:ve"),
        ] {
            assert_eq!(tags(preset, "refs/tags/v1.2.3", Target::Prod), expected, "{preset}");
        }
        assert_eq!(tags("storacha", "refs/tags/v1.2.3", Target::Dev), "");
    }

    #[test]
    fn a_branch_build_gets_the_tags_of_the_table() {
        for (preset, expected) in [
            ("both", "main:br sha-abc1234:co"),
            ("plain", "main:br sha-abc1234:co"),
            ("v", "main:br sha-abc1234:co"),
            ("brokkr", "main:br main-sha-abc1234:co sha-abc1234:co"),
            ("kube9", ""),
            ("storacha", "abc1234:co main:br"),
        ] {
            assert_eq!(tags(preset, "refs/heads/main", Target::Prod), expected, "{preset}");
        }
        assert_eq!(tags("storacha", "refs/heads/main", Target::Dev), "abc1234-dev:co main-dev:br");
        assert_eq!(tags("both", "refs/pull/123/merge", Target::Prod), "pr-123:pu");
        assert_eq!(tags("storacha", "refs/pull/123/merge", Target::Prod), "");
    }

    #[test]
    fn i5_a_prerelease_gets_its_full_version_tags_only() {
        for preset in Preset::ALL {
            let all = tags(preset.as_str(), "refs/tags/v1.2.3-rc.1", Target::Prod);
            assert!(!all.is_empty() && !all.contains(":ch"), "{preset}: {all}");
        }
        assert_eq!(tags("both", "refs/tags/v1.2.3-rc.1", Target::Prod), "v1.2.3-rc.1:ve 1.2.3-rc.1:ve");
    }

    #[test]
    fn major_zero_gives_no_zero_tag() {
        assert_eq!(tags("both", "refs/tags/v0.4.1", Target::Prod), "v0.4.1:ve 0.4.1:ve 0.4:ch latest:ch");
        assert_eq!(tags("v", "refs/tags/v0.4.1", Target::Prod), "v0.4.1:ve v0.4:ch latest:ch");
    }

    #[test]
    fn presets_round_trip_and_only_storacha_has_a_dev_target() {
        for preset in Preset::ALL {
            assert_eq!(preset.to_string().parse(), Ok(preset));
        }
        assert!(matches!("bothh".parse::<Preset>(), Err(TagError::UnknownPreset { .. })));
        let context = context("refs/heads/main", Target::Dev);
        let build = Build::of(None, &context).unwrap();
        assert!(matches!(Preset::Both.tags(&build, &context), Err(TagError::TargetUnsupported { .. })));
    }
}
