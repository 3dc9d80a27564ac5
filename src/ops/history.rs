//! `history`: what a tag pointed to, when, by whom; from the records in its repository and what it shows now.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream;
use jiff::Timestamp;

use crate::oci::{Digest, DigestReference, Tag, TagReference};
use crate::ops::listed::is_evidence_tag;
use crate::ops::look::{Look, RECORDS, rollbacks_in, withdrawals_in};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::history::{Entry, Event, What, in_force, replay};
use crate::promotion::plan::TagList;
use crate::promotion::{Scope, Version};

/// Digests whose records are read at once; the registry client limits requests per host besides.
const PARALLEL: usize = 8;

/// What was found out about one tag.
#[derive(Debug, Clone)]
pub struct History {
    pub reference: TagReference,
    /// What the tag points to now.
    pub digest: Option<Digest>,
    pub entries: Vec<Entry>,
    pub outcome: HistoryOutcome,
    pub reasons: Vec<Reason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryOutcome {
    Told,
    /// The tag exists, and no record explains it.
    Refuted,
    /// No such tag and no record, or nothing was in force then.
    NotFound,
    Unknown,
}

/// Tells the history of `reference`; with `at` only the entry in force then.
pub async fn history(look: &Look<'_>, reference: &TagReference, at: Option<Timestamp>) -> History {
    let mut history = History {
        reference: reference.clone(),
        digest: None,
        entries: Vec::new(),
        outcome: HistoryOutcome::Unknown,
        reasons: Vec::new(),
    };
    match tell(look, reference, &mut history).await {
        Ok(()) => finish(history, at),
        Err(reason) => {
            history.entries.clear();
            history.reasons.push(reason);
            history.reasons.extend(look.failures.take());
            history
        }
    }
}

fn finish(mut history: History, at: Option<Timestamp>) -> History {
    let reference = history.reference.clone();
    if history.entries.is_empty() {
        let (outcome, reason) = match &history.digest {
            Some(digest) => {
                let message = format!("{reference} points to {digest}, and no promotion record names it");
                (HistoryOutcome::Refuted, Reason::new(ReasonCode::TagNotAuthorised, message))
            }
            None => {
                let message = format!("{reference} does not exist, and no promotion record names it");
                (HistoryOutcome::NotFound, Reason::new(ReasonCode::NotFound, message))
            }
        };
        history.outcome = outcome;
        history.reasons.push(reason);
        return history;
    }
    history.outcome = HistoryOutcome::Told;
    if let Some(at) = at {
        let found = in_force(&history.entries, at).cloned();
        if found.is_none() {
            history.outcome = HistoryOutcome::NotFound;
            let message = format!("nothing that was recorded for {reference} was in force at {at}");
            history.reasons.push(Reason::new(ReasonCode::NotFound, message));
        }
        history.entries = found.into_iter().collect();
    }
    history
}

async fn tell(look: &Look<'_>, reference: &TagReference, history: &mut History) -> Result<(), Reason> {
    let TagReference { repository, tag } = reference;
    let list = match look.tag_list(repository).await {
        TagList::Complete(list) => list,
        TagList::Unreadable { why } => return Err(Reason::new(ReasonCode::ListIncomplete, why)),
    };
    let mut wanted: Vec<Tag> = list.into_iter().filter(|other| concerns(tag, other)).collect();
    if !wanted.contains(tag) {
        wanted.push(tag.clone());
    }
    let count = wanted.len();
    let targets = look.heads(repository, wanted).await;
    if targets.len() < count {
        let message = format!("not every tag of {repository} could be looked at");
        return Err(Reason::new(ReasonCode::TargetUnknown, message));
    }
    history.digest = targets.get(tag).cloned().flatten();
    let digests: BTreeSet<Digest> = targets.into_values().flatten().collect();
    let each = digests.into_iter().map(|digest| {
        let on = DigestReference { repository: repository.clone(), digest };
        async move { events(look, &on, tag).await }
    });
    let read: Vec<_> = stream::iter(each).buffer_unordered(PARALLEL).collect().await;
    let mut all: Vec<Event> = Vec::new();
    for events in read {
        all.extend(events?);
    }
    history.entries = replay(tag, all, history.digest.as_ref());
    Ok(())
}

/// Under which tags a digest may lie that `tag` once showed: a channel's versions, a branch's commits.
fn concerns(tag: &Tag, other: &Tag) -> bool {
    if tag == other {
        return true;
    }
    match (Scope::of_tag(tag), Version::of_tag(tag), Version::of_tag(other)) {
        (Some(scope), _, Some(other)) => scope.contains(&other),
        (None, Some(own), Some(other)) => own == other,
        (None, None, None) => Scope::of_tag(other).is_none() && !is_evidence_tag(other),
        (Some(_), _, None) | (None, Some(_), None) | (None, None, Some(_)) => false,
    }
}

/// What is signed on one digest and concerns `tag`.
async fn events(look: &Look<'_>, on: &DigestReference, tag: &Tag) -> Result<Vec<Event>, Reason> {
    let unknown = |why: String| Reason::new(ReasonCode::TargetUnknown, why);
    let node = look.node(on, &RECORDS).await.map_err(unknown)?;
    let records = look.verified_in(on, &node);
    if let Some(problem) = node.problems().first() {
        return Err(problem.clone());
    }
    let scope = Scope::of_tag(tag);
    let concerned = |version: &Version| {
        scope.as_ref().map_or_else(|| Version::of_tag(tag).as_ref() == Some(version), |scope| scope.contains(version))
    };
    let promoted = records.iter().filter(|r| r.record().allows(&on.repository, &on.digest, tag)).map(|r| Event {
        at: r.logged_at(),
        identity: r.identity().to_owned(),
        what: What::Promoted { version: r.record().version.clone(), digest: on.digest.clone() },
    });
    let withdrawals = withdrawals_in(on, &node).into_iter().filter(|w| concerned(&w.said().version));
    let withdrawals = withdrawals.map(|w| Event {
        at: w.logged_at(),
        identity: w.identity().to_owned(),
        what: What::Withdrawn { version: w.said().version.clone() },
    });
    let rollbacks = rollbacks_in(on, &node).into_iter().filter(|r| r.said().channel == *tag);
    let rollbacks = rollbacks.map(|r| Event {
        at: r.logged_at(),
        identity: r.identity().to_owned(),
        what: What::RolledBack(r.said().clone()),
    });
    Ok(promoted.chain(withdrawals).chain(rollbacks).collect())
}
