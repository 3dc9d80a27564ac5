//! Why a bundle does not count, with everything about it that was authenticated before it failed.

use jiff::Timestamp;
use sigstore_verify::{CertificateError, Error as SigstoreVerifyError};

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
            E::Certificate(CertificateError::Sct(_)) => ReasonCode::SctInvalid,
            E::Certificate(_) => ReasonCode::CertificateInvalid,
            E::TransparencyLog(_) => ReasonCode::LogEntryInvalid,
            E::Timestamp(_) => ReasonCode::TimestampInvalid,
            E::Bundle(
                B::MissingInclusionProof(_)
                | B::MissingInclusionPromise(_)
                | B::MissingCheckpoint
                | B::LogIndexOutOfRange { .. }
                | B::CheckpointRootMismatch,
            ) => ReasonCode::LogEntryInvalid,
            E::Bundle(B::MissingTimestamp | B::MissingSigningTimeEvidence) => ReasonCode::TimestampInvalid,
            E::InvalidBundle(_) | E::UnsupportedBundle(_) | E::Bundle(_) => ReasonCode::BundleMalformed,
            // The enum may grow; anything it says is a refusal.
            _ => ReasonCode::VerificationFailed,
        };
        Self::new(code, error.to_string())
    }
}
