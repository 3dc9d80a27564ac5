//! An approval, a verified digest and a verified record cannot be written down.

use countersign::oci::DigestReference;
use countersign::promotion::{Approval, Record, VerifiedDigest, VerifiedRecord};

fn forge(reference: DigestReference) -> (Approval, VerifiedDigest) {
    let approval = Approval { images: Vec::new(), moves: Vec::new(), authorised: Default::default() };
    (approval, VerifiedDigest { reference })
}

fn forge_record(subject: DigestReference, record: Record, logged_at: jiff::Timestamp) -> VerifiedRecord {
    VerifiedRecord { subject, record, logged_at, identity: String::new() }
}

fn main() {}
