//! The predicates we write: one file each. The promotion record is `promotion::record`'s.
//!
//! [`same_content`] says when an attestation that is already attached still says what a new one would, so that a rerun
//! writes nothing (product.md, "Records, channels, reruns").

pub mod sbom;
pub mod vsa;
pub mod vulnerability;

use serde_json::Value;

use crate::evidence::PredicateType;

/// Do two predicates of one type, about one subject, say the same? Types we do not write must be equal.
#[must_use]
pub fn same_content(predicate_type: &PredicateType, a: &Value, b: &Value) -> bool {
    match *predicate_type {
        PredicateType::SIGNATURE => true,
        PredicateType::CYCLONEDX => sbom::same(a, b),
        PredicateType::VULNERABILITY => vulnerability::same(a, b),
        PredicateType::VSA => vsa::same(a, b),
        _ => a == b,
    }
}
