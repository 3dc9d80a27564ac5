//! `rollback`: one channel goes to an earlier version and is held there until a release above the version it showed.

use crate::evidence::PredicateType;
use crate::oci::{Digest, DigestReference, Repository, Tag};
use crate::ops::channels;
use crate::ops::look::{Failures, Look, rollbacks_in};
use crate::ops::operate::{Ending, Halt, Operation, Operator, facts, version_tags};
use crate::ops::promote::Stop;
use crate::policy::{Reason, ReasonCode};
use crate::promotion::plan::{Best, DigestRecords, PlanInput, RecordedRelease, TagList, shown_version};
use crate::promotion::{Instruction, Instructs, Rollback, RollbackTarget, Scope, TagMove, VerifiedRollback, Version};

/// Which channel goes back, and where to.
#[derive(Debug, Clone)]
pub struct RollbackRequest {
    pub repository: Repository,
    pub channel: Tag,
    pub scope: Scope,
    /// Without it, the highest version below the one shown; a rollback that holds already is only finished.
    pub to: Option<Version>,
    pub reason: String,
    /// Stop before the first write.
    pub plan_only: bool,
}

/// Rolls a channel back. `Err` only where a set-up problem (exit 2) keeps it from going on.
pub async fn rollback(operator: &Operator, request: &RollbackRequest) -> Result<Operation, Stop> {
    let failures = Failures::default();
    let run = Run { operator, request, look: operator.look(&failures) };
    let mut operation = Operation::new(&request.repository);
    let mut attached = false;
    match run.all(&mut operation, &mut attached).await {
        Ok(ending) => Ok(operation.ended(ending)),
        Err(halt) => operation.halted(halt, attached, &failures),
    }
}

struct Run<'a> {
    operator: &'a Operator,
    request: &'a RollbackRequest,
    look: Look<'a>,
}

/// What the channel is, before anything is decided.
struct Situation {
    input: PlanInput,
    shown: Option<Version>,
    /// Where the channel belongs as things stand.
    best: Option<RollbackTarget>,
}

impl Situation {
    fn shows(&self, channel: &Tag) -> Option<&Digest> {
        self.input.targets.get(channel).and_then(Option::as_ref)
    }

    /// The standing rollback, while no release above has ended it.
    fn active(&self, channel: &Tag) -> Option<&Rollback> {
        let ended = |hold: &&Rollback| self.best.as_ref().is_none_or(|best| best.version <= hold.held_through);
        self.input.hold(channel).filter(ended)
    }
}

impl Run<'_> {
    async fn all(&self, operation: &mut Operation, attached: &mut bool) -> Result<Ending, Halt> {
        let channel = &self.request.channel;
        let mut situation = self.situation().await?;
        operation.from.clone_from(&situation.shown);
        let target = self.target(&mut situation).await?;
        operation.version = Some(target.version.clone());
        operation.digest = Some(target.digest.clone());
        let stands = situation.active(channel).is_some_and(|hold| hold.to == target);
        let is_best = situation.best.as_ref() == Some(&target);
        operation.held_through = situation.active(channel).map(|hold| hold.held_through.clone());
        if is_best && situation.shows(channel) == Some(&target.digest) {
            return Ok(Ending::Unchanged);
        }
        let rollback = self.statement(&situation, &target);
        operation.held_through = Some(rollback.held_through.clone());
        if self.request.plan_only {
            operation.moves = vec![self.planned(&situation, &target)];
            return Ok(Ending::Planned);
        }
        let subject = self.holder(&mut situation, &rollback.held_through).await?;
        let verified = match stands {
            true => self.standing(&subject, &target).await?,
            false => self.publish(&subject, &rollback).await?,
        };
        *attached = true;
        let instruction = Instruction::Rollback(&verified);
        self.operator.settle(&self.look, operation, instruction, |_| self.plan(&subject)).await?;
        Ok(Ending::Done)
    }

    async fn situation(&self) -> Result<Situation, Halt> {
        let RollbackRequest { repository, channel, scope, .. } = self.request;
        let list = self.look.tag_list(repository).await;
        if let TagList::Unreadable { why } = &list {
            return Err(Halt::unknown(Reason::new(ReasonCode::ListIncomplete, why.clone())));
        }
        let mut heads = self.look.heads(repository, vec![channel.clone()]).await;
        let digest = match heads.remove(channel) {
            Some(Some(digest)) => digest,
            Some(None) => {
                let message = format!("{repository}:{channel} does not exist");
                return Err(Halt::unknown(Reason::new(ReasonCode::NotFound, message)));
            }
            None => {
                let message = format!("cannot look at {repository}:{channel}");
                return Err(Halt::unknown(Reason::new(ReasonCode::TargetUnknown, message)));
            }
        };
        let mut input = facts(repository, digest.clone(), list);
        input.targets.insert(channel.clone(), Some(digest));
        channels::examine(&self.look, &mut input, channel).await.map_err(Halt::unknown)?;
        let shown = shown_version(&input, channel).map_err(Halt::unknown)?;
        let best = channels::best(&self.look, &mut input, channel, scope, None).await.map_err(Halt::unknown)?;
        let best = match best {
            Best::Version { version, digest } => Some(RollbackTarget { version, digest }),
            Best::Nothing | Best::Examine(_) => None,
        };
        Ok(Situation { input, shown, best })
    }

    /// Where the channel is to go.
    async fn target(&self, situation: &mut Situation) -> Result<RollbackTarget, Halt> {
        let RollbackRequest { repository, channel, scope, to, .. } = self.request;
        if let Some(version) = to {
            return self.named(situation, version).await;
        }
        let standing = situation.active(channel).map(|hold| hold.to.clone());
        // The same command again: whatever it began is finished, not gone on with.
        if let Some(to) = standing.filter(|to| situation.best.as_ref() == Some(to)) {
            return Ok(to);
        }
        let Some(shown) = situation.shown.clone() else {
            // Somebody's target without a record: back to what counts.
            let nothing = || self.nothing_below(&format!("{repository}:{channel}"));
            return situation.best.clone().ok_or_else(nothing);
        };
        let below = channels::best(&self.look, &mut situation.input, channel, scope, Some(&shown)).await;
        match below.map_err(Halt::unknown)? {
            Best::Version { version, digest } => Ok(RollbackTarget { version, digest }),
            Best::Nothing | Best::Examine(_) => Err(self.nothing_below(&shown.to_string())),
        }
    }

    fn nothing_below(&self, below: &str) -> Halt {
        let message = format!("no version below {below} counts for tag {}", self.request.channel);
        Halt::unknown(Reason::new(ReasonCode::NotFound, message).with_help("name one with --to"))
    }

    /// `--to V`: its version tag, its record, and that it may carry the channel.
    async fn named(&self, situation: &mut Situation, version: &Version) -> Result<RollbackTarget, Halt> {
        let RollbackRequest { repository, channel, .. } = self.request;
        let refuted = |code, message: String| Halt::Ended(Ending::Refuted, Reason::new(code, message));
        let Some((digest, releases)) = self.releases(situation, version).await? else {
            let message = format!("{repository} has no version tag of {version}");
            return Err(Halt::unknown(Reason::new(ReasonCode::NotFound, message)));
        };
        if releases.is_empty() {
            let message = format!("{version} of {repository} is {digest}, which has no promotion record of it");
            return Err(refuted(ReasonCode::MissingAttestation, message));
        }
        if releases.iter().any(|r| r.withdrawn) {
            let message = format!("version {version} of {repository} was withdrawn");
            let reason = Reason::new(ReasonCode::Withdrawn, message).with_help("name another version with --to");
            return Err(Halt::Ended(Ending::Denied, reason));
        }
        if !releases.iter().any(|r| r.record.allows(repository, &digest, channel)) {
            let message = format!("the record of {version} does not allow tag {channel}");
            return Err(refuted(ReasonCode::TagNotAuthorised, message));
        }
        Ok(RollbackTarget { version: version.clone(), digest })
    }

    /// The digest of a version tag, with the records of that version on it.
    async fn releases(
        &self,
        situation: &mut Situation,
        version: &Version,
    ) -> Result<Option<(Digest, Vec<RecordedRelease>)>, Halt> {
        let input = &mut situation.input;
        for tag in version_tags(version) {
            channels::examine(&self.look, input, &tag).await.map_err(Halt::unknown)?;
            let Some(Some(digest)) = input.targets.get(&tag) else { continue };
            let releases = match input.records.get(digest) {
                Some(DigestRecords::Read(list)) => list,
                Some(DigestRecords::Unreadable { why }) => {
                    return Err(Halt::unknown(Reason::new(ReasonCode::TargetUnknown, why.clone())));
                }
                None => continue,
            };
            let of_version = releases.iter().filter(|r| r.record.version.as_ref() == Some(version));
            return Ok(Some((digest.clone(), of_version.cloned().collect())));
        }
        Ok(None)
    }

    /// A hold reaches through the version shown; where that tells nothing, through the highest there is. An earlier
    /// hold that still lasts is not shortened.
    fn statement(&self, situation: &Situation, target: &RollbackTarget) -> Rollback {
        let RollbackRequest { repository, channel, reason, .. } = self.request;
        let earlier = situation.active(channel);
        let from = match &situation.shown {
            Some(shown) if *shown > target.version => Some(shown),
            Some(_) | None => situation.best.as_ref().map(|best| &best.version),
        };
        let reaches = [Some(&target.version), from, earlier.map(|hold| &hold.held_through)];
        let through = reaches.into_iter().flatten().max().unwrap_or(&target.version).clone();
        Rollback {
            repository: repository.clone(),
            channel: channel.clone(),
            from: situation.shown.clone(),
            to: target.clone(),
            held_through: through,
            sequence: situation.input.hold(channel).map_or(0, |hold| hold.sequence).saturating_add(1),
            reason: reason.clone(),
        }
    }

    /// The digest that a hold through `version` is attached to.
    async fn holder(&self, situation: &mut Situation, version: &Version) -> Result<DigestReference, Halt> {
        let repository = self.request.repository.clone();
        match self.releases(situation, version).await? {
            Some((digest, releases)) if !releases.is_empty() => Ok(DigestReference { repository, digest }),
            Some(_) | None => {
                let message = format!("{version} of {repository} has no version tag with a promotion record");
                Err(Halt::Ended(Ending::Refuted, Reason::new(ReasonCode::MissingAttestation, message)))
            }
        }
    }

    /// The statement of an earlier run that was killed before it moved the channel.
    async fn standing(&self, subject: &DigestReference, target: &RollbackTarget) -> Result<VerifiedRollback, Halt> {
        let unknown = |why: String| Halt::unknown(Reason::new(ReasonCode::TargetUnknown, why));
        let node = self.look.node(subject, &[PredicateType::ROLLBACK]).await.map_err(unknown)?;
        let of_channel = rollbacks_in(subject, &node).into_iter();
        let of_channel = of_channel.filter(|r| r.said().channel == self.request.channel);
        let last = of_channel.max_by_key(|r| (r.logged_at(), r.said().sequence));
        last.filter(|r| r.said().to == *target)
            .ok_or_else(|| unknown(format!("the rollback on {subject} changed meanwhile")))
    }

    async fn publish(&self, subject: &DigestReference, rollback: &Rollback) -> Result<VerifiedRollback, Halt> {
        let setup = |code, message| Halt::Setup(Stop::Setup { code, message, help: String::new() });
        rollback.validate().map_err(|error| setup("usage", error.to_string()))?;
        let value = serde_json::to_value(rollback).map_err(|error| setup("internal", error.to_string()))?;
        let accept = |statement: &_| VerifiedRollback::of(subject, statement).ok();
        self.operator.publish(subject, PredicateType::ROLLBACK, value, accept).await
    }

    fn planned(&self, situation: &Situation, target: &RollbackTarget) -> TagMove {
        let RollbackRequest { repository, channel, scope, .. } = self.request;
        let from = situation.shows(channel).cloned();
        let action = match from.as_ref() == Some(&target.digest) {
            true => crate::promotion::Action::Keep,
            false => crate::promotion::Action::Move,
        };
        TagMove {
            repository: repository.clone(),
            tag: channel.clone(),
            class: crate::promotion::TagClass::Channel(scope.clone()),
            action,
            from,
            to: target.digest.clone(),
            why: None,
        }
    }

    /// The channel's line under the rollback on `subject`, everything read anew.
    async fn plan(&self, subject: &DigestReference) -> Result<Vec<TagMove>, Reason> {
        let RollbackRequest { repository, channel, .. } = self.request;
        let list = self.look.tag_list(repository).await;
        let mut input = facts(repository, subject.digest.clone(), list);
        let records = self.look.records_on(subject).await;
        input.records.insert(subject.digest.clone(), records);
        channels::restore_all(&self.look, &mut input, std::slice::from_ref(channel)).await
    }
}
