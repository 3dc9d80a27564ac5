//! Step 7: moves tags, and nothing but what an [`Approval`] allows. Version tags in every repository first, then
//! channels, `latest` last; then the second look, until nothing changes.

use std::collections::BTreeSet;

use crate::oci::{DigestReference, Repository, Tag};
use crate::ops::channels;
use crate::ops::look::Look;
use crate::ops::promote::survey::Surveyed;
use crate::ops::promote::{Gate, Promotion, State, Stop};
use crate::ops::tag_writes::{Progress, TagWrites, Trouble};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::plan::{Action, AfterList, next_after_list};
use crate::promotion::{Approval, TagClass, TagMove};

/// Second looks at the tag list. Each moves a channel to a higher version, so real races end after one or two.
pub(in crate::ops) const MAX_ROUNDS: usize = 10;

impl Gate<'_> {
    pub(in crate::ops::promote) async fn promote_tags(
        &self,
        mut result: Promotion,
        surveyed: &[Surveyed],
        approval: Approval,
    ) -> Result<Promotion, Stop> {
        self.ports.reporter.begin("promote");
        let mut progress = Progress::default();
        match self.all_phases(&approval, surveyed, &mut progress).await {
            Ok(()) => {
                self.step("promote", &format!("{} tags written", progress.written.len()));
                // What an earlier run seemed to have left was done by somebody else, or cannot be.
                let nothing = progress.written.is_empty() && surveyed.iter().all(Surveyed::in_place);
                Ok(result.ended(if nothing { State::Unchanged } else { State::Promoted }))
            }
            Err(trouble) => {
                let (state, reason) = match trouble {
                    Trouble::Conflict(reason) => (State::Conflict, reason),
                    Trouble::Unknown(reason) if progress.written.is_empty() => (State::Unknown, reason),
                    Trouble::Unknown(reason) => (State::Incomplete, reason),
                };
                let mut reasons = vec![reason];
                if state != State::Conflict {
                    reasons.extend(self.failures.take());
                }
                Err(result.stop(state, reasons))
            }
        }
    }

    async fn all_phases(
        &self,
        approval: &Approval,
        surveyed: &[Surveyed],
        progress: &mut Progress,
    ) -> Result<(), Trouble> {
        self.writes().all(approval, progress).await?;
        let touched = progress.written.keys().chain(&progress.contested);
        let mut channels: BTreeSet<_> = touched.filter(|(_, tag)| is_channel(surveyed, tag)).cloned().collect();
        for one in surveyed {
            channels.extend(one.left_over.iter().map(|tag| (one.plan.repository.clone(), tag.clone())));
        }
        // A higher version that kept a channel from us may have been withdrawn since; whoever did so looked at the list
        // before our version tags were in it, or after, and one of us two sees the other.
        if !progress.written.is_empty() {
            channels.extend(surveyed.iter().flat_map(|s| &s.plan.moves).filter(passed_over).map(key));
        }
        self.until_stable(approval, channels, progress).await
    }

    /// The list is read again after the last channel; a higher version that appeared meanwhile gets its channels under
    /// its own record, until nothing changes (I4).
    async fn until_stable(
        &self,
        approval: &Approval,
        channels: BTreeSet<(Repository, Tag)>,
        progress: &mut Progress,
    ) -> Result<(), Trouble> {
        if channels.is_empty() {
            return Ok(());
        }
        for _ in 0..MAX_ROUNDS {
            let after = self.look_again(&channels, progress).await;
            if let Some(reason) = after.conflicts.first() {
                return Err(Trouble::Conflict(reason.clone()));
            }
            if let Some(reason) = after.undecided.first() {
                return Err(Trouble::Unknown(reason.clone()));
            }
            if after.moves.is_empty() {
                return Ok(());
            }
            self.follow(approval, &after.moves, progress).await?;
        }
        let message = format!("the tag list kept changing for {MAX_ROUNDS} rounds");
        Err(Trouble::Unknown(Reason::new(ReasonCode::TagMoved, message)))
    }

    async fn look_again(&self, channels: &BTreeSet<(Repository, Tag)>, progress: &Progress) -> AfterList {
        let mut all = AfterList::default();
        for image in &self.request.images {
            let repository = &image.reference.repository;
            let ours: BTreeSet<Tag> =
                channels.iter().filter(|(r, _)| r == repository).map(|(_, tag)| tag.clone()).collect();
            if ours.is_empty() {
                continue;
            }
            let list = self.look().tag_list(repository).await;
            let listed = self.listed(repository, &list, false);
            let mut input = self.facts(image, &progress.known(repository), list).await;
            Look { registry: &listed, ..self.look() }.read_records(&mut input).await;
            let after = next_after_list(&input, &ours);
            all.moves.extend(after.moves);
            all.conflicts.extend(after.conflicts);
            all.undecided.extend(after.undecided);
            // What was confirmed before the withdrawal or rollback, those may have moved already.
            after.restore.iter().for_each(|tag| drop(input.targets.remove(tag)));
            let restored = channels::restore_all(&self.look(), &mut input, &after.restore).await;
            match restored {
                Ok(moves) => all.moves.extend(moves.into_iter().filter(|line| line.action.writes())),
                Err(why) => all.undecided.push(why),
            }
        }
        all
    }

    fn writes(&self) -> TagWrites<'_> {
        TagWrites { registry: self.kept.as_ref() }
    }

    async fn follow(&self, approval: &Approval, moves: &[TagMove], progress: &mut Progress) -> Result<(), Trouble> {
        let unknown = |why: String| Trouble::Unknown(Reason::new(ReasonCode::TargetUnknown, why));
        let references = moves
            .iter()
            .map(|line| DigestReference { repository: line.repository.clone(), digest: line.to.clone() })
            .collect();
        let records = self.look().verified_records(references).await.map_err(unknown)?;
        let further = approval.follow(moves, &records).map_err(|error| unknown(error.to_string()))?;
        self.writes().all(&further, progress).await
    }
}

fn is_channel(surveyed: &[Surveyed], tag: &Tag) -> bool {
    let mut lines = surveyed.iter().flat_map(|s| &s.plan.moves);
    lines.any(|line| line.tag == *tag && matches!(line.class, TagClass::Channel(_)))
}

/// A channel that a higher version keeps, or a rollback; it need not exist yet.
fn passed_over(line: &&TagMove) -> bool {
    let codes = [ReasonCode::NotHighest, ReasonCode::ChannelHeld];
    let why = line.why.as_ref().is_some_and(|why| codes.contains(&why.code));
    why && line.action == Action::Skip && matches!(line.class, TagClass::Channel(_))
}

fn key(line: &TagMove) -> (Repository, Tag) {
    (line.repository.clone(), line.tag.clone())
}
