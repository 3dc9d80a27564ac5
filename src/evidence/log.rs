//! The log entry: what `sigstore-verify` leaves open about it (docs/adr/0002, gaps 2 to 4).

use jiff::Timestamp;
use sigstore_types::{Checkpoint, KindVersion, TransparencyLogEntry};

use crate::evidence::Refusal;
use crate::evidence::trust_root::{Log, TrustRoot};
use crate::policy::ReasonCode;

/// The trusted log this entry claims to be in, after the entry's unsigned fields were found to agree with the checkpoint.
pub(super) fn log_of<'a>(entry: &TransparencyLogEntry, trust_root: &'a TrustRoot) -> Result<&'a Log, Refusal> {
    let Some(log) = trust_root.log(&entry.log_id.key_id) else {
        return Err(invalid(format!("log {} is not in the trust root", entry.log_id.key_id)));
    };
    let Some(proof) = &entry.inclusion_proof else {
        return Err(invalid("the log entry has no inclusion proof".to_owned()));
    };
    let Some(checkpoint) = proof.checkpoint.checkpoint() else {
        return Err(invalid("the inclusion proof has no checkpoint".to_owned()));
    };
    if proof.tree_size != checkpoint.tree_size() {
        let (found, expected) = (proof.tree_size, checkpoint.tree_size());
        return Err(invalid(format!("tree size: the checkpoint says {expected}, the proof {found}")));
    }
    if proof.root_hash != *checkpoint.root_hash() {
        return Err(invalid("the proof's root hash is not the checkpoint's".to_owned()));
    }
    if is_v2(entry) {
        if proof.log_index != entry.log_index {
            return Err(invalid("the proof is about another index of the log".to_owned()));
        }
        check_origin(checkpoint, log)?;
    }
    Ok(log)
}

/// A log key vouches only for times inside its window; `sigstore-verify` checks that for signed entry timestamps alone.
pub(super) fn check_key_window(log: &Log, times: &[Timestamp]) -> Result<(), Refusal> {
    match (log.window, times.iter().find(|time| log.window.is_some_and(|window| !window.contains(**time)))) {
        (Some(_), Some(time)) => Err(invalid(format!("the key of log {} was not in use at {time}", log.host))),
        _ => Ok(()),
    }
}

/// C2SP tlog-checkpoint: the origin names the log. Rekor v2 uses its host name (v1 appends a tree number, and its log id
/// is the hash of its key alone, which the verifier prepared for this log has already pinned).
fn check_origin(checkpoint: &Checkpoint, log: &Log) -> Result<(), Refusal> {
    if checkpoint.origin() == log.host {
        return Ok(());
    }
    let found: String = checkpoint.origin().chars().take(200).collect();
    Err(invalid(format!("checkpoint origin: expected {}, found {found:?}", log.host)))
}

fn is_v2(entry: &TransparencyLogEntry) -> bool {
    entry.kind_version == KindVersion::HashedRekordV002
}

fn invalid(message: String) -> Refusal {
    Refusal::new(ReasonCode::LogEntryInvalid, message)
}
