//! Writes tags, each with a look before and after, because no registry offers compare-and-swap.
//!
//! Which tags, and in which order of phases, an [`crate::promotion::Approval`] says; what a lost race means is the
//! caller's to decide.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::oci::{Digest, DigestReference, RawManifest, Repository, Tag};
use crate::ops::gather::lookup_failure;
use crate::ops::look::Known;
use crate::policy::{Reason, ReasonCode};
use crate::promotion::{TagClass, TagMove};
use crate::registry::{PutTarget, Registry, RegistryError};

/// How long the previous digest may still be seen after a PUT before the outcome is *unknown* (product.md, "Tag writes").
const STALE_READ_PATIENCE: Duration = Duration::from_secs(30);
/// First pause between two looks at a tag; doubles up to two seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// What this run has done so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// With the digest that was seen after the write.
    pub written: BTreeMap<(Repository, Tag), Digest>,
    /// Channels that somebody else moved between our look and our write.
    pub contested: BTreeSet<(Repository, Tag)>,
}

impl Progress {
    /// What the next look need not ask again.
    #[must_use]
    pub fn known(&self, repository: &Repository) -> Known {
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
#[derive(Debug, Clone)]
pub enum Trouble {
    Conflict(Reason),
    Unknown(Reason),
}

impl From<RegistryError> for Trouble {
    fn from(error: RegistryError) -> Self {
        Self::Unknown(lookup_failure(&error))
    }
}

/// Carries out moves on one registry client.
#[derive(Debug, Clone, Copy)]
pub struct TagWrites<'a> {
    pub registry: &'a dyn Registry,
}

impl TagWrites<'_> {
    /// One phase, tags concurrently. The first trouble is reported after all of the phase have ended, so that no write
    /// is left in flight.
    pub async fn phase(&self, moves: &[TagMove], progress: &mut Progress) -> Result<(), Trouble> {
        let mut manifests: Vec<(DigestReference, RawManifest)> = Vec::new();
        for line in moves {
            let reference = DigestReference { repository: line.repository.clone(), digest: line.to.clone() };
            if !manifests.iter().any(|(known, _)| *known == reference) {
                let manifest = self.registry.manifest(&reference.clone().into()).await?;
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
            // Some, all or none of them stand now. The pause may have been long: each is looked at again.
            Err(error) if error.kind.may_pass() => {
                let again = due.into_iter().map(|line| async move { (line, self.singly(line, manifest).await) });
                ended.extend(join_all(again).await);
                return ended;
            }
            Err(error) => {
                let trouble = Trouble::from(error);
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

    /// After a write whose outcome nobody told: a tag in place is counted as written by us.
    async fn singly(&self, line: &TagMove, manifest: &RawManifest) -> Result<Moved, Trouble> {
        match self.before(line).await? {
            Some(Moved::InPlace) => Ok(Moved::Written),
            Some(moved) => Ok(moved),
            None => {
                self.put(line, manifest).await?;
                self.confirm(line).await
            }
        }
    }

    /// Is there anything to write? `Some` says how it ended without a write.
    async fn before(&self, line: &TagMove) -> Result<Option<Moved>, Trouble> {
        let now = self.registry.head(&line.repository, &line.tag).await?;
        Ok(match now {
            now if now.as_ref() == Some(&line.to) => Some(Moved::InPlace),
            now if now == line.from => None,
            found => Some(Moved::Lost { found }),
        })
    }

    /// Several tags with one request; says which were written.
    async fn put_together(&self, lines: &[&TagMove], manifest: &RawManifest) -> Result<Vec<Tag>, RegistryError> {
        let [first, _, ..] = lines else { return Ok(Vec::new()) };
        let tags = PutTarget::Tags(lines.iter().map(|line| line.tag.clone()).collect());
        Ok(self.registry.put_manifest(&first.repository, &tags, manifest).await?.tags)
    }

    async fn put(&self, line: &TagMove, manifest: &RawManifest) -> Result<(), Trouble> {
        let target = PutTarget::Move { tag: line.tag.clone(), from: line.from.clone() };
        self.registry.put_manifest(&line.repository, &target, manifest).await?;
        Ok(())
    }

    /// Looks until the tag shows what was written. The previous digest may be seen for a while, and so may nothing:
    /// distribution answers 404 while it replaces the link of a tag.
    async fn confirm(&self, line: &TagMove) -> Result<Moved, Trouble> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let seen = self.registry.head(&line.repository, &line.tag).await?;
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
