//! `withdraw`: the version is marked on its digest, and every channel that shows it goes to the best that remains.

use std::collections::BTreeSet;

use crate::evidence::PredicateType;
use crate::oci::{Digest, DigestReference, Repository, Tag};
use crate::ops::channels;
use crate::ops::look::{Failures, Look, withdrawals_in};
use crate::ops::operate::{Ending, Halt, Operation, Operator, facts, version_tags};
use crate::ops::promote::Stop;
use crate::policy::{Reason, ReasonCode};
use crate::promotion::plan::{
    DigestRecords, TagList, Touched, concerns_withdrawal, shows_withdrawn, withdrawal_channels,
};
use crate::promotion::{Instruction, Instructs, TagMove, VerifiedWithdrawal, Version, Withdrawal};

/// What is to be withdrawn, and why.
#[derive(Debug, Clone)]
pub struct WithdrawRequest {
    pub repository: Repository,
    pub version: Version,
    pub reason: String,
    /// Stop before the first write.
    pub plan_only: bool,
}

/// Withdraws a version. `Err` only where a set-up problem (exit 2) keeps it from going on.
pub async fn withdraw(operator: &Operator, request: &WithdrawRequest) -> Result<Operation, Stop> {
    let failures = Failures::default();
    let run = Run { operator, request, look: operator.look(&failures) };
    let mut operation = Operation::new(&request.repository);
    operation.version = Some(request.version.clone());
    let mut attached = false;
    match run.all(&mut operation, &mut attached).await {
        Ok(ending) => Ok(operation.ended(ending)),
        Err(halt) => operation.halted(halt, attached, &failures),
    }
}

struct Run<'a> {
    operator: &'a Operator,
    request: &'a WithdrawRequest,
    look: Look<'a>,
}

impl Run<'_> {
    async fn all(&self, operation: &mut Operation, attached: &mut bool) -> Result<Ending, Halt> {
        let subject = self.subject(operation).await?;
        let standing = self.standing(&subject).await?;
        let rerun = standing.is_some();
        let touched = |these| if rerun { Touched::Unknown } else { Touched::These(these) };
        let planned = self.plan(&subject, touched(BTreeSet::new())).await.map_err(Halt::unknown)?;
        let finished = rerun && !planned.iter().any(|line| line.action.writes());
        if self.request.plan_only || finished {
            operation.moves = planned;
            return Ok(if finished { Ending::Unchanged } else { Ending::Planned });
        }
        let withdrawal = match standing {
            Some(standing) => standing,
            None => self.publish(&subject).await?,
        };
        *attached = true;
        let instruction = Instruction::Withdrawal(&withdrawal);
        self.operator.settle(&self.look, operation, instruction, |these| self.plan(&subject, touched(these))).await?;
        Ok(Ending::Done)
    }

    /// The digest that carries the version and a record of it.
    async fn subject(&self, operation: &mut Operation) -> Result<DigestReference, Halt> {
        let WithdrawRequest { repository, version, .. } = self.request;
        let (mut found, mut unread) = (None, Vec::new());
        let wanted = version_tags(version);
        let heads = self.look.heads(repository, wanted.clone()).await;
        let digests: BTreeSet<Digest> = heads.values().flatten().cloned().collect();
        for digest in &digests {
            let reference = DigestReference { repository: repository.clone(), digest: digest.clone() };
            match self.look.records_on(&reference).await {
                DigestRecords::Read(list) => {
                    let of_version = |r: &&crate::promotion::plan::RecordedRelease| {
                        let image = r.record.image(repository).is_some_and(|image| image.digest == *digest);
                        image && r.record.version.as_ref() == Some(version)
                    };
                    if let Some(release) = list.iter().find(of_version) {
                        let others = release.record.images.iter().map(|image| image.repository.clone());
                        operation.siblings = others.filter(|other| other != repository).collect();
                        found = Some(reference);
                    }
                }
                DigestRecords::Unreadable { why } => unread.push(why),
            }
        }
        if let Some(found) = found {
            operation.digest = Some(found.digest.clone());
            return Ok(found);
        }
        if heads.len() < wanted.len() || !unread.is_empty() {
            let why = unread.first().map_or("a version tag could not be looked at", String::as_str);
            let message = format!("cannot tell what {version} of {repository} is: {why}");
            return Err(Halt::unknown(Reason::new(ReasonCode::TargetUnknown, message)));
        }
        let Some(digest) = digests.first() else {
            let reason = Reason::new(ReasonCode::NotFound, format!("{repository} has no version tag of {version}"));
            return Err(Halt::unknown(reason));
        };
        operation.digest = Some(digest.clone());
        let message = format!("{version} of {repository} is {digest}, which has no promotion record of that version");
        let help = "nothing that countersign released is withdrawn by this; remove the tag in the registry";
        Err(Halt::Ended(Ending::Refuted, Reason::new(ReasonCode::MissingAttestation, message).with_help(help)))
    }

    /// A withdrawal by an earlier run.
    async fn standing(&self, subject: &DigestReference) -> Result<Option<VerifiedWithdrawal>, Halt> {
        let unknown = |why: String| Halt::unknown(Reason::new(ReasonCode::TargetUnknown, why));
        let node = self.look.node(subject, &[PredicateType::WITHDRAWAL]).await.map_err(unknown)?;
        if let Some(problem) = node.problems().first() {
            return Err(Halt::unknown(problem.clone()));
        }
        let of_version = |w: &VerifiedWithdrawal| w.said().version == self.request.version;
        Ok(withdrawals_in(subject, &node).into_iter().find(of_version))
    }

    async fn publish(&self, subject: &DigestReference) -> Result<VerifiedWithdrawal, Halt> {
        let WithdrawRequest { repository, version, reason, .. } = self.request;
        let withdrawal =
            Withdrawal { repository: repository.clone(), version: version.clone(), reason: reason.clone() };
        let refused = |error: crate::promotion::NotAnInstruction| {
            let help = String::new();
            Halt::Setup(Stop::Setup { code: "usage", message: error.to_string(), help })
        };
        withdrawal.validate().map_err(refused)?;
        let value = serde_json::to_value(&withdrawal).map_err(|error| {
            Halt::Setup(Stop::Setup { code: "internal", message: error.to_string(), help: String::new() })
        })?;
        let accept = |statement: &_| VerifiedWithdrawal::of(subject, statement).ok();
        self.operator.publish(subject, PredicateType::WITHDRAWAL, value, accept).await
    }

    /// Every channel of the version's scopes that shows a withdrawn version, this one counting as such, and those of
    /// `touched` that another release outranks.
    async fn plan(&self, subject: &DigestReference, touched: Touched) -> Result<Vec<TagMove>, Reason> {
        let WithdrawRequest { repository, version, .. } = self.request;
        let list = self.look.tag_list(repository).await;
        if let TagList::Unreadable { why } = &list {
            return Err(Reason::new(ReasonCode::ListIncomplete, why.clone()));
        }
        let mut input = facts(repository, subject.digest.clone(), list);
        let records = self.look.records_on(subject).await;
        input.records.insert(subject.digest.clone(), marked(records, version));
        let channels: Vec<Tag> = withdrawal_channels(&input, version).into_iter().collect();
        input.targets.extend(self.look.heads(repository, channels.clone()).await);
        let mut affected = Vec::new();
        for channel in channels {
            channels::examine(&self.look, &mut input, &channel).await?;
            if concerns_withdrawal(&input, &channel, &touched)? {
                affected.push(channel);
            }
        }
        let mut lines = channels::restore_all(&self.look, &mut input, &affected).await?;
        lines.retain(|line| line.action.writes() || shows_withdrawn(&input, &line.tag));
        Ok(lines)
    }
}

/// As if the withdrawal stood already.
fn marked(records: DigestRecords, version: &Version) -> DigestRecords {
    match records {
        DigestRecords::Read(mut list) => {
            for release in list.iter_mut().filter(|r| r.record.version.as_ref() == Some(version)) {
                release.withdrawn = true;
            }
            DigestRecords::Read(list)
        }
        unreadable @ DigestRecords::Unreadable { .. } => unreadable,
    }
}
