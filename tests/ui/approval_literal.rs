//! An approval and a verified digest cannot be written down.

use countersign::oci::DigestReference;
use countersign::promotion::{Approval, VerifiedDigest};

fn forge(reference: DigestReference) -> (Approval, VerifiedDigest) {
    let approval = Approval { images: Vec::new(), moves: Vec::new(), authorised: Default::default() };
    (approval, VerifiedDigest { reference })
}

fn main() {}
