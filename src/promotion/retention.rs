//! Which releases and builds of a repository are kept, and why.
//!
//! Only what countersign promoted is ever let go, and only where every limit that was given says so. What a moving tag
//! shows, what was withdrawn (so that it stays refused), what holds a rollback, and what a channel would go back to next
//! is kept whatever the limits say.

use jiff::Timestamp;

use crate::oci::{Digest, Tag};
use crate::promotion::Version;

/// One digest with its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub digest: Digest,
    pub tags: Vec<Tag>,
    pub kind: HeldKind,
    /// When its last record was signed; `None` without a record.
    pub promoted_at: Option<Timestamp>,
    /// Facts that keep it in any case.
    pub bound: Option<Keep>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeldKind {
    /// A commit or pull-request build.
    Build,
    PreRelease(Version),
    Release(Version),
}

/// Why something is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// No record of ours names it.
    Foreign,
    /// This tag moves, and shows it.
    ShownBy(Tag),
    Withdrawn,
    HoldsRollback,
    /// This channel belongs to it, or goes back to it.
    NextFor(Tag),
    /// A part of something that is kept.
    PartOf(Digest),
    /// One of the last of its kind.
    Recent,
    Young,
    NoLimit,
}

impl std::fmt::Display for Keep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Foreign => f.write_str("no promotion record: not ours to delete"),
            Self::ShownBy(tag) => write!(f, "shown by {tag}"),
            Self::Withdrawn => f.write_str("withdrawn, and stays refused"),
            Self::HoldsRollback => f.write_str("holds a rollback"),
            Self::NextFor(tag) => write!(f, "what {tag} belongs to"),
            Self::PartOf(digest) => write!(f, "part of {digest}"),
            Self::Recent => f.write_str("one of the last"),
            Self::Young => f.write_str("young"),
            Self::NoLimit => f.write_str("no limit was given"),
        }
    }
}

/// What was asked for. Both limits have to say so before anything is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Of releases, of pre-releases, and of builds, this many of the last are kept each.
    pub keep_last: Option<usize>,
    /// What was promoted since is kept.
    pub since: Option<Timestamp>,
}

/// For each of `held`, why it is kept; `None`: it may be deleted.
#[must_use]
pub fn decide(held: &[Held], limits: Limits) -> Vec<Option<Keep>> {
    let mut order: Vec<usize> = (0..held.len()).collect();
    // Newest first within each kind.
    let rank = |held: &Held| match &held.kind {
        HeldKind::Build => (None, held.promoted_at),
        HeldKind::PreRelease(version) | HeldKind::Release(version) => (Some(version.clone()), held.promoted_at),
    };
    order.sort_by_key(|i| std::cmp::Reverse(rank(&held[*i])));
    let mut seen = [0_usize; 3];
    let mut keeps = vec![None; held.len()];
    for i in order {
        let one = &held[i];
        let kind = match one.kind {
            HeldKind::Build => 0,
            HeldKind::PreRelease(_) => 1,
            HeldKind::Release(_) => 2,
        };
        let recent = limits.keep_last.is_some_and(|last| seen[kind] < last);
        seen[kind] += 1;
        keeps[i] = by_limits(one, limits, recent);
    }
    keeps
}

fn by_limits(one: &Held, limits: Limits, recent: bool) -> Option<Keep> {
    if let Some(bound) = &one.bound {
        return Some(bound.clone());
    }
    let Some(promoted_at) = one.promoted_at else { return Some(Keep::Foreign) };
    if limits == Limits::default() {
        return Some(Keep::NoLimit);
    }
    if recent {
        return Some(Keep::Recent);
    }
    limits.since.filter(|since| promoted_at >= *since).map(|_| Keep::Young)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(version: &str, second: i64) -> Held {
        let parsed: Version = version.parse().unwrap();
        let kind = if parsed.is_prerelease() { HeldKind::PreRelease(parsed) } else { HeldKind::Release(parsed) };
        Held {
            digest: Digest::of(version.as_bytes()),
            tags: vec![version.parse().unwrap()],
            kind,
            promoted_at: Timestamp::from_second(second).ok(),
            bound: None,
        }
    }

    fn let_go(held: &[Held], limits: Limits) -> Vec<String> {
        let decided = decide(held, limits);
        let gone = held.iter().zip(decided).filter(|(_, keep)| keep.is_none());
        gone.map(|(held, _)| held.tags[0].to_string()).collect()
    }

    #[test]
    fn the_last_of_each_kind_are_kept_by_version_not_by_time() {
        let all = [held("1.10.0", 1), held("1.9.0", 9), held("2.0.0-rc.1", 3), held("2.0.0-rc.2", 4), held("1.8.0", 8)];
        let last = |n| Limits { keep_last: Some(n), since: None };
        assert_eq!(let_go(&all, last(1)), ["1.9.0", "2.0.0-rc.1", "1.8.0"]);
        assert_eq!(let_go(&all, last(2)), ["1.8.0"]);
        assert!(let_go(&all, last(3)).is_empty());
    }

    #[test]
    fn both_limits_have_to_agree_and_none_lets_nothing_go() {
        let all = [held("1.3.0", 30), held("1.2.0", 20), held("1.1.0", 10)];
        let since = Timestamp::from_second(15).ok();
        assert!(let_go(&all, Limits::default()).is_empty());
        assert_eq!(let_go(&all, Limits { keep_last: None, since }), ["1.1.0"]);
        assert_eq!(let_go(&all, Limits { keep_last: Some(1), since }), ["1.1.0"]);
        assert!(let_go(&all, Limits { keep_last: Some(3), since }).is_empty());
    }

    #[test]
    fn what_is_bound_or_foreign_stays_whatever_the_limits() {
        let mut all = [held("1.3.0", 30), held("1.2.0", 20), held("1.1.0", 10)];
        all[2].bound = Some(Keep::Withdrawn);
        all[1].promoted_at = None;
        let decided = decide(&all, Limits { keep_last: Some(0), since: None });
        assert_eq!(decided, [None, Some(Keep::Foreign), Some(Keep::Withdrawn)]);
    }
}
