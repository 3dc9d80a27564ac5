//! The withdrawal of a version: predicate `PredicateType::WITHDRAWAL` on the version's digest, by an operator.
//!
//! It deletes nothing. The version stays where it is with all its evidence; it no longer counts for channels, is not
//! promoted again, and is not resolved (product.md, "Records, channels, reruns").

use serde::{Deserialize, Serialize};

use crate::evidence::PredicateType;
use crate::oci::Repository;
use crate::promotion::Version;
use crate::promotion::operator::{self, Instructs, NotAnInstruction, VerifiedInstruction};

/// The predicate as signed. Unknown fields are tolerated on reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Withdrawal {
    pub repository: Repository,
    pub version: Version,
    pub reason: String,
}

impl Instructs for Withdrawal {
    const TYPE: PredicateType = PredicateType::WITHDRAWAL;

    fn repository(&self) -> &Repository {
        &self.repository
    }

    /// # Errors
    /// A reason that is too long.
    fn validate(&self) -> Result<(), NotAnInstruction> {
        operator::short_enough(&self.reason)
    }
}

/// A withdrawal that verifies now.
pub type VerifiedWithdrawal = VerifiedInstruction<Withdrawal>;
