//! The rollback of one channel: predicate `PredicateType::ROLLBACK`, by an operator.
//!
//! It names where the channel goes and through which version it is held: versions above the target and up to
//! `heldThrough` do not count for the channel any more, whoever promotes them; a release above ends the hold. The
//! statement is attached to the digest of `heldThrough`, because whoever decides about a version that the hold concerns
//! reads the records of every higher version tag, and so sees it. A later rollback of the same channel holds at least
//! as far while an earlier hold lasts, so that it is found by the same look; the one signed last counts.

use serde::{Deserialize, Serialize};

use crate::evidence::PredicateType;
use crate::oci::{Digest, Repository, Tag};
use crate::promotion::operator::{self, Instructs, NotAnInstruction, VerifiedInstruction};
use crate::promotion::{Scope, Version};

/// The predicate as signed. Unknown fields are tolerated on reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    pub repository: Repository,
    pub channel: Tag,
    /// What the channel showed; null where no record explained it.
    pub from: Option<Version>,
    pub to: RollbackTarget,
    /// Releases above this version end the hold.
    pub held_through: Version,
    /// Counts the rollbacks of this channel, for two that were signed within one second.
    pub sequence: u32,
    #[serde(default)]
    pub reason: String,
}

/// Where the channel goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackTarget {
    pub version: Version,
    pub digest: Digest,
}

impl Rollback {
    /// Does the channel pass over `version` because of this rollback?
    #[must_use]
    pub fn excludes(&self, version: &Version) -> bool {
        *version > self.to.version && *version <= self.held_through
    }
}

impl Instructs for Rollback {
    const TYPE: PredicateType = PredicateType::ROLLBACK;

    fn repository(&self) -> &Repository {
        &self.repository
    }

    /// # Errors
    /// A tag that is no channel of both versions, or a reason that is too long.
    fn validate(&self) -> Result<(), NotAnInstruction> {
        let scope = Scope::of_tag(&self.channel);
        for version in [&self.to.version, &self.held_through] {
            if !scope.as_ref().is_some_and(|scope| scope.contains(version)) {
                return Err(NotAnInstruction::Channel { channel: self.channel.clone(), version: version.clone() });
            }
        }
        operator::short_enough(&self.reason)
    }
}

/// A rollback that verifies now, on the digest of the version it is held through.
pub type VerifiedRollback = VerifiedInstruction<Rollback>;

#[cfg(test)]
mod tests {
    use super::*;

    fn rollback(channel: &str, to: &str, through: &str) -> Rollback {
        Rollback {
            repository: "ghcr.io/a/b".parse().unwrap(),
            channel: channel.parse().unwrap(),
            from: through.parse().ok(),
            to: RollbackTarget { version: to.parse().unwrap(), digest: Digest::of(to.as_bytes()) },
            held_through: through.parse().unwrap(),
            sequence: 1,
            reason: String::new(),
        }
    }

    #[test]
    fn a_hold_passes_over_what_lies_between_and_nothing_else() {
        let held = rollback("latest", "1.2.0", "1.4.0");
        let excluded = |v: &str| held.excludes(&v.parse().unwrap());
        assert!(excluded("1.3.0") && excluded("1.4.0") && excluded("1.2.1"));
        assert!(!excluded("1.2.0") && !excluded("1.1.9") && !excluded("1.4.1"));
    }

    #[test]
    fn a_rollback_is_for_a_channel_that_both_versions_are_in() {
        assert!(rollback("latest", "1.2.0", "1.4.0").validate().is_ok());
        assert!(rollback("1", "1.2.0", "1.4.0").validate().is_ok());
        for (channel, to, through) in [
            ("1.4.0", "1.2.0", "1.4.0"),
            ("main", "1.2.0", "1.4.0"),
            ("1", "1.2.0", "2.0.0"),
            ("1.4", "1.2.0", "1.4.0"),
            ("latest", "1.2.0-rc.1", "1.4.0"),
        ] {
            let refused = rollback(channel, to, through).validate();
            assert!(matches!(refused, Err(NotAnInstruction::Channel { .. })), "{channel} {to} {through}");
        }
        let mut long = rollback("latest", "1.2.0", "1.4.0");
        long.reason = "x".repeat(operator::MAX_REASON_LEN + 1);
        assert!(matches!(long.validate(), Err(NotAnInstruction::ReasonTooLong { .. })));
    }
}
