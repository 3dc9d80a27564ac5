//! What only an operator may say: withdrawals and rollbacks, as signed statements on the digests they are about.
//!
//! Here is how both are read; the wire shapes are `withdrawal`'s and `rollback`'s. The only way to a verified one is a
//! `Verified<Statement>`, which only `evidence::verify` makes.

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::evidence::{PredicateType, Statement, Verified};
use crate::identity::IdentityRole;
use crate::oci::{Digest, DigestReference, Repository, Tag};
use crate::promotion::Version;

/// Longest reason: a paragraph or two.
pub const MAX_REASON_LEN: usize = 2000;

/// Why a verified statement does not count as an operator's.
#[derive(Debug, thiserror::Error)]
pub enum NotAnInstruction {
    #[error("predicate type: expected {expected}, found {found}")]
    PredicateType { expected: PredicateType, found: PredicateType },
    #[error("the statement is about {found}, not about {expected}")]
    Subject { expected: DigestReference, found: Digest },
    #[error("the statement is for {found}, not for {expected}")]
    Repository { expected: Repository, found: Repository },
    #[error("{signer} is no operator; it may not withdraw or roll back")]
    NotAnOperator { signer: String },
    #[error("the statement is malformed: {why}")]
    Malformed { why: String },
    #[error("{channel} is no channel of version {version}")]
    Channel { channel: Tag, version: Version },
    #[error("the reason has {found} bytes, at most {MAX_REASON_LEN} are kept")]
    ReasonTooLong { found: usize },
}

/// What an operator may say, by its predicate.
pub trait Instructs: DeserializeOwned {
    const TYPE: PredicateType;

    /// The repository it speaks for.
    fn repository(&self) -> &Repository;

    /// # Errors
    /// What the predicate itself does not allow.
    fn validate(&self) -> Result<(), NotAnInstruction>;
}

/// An operator's statement that verifies now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedInstruction<T> {
    said: T,
    logged_at: Timestamp,
    identity: String,
}

impl<T: Instructs> VerifiedInstruction<T> {
    /// Reads the instruction out of a verified statement on `subject`.
    ///
    /// # Errors
    /// Another predicate type, subject or repository, a signer that is no operator, or content that is none of its kind.
    pub fn of(subject: &DigestReference, statement: &Verified<Statement>) -> Result<Self, NotAnInstruction> {
        check(subject, statement, T::TYPE)?;
        let said = T::deserialize(&statement.content().predicate)
            .map_err(|e| NotAnInstruction::Malformed { why: e.to_string() })?;
        said.validate()?;
        same_repository(subject, said.repository())?;
        let identity = statement.signer().name.clone();
        Ok(Self { said, logged_at: statement.logged_at(), identity })
    }

    #[must_use]
    pub fn said(&self) -> &T {
        &self.said
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

/// Type, subject and authority, in this order.
fn check(
    subject: &DigestReference,
    statement: &Verified<Statement>,
    expected: PredicateType,
) -> Result<(), NotAnInstruction> {
    let found = statement.predicate_type();
    if *found != expected {
        return Err(NotAnInstruction::PredicateType { expected, found: found.clone() });
    }
    let content = statement.content();
    if content.subject != subject.digest {
        let found = content.subject.clone();
        return Err(NotAnInstruction::Subject { expected: subject.clone(), found });
    }
    let may = |role: &IdentityRole| matches!(role, IdentityRole::Operator | IdentityRole::Named);
    if !statement.roles().iter().any(may) {
        return Err(NotAnInstruction::NotAnOperator { signer: statement.signer().name.clone() });
    }
    Ok(())
}

/// A digest may lie in several repositories; an instruction speaks for one.
fn same_repository(subject: &DigestReference, found: &Repository) -> Result<(), NotAnInstruction> {
    if subject.repository == *found {
        return Ok(());
    }
    Err(NotAnInstruction::Repository { expected: subject.repository.clone(), found: found.clone() })
}

pub(super) fn short_enough(reason: &str) -> Result<(), NotAnInstruction> {
    if reason.len() > MAX_REASON_LEN { Err(NotAnInstruction::ReasonTooLong { found: reason.len() }) } else { Ok(()) }
}
