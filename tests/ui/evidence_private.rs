//! Only the read-back makes the evidence that `approve` takes: not from JSON, not from nothing.

use countersign::evidence::{RecordEvidence, VerifiedEvidence};

fn main() {
    let _: VerifiedEvidence = serde_json::from_str("{}").unwrap();
    let _: RecordEvidence = Default::default();
}
