//! An approval, a verified digest and verified evidence cannot be written down.

use countersign::evidence::verified::VerifiedEvidence;
use countersign::oci::DigestReference;
use countersign::promotion::{Approval, Record, VerifiedDigest};

fn forge(reference: DigestReference, record: Record) -> (Approval, VerifiedDigest, VerifiedEvidence) {
    let digest = VerifiedDigest { reference: reference.clone() };
    let approval = Approval { images: Vec::new(), moves: Vec::new(), authorised: Default::default() };
    (approval, digest, VerifiedEvidence { reference, record })
}

fn main() {}
