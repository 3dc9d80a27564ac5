//! Proofs that evidence was fetched again and verified. Having one of these values means that the cryptography, the
//! expected identity and the subject were checked now; only `evidence` can make them, and promotion takes nothing less.
//!
//! No `Default`, no `Deserialize`, no public constructor: a promotion without verified evidence does not compile (I1).

use crate::oci::DigestReference;
use crate::promotion::Record;

/// One candidate's evidence, read back: signature and VSA on every node, SBOM and vulnerability report on every image,
/// promotion record on the released digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedEvidence {
    reference: DigestReference,
    record: Record,
}

impl VerifiedEvidence {
    /// For the read-back only, after every node's requirements were met.
    #[allow(dead_code, reason = "the read-back arrives with evidence verification")]
    pub(in crate::evidence) fn new(reference: DigestReference, record: Record) -> Self {
        Self { reference, record }
    }

    #[must_use]
    pub fn reference(&self) -> &DigestReference {
        &self.reference
    }

    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }
}

/// A promotion record on `subject` that verifies now under the expected identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRecord {
    subject: DigestReference,
    record: Record,
}

impl VerifiedRecord {
    /// For verification only.
    #[allow(dead_code, reason = "record verification arrives with evidence verification")]
    pub(in crate::evidence) fn new(subject: DigestReference, record: Record) -> Self {
        Self { subject, record }
    }

    #[must_use]
    pub fn subject(&self) -> &DigestReference {
        &self.subject
    }

    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }
}
