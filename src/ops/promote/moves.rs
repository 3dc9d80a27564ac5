//! Step 7: moves tags, and nothing but what an [`Approval`] allows. Version tags in every repository first, then
//! channels, `latest` last; each with a look before and after, because no registry offers compare-and-swap.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::oci::{Digest, DigestReference, RawManifest, Repository, Tag};
use crate::ops::gather::lookup_failure;
use crate::ops::look::Known;
use crate::ops::promote::survey::Surveyed;
use crate::ops::promote::{Gate, Promotion, State, Stop};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::plan::{AfterList, next_after_list};
use crate::promotion::{Approval, Phase, TagClass, TagMove};
use crate::registry::{PutTarget, RegistryError};

/// How long the previous digest may still be seen after a PUT before the outcome is *unknown* (product.md, "Tag writes").
const STALE_READ_PATIENCE: Duration = Duration::from_secs(30);
/// First pause between two looks at a tag; doubles up to two seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Second looks at the tag list. Each moves a channel to a higher version, so real races end after one or two.
const MAX_ROUNDS: usize = 10;

/// What this run has done so far.
#[derive(Default)]
struct Progress {
    /// With the digest that was seen after the write.
    written: BTreeMap<(Repository, Tag), Digest>,
    /// Channels that somebody else moved between our look and our write.
    contested: BTreeSet<(Repository, Tag)>,
}

impl Progress {
    fn known(&self, repository: &Repository) -> Known {
        let written = self.written.iter().filter(|((r, _), _)| r == repository);
        let contested = self.contested.iter().filter(|(r, _)| r == repository);
        Known {
            confirmed: written.map(|((_, tag), digest)| (tag.clone(), digest.clone())).collect(),
            seen: contested.map(|(_, tag)| tag.clone()).collect(),
        }
    }
}

/// How one tag ended.
enum Moved {
    Written,
    /// It was there already.
    InPlace,
    /// It points to something else now: `found`.
    Lost {
        found: Option<Digest>,
    },
}

/// Why the moves stopped.
#[derive(Clone)]
enum Trouble {
    Conflict(Reason),
    Unknown(Reason),
}

impl From<RegistryError> for Trouble {
    fn from(error: RegistryError) -> Self {
        Self::Unknown(lookup_failure(&error))
    }
}

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
                Ok(result.ended(State::Promoted))
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
        for phase in Phase::ALL {
            let moves: Vec<TagMove> = approval.moves(phase).cloned().collect();
            self.write_phase(&moves, progress).await?;
        }
        let touched = progress.written.keys().chain(&progress.contested);
        let mut channels: BTreeSet<_> = touched.filter(|(_, tag)| is_channel(surveyed, tag)).cloned().collect();
        let left = surveyed.iter().flat_map(|s| &s.after.moves);
        channels.extend(left.map(|line| (line.repository.clone(), line.tag.clone())));
        self.until_stable(approval, channels, progress).await
    }

    /// One phase, tags concurrently. The first trouble is reported after all of the phase have ended, so that no write
    /// is left in flight.
    async fn write_phase(&self, moves: &[TagMove], progress: &mut Progress) -> Result<(), Trouble> {
        let mut manifests: Vec<(DigestReference, RawManifest)> = Vec::new();
        for line in moves {
            let reference = DigestReference { repository: line.repository.clone(), digest: line.to.clone() };
            if !manifests.iter().any(|(known, _)| *known == reference) {
                let manifest = self.ports.registry.manifest(&reference.clone().into()).await?;
                let gone = || Trouble::Unknown(Reason::new(ReasonCode::NotFound, format!("{reference} has gone")));
                manifests.push((reference.clone(), manifest.ok_or_else(gone)?));
            }
        }
        let groups = manifests.iter().map(|(reference, manifest)| {
            let here = |line: &&TagMove| line.repository == reference.repository && line.to == reference.digest;
            self.write_group(moves.iter().filter(here).collect(), manifest)
        });
        let mut trouble = None;
        for (line, moved) in join_all(groups).await.into_iter().flatten() {
            match moved {
                Ok(Moved::Written) => {
                    progress.written.insert((line.repository.clone(), line.tag.clone()), line.to.clone());
                }
                Ok(Moved::InPlace) => {}
                // A lost race for a channel is decided again, after the phases.
                Ok(Moved::Lost { .. }) if matches!(line.class, TagClass::Channel(_)) => {
                    progress.contested.insert((line.repository.clone(), line.tag.clone()));
                }
                Ok(Moved::Lost { found }) => trouble = Some(lost(line, found.as_ref())),
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        trouble.map_or(Ok(()), Err)
    }

    /// Tags of one phase that get the same manifest: a look at each, one PUT for all where the registry offers that,
    /// else one each, and another look at each.
    async fn write_group<'m>(
        &self,
        lines: Vec<&'m TagMove>,
        manifest: &RawManifest,
    ) -> Vec<(&'m TagMove, Result<Moved, Trouble>)> {
        let looks = lines.iter().map(|line| self.before(line));
        let (mut ended, mut due) = (Vec::new(), Vec::new());
        for (line, look) in lines.iter().zip(join_all(looks).await) {
            match look {
                Ok(Some(moved)) => ended.push((*line, Ok(moved))),
                Ok(None) => due.push(*line),
                Err(trouble) => ended.push((*line, Err(trouble))),
            }
        }
        let together = match self.put_together(&due, manifest).await {
            Ok(together) => together,
            // Whatever stands now, each tag is looked at again before it is written singly by the next run.
            Err(trouble) => {
                ended.extend(due.into_iter().map(|line| (line, Err(trouble.clone()))));
                return ended;
            }
        };
        let together = &together;
        let writes = due.into_iter().map(|line| async move {
            let written = if together.contains(&line.tag) { Ok(()) } else { self.put(line, manifest).await };
            match written {
                Ok(()) => (line, self.confirm(line).await),
                Err(trouble) => (line, Err(trouble)),
            }
        });
        ended.extend(join_all(writes).await);
        ended
    }

    /// Is there anything to write? `Some` says how it ended without a write.
    async fn before(&self, line: &TagMove) -> Result<Option<Moved>, Trouble> {
        let now = self.ports.registry.head(&line.repository, &line.tag).await?;
        Ok(match now {
            now if now.as_ref() == Some(&line.to) => Some(Moved::InPlace),
            now if now == line.from => None,
            found => Some(Moved::Lost { found }),
        })
    }

    /// Several tags with one request; says which were written.
    async fn put_together(&self, lines: &[&TagMove], manifest: &RawManifest) -> Result<Vec<Tag>, Trouble> {
        let [first, _, ..] = lines else { return Ok(Vec::new()) };
        let tags = PutTarget::Tags(lines.iter().map(|line| line.tag.clone()).collect());
        Ok(self.ports.registry.put_manifest(&first.repository, &tags, manifest).await?.tags)
    }

    async fn put(&self, line: &TagMove, manifest: &RawManifest) -> Result<(), Trouble> {
        let target = PutTarget::Tag(line.tag.clone());
        self.ports.registry.put_manifest(&line.repository, &target, manifest).await?;
        Ok(())
    }

    /// Looks until the tag shows what was written. The previous digest may be seen for a while, and so may nothing:
    /// distribution answers 404 while it replaces the link of a tag.
    async fn confirm(&self, line: &TagMove) -> Result<Moved, Trouble> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let seen = self.ports.registry.head(&line.repository, &line.tag).await?;
            if seen.as_ref() == Some(&line.to) {
                return Ok(Moved::Written);
            }
            if seen.is_some() && seen != line.from {
                return Ok(Moved::Lost { found: seen });
            }
            if started.elapsed() >= STALE_READ_PATIENCE {
                let message = format!(
                    "{}:{} was written but does not show it after {} s",
                    line.repository,
                    line.tag,
                    STALE_READ_PATIENCE.as_secs()
                );
                return Err(Trouble::Unknown(Reason::new(ReasonCode::Unreachable, message)));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
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
            let mut input = self.facts(image, &progress.known(repository)).await;
            self.look().read_records(&mut input).await;
            let after = next_after_list(&input, &ours);
            all.moves.extend(after.moves);
            all.conflicts.extend(after.conflicts);
            all.undecided.extend(after.undecided);
        }
        all
    }

    async fn follow(&self, approval: &Approval, moves: &[TagMove], progress: &mut Progress) -> Result<(), Trouble> {
        let unknown = |why: String| Trouble::Unknown(Reason::new(ReasonCode::TargetUnknown, why));
        let references = moves
            .iter()
            .map(|line| DigestReference { repository: line.repository.clone(), digest: line.to.clone() })
            .collect();
        let records = self.look().verified_records(references).await.map_err(unknown)?;
        let further = approval.follow(moves, &records).map_err(|error| unknown(error.to_string()))?;
        for phase in Phase::ALL {
            let moves: Vec<TagMove> = further.moves(phase).cloned().collect();
            self.write_phase(&moves, progress).await?;
        }
        Ok(())
    }
}

/// A tag that somebody took between the plan and the write.
fn lost(line: &TagMove, found: Option<&Digest>) -> Trouble {
    let found = found.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let message = format!("{}:{} points to {found} now, not to {}", line.repository, line.tag, line.to);
    let code = match line.class {
        TagClass::Version | TagClass::Commit => ReasonCode::TagTaken,
        TagClass::Channel(_) | TagClass::Branch | TagClass::PullRequest => ReasonCode::TagMoved,
    };
    Trouble::Conflict(Reason::new(code, message))
}

fn is_channel(surveyed: &[Surveyed], tag: &Tag) -> bool {
    let mut lines = surveyed.iter().flat_map(|s| &s.plan.moves);
    lines.any(|line| line.tag == *tag && matches!(line.class, TagClass::Channel(_)))
}
