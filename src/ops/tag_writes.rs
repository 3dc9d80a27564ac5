//! Writes tags, each with a look before and after, because no registry offers compare-and-swap.
//!
//! Which tags, and in which order of phases, an [`crate::promotion::Approval`] says; what a lost race means is the
//! caller's to decide.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::Instant;

use crate::oci::{Digest, DigestReference, RawManifest, Repository, Tag};
use crate::ops::gather::lookup_failure;
use crate::ops::look::Known;
use crate::policy::{Reason, ReasonCode};
use crate::promotion::{Approval, Phase, TagClass, TagMove};
use crate::registry::{PutTarget, Registry, RegistryError};

/// How long the previous digest may still be seen after a PUT before the outcome is *unknown* (product.md, "Tag writes").
const STALE_READ_PATIENCE: Duration = Duration::from_secs(30);
/// First pause between two looks at a tag; doubles up to two seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A look made while the phase before was confirmed counts for this long; later, it is made again right before the write.
const LOOK_LASTS: Duration = Duration::from_millis(500);

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

/// A line with how it ended.
type Ended<'m> = (&'m TagMove, Result<Moved, Trouble>);

/// A line with what the look before its write found.
type Looked<'m> = (&'m TagMove, Result<Option<Moved>, Trouble>);

impl TagWrites<'_> {
    /// Every phase in its order, tags of one phase concurrently. A phase is written when the one before has been seen to
    /// stand; the looks before it are made while that is seen, which changes no order of writes and saves a round trip.
    ///
    /// The first trouble is reported after all of its phase have ended, so that no write is left in flight.
    pub async fn all(&self, approval: &Approval, progress: &mut Progress) -> Result<(), Trouble> {
        let phases: Vec<Vec<&TagMove>> = Phase::ALL.iter().map(|phase| approval.moves(*phase).collect()).collect();
        let mut phases = phases.into_iter().filter(|lines: &Vec<_>| !lines.is_empty()).peekable();
        let mut manifests = BTreeMap::new();
        let mut looked = match phases.peek() {
            Some(first) => self.looks(first).await,
            None => Vec::new(),
        };
        while phases.next().is_some() {
            self.fetch(&looked, &mut manifests).await?;
            let (mut ended, written) = self.write(looked, &manifests).await;
            let next = phases.peek().map(Vec::as_slice).unwrap_or_default();
            let looked_at = Instant::now();
            let confirmed = written.into_iter().map(|line| async move { (line, self.confirm(line).await) });
            let (confirmed, next_looked) = join(join_all(confirmed), self.looks(next)).await;
            ended.extend(confirmed);
            note(ended, progress)?;
            looked = if looked_at.elapsed() < LOOK_LASTS { next_looked } else { self.looks(next).await };
        }
        Ok(())
    }

    /// The manifests that are to be tagged, each once.
    async fn fetch(
        &self,
        looked: &[Looked<'_>],
        manifests: &mut BTreeMap<(Repository, Digest), RawManifest>,
    ) -> Result<(), Trouble> {
        for line in looked.iter().filter(|(_, look)| matches!(look, Ok(None))).map(|(line, _)| line) {
            let key = (line.repository.clone(), line.to.clone());
            if let Entry::Vacant(vacant) = manifests.entry(key) {
                let reference = DigestReference { repository: line.repository.clone(), digest: line.to.clone() };
                let manifest = self.registry.manifest(&reference.clone().into()).await?;
                let gone = || Trouble::Unknown(Reason::new(ReasonCode::NotFound, format!("{reference} has gone")));
                vacant.insert(manifest.ok_or_else(gone)?);
            }
        }
        Ok(())
    }

    async fn looks<'m>(&self, lines: &[&'m TagMove]) -> Vec<Looked<'m>> {
        join_all(lines.iter().map(|line| async move { (*line, self.before(line).await) })).await
    }

    /// Writes what is due: one PUT for all tags of one manifest where the registry offers that, else one each. The second
    /// value has the lines that were written, and must be looked at again.
    async fn write<'m>(
        &self,
        looked: Vec<Looked<'m>>,
        manifests: &BTreeMap<(Repository, Digest), RawManifest>,
    ) -> (Vec<Ended<'m>>, Vec<&'m TagMove>) {
        let (mut ended, mut due) = (Vec::new(), BTreeMap::<(Repository, Digest), Vec<&TagMove>>::new());
        for (line, look) in looked {
            match look {
                Ok(Some(moved)) => ended.push((line, Ok(moved))),
                Ok(None) => due.entry((line.repository.clone(), line.to.clone())).or_default().push(line),
                Err(trouble) => ended.push((line, Err(trouble))),
            }
        }
        // Each manifest is there: `fetch` asked for what these very looks found to be due.
        let groups = due.iter().filter_map(|(key, lines)| Some((lines, manifests.get(key)?)));
        let groups = groups.map(|(lines, manifest)| self.write_group(lines, manifest));
        let mut written = Vec::new();
        for (line, outcome) in join_all(groups).await.into_iter().flatten() {
            match outcome {
                Ok(None) => written.push(line),
                Ok(Some(moved)) => ended.push((line, Ok(moved))),
                Err(trouble) => ended.push((line, Err(trouble))),
            }
        }
        (ended, written)
    }

    /// Tags of one phase that get the same manifest; `None` for those that were written.
    async fn write_group<'m>(&self, lines: &[&'m TagMove], manifest: &RawManifest) -> Vec<Looked<'m>> {
        let together = match self.put_together(lines, manifest).await {
            Ok(together) => together,
            // Some, all or none of them stand now. The pause may have been long: each is looked at again.
            Err(error) if error.kind.may_pass() => {
                return join_all(lines.iter().map(|line| async { (*line, self.singly(line, manifest).await) })).await;
            }
            Err(error) => {
                let trouble = Trouble::from(error);
                return lines.iter().map(|line| (*line, Err(trouble.clone()))).collect();
            }
        };
        let together = &together;
        let writes = lines.iter().map(|line| async move {
            let written = if together.contains(&line.tag) { Ok(()) } else { self.put(line, manifest).await };
            (*line, written.map(|()| None))
        });
        join_all(writes).await
    }

    /// After a write whose outcome nobody told: a tag in place is counted as written by us.
    async fn singly(&self, line: &TagMove, manifest: &RawManifest) -> Result<Option<Moved>, Trouble> {
        match self.before(line).await? {
            Some(Moved::InPlace) => Ok(None),
            Some(moved) => Ok(Some(moved)),
            None => self.put(line, manifest).await.map(|()| None),
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

/// Takes down how the lines of a phase ended; the first trouble, if there was any.
fn note(ended: Vec<Ended<'_>>, progress: &mut Progress) -> Result<(), Trouble> {
    let mut trouble = None;
    for (line, moved) in ended {
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
