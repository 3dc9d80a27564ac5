//! What a plan is made from: facts that a caller read before, each either known or said to be unknown.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::oci::{Digest, Repository, Tag};
use crate::promotion::{AllowedTag, Record, Rollback, TagClass, Version};

/// Everything known about one repository at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanInput {
    pub repository: Repository,
    /// The candidate.
    pub digest: Digest,
    /// `None` for branch, commit and pull-request builds.
    pub version: Option<Version>,
    pub allowed: Vec<AllowedTag>,
    pub list: TagList,
    /// What HEAD said, `None` for "no such tag". Needed: every allowed tag and everything of [`tags_to_examine`]. A tag
    /// without an entry was not looked at, and what depends on it is undecided.
    pub targets: BTreeMap<Tag, Option<Digest>>,
    /// Records by digest. Needed: the candidate and [`PlanInput::digests_to_read`]. A digest without an entry was not
    /// looked at.
    pub records: BTreeMap<Digest, DigestRecords>,
    /// For branch tags that exist: is our commit a descendant of the one they show? Missing means unknown.
    pub branches: BTreeMap<Tag, Ancestry>,
    pub adoption: Adoption,
}

impl PlanInput {
    /// The digests whose records the plan needs, once `targets` is filled: ours and every other target of a version or
    /// channel tag.
    #[must_use]
    pub fn digests_to_read(&self) -> BTreeSet<Digest> {
        let moving = |tag: &Tag| {
            self.allowed.iter().any(|allowed| {
                allowed.tag == *tag
                    && matches!(allowed.class, TagClass::Commit | TagClass::Branch | TagClass::PullRequest)
            })
        };
        let targets = self.targets.iter().filter(|(tag, _)| !moving(tag)).filter_map(|(_, digest)| digest.clone());
        targets.chain([self.digest.clone()]).collect()
    }

    /// The rollback that holds `channel`, of all that were read: the last one counts.
    #[must_use]
    pub fn hold(&self, channel: &Tag) -> Option<&Rollback> {
        self.last_rollback(channel).map(|recorded| &recorded.rollback)
    }

    /// When that rollback was signed.
    #[must_use]
    pub fn held_since(&self, channel: &Tag) -> Option<Timestamp> {
        self.last_rollback(channel).map(|recorded| recorded.at)
    }

    /// Counts `version` as listed at `digest`, whatever the registry says now.
    pub fn remember(&mut self, version: &Version, digest: Digest) {
        let Ok(tag) = version.to_string().parse::<Tag>() else { return };
        let spelled = |tag: &Tag| Version::of_tag(tag).as_ref() == Some(version);
        self.targets.retain(|tag, _| !spelled(tag));
        if let TagList::Complete(list) = &mut self.list {
            list.retain(|tag| !spelled(tag));
            list.push(tag.clone());
        }
        self.targets.insert(tag, Some(digest));
    }

    fn last_rollback(&self, channel: &Tag) -> Option<&RecordedRollback> {
        let read = self.records.values().filter_map(|records| match records {
            DigestRecords::Read(list) => Some(list),
            DigestRecords::Unreadable { .. } => None,
        });
        let rollbacks = read.flatten().flat_map(|release| &release.rollbacks);
        let of_channel = rollbacks.filter(|r| r.rollback.channel == *channel);
        of_channel.max_by_key(|r| (r.at, r.rollback.sequence, &r.rollback.to.digest))
    }

    pub(super) fn records_of(&self, digest: &Digest) -> Result<&[RecordedRelease], String> {
        match self.records.get(digest) {
            Some(DigestRecords::Read(records)) => Ok(records),
            Some(DigestRecords::Unreadable { why }) => Err(why.clone()),
            None => Err("its records were not read".to_owned()),
        }
    }
}

/// The version tags that may outrank ours in a channel we may carry; they need HEAD and records before a plan.
#[must_use]
pub fn tags_to_examine(version: Option<&Version>, allowed: &[AllowedTag], list: &[Tag]) -> Vec<Tag> {
    let Some(ours) = version else { return Vec::new() };
    let in_scope = |version: &Version| {
        allowed.iter().any(|allowed| match &allowed.class {
            TagClass::Channel(scope) => scope.contains(version),
            TagClass::Version | TagClass::Commit | TagClass::Branch | TagClass::PullRequest => false,
        })
    };
    let higher = |tag: &&Tag| Version::of_tag(tag).is_some_and(|found| found > *ours && in_scope(&found));
    list.iter().filter(higher).cloned().collect()
}

/// The repository's tag list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagList {
    /// All pages; empty for a repository that does not exist yet.
    Complete(Vec<Tag>),
    Unreadable {
        why: String,
    },
}

/// The promotion records on a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DigestRecords {
    /// Every record that verifies under the expected identity; none is an empty list.
    Read(Vec<RecordedRelease>),
    Unreadable {
        why: String,
    },
}

/// A verified record, whether a verified withdrawal names its version, and the rollbacks that hold channels through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRelease {
    pub record: Record,
    pub withdrawn: bool,
    pub rollbacks: Vec<RecordedRollback>,
}

/// A verified rollback and when it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRollback {
    pub rollback: Rollback,
    pub at: Timestamp,
}

/// Our commit, seen from the commit a branch tag shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ancestry {
    Descendant,
    NotDescendant,
    Unknown,
}

/// Which foreign targets may be taken over (`--adopt`), and for which version each counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Adoption {
    all: bool,
    versions: BTreeMap<Tag, Version>,
}

impl Adoption {
    /// Nothing is adopted.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// `--adopt TAG=VERSION …`: these tags only.
    #[must_use]
    pub fn named(versions: BTreeMap<Tag, Version>) -> Self {
        Self { all: false, versions }
    }

    /// `--adopt`: every tag; `labels` has the version label of each channel's target that has one.
    #[must_use]
    pub fn labelled(labels: BTreeMap<Tag, Version>) -> Self {
        Self { all: true, versions: labels }
    }

    pub(super) fn version_of(&self, tag: &Tag) -> Option<Version> {
        let spelled = || if self.all { Version::of_tag(tag) } else { None };
        self.versions.get(tag).cloned().or_else(spelled)
    }
}
