//! The second look: after the last channel was written, the list is read again, and a higher version that appeared
//! meanwhile gets the channel under its own record. Repeated until stable, this makes interleaved promotes end alike
//! (I4); it ends because every round moves a channel to a higher version only.

use std::collections::BTreeSet;

use crate::oci::Tag;
use crate::policy::{Reason, ReasonCode};
use crate::promotion::plan::decide::{Verdict, channel_version, highest_above};
use crate::promotion::plan::{Action, PlanInput, TagMove, version_recorded};
use crate::promotion::{AllowedTag, Scope, TagClass, Version};

/// What the second look comes to. All lists empty means stable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AfterList {
    /// Each `to` is ours or the digest of a higher version, whose verified record the approval needs.
    pub moves: Vec<TagMove>,
    pub conflicts: Vec<Reason>,
    pub undecided: Vec<Reason>,
    /// Channels that show our digest although it no longer counts for them (withdrawn or rolled back meanwhile). What
    /// they should show lies below ours: [`super::restore()`].
    pub restore: Vec<Tag>,
}

impl AfterList {
    #[must_use]
    pub fn is_stable(&self) -> bool {
        self.moves.is_empty() && self.conflicts.is_empty() && self.undecided.is_empty() && self.restore.is_empty()
    }
}

/// Decides again for the channels that this run has written and for those that show our digest; `input` was read anew.
/// Other channels are left to the run that owns the higher version. What an earlier run has written, nobody knows: see
/// [`left_over`].
#[must_use]
pub fn next_after_list(input: &PlanInput, written: &BTreeSet<Tag>) -> AfterList {
    let mut after = AfterList::default();
    let shows_ours = |tag: &Tag| matches!(input.targets.get(tag), Some(Some(digest)) if *digest == input.digest);
    for allowed in input.allowed.iter().filter(|a| written.contains(&a.tag) || shows_ours(&a.tag)) {
        let TagClass::Channel(scope) = &allowed.class else { continue };
        match look_again(input, allowed, scope) {
            Ok(Again::Move(line)) => after.moves.push(*line),
            Ok(Again::Restore) => after.restore.push(allowed.tag.clone()),
            Ok(Again::Stable) => {}
            Err(Verdict::Undecided(why)) => after.undecided.push(why),
            Err(Verdict::Conflict(why) | Verdict::Skip(why)) => after.conflicts.push(why),
            Err(Verdict::Act(_)) => {}
        }
    }
    after.moves.sort_by_key(TagMove::phase);
    after
}

/// The channels where an earlier run of this release may have left something to do (I8): it was perhaps killed between a
/// PUT and its second look, and that PUT may have been of any version, over any other. So every channel that exists is
/// looked at as if it were written by us.
#[must_use]
pub fn left_over(input: &PlanInput) -> BTreeSet<Tag> {
    let exists = |tag: &Tag| matches!(input.targets.get(tag), Some(Some(_)));
    let all = input.allowed.iter().map(|allowed| allowed.tag.clone()).filter(exists).collect();
    let after = next_after_list(input, &all);
    after.moves.into_iter().map(|line| line.tag).chain(after.restore).collect()
}

enum Again {
    Stable,
    Move(Box<TagMove>),
    Restore,
}

fn look_again(input: &PlanInput, allowed: &AllowedTag, scope: &Scope) -> Result<Again, Verdict> {
    let tag = &allowed.tag;
    let Some(ours) = input.version.as_ref().filter(|version| scope.contains(version)) else { return Ok(Again::Stable) };
    let ineligible = own_withdrawn(input, ours) || input.hold(tag).is_some_and(|hold| hold.excludes(ours));
    let (version, to) = match highest_above(input, tag, scope, ours)? {
        None if ineligible => {
            let shows_ours = input.targets.get(tag).and_then(Option::as_ref) == Some(&input.digest);
            return Ok(if shows_ours { Again::Restore } else { Again::Stable });
        }
        None => (ours.clone(), input.digest.clone()),
        Some(higher) => match higher.digest {
            Some(digest) => (higher.version, digest),
            // An adopted tag without a record outranks us; there is nothing we may put.
            None => return Ok(Again::Stable),
        },
    };
    let Some(from) = input.targets.get(tag) else {
        let message = format!("cannot decide tag {tag}: it was not looked at again");
        return Err(Verdict::Undecided(Reason::new(ReasonCode::TargetUnknown, message)));
    };
    if from.as_ref() == Some(&to) {
        return Ok(Again::Stable);
    }
    let action = match from {
        None => Action::Create,
        Some(from) => {
            // A target that no record explains was written by someone else after us: not ours to overwrite.
            let current = channel_version(input, tag, from).map_err(|verdict| moved_away(verdict, tag))?;
            let stands = !current.withdrawn && !input.hold(tag).is_some_and(|hold| hold.excludes(&current.version));
            if stands && current.version > version {
                return Ok(Again::Stable);
            }
            if current.version == version {
                return Err(Verdict::Conflict(version_recorded(&version, &input.repository, &to, from)));
            }
            Action::Move
        }
    };
    let (repository, class) = (input.repository.clone(), allowed.class.clone());
    let line = TagMove { repository, tag: tag.clone(), class, action, from: from.clone(), to, why: None };
    Ok(Again::Move(Box::new(line)))
}

/// Unreadable records of our own are not decided here: the plan was, with them.
fn own_withdrawn(input: &PlanInput, ours: &Version) -> bool {
    let records = input.records_of(&input.digest).unwrap_or_default();
    records.iter().any(|r| r.withdrawn && r.record.version.as_ref() == Some(ours))
}

fn moved_away(verdict: Verdict, tag: &Tag) -> Verdict {
    match verdict {
        Verdict::Conflict(why) => {
            let message = format!("tag {tag} was moved after it was written: {}", why.message);
            Verdict::Conflict(Reason::new(ReasonCode::TagMoved, message))
        }
        Verdict::Act(_) | Verdict::Skip(_) | Verdict::Undecided(_) => verdict,
    }
}
