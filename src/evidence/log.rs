//! The log entry: what `sigstore-verify` leaves open about it (docs/adr/0002).
//!
//! Everything here compares; Merkle path, checkpoint signature and body are checked by the verifier that knows this log
//! alone, the promise by [`Promise`]. Specs: C2SP tlog-checkpoint, Rekor v2 client guide, Sigstore client specification §4.3.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use sigstore_types::bundle::InclusionProof;
use sigstore_types::{Bundle, Checkpoint, KindVersion, SignatureContent, TransparencyLogEntry};

use crate::evidence::trust_root::{Log, TrustRoot};
use crate::evidence::{Promise, Refusal};
use crate::policy::ReasonCode;

/// What an entry must bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Required {
    /// Bundles v0.2 and v0.3: a proof of inclusion; a promise besides is verified too.
    Proof,
    /// Bundles v0.1 of blobs: a promise; a proof besides is verified too.
    Promise,
}

/// The trusted log this entry claims to be in, after the entry's unsigned fields were found to agree with what is signed.
pub(super) fn log_of<'a>(
    entry: &TransparencyLogEntry,
    trust_root: &'a TrustRoot,
    required: Required,
) -> Result<&'a Log, Refusal> {
    let Some(log) = trust_root.log(&entry.log_id.key_id) else {
        let message = format!("log {} is not in the trust root", entry.log_id.key_id);
        return Err(Refusal::new(ReasonCode::LogUnknown, message));
    };
    check_kind(entry)?;
    match &entry.inclusion_proof {
        Some(proof) => check_proof(entry, proof, log)?,
        None if required == Required::Promise => {}
        None => return Err(unproven("the log entry has no inclusion proof".to_owned())),
    }
    match Promise::of(entry) {
        Some(_) if is_v2(entry) => {
            let message = "a promise in an entry of Rekor v2, which makes none".to_owned();
            return Err(Refusal::new(ReasonCode::InclusionPromiseInvalid, message));
        }
        Some(promise) => _ = promise.verify(trust_root)?,
        None if required == Required::Proof => {}
        None => return Err(Refusal::new(ReasonCode::InclusionPromiseInvalid, "the log entry has no promise")),
    }
    Ok(log)
}

/// The kind beside the body is not signed; the body is.
fn check_kind(entry: &TransparencyLogEntry) -> Result<(), Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        kind: String,
        api_version: String,
    }
    let body: Body = serde_json::from_slice(entry.canonicalized_body.as_bytes())
        .map_err(|e| invalid(format!("unreadable log entry: {e}")))?;
    let (kind, version) = (entry.kind_version.kind(), entry.kind_version.version());
    if body.kind == kind && body.api_version == version {
        return Ok(());
    }
    let found: String = format!("{} {}", body.kind, body.api_version).chars().take(200).collect();
    Err(invalid(format!("log entry: expected {kind} {version}, found {found:?}")))
}

fn check_proof(entry: &TransparencyLogEntry, proof: &InclusionProof, log: &Log) -> Result<(), Refusal> {
    let Some(checkpoint) = proof.checkpoint.checkpoint() else {
        return Err(unsigned("the inclusion proof has no checkpoint".to_owned()));
    };
    if proof.tree_size != checkpoint.tree_size() {
        let (found, expected) = (proof.tree_size, checkpoint.tree_size());
        return Err(unproven(format!("tree size: the checkpoint says {expected}, the proof {found}")));
    }
    if proof.root_hash != *checkpoint.root_hash() {
        return Err(unproven("the proof's root hash is not the checkpoint's".to_owned()));
    }
    if is_v2(entry) {
        if proof.log_index != entry.log_index {
            return Err(unproven("the proof is about another index of the log".to_owned()));
        }
        check_origin(checkpoint, log)?;
    }
    Ok(())
}

/// C2SP tlog-checkpoint: the origin names the log. Rekor v2 uses its host name (v1 appends a tree number, and its log id
/// is the hash of its key alone, which the verifier prepared for this log has already pinned).
fn check_origin(checkpoint: &Checkpoint, log: &Log) -> Result<(), Refusal> {
    if checkpoint.origin() == log.host {
        return Ok(());
    }
    let found: String = checkpoint.origin().chars().take(200).collect();
    Err(unsigned(format!("checkpoint origin: expected {}, found {found:?}", log.host)))
}

/// Rekor v2: builds the entry that *we* would log for this envelope and certificate, and compares it byte for byte with
/// the one whose inclusion is proven. Comparing fields, as the verifier does, would let a body carry more than we read.
/// Blobs and managed keys have other shapes and are compared by field alone.
pub(super) fn check_rebuilt(entry: &TransparencyLogEntry, bundle: &Bundle) -> Result<(), Refusal> {
    let (SignatureContent::DsseEnvelope(envelope), Some(certificate)) = (&bundle.content, bundle.signing_certificate())
    else {
        return Ok(());
    };
    if !is_v2(entry) {
        return Ok(());
    }
    let body = entry.canonicalized_body.as_bytes();
    let digest = sigstore_crypto::sha256(&envelope.pae());
    let (digest, signature) = (digest.as_bytes(), envelope.signature.sig.as_bytes());
    if KEY_DETAILS.iter().any(|details| rebuilt(digest, signature, details, certificate.as_bytes()) == body) {
        return Ok(());
    }
    let message = "the log entry is not the one for this content, signature and certificate";
    Err(Refusal::new(ReasonCode::LogEntryMismatch, message))
}

/// The key types of Rekor v2 entries; which one it is, the certificate says, and the signature would not verify otherwise.
const KEY_DETAILS: [&str; 4] =
    ["PKIX_ECDSA_P256_SHA_256", "PKIX_ECDSA_P384_SHA_384", "PKIX_ECDSA_P521_SHA_512", "PKIX_ED25519"];

/// RFC 8785: keys in order, no spaces; base64 needs no escapes.
fn rebuilt(digest: &[u8], signature: &[u8], details: &str, certificate: &[u8]) -> Vec<u8> {
    let [digest, signature, certificate] = [digest, signature, certificate].map(|bytes| STANDARD.encode(bytes));
    let verifier = format!(r#"{{"keyDetails":"{details}","x509Certificate":{{"rawBytes":"{certificate}"}}}}"#);
    format!(
        r#"{{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{{"hashedRekordV002":{{"data":{{"algorithm":"SHA2_256","digest":"{digest}"}},"signature":{{"content":"{signature}","verifier":{verifier}}}}}}}}}"#
    )
    .into_bytes()
}

impl Log {
    /// A key whose window has not begun vouches for nothing yet.
    pub(super) fn check_started(&self, now: Timestamp) -> Result<(), Refusal> {
        match self.window {
            Some(window) if now < window.start => self.check_window(&[now]),
            _ => Ok(()),
        }
    }

    /// A log key vouches only for times inside its window; `sigstore-verify` checks that for promises alone.
    pub(super) fn check_window(&self, times: &[Timestamp]) -> Result<(), Refusal> {
        let Some(window) = self.window else { return Ok(()) };
        match times.iter().find(|time| !window.contains(**time)) {
            None => Ok(()),
            Some(time) => {
                let message = format!("the key of log {} was not in use at {time}", self.host);
                Err(Refusal::new(ReasonCode::LogKeyWindow, message))
            }
        }
    }
}

/// When the log took the entry, as far as that is signed: the promised time, or all trusted times where there is no
/// promise. `None` of them is taken from the unsigned `integratedTime` of an entry without a promise.
pub(super) fn times_of_entry(entry: &TransparencyLogEntry, trusted: &[Timestamp]) -> Vec<Timestamp> {
    match (entry.inclusion_promise.is_some(), entry.integrated_time) {
        (true, Some(time)) => vec![time],
        _ => trusted.to_vec(),
    }
}

fn is_v2(entry: &TransparencyLogEntry) -> bool {
    entry.kind_version == KindVersion::HashedRekordV002
}

fn invalid(message: String) -> Refusal {
    Refusal::new(ReasonCode::LogEntryInvalid, message)
}

fn unproven(message: String) -> Refusal {
    Refusal::new(ReasonCode::InclusionProofInvalid, message)
}

fn unsigned(message: String) -> Refusal {
    Refusal::new(ReasonCode::CheckpointInvalid, message)
}
