//! The withdrawal of a version: predicate `PredicateType::WITHDRAWAL` on the version's digest, by an operator.
//!
//! It deletes nothing. The version stays where it is with all its evidence; it no longer counts for channels, is not
//! promoted again, and is not resolved (product.md, "Records, channels, reruns").

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::evidence::{PredicateType, Statement, Verified};
use crate::oci::{DigestReference, Repository};
use crate::promotion::Version;
use crate::promotion::operator::{self, NotAnInstruction};

/// The predicate as signed. Unknown fields are tolerated on reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Withdrawal {
    pub repository: Repository,
    pub version: Version,
    pub reason: String,
}

impl Withdrawal {
    /// # Errors
    /// A reason that is too long.
    pub fn validate(&self) -> Result<(), NotAnInstruction> {
        operator::short_enough(&self.reason)
    }
}

/// A withdrawal that verifies now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedWithdrawal {
    withdrawal: Withdrawal,
    logged_at: Timestamp,
    identity: String,
}

impl VerifiedWithdrawal {
    /// Reads the withdrawal out of a verified statement on `subject`.
    ///
    /// # Errors
    /// Another predicate type, subject or repository, a signer that is no operator, or content that is no withdrawal.
    pub fn of(subject: &DigestReference, statement: &Verified<Statement>) -> Result<Self, NotAnInstruction> {
        operator::check(subject, statement, PredicateType::WITHDRAWAL)?;
        let withdrawal = Withdrawal::deserialize(&statement.content().predicate)
            .map_err(|e| NotAnInstruction::Malformed { why: e.to_string() })?;
        withdrawal.validate()?;
        operator::same_repository(subject, &withdrawal.repository)?;
        let identity = statement.signer().name.clone();
        Ok(Self { withdrawal, logged_at: statement.logged_at(), identity })
    }

    #[must_use]
    pub fn withdrawal(&self) -> &Withdrawal {
        &self.withdrawal
    }

    /// The earliest trusted time.
    #[must_use]
    pub fn logged_at(&self) -> Timestamp {
        self.logged_at
    }

    /// The signer's subject alternative name.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }
}
