//! The plan of one repository: every allowed tag against what the registry shows and what verified records say.

use crate::oci::{Digest, Tag};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::plan::{
    Action, Ancestry, PlanInput, RecordedRelease, TagList, TagMove, TagPlan, version_recorded,
};
use crate::promotion::{AllowedTag, Rollback, Scope, TagClass, Version};

/// Decides every allowed tag. Denials and what is undecided stand beside the lines; see [`TagPlan`].
#[must_use]
pub fn plan_tags(input: &PlanInput) -> TagPlan {
    let mut plan = TagPlan {
        repository: input.repository.clone(),
        digest: input.digest.clone(),
        version: input.version.clone(),
        moves: Vec::new(),
        undecided: Vec::new(),
        denials: Vec::new(),
        recorded: Vec::new(),
    };
    read_own_records(input, &mut plan);
    for allowed in &input.allowed {
        let (verdict, from) = match input.targets.get(&allowed.tag) {
            Some(from) => (decide(input, allowed, from.as_ref()), from.clone()),
            None => (Verdict::undecided(&allowed.tag, "it was not looked at"), None),
        };
        let (action, why) = match verdict {
            Verdict::Act(action) => (action, None),
            Verdict::Skip(why) => (Action::Skip, Some(why)),
            Verdict::Conflict(why) => (Action::Conflict, Some(why)),
            Verdict::Undecided(why) => {
                plan.undecided.push(why.clone());
                (Action::Skip, Some(why))
            }
        };
        let (tag, class) = (allowed.tag.clone(), allowed.class.clone());
        let (repository, to) = (input.repository.clone(), input.digest.clone());
        plan.moves.push(TagMove { repository, tag, class, action, from, to, why });
    }
    plan.moves.sort_by_key(TagMove::phase);
    plan
}

pub(super) enum Verdict {
    Act(Action),
    Skip(Reason),
    Conflict(Reason),
    Undecided(Reason),
}

impl Verdict {
    pub(super) fn undecided(tag: &Tag, why: &str) -> Self {
        Self::Undecided(Reason::new(ReasonCode::TargetUnknown, format!("cannot decide tag {tag}: {why}")))
    }
}

/// What earlier records of this very version say: withdrawn, or other digests for sibling repositories.
fn read_own_records(input: &PlanInput, plan: &mut TagPlan) {
    let Some(version) = &input.version else { return };
    let records = match input.records_of(&input.digest) {
        Ok(records) => records,
        Err(why) => {
            let message = format!("cannot tell whether {version} was recorded or withdrawn: {why}");
            plan.undecided.push(Reason::new(ReasonCode::TargetUnknown, message));
            return;
        }
    };
    for recorded in records.iter().filter(|recorded| recorded.record.version.as_ref() == Some(version)) {
        if recorded.withdrawn {
            let message = format!("version {version} of {} was withdrawn", input.repository);
            plan.denials.push(Reason::new(ReasonCode::Withdrawn, message));
        }
        plan.recorded.extend(recorded.record.images.iter().map(|i| (i.repository.clone(), i.digest.clone())));
    }
}

fn decide(input: &PlanInput, allowed: &AllowedTag, from: Option<&Digest>) -> Verdict {
    let ours = from == Some(&input.digest);
    match (&allowed.class, from) {
        (TagClass::Channel(scope), from) => decide_channel(input, &allowed.tag, scope, from),
        (_, None) => Verdict::Act(Action::Create),
        (_, Some(_)) if ours => Verdict::Act(Action::Keep),
        (TagClass::Version, Some(from)) => Verdict::Conflict(version_taken(input, &allowed.tag, from)),
        (TagClass::Commit, Some(from)) => {
            let message = format!("tag {} was published as {from} by another build of this commit", allowed.tag);
            Verdict::Skip(Reason::new(ReasonCode::CommitAlreadyPublished, message))
        }
        (TagClass::PullRequest, Some(_)) => Verdict::Act(Action::Move),
        (TagClass::Branch, Some(from)) => decide_branch(input, &allowed.tag, from),
    }
}

/// I3: never moved, whatever is adopted.
fn version_taken(input: &PlanInput, tag: &Tag, from: &Digest) -> Reason {
    let records = input.records_of(from).unwrap_or_default();
    match &input.version {
        Some(version) if records.iter().any(|r| r.record.version.as_ref() == Some(version)) => {
            version_recorded(version, &input.repository, &input.digest, from)
        }
        _ => {
            let message = format!("write-once tag {tag} of {} holds {from}, not {}", input.repository, input.digest);
            Reason::new(ReasonCode::TagTaken, message)
        }
    }
}

fn decide_branch(input: &PlanInput, tag: &Tag, from: &Digest) -> Verdict {
    let why = match input.branches.get(tag).copied().unwrap_or(Ancestry::Unknown) {
        Ancestry::Descendant => return Verdict::Act(Action::Move),
        Ancestry::NotDescendant => "our commit is no descendant of its commit",
        Ancestry::Unknown => "whether our commit is a descendant of its commit is unknown",
    };
    Verdict::Skip(Reason::new(ReasonCode::NotDescendant, format!("tag {tag} stays at {from}: {why}")))
}

/// I4: forward only. `from` is where the channel points now.
fn decide_channel(input: &PlanInput, tag: &Tag, scope: &Scope, from: Option<&Digest>) -> Verdict {
    let Some(ours) = input.version.as_ref().filter(|version| scope.contains(version)) else {
        let message = format!("tag {tag} is for releases of its scope only");
        return Verdict::Skip(Reason::new(ReasonCode::NotHighest, message));
    };
    let higher = match highest_above(input, tag, scope, ours) {
        Ok(higher) => higher,
        Err(verdict) => return verdict,
    };
    let current = match from.map(|from| channel_version(input, tag, from)).transpose() {
        Ok(current) => current,
        Err(verdict) => return verdict,
    };
    if let (Some(from), Some(current)) = (from, &current)
        && current.version == *ours
        && *from != input.digest
    {
        return Verdict::Conflict(version_recorded(ours, &input.repository, &input.digest, from));
    }
    let hold = input.hold(tag);
    if let Some(hold) = hold.filter(|hold| hold.excludes(ours)) {
        return Verdict::Skip(held(tag, hold, ours));
    }
    // A withdrawn target, or one that was rolled back from, is only waiting to be left.
    let stands = |current: &Shown| !current.withdrawn && !hold.is_some_and(|hold| hold.excludes(&current.version));
    let passed = current.filter(stands).map(|current| current.version).filter(|current| current > ours);
    match higher.map(|higher| higher.version).max(passed) {
        Some(higher) => {
            let message = format!("{ours} is not the highest version of tag {tag}: {higher} is");
            Verdict::Skip(Reason::new(ReasonCode::NotHighest, message).with_help(""))
        }
        None if from.is_none() => Verdict::Act(Action::Create),
        None if from == Some(&input.digest) => Verdict::Act(Action::Keep),
        None => Verdict::Act(Action::Move),
    }
}

fn held(tag: &Tag, hold: &Rollback, ours: &Version) -> Reason {
    let (to, through) = (&hold.to.version, &hold.held_through);
    let message =
        format!("tag {tag} was rolled back to {to} and is held until a release above {through}, not by {ours}");
    Reason::new(ReasonCode::ChannelHeld, message)
}

/// A version above ours that a channel may show.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Higher {
    pub(super) version: Version,
    /// Its digest, if a record allows the channel; an adopted foreign tag outranks us but is never written.
    pub(super) digest: Option<Digest>,
}

/// The highest non-withdrawn version tag above ours whose record verifies and allows the channel.
pub(super) fn highest_above(
    input: &PlanInput,
    channel: &Tag,
    scope: &Scope,
    ours: &Version,
) -> Result<Option<Higher>, Verdict> {
    let list = match &input.list {
        TagList::Complete(list) => list,
        TagList::Unreadable { why } => {
            let message =
                format!("tag {channel} cannot move: the tag list of {} is not readable: {why}", input.repository);
            return Err(Verdict::Undecided(Reason::new(ReasonCode::ListIncomplete, message)));
        }
    };
    let mut highest = None;
    for tag in list {
        let Some(version) = Version::of_tag(tag).filter(|v| v > ours && scope.contains(v)) else { continue };
        highest = highest.max(rank(input, channel, tag, version)?);
    }
    Ok(highest)
}

/// One version tag: eligible, not eligible, foreign, or unknown.
pub(super) fn rank(input: &PlanInput, channel: &Tag, tag: &Tag, version: Version) -> Result<Option<Higher>, Verdict> {
    let undecided = |why: &str| Verdict::undecided(channel, &format!("higher version tag {tag}: {why}"));
    let digest = match input.targets.get(tag) {
        Some(Some(digest)) => digest,
        // Deleted since it was listed.
        Some(None) => return Ok(None),
        None => return Err(undecided("it was not looked at")),
    };
    let records = input.records_of(digest).map_err(|why| undecided(&why))?;
    let repository = &input.repository;
    let own: Vec<&RecordedRelease> = records
        .iter()
        .filter(|r| r.record.version.as_ref() == Some(&version) && r.record.allows(repository, digest, tag))
        .collect();
    if own.is_empty() {
        if input.adoption.version_of(tag).is_some() {
            return Ok(Some(Higher { version, digest: None }));
        }
        let message = format!("version tag {tag} of {repository} at {digest} has no promotion record");
        return Err(Verdict::Conflict(foreign(message, tag, &version)));
    }
    let held = input.hold(channel).is_some_and(|hold| hold.excludes(&version));
    let allowed = own.iter().any(|r| r.record.allows(repository, digest, channel));
    let eligible = allowed && !held && !own.iter().any(|r| r.withdrawn);
    Ok(eligible.then(|| Higher { version, digest: Some(digest.clone()) }))
}

/// What a channel shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) version: Version,
    pub(super) withdrawn: bool,
}

/// The version a channel shows now: of a record that allows exactly this, or as adopted.
pub(super) fn channel_version(input: &PlanInput, tag: &Tag, from: &Digest) -> Result<Shown, Verdict> {
    let records =
        input.records_of(from).map_err(|why| Verdict::undecided(tag, &format!("its target {from}: {why}")))?;
    let allowing = records.iter().filter(|r| r.record.allows(&input.repository, from, tag));
    let recorded = allowing.filter_map(|r| Some(Shown { version: r.record.version.clone()?, withdrawn: r.withdrawn }));
    // Of two releases with one digest the one that stands counts.
    let recorded = recorded.max_by_key(|shown| (!shown.withdrawn, shown.version.clone()));
    let stands = |version: Version| Shown { version, withdrawn: false };
    let ours = || if *from == input.digest { input.version.clone().map(stands) } else { None };
    recorded.or_else(ours).or_else(|| input.adoption.version_of(tag).map(stands)).ok_or_else(|| {
        let message =
            format!("tag {tag} of {} points to {from}, which has no promotion record for it", input.repository);
        let example = input.version.as_ref().map_or_else(|| "VERSION".to_owned(), ToString::to_string);
        let help = format!("countersign promote --adopt, or --adopt {tag}=VERSION (for example {tag}={example})");
        Verdict::Conflict(Reason::new(ReasonCode::ForeignTarget, message).with_help(help))
    })
}

fn foreign(message: String, tag: &Tag, version: &Version) -> Reason {
    let help = format!("countersign promote --adopt, or --adopt {tag}={version}");
    Reason::new(ReasonCode::ForeignTarget, message).with_help(help)
}
