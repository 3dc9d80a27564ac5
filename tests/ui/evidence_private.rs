//! Only the read-back makes the proofs that `approve` takes.

use countersign::evidence::verified::{VerifiedEvidence, VerifiedRecord};
use countersign::oci::DigestReference;
use countersign::promotion::Record;

fn forge(reference: DigestReference, record: Record) -> (VerifiedEvidence, VerifiedRecord) {
    (VerifiedEvidence::new(reference.clone(), record.clone()), VerifiedRecord::new(reference, record))
}

fn main() {}
