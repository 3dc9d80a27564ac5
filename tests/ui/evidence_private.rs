//! Only the read-back makes the proofs that `approve` takes: not from parts, not from JSON.

use countersign::evidence::{RecordEvidence, VerifiedEvidence};
use countersign::oci::DigestReference;
use countersign::promotion::{Record, VerifiedRecord};

fn forge(subject: DigestReference, record: Record) -> VerifiedRecord {
    VerifiedRecord { subject, record, logged_at: Default::default(), identity: String::new() }
}

fn main() {
    let _: VerifiedEvidence = serde_json::from_str("{}").unwrap();
    let _: RecordEvidence = Default::default();
}
