//! Nor do they come from nothing, or from JSON.

use countersign::promotion::{Approval, VerifiedDigest};

fn main() {
    let _: Approval = Default::default();
    let _: VerifiedDigest = Default::default();
    let _: Approval = serde_json::from_str("{}").unwrap();
}
