//! Why a bundle does not count, with everything about it that was authenticated before it failed.

use jiff::Timestamp;
use sigstore_verify::{CertificateError, Error as SigstoreVerifyError, TimestampError, TransparencyLogError};

use crate::evidence::PredicateType;
use crate::identity::SignerIdentity;
use crate::policy::{Reason, ReasonCode};

/// A refused bundle. Looked at, and wrong: never "could not look".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub code: ReasonCode,
    pub message: String,
    /// Set only when all cryptography passed, so that reports never repeat an unauthenticated claim.
    pub found: Option<Box<Found>>,
}

/// What an authentic, but not acceptable, bundle says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub signer: SignerIdentity,
    /// The earliest trusted time.
    pub logged_at: Timestamp,
    /// `None` where the payload is no statement.
    pub predicate_type: Option<PredicateType>,
}

impl Refusal {
    #[must_use]
    pub fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), found: None }
    }

    #[must_use]
    pub fn reason(&self) -> Reason {
        Reason::new(self.code, self.message.clone())
    }

    pub(super) fn with_found(self, found: &Found) -> Self {
        Self { found: Some(Box::new(found.clone())), ..self }
    }
}

impl From<SigstoreVerifyError> for Refusal {
    fn from(error: SigstoreVerifyError) -> Self {
        use SigstoreVerifyError as E;
        use sigstore_bundle::Error as B;
        let code = match &error {
            E::SignatureInvalid(_) => ReasonCode::SignatureInvalid,
            E::ArtifactMismatch(_) => ReasonCode::SubjectMismatch,
            E::Certificate(error) => of_certificate(error),
            E::TransparencyLog(error) => of_log(error),
            E::Timestamp(TimestampError::NoVerifiedTimestamp(_)) => ReasonCode::TimestampMissing,
            E::Timestamp(_) => ReasonCode::TimestampInvalid,
            E::Bundle(B::MissingInclusionPromise(_)) => ReasonCode::InclusionPromiseInvalid,
            E::Bundle(B::MissingInclusionProof(_) | B::LogIndexOutOfRange { .. } | B::CheckpointRootMismatch) => {
                ReasonCode::InclusionProofInvalid
            }
            E::Bundle(B::MissingCheckpoint) => ReasonCode::CheckpointInvalid,
            E::Bundle(B::MissingTimestamp | B::MissingSigningTimeEvidence) => ReasonCode::TimestampMissing,
            E::InvalidBundle(_) | E::UnsupportedBundle(_) | E::Bundle(_) => ReasonCode::BundleMalformed,
            // The enum may grow; anything it says is a refusal.
            _ => ReasonCode::VerificationFailed,
        };
        Self::new(code, error.to_string())
    }
}

fn of_certificate(error: &CertificateError) -> ReasonCode {
    match error {
        CertificateError::Sct(_) => ReasonCode::SctInvalid,
        CertificateError::NotYetValid { .. } | CertificateError::Expired { .. } => ReasonCode::CertificateExpired,
        CertificateError::ChainInvalid(why) if why.contains(EXPIRED) || why.contains(NOT_YET) => {
            ReasonCode::CertificateExpired
        }
        CertificateError::ChainInvalid(_) | CertificateError::NoValidAuthority { .. } => {
            ReasonCode::CertificateUntrusted
        }
        _ => ReasonCode::CertificateInvalid,
    }
}

/// webpki's words for a leaf outside its dates, which the crate hands on as text. Were they to change, the refusal would
/// carry the code of the chain instead, and `tests/it/attacks` would say so.
const EXPIRED: &str = "CertExpired";
const NOT_YET: &str = "CertNotValidYet";

fn of_log(error: &TransparencyLogError) -> ReasonCode {
    match error {
        TransparencyLogError::UnknownLog { .. } => ReasonCode::LogUnknown,
        TransparencyLogError::InclusionProof(_) => ReasonCode::InclusionProofInvalid,
        TransparencyLogError::Checkpoint(_) => ReasonCode::CheckpointInvalid,
        TransparencyLogError::InclusionPromise(_) => ReasonCode::InclusionPromiseInvalid,
        TransparencyLogError::EntryMismatch(_) => ReasonCode::LogEntryMismatch,
        // The integrated time contradicts the certificate's dates, or lies ahead of this machine's clock.
        TransparencyLogError::IntegratedTime(why) if why.contains("in the future") => ReasonCode::TimeInFuture,
        TransparencyLogError::IntegratedTime(_) => ReasonCode::CertificateExpired,
        _ => ReasonCode::LogEntryInvalid,
    }
}
