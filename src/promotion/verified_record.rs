//! A promotion record that verifies now: signed by an identity that may authorise what the record says.
//!
//! The only way here is a `Verified<Statement>`, which only `evidence::verify` makes; so having one of these values means
//! that cryptography, subject, predicate type, content and authority were all checked.

use jiff::Timestamp;

use crate::evidence::{PredicateType, Statement, Verified};
use crate::identity::{ExpectedIdentities, IdentityMismatch, IdentityRole};
use crate::oci::DigestReference;
use crate::promotion::Record;
use crate::promotion::record::RecordError;

/// The record on `subject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRecord {
    subject: DigestReference,
    record: Record,
    logged_at: Timestamp,
    identity: String,
}

/// Why a verified statement does not count as a promotion record.
#[derive(Debug, thiserror::Error)]
pub enum NotARecord {
    #[error("predicate type: expected {expected}, found {found}", expected = PredicateType::PROMOTION)]
    PredicateType { found: PredicateType },
    #[error("the record is about {found}, not about {expected}")]
    Subject { expected: DigestReference, found: crate::oci::Digest },
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("the record's signer may not authorise it: {0}")]
    Identity(IdentityMismatch),
    #[error("no identity is configured that may authorise {what}")]
    NobodyMay { what: &'static str },
}

impl VerifiedRecord {
    /// Reads the record out of a verified statement. A version needs the release identity with a certificate of that
    /// version's own git tag; branch, commit and pull-request tags need the branch identity. An identity given by flags
    /// stands for both.
    ///
    /// # Errors
    /// Another predicate type or subject, content that breaks the record's rules, or a signer without the authority.
    pub fn of(
        subject: &DigestReference,
        statement: &Verified<Statement>,
        expected: &ExpectedIdentities,
    ) -> Result<Self, NotARecord> {
        if *statement.predicate_type() != PredicateType::PROMOTION {
            return Err(NotARecord::PredicateType { found: statement.predicate_type().clone() });
        }
        let content = statement.content();
        if content.subject != subject.digest {
            return Err(NotARecord::Subject { expected: subject.clone(), found: content.subject.clone() });
        }
        let record = Record::parse(content.predicate.to_string().as_bytes())?;
        let named = expected.only(IdentityRole::Named);
        match &record.version {
            Some(version) => {
                let release = expected.only(IdentityRole::Release).or(named);
                let release = release.ok_or(NotARecord::NobodyMay { what: "a version" })?;
                let (plain, prefixed) = (version.to_string(), format!("v{version}"));
                release.authorises_version(statement.signer(), &[&prefixed, &plain]).map_err(NotARecord::Identity)?;
            }
            None => {
                let branch = expected.only(IdentityRole::Branch).or(named);
                let branch = branch.ok_or(NotARecord::NobodyMay { what: "a branch build" })?;
                branch.matches(statement.signer()).map_err(NotARecord::Identity)?;
            }
        }
        let identity = statement.signer().name.clone();
        Ok(Self { subject: subject.clone(), record, logged_at: statement.logged_at(), identity })
    }

    #[must_use]
    pub fn subject(&self) -> &DigestReference {
        &self.subject
    }

    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
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
