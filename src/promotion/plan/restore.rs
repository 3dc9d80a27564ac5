//! Back to what counts: where a channel belongs once a version was withdrawn or the channel rolled back.
//!
//! A promote only looks at versions above its own; here the whole list counts, from the top. Version tags are examined
//! one after another until the first eligible one, so that a repository with thousands of them costs a few requests.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::oci::{Digest, Tag};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::plan::decide::{Verdict, channel_version, rank};
use crate::promotion::plan::{Action, PlanInput, TagList, TagMove};
use crate::promotion::{AllowedTag, Scope, TagClass, Version};

/// What a channel should show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Best {
    Version {
        version: Version,
        digest: Digest,
    },
    /// No version tag counts for it.
    Nothing,
    /// Not known yet: this tag has to be examined (HEAD, and the records of its target) first.
    Examine(Tag),
}

/// The highest version tag that was not withdrawn, is not held back, and whose record allows `channel`. Tags without a
/// record do not count. `below`: only versions lower than this.
///
/// # Errors
/// The list, a tag or records that could not be read: undecided.
pub fn best_of(input: &PlanInput, channel: &Tag, scope: &Scope, below: Option<&Version>) -> Result<Best, Reason> {
    let list = match &input.list {
        TagList::Complete(list) => list,
        TagList::Unreadable { why } => {
            let message = format!("the tag list of {} is not readable: {why}", input.repository);
            return Err(Reason::new(ReasonCode::ListIncomplete, message));
        }
    };
    let spelled = list.iter().filter_map(|tag| Some((Version::of_tag(tag)?, tag)));
    let mut versions: Vec<(Version, &Tag)> =
        spelled.filter(|(v, _)| scope.contains(v) && below.is_none_or(|below| v < below)).collect();
    versions.sort_by_key(|(version, tag)| (Reverse(version.clone()), *tag));
    for (version, tag) in versions {
        let target = input.targets.get(tag);
        let unread = matches!(target, Some(Some(digest)) if !input.records.contains_key(digest));
        if target.is_none() || unread {
            return Ok(Best::Examine(tag.clone()));
        }
        match rank(input, channel, tag, version) {
            Ok(Some(found)) => {
                if let Some(digest) = found.digest {
                    return Ok(Best::Version { version: found.version, digest });
                }
            }
            Ok(None) | Err(Verdict::Conflict(_) | Verdict::Skip(_) | Verdict::Act(_)) => {}
            Err(Verdict::Undecided(why)) => return Err(why),
        }
    }
    Ok(Best::Nothing)
}

/// The version that `channel` shows, read before; `None` where no record explains its target, or without one.
///
/// # Errors
/// Its records could not be read.
pub fn shown_version(input: &PlanInput, channel: &Tag) -> Result<Option<Version>, Reason> {
    let Some(Some(target)) = input.targets.get(channel) else { return Ok(None) };
    match channel_version(input, channel, target) {
        Ok(shown) => Ok(Some(shown.version)),
        Err(Verdict::Undecided(why)) => Err(why),
        Err(Verdict::Conflict(_) | Verdict::Skip(_) | Verdict::Act(_)) => Ok(None),
    }
}

/// Does `channel` show a version that was withdrawn, by a record that allowed it?
#[must_use]
pub fn shows_withdrawn(input: &PlanInput, channel: &Tag) -> bool {
    let Some(Some(target)) = input.targets.get(channel) else { return false };
    matches!(channel_version(input, channel, target), Ok(shown) if shown.withdrawn)
}

/// The channels that one command has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    These(BTreeSet<Tag>),
    /// An earlier run of the command was perhaps killed after any write.
    Unknown,
}

impl Touched {
    fn may_have(&self, channel: &Tag) -> bool {
        match self {
            Self::These(tags) => tags.contains(channel),
            Self::Unknown => true,
        }
    }
}

/// The channels a withdrawal of `version` is about: those in its scope that are listed, and those that its record allows.
/// A channel that does not exist may be missing because of it: a lower release left it to this one, which was stopped.
#[must_use]
pub fn withdrawal_channels(input: &PlanInput, version: &Version) -> BTreeSet<Tag> {
    let listed = match &input.list {
        TagList::Complete(list) => list.as_slice(),
        TagList::Unreadable { .. } => &[],
    };
    let releases = input.records_of(&input.digest).unwrap_or_default().iter();
    let own = releases.filter(|r| r.record.version.as_ref() == Some(version));
    let allowed = own.filter_map(|r| r.record.image(&input.repository)).flat_map(|image| &image.tags);
    let in_scope = |tag: &&Tag| Scope::of_tag(tag).is_some_and(|scope| scope.contains(version));
    listed.iter().chain(allowed).filter(in_scope).cloned().collect()
}

/// Is it for the withdrawal of the version on `input.digest` to say where `channel` goes? Where a withdrawn version is
/// shown, and where the command itself may have written: nothing compares when a tag is put, so a higher release that
/// finished between its look and its PUT was overwritten, and only the writer can know (I4). A target that no record
/// explains was put by somebody else. A channel that does not exist may be created: see [`withdrawal_channels`].
///
/// # Errors
/// It cannot be told what the channel shows, and it may be the withdrawn version or a write of ours.
pub fn concerns_withdrawal(input: &PlanInput, channel: &Tag, touched: &Touched) -> Result<bool, Reason> {
    let Some(Some(target)) = input.targets.get(channel) else { return Ok(true) };
    match channel_version(input, channel, target) {
        Ok(shown) => Ok(shown.withdrawn || touched.may_have(channel)),
        Err(Verdict::Undecided(why)) if *target == input.digest || touched.may_have(channel) => Err(why),
        Err(Verdict::Undecided(_) | Verdict::Conflict(_) | Verdict::Skip(_) | Verdict::Act(_)) => Ok(false),
    }
}

/// Where `channel` goes, everything that [`best_of`] needs being examined: to the highest that counts, unless what it
/// shows stands and is no lower.
///
/// # Errors
/// What is not known: undecided.
pub fn restore(input: &PlanInput, allowed: &AllowedTag, scope: &Scope) -> Result<TagMove, Reason> {
    let tag = &allowed.tag;
    let from = match input.targets.get(tag) {
        Some(from) => from.clone(),
        None => {
            let message = format!("cannot decide tag {tag}: it was not looked at");
            return Err(Reason::new(ReasonCode::TargetUnknown, message));
        }
    };
    let line = |action, to: Digest, why| TagMove {
        repository: input.repository.clone(),
        tag: tag.clone(),
        class: TagClass::Channel(scope.clone()),
        action,
        from: from.clone(),
        to,
        why,
    };
    let shown = from.as_ref().map(|from| channel_version(input, tag, from));
    let held = |version: &Version| input.hold(tag).is_some_and(|hold| hold.excludes(version));
    let standing = match shown {
        Some(Err(Verdict::Undecided(why))) => return Err(why),
        Some(Ok(shown)) => (!shown.withdrawn && !held(&shown.version)).then_some(shown.version),
        // Without a record; only a rollback asks for it.
        Some(Err(Verdict::Conflict(_) | Verdict::Skip(_) | Verdict::Act(_))) | None => None,
    };
    let best = best_of(input, tag, scope, None)?;
    let ahead = |version: &Version| match &best {
        Best::Version { version: best, .. } => version >= best,
        Best::Nothing | Best::Examine(_) => true,
    };
    if let (true, Some(from)) = (standing.as_ref().is_some_and(ahead), &from) {
        return Ok(line(Action::Keep, from.clone(), None));
    }
    match best {
        Best::Version { digest, .. } if from.as_ref() == Some(&digest) => Ok(line(Action::Keep, digest, None)),
        Best::Version { digest, .. } => {
            let action = if from.is_some() { Action::Move } else { Action::Create };
            Ok(line(action, digest, None))
        }
        Best::Nothing => {
            let message = format!("no version is left for tag {tag} of {}", input.repository);
            let why = Reason::new(ReasonCode::NoVersionLeft, message);
            let to = from.clone().unwrap_or_else(|| input.digest.clone());
            Ok(line(Action::Skip, to, Some(why)))
        }
        Best::Examine(tag) => {
            let message = format!("cannot decide: version tag {tag} was not looked at");
            Err(Reason::new(ReasonCode::TargetUnknown, message))
        }
    }
}
