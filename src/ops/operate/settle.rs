//! Moves channels until each shows what counts. Every round looks anew, so that whatever others wrote meanwhile is seen.

use std::collections::BTreeSet;

use crate::oci::{DigestReference, Tag};
use crate::ops::look::Look;
use crate::ops::operate::{Ending, Halt, Operation, Operator};
use crate::ops::tag_writes::{Progress, TagWrites, Trouble};
use crate::policy::{Reason, ReasonCode};
use crate::promotion::{Instruction, TagMove, approve_restoration};

/// Each round follows a change by somebody else, so real races end after one or two.
const MAX_ROUNDS: usize = 10;

impl Operator {
    /// Carries out what `plan` says until it has nothing left to write. `plan` is told what was written so far: nothing
    /// compares when a tag is put, so each of these needs another look, whatever it shows. Returns whether anything was
    /// written.
    pub(super) async fn settle<P, F>(
        &self,
        look: &Look<'_>,
        operation: &mut Operation,
        instruction: Instruction<'_>,
        plan: P,
    ) -> Result<bool, Halt>
    where
        P: Fn(BTreeSet<Tag>) -> F,
        F: Future<Output = Result<Vec<TagMove>, Reason>>,
    {
        self.reporter.begin("channels");
        let (mut written, mut touched) = (0, BTreeSet::new());
        for _ in 0..MAX_ROUNDS {
            let moves = plan(touched.clone()).await.map_err(Halt::unknown)?;
            remember(operation, &moves);
            if !moves.iter().any(|line| line.action.writes()) {
                self.reporter.done("channels", &format!("{written} tags written"));
                return Ok(written > 0);
            }
            let progress = self.write(look, instruction, &moves).await?;
            written += progress.written.len();
            let keys = progress.written.into_keys().chain(progress.contested);
            touched.extend(keys.map(|(_, tag)| tag));
        }
        let message = format!("the tags of {} kept changing for {MAX_ROUNDS} rounds", operation.repository);
        Err(Halt::unknown(Reason::new(ReasonCode::TagMoved, message)))
    }

    async fn write(&self, look: &Look<'_>, instruction: Instruction<'_>, moves: &[TagMove]) -> Result<Progress, Halt> {
        let unknown = |why: String| Halt::unknown(Reason::new(ReasonCode::TargetUnknown, why));
        let writes = moves.iter().filter(|line| line.action.writes());
        let references =
            writes.map(|line| DigestReference { repository: line.repository.clone(), digest: line.to.clone() });
        let records = look.verified_records(references.collect()).await.map_err(unknown)?;
        let approval = approve_restoration(instruction, moves, &records).map_err(|error| unknown(error.to_string()))?;
        let tags = TagWrites { registry: self.registry.as_ref() };
        let mut progress = Progress::default();
        tags.all(&approval, &mut progress).await.map_err(|trouble| match trouble {
            Trouble::Conflict(reason) => Halt::Ended(Ending::Conflict, reason),
            Trouble::Unknown(reason) => Halt::unknown(reason),
        })?;
        Ok(progress)
    }
}

/// What happened to each channel: its first line, and where it went in the end.
fn remember(operation: &mut Operation, moves: &[TagMove]) {
    for line in moves {
        match operation.moves.iter_mut().find(|known| known.tag == line.tag) {
            None => operation.moves.push(line.clone()),
            Some(known) if line.action.writes() => {
                (known.to, known.action, known.why) = (line.to.clone(), line.action, line.why.clone());
            }
            Some(_) => {}
        }
    }
}
