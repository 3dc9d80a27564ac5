//! Three-valued truth: from what was found on each node to the verdict of node and tree (product.md, "Verdict rules").
//!
//! Pure. *Verified*: every required predicate type has an attestation that passed everything. *Refuted*: all was readable
//! and it is not there, or bytes contradict their digest. *Unknown*: something that could have held it was not readable.
//! A failed look-up never makes a verdict better, and bad attestations beside good ones never make it worse.

mod judge;
mod node;
mod requirements;

use serde::Serialize;

pub use judge::{NodeVerdict, TreeVerdict, judge, provenance_verdict};
pub use node::{AttestationOutcome, Format, NodeEvidence, NodeKind};
pub use requirements::{ChildrenRule, Requirements};

/// Ordered from best to worst: of several, the greatest wins (exit 4 before 7 before 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Verified,
    Unknown,
    Refuted,
}

#[cfg(test)]
mod tests;
