//! Verification of one bundle: `Unverified<Bundle>` in, `Verified<Statement>` or a coded refusal out.
//!
//! The cryptography is `sigstore-verify`'s; this file closes what that crate leaves open (docs/adr/0002) and lets nothing
//! out that did not pass everything. Order after the Sigstore client specification, sections 4.2 to 4.5.

use jiff::{SignedDuration, Timestamp};
use sigstore_types::{Artifact, ArtifactDigest, HashAlgorithm};
use sigstore_verify::{VerificationPolicy, VerificationResult};

use crate::evidence::bundle::{Shape, Signed};
use crate::evidence::trust_root::Log;
use crate::evidence::{
    Bundle, Found, PredicateType, Refusal, Statement, TrustRoot, Unverified, certificate, legacy, log,
};
use crate::identity::{ExpectedIdentities, IdentityRole, SignerIdentity};
use crate::oci::Digest;
use crate::oci::digest::Algorithm;
use crate::policy::ReasonCode;

/// How far a trusted time may lie ahead of our clock before it counts as future: machines are rarely set better.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// The time at which we look, and the time we ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub now: Timestamp,
    /// `--at`: what was signed later does not exist yet.
    pub at: Option<Timestamp>,
}

impl Moment {
    #[must_use]
    pub fn now(now: Timestamp) -> Self {
        Self { now, at: None }
    }
}

/// Content that was authenticated and whose signer is an expected one. Only [`verify`] makes it.
#[derive(Debug, Clone)]
pub struct Verified<T> {
    content: T,
    signer: SignerIdentity,
    roles: Vec<IdentityRole>,
    logged_at: Timestamp,
    payload_digest: Digest,
    bundle_digest: Digest,
}

impl<T> Verified<T> {
    #[must_use]
    pub fn content(&self) -> &T {
        &self.content
    }

    #[must_use]
    pub fn signer(&self) -> &SignerIdentity {
        &self.signer
    }

    /// Which of the expected identities the signer is; never empty.
    #[must_use]
    pub fn roles(&self) -> &[IdentityRole] {
        &self.roles
    }

    /// The earliest trusted time.
    #[must_use]
    pub fn logged_at(&self) -> Timestamp {
        self.logged_at
    }

    /// Of the DSSE payload: what a VSA or a record refers to.
    #[must_use]
    pub fn payload_digest(&self) -> &Digest {
        &self.payload_digest
    }

    #[must_use]
    pub fn bundle_digest(&self) -> &Digest {
        &self.bundle_digest
    }
}

impl Verified<Statement> {
    #[must_use]
    pub fn predicate_type(&self) -> &PredicateType {
        &self.content.predicate_type
    }

    /// Refuses a statement of another type than asked for (CVE-2022-35929).
    pub fn require_type(&self, expected: &PredicateType) -> Result<(), Refusal> {
        let found = self.predicate_type();
        if found == expected {
            return Ok(());
        }
        let message = format!("predicate type: expected {expected}, found {found}");
        Err(Refusal::new(ReasonCode::PredicateTypeMismatch, message))
    }
}

/// Verifies `bundle` as an attestation about `subject` by one of the `expected` identities.
///
/// 1. The bundle has the one accepted shape (done by [`Unverified::from_bytes`]; for cosign's older layout by
///    [`Unverified::from_legacy`], which then needs a promise in step 3 and states a plain signature in step 7).
/// 2. The leaf certificate's profile, and what it says about its holder.
/// 3. The log entry's log is in the trust root and its unsigned fields agree with the checkpoint.
/// 4. `sigstore-verify`, knowing that log alone: times, chain, code-signing usage, SCT, Merkle proof, checkpoint, promise,
///    signature over the payload, the entry's body against signature and certificate, subject.
/// 5. Each of those was really checked.
/// 6. Every trusted time: not in the future, not after `at`, within the log key's window, and within the dates of every
///    certificate up to the root.
/// 7. The authenticated payload is a statement about exactly this subject.
/// 8. The signer is an expected identity.
pub fn verify(
    bundle: &Unverified<Bundle>,
    subject: &Digest,
    expected: &ExpectedIdentities,
    trust_root: &TrustRoot,
    moment: Moment,
) -> Result<Verified<Statement>, Refusal> {
    // (1) to (7)
    let authentic = authenticate(bundle.inner(), subject, trust_root, moment)?;
    // (8)
    let roles = expected
        .matches(&authentic.found.signer)
        .map_err(|mismatch| Refusal::new(mismatch.code(), mismatch.to_string()).with_found(&authentic.found))?;
    Ok(Verified {
        content: authentic.statement,
        signer: authentic.found.signer,
        roles,
        logged_at: authentic.found.logged_at,
        payload_digest: authentic.payload_digest,
        bundle_digest: bundle.digest().clone(),
    })
}

/// What steps 1 to 7 established. Whose it is has not been judged yet, so it never leaves the crate.
pub(crate) struct Authentic {
    pub(crate) statement: Statement,
    pub(crate) found: Found,
    pub(crate) payload_digest: Digest,
}

/// Does a bundle that this process has just signed stand up to the trust root? Says nothing about who may sign.
pub(crate) fn authenticate_own(
    bytes: &[u8],
    statement: &[u8],
    trust_root: &TrustRoot,
    now: Timestamp,
) -> Result<Found, Refusal> {
    let bundle = Unverified::from_bytes(bytes)?;
    let malformed = |e: super::StatementError| Refusal::new(e.code(), e.to_string());
    let subject = Statement::parse(statement).map_err(malformed)?.subject;
    let authentic = authenticate(bundle.inner(), &subject, trust_root, Moment::now(now))?;
    if authentic.payload_digest != Digest::of(statement) {
        return Err(Refusal::new(ReasonCode::SignatureInvalid, "the bundle carries another statement"));
    }
    Ok(authentic.found)
}

fn authenticate(
    bundle: &Bundle,
    subject: &Digest,
    trust_root: &TrustRoot,
    moment: Moment,
) -> Result<Authentic, Refusal> {
    // (2)
    let signer = certificate::read(bundle.certificate()?)?;
    // (3)
    let entry = bundle.log_entry()?;
    let log = log::log_of(entry, trust_root, bundle.required_of_log())?;
    log.check_started(moment.now)?;
    // (4) The crate reads the payload too, and calls an entry about another digest an artifact mismatch; where our own
    // reader knows better, it names the defect.
    let (payload, statement) = stated(bundle)?;
    let policy = VerificationPolicy::any_identity();
    let result = log.verifier.verify(artifact(bundle, subject)?, &bundle.parsed, &policy).map_err(Refusal::from);
    let result = result.map_err(|refusal| match (&statement, refusal.code) {
        (Err(refused), ReasonCode::BundleMalformed) => refused.clone(),
        (Ok(statement), ReasonCode::SubjectMismatch) if statement.subject == *subject => {
            Refusal::new(ReasonCode::LogEntryMismatch, refusal.message)
        }
        _ => refusal,
    })?;
    // (5)
    let logged_at = earliest_time(&result)?;
    // (6)
    check_times(&result, moment)?;
    log.check_window(&log::times_of_entry(entry, result.verified_timestamps()))?;
    if let Signed::Statement { .. } = bundle.signed(subject) {
        log::check_rebuilt(entry, bundle.envelope()?, bundle.certificate()?)?;
    }
    check_authorities(bundle, subject, trust_root, log, &result)?;
    // (7)
    let predicate_type = statement.as_ref().ok().map(|statement| statement.predicate_type.clone());
    let found = Found { signer, logged_at, predicate_type };
    let statement = statement.map_err(|refused| refused.with_found(&found))?;
    if statement.subject != *subject {
        let message = format!("subject: expected {subject}, found {}", statement.subject);
        return Err(Refusal::new(ReasonCode::SubjectMismatch, message).with_found(&found));
    }
    Ok(Authentic { statement, found, payload_digest: Digest::of(payload) })
}

/// The signed bytes and what they state; a simple-signing payload states a signature.
fn stated(bundle: &Bundle) -> Result<(&[u8], Result<Statement, Refusal>), Refusal> {
    match &bundle.shape {
        Shape::LegacySignature { payload } => Ok((payload, legacy::statement_of(payload))),
        Shape::BundleV03 | Shape::LegacyEnvelope => {
            let payload = bundle.envelope()?.payload.as_bytes();
            Ok((payload, Statement::parse(payload).map_err(|e| Refusal::new(e.code(), e.to_string()))))
        }
    }
}

/// What the verifier compares with the bundle's signature or statement.
fn artifact(bundle: &Bundle, subject: &Digest) -> Result<Artifact<'static>, Refusal> {
    match bundle.signed(subject) {
        Signed::Statement { subject } => artifact_of(subject),
        Signed::Payload(payload) => artifact_of(&Digest::of(payload)),
    }
}

fn artifact_of(subject: &Digest) -> Result<Artifact<'static>, Refusal> {
    let algorithm = match subject.algorithm() {
        Algorithm::Sha256 => HashAlgorithm::Sha2256,
        Algorithm::Sha512 => HashAlgorithm::Sha2512,
    };
    let unusable = |why: String| Refusal::new(ReasonCode::VerificationFailed, format!("digest {subject}: {why}"));
    let bytes = hex::decode(subject.hex()).map_err(|e| unusable(e.to_string()))?;
    ArtifactDigest::new(algorithm, bytes).map(Artifact::from).map_err(|e| unusable(e.to_string()))
}

/// Fails closed should a later version of the crate skip a check without being told to.
fn earliest_time(result: &VerificationResult) -> Result<Timestamp, Refusal> {
    if !(result.certificate_verified() && result.sct_verified() && result.tlog_verified()) {
        return Err(Refusal::new(ReasonCode::VerificationFailed, "a check of the Sigstore client was left out"));
    }
    let earliest = result.verified_timestamps().iter().min().copied();
    earliest.ok_or_else(|| Refusal::new(ReasonCode::TimestampMissing, "no trusted time"))
}

fn check_times(result: &VerificationResult, moment: Moment) -> Result<(), Refusal> {
    for time in result.verified_timestamps() {
        if time.duration_since(moment.now) > MAX_CLOCK_SKEW {
            let message = format!("signed at {time}, which is in the future: it is {} now", moment.now);
            return Err(Refusal::new(ReasonCode::TimeInFuture, message));
        }
        if let Some(at) = moment.at
            && *time > at
        {
            return Err(Refusal::new(ReasonCode::SignedLater, format!("signed at {time}, later than {at}")));
        }
    }
    Ok(())
}

/// Repeats step 4 without the authorities that were out of date, for CVE-2026-24122: an expired intermediate. The crate
/// checks the leaf's dates alone. Where all authorities were in date there is nothing to repeat.
fn check_authorities(
    bundle: &Bundle,
    subject: &Digest,
    trust_root: &TrustRoot,
    log: &Log,
    result: &VerificationResult,
) -> Result<(), Refusal> {
    let verifier = trust_root
        .verifier_without_expired_authorities(log, result.verified_timestamps())
        .map_err(|e| Refusal::new(ReasonCode::VerificationFailed, e.to_string()))?;
    let Some(verifier) = verifier else { return Ok(()) };
    match verifier.verify(artifact(bundle, subject)?, &bundle.parsed, &VerificationPolicy::any_identity()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::new(
            ReasonCode::AuthorityExpired,
            "a certificate authority above the signing certificate was out of date when it signed",
        )),
    }
}
