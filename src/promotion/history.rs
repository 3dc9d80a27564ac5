//! What a tag pointed to, told from the records that authorised it.
//!
//! Records say what may be; only the tag shows what is. So the records are replayed in the order they were signed, by the
//! same rules that plans follow, and the result is compared with what the tag shows now: what is recorded after the
//! shown entry is *unconfirmed*. Withdrawals and rollbacks change what a channel belongs to; a backport that never had
//! the channel is no entry of its history.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::oci::{Digest, Tag};
use crate::promotion::{Rollback, Scope, Version};

/// Something signed that concerns the tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub at: Timestamp,
    pub identity: String,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A record allows the tag to point to this digest.
    Promoted {
        version: Option<Version>,
        digest: Digest,
    },
    Withdrawn {
        version: Version,
    },
    RolledBack(Rollback),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    Promotion,
    Withdrawal,
    Rollback,
}

impl EntryKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promotion => "promotion",
            Self::Withdrawal => "withdrawal",
            Self::Rollback => "rollback",
        }
    }
}

/// Against what the tag shows now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    Current,
    Superseded,
    /// Recorded, but the tag does not show it (yet, or any more).
    Unconfirmed,
}

impl EntryState {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Superseded => "superseded",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// One line of a tag's history: what it points to from `at` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub digest: Digest,
    pub version: Option<Version>,
    pub at: Timestamp,
    pub identity: String,
    pub kind: EntryKind,
    pub state: EntryState,
}

/// The entries in order of time. `shown`: what the tag points to now.
#[must_use]
pub fn replay(tag: &Tag, mut events: Vec<Event>, shown: Option<&Digest>) -> Vec<Entry> {
    events.sort_by_key(|event| (event.at, order(&event.what)));
    let mut replay = Replay { channel: Scope::of_tag(tag).is_some(), ..Replay::default() };
    for event in events {
        replay.step(event);
    }
    let mut entries = replay.entries;
    let current = entries.iter().rposition(|entry| Some(&entry.digest) == shown);
    for (i, entry) in entries.iter_mut().enumerate() {
        entry.state = match current {
            Some(current) if i < current => EntryState::Superseded,
            Some(current) if i == current => EntryState::Current,
            Some(_) | None => EntryState::Unconfirmed,
        };
    }
    entries
}

/// The entry in force at `at`: the last that the tag is known to have shown by then.
#[must_use]
pub fn in_force(entries: &[Entry], at: Timestamp) -> Option<&Entry> {
    let confirmed = entries.iter().filter(|entry| entry.state != EntryState::Unconfirmed);
    confirmed.take_while(|entry| entry.at <= at).last()
}

/// Of two that were signed within one second, a withdrawal cannot come before its promotion.
fn order(what: &What) -> (u8, Option<Version>, u32) {
    match what {
        What::Promoted { version, .. } => (0, version.clone(), 0),
        What::Withdrawn { version } => (1, Some(version.clone()), 0),
        What::RolledBack(rollback) => (2, None, rollback.sequence),
    }
}

#[derive(Default)]
struct Replay {
    channel: bool,
    versions: BTreeMap<Version, Digest>,
    withdrawn: Vec<Version>,
    hold: Option<Rollback>,
    entries: Vec<Entry>,
}

impl Replay {
    fn step(&mut self, event: Event) {
        let Event { at, identity, what } = event;
        let (kind, target) = match what {
            What::Promoted { version: Some(version), digest } if self.channel => {
                self.versions.entry(version).or_insert(digest);
                (EntryKind::Promotion, self.belongs())
            }
            What::Promoted { version, digest } => (EntryKind::Promotion, Some((version, digest))),
            What::Withdrawn { version } => {
                self.withdrawn.push(version.clone());
                let own = || self.entries.iter().rfind(|e| e.version.as_ref() == Some(&version));
                let target = match self.channel {
                    true => self.belongs(),
                    // A version tag stays; that it was withdrawn is part of its history.
                    false => own().map(|entry| (Some(version.clone()), entry.digest.clone())),
                };
                if !self.channel {
                    if let Some((version, digest)) = target {
                        self.push(Entry {
                            digest,
                            version,
                            at,
                            identity,
                            kind: EntryKind::Withdrawal,
                            state: EntryState::Current,
                        });
                    }
                    return;
                }
                (EntryKind::Withdrawal, target)
            }
            What::RolledBack(rollback) => {
                self.hold = Some(rollback);
                (EntryKind::Rollback, self.belongs())
            }
        };
        let Some((version, digest)) = target else { return };
        let unchanged = self.entries.last().is_some_and(|last| last.digest == digest && last.version == version);
        if !unchanged || kind == EntryKind::Rollback {
            self.push(Entry { digest, version, at, identity, kind, state: EntryState::Current });
        }
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// The highest version that counts.
    fn belongs(&self) -> Option<(Option<Version>, Digest)> {
        let counts = |version: &Version| {
            let held = self.hold.as_ref().is_some_and(|hold| hold.excludes(version));
            !self.withdrawn.contains(version) && !held
        };
        let best = self.versions.iter().rfind(|(version, _)| counts(version));
        best.map(|(version, digest)| (Some(version.clone()), digest.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promotion::RollbackTarget;

    fn digest(of: &str) -> Digest {
        Digest::of(of.as_bytes())
    }

    fn event(second: i64, what: What) -> Event {
        Event { at: Timestamp::from_second(second).unwrap(), identity: "me".to_owned(), what }
    }

    fn promoted(second: i64, version: &str) -> Event {
        event(second, What::Promoted { version: version.parse().ok(), digest: digest(version) })
    }

    fn rolled_back(second: i64, to: &str, through: &str) -> Event {
        event(
            second,
            What::RolledBack(Rollback {
                repository: "ghcr.io/a/b".parse().unwrap(),
                channel: "latest".parse().unwrap(),
                from: through.parse().ok(),
                to: RollbackTarget { version: to.parse().unwrap(), digest: digest(to) },
                held_through: through.parse().unwrap(),
                sequence: 1,
                reason: String::new(),
            }),
        )
    }

    /// `second version kind state` of each entry.
    fn told(tag: &str, events: Vec<Event>, shown: &str) -> Vec<String> {
        let entries = replay(&tag.parse().unwrap(), events, Some(&digest(shown)));
        let line = |e: &Entry| {
            let version = e.version.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{} {version} {} {}", e.at.as_second(), e.kind.as_str(), e.state.as_str())
        };
        entries.iter().map(line).collect()
    }

    #[test]
    fn a_backport_is_no_entry_and_the_shown_one_is_current() {
        let events = vec![promoted(30, "1.2.1"), promoted(10, "1.2.0"), promoted(20, "1.3.0")];
        let expected = ["10 1.2.0 promotion superseded", "20 1.3.0 promotion current"];
        assert_eq!(told("latest", events.clone(), "1.3.0"), expected);
        let lagging = ["10 1.2.0 promotion current", "20 1.3.0 promotion unconfirmed"];
        assert_eq!(told("latest", events, "1.2.0"), lagging);
    }

    #[test]
    fn withdrawals_and_rollbacks_say_where_the_channel_went() {
        let withdrawn = event(30, What::Withdrawn { version: "1.3.0".parse().unwrap() });
        let events = vec![promoted(10, "1.2.0"), promoted(20, "1.3.0"), withdrawn.clone(), promoted(40, "1.2.1")];
        let expected = [
            "10 1.2.0 promotion superseded",
            "20 1.3.0 promotion superseded",
            "30 1.2.0 withdrawal superseded",
            "40 1.2.1 promotion current",
        ];
        assert_eq!(told("latest", events, "1.2.1"), expected);
        let own = ["20 1.3.0 promotion superseded", "30 1.3.0 withdrawal current"];
        assert_eq!(told("1.3.0", vec![promoted(20, "1.3.0"), withdrawn], "1.3.0"), own);
        let events = vec![
            promoted(10, "1.2.0"),
            promoted(20, "1.4.0"),
            rolled_back(30, "1.2.0", "1.4.0"),
            promoted(40, "1.3.0"),
            promoted(50, "1.5.0"),
        ];
        let expected = [
            "10 1.2.0 promotion superseded",
            "20 1.4.0 promotion superseded",
            "30 1.2.0 rollback superseded",
            "50 1.5.0 promotion current",
        ];
        assert_eq!(told("latest", events, "1.5.0"), expected);
    }

    #[test]
    fn the_entry_in_force_is_the_last_one_shown_by_then() {
        let events = vec![promoted(10, "1.2.0"), promoted(20, "1.3.0"), promoted(30, "1.4.0")];
        let entries = replay(&"latest".parse().unwrap(), events, Some(&digest("1.3.0")));
        let at = |second| {
            let found = in_force(&entries, Timestamp::from_second(second).unwrap());
            found.and_then(|entry| entry.version.as_ref()).map(ToString::to_string)
        };
        assert_eq!(at(9), None);
        assert_eq!(at(10).as_deref(), Some("1.2.0"));
        assert_eq!(at(29).as_deref(), Some("1.3.0"));
        assert_eq!(at(99).as_deref(), Some("1.3.0"), "1.4.0 was never shown");
    }

    #[test]
    fn branch_tags_are_in_order_of_time() {
        let built = |second, of: &str| event(second, What::Promoted { version: None, digest: digest(of) });
        let events = vec![built(20, "b"), built(10, "a")];
        assert_eq!(told("main", events, "b"), ["10  promotion superseded", "20  promotion current"]);
    }
}
