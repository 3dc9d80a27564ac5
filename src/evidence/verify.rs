//! Verification of one bundle: `Unverified<Bundle>` in, `Verified<Statement>` or a coded refusal out.
//!
//! The cryptography is `sigstore-verify`'s; [`super::authenticate`] and this file close what that crate leaves open
//! (docs/adr/0002) and let nothing out that did not pass everything. Order after the Sigstore client specification, sections
//! 4.2 to 4.5.

use jiff::Timestamp;
use sigstore_types::{Artifact, ArtifactDigest, HashAlgorithm};
use sigstore_verify::VerificationPolicy;

use crate::evidence::authenticate::{Claim, SignerKind};
use crate::evidence::bundle::Shape;
use crate::evidence::certificate::{self, Issuers};
use crate::evidence::{Bundle, Found, PredicateType, Refusal, Statement, TrustRoot, Unverified, legacy, provenance};
use crate::identity::{ExpectedIdentities, IdentityRole, SignerIdentity};
use crate::oci::digest::Algorithm;
use crate::oci::{Descriptor, Digest};
use crate::policy::ReasonCode;

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
/// 1. The bundle has the one accepted shape and keeps the limits: v0.3, an envelope with one signature over an in-toto
///    payload, the leaf certificate alone, one log entry, nothing twice (done by [`Unverified::from_bytes`]; for cosign's older layout by [`Unverified::from_legacy`], which
///    needs a promise in step 3 instead of a proof, and states a plain signature in step 9).
/// 2. The leaf has the form of a signing certificate: no CA, `digitalSignature`, one name, one issuer, an SCT.
/// 3. The entry's log is in the trust root and its key in use; kind, proof and origin agree with what is signed; a Rekor v1
///    promise verifies.
/// 4. `sigstore-verify`, knowing that log alone: timestamps, chain, code-signing usage, SCT, Merkle path, checkpoint,
///    signature over the payload, the entry's body against signature and certificate, subject.
/// 5. None of those was left out.
/// 6. The entry, rebuilt from our own material, is the logged one (Rekor v2).
/// 7. No trusted time lies in the future, after `at`, or outside the window of the log's key.
/// 8. Every certificate up to the root was in date at every trusted time.
/// 9. The authenticated payload is a statement v1 or v0.1 with exactly one subject,
/// 10. and that is this subject.
/// 11. The signer is an expected identity: issuer first, then name or claims; of build provenance, a listed builder whose
///     certificate and predicate name the released source ([`super::provenance`]).
///
/// The predicate type is judged by whoever asks for one: [`Verified::require_type`], `verdict::judge`.
pub fn verify(
    bundle: &Unverified<Bundle>,
    subject: &Digest,
    expected: &ExpectedIdentities,
    trust_root: &TrustRoot,
    moment: Moment,
) -> Result<Verified<Statement>, Refusal> {
    // (1) to (10)
    let authentic = authenticate_of_any(bundle.inner(), subject, trust_root, moment)?;
    // (11)
    let signer = &authentic.found.signer;
    let roles = match authentic.statement.predicate_type.is_provenance() {
        true => provenance::check(&authentic.statement, signer, expected),
        false => expected.matches(signer).map_err(|mismatch| Refusal::new(mismatch.code(), mismatch.to_string())),
    };
    let roles = roles.map_err(|refusal| refusal.with_found(&authentic.found))?;
    Ok(Verified {
        content: authentic.statement,
        signer: authentic.found.signer,
        roles,
        logged_at: authentic.found.logged_at,
        payload_digest: authentic.payload_digest,
        bundle_digest: bundle.digest().clone(),
    })
}

/// What steps 1 to 10 established. Whose it is has not been judged yet, so it never leaves the crate.
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

/// As [`authenticate_own`], for a layer of cosign's older layout.
pub(crate) fn authenticate_own_layer(
    layer: &Descriptor,
    bytes: &[u8],
    trust_root: &TrustRoot,
    now: Timestamp,
) -> Result<Found, Refusal> {
    let bundle = Unverified::from_legacy(layer, bytes)?;
    let subject = stated(bundle.inner())?.1?.subject;
    authenticate(bundle.inner(), &subject, trust_root, Moment::now(now)).map(|authentic| authentic.found)
}

fn authenticate(
    bundle: &Bundle,
    subject: &Digest,
    trust_root: &TrustRoot,
    moment: Moment,
) -> Result<Authentic, Refusal> {
    // (2)
    let signer = certificate::read(bundle.certificate()?, Issuers::Current, trust_root.asks_for_sct())?;
    // (3) to (8) The crate reads the payload too, and calls an entry about another digest an artifact mismatch; where our
    // own reader knows better, it names the defect.
    let (payload, statement) = stated(bundle)?;
    let claim = Claim {
        bundle: &bundle.parsed,
        entry: bundle.log_entry()?,
        artifact: match &bundle.shape {
            Shape::LegacySignature { payload } => artifact(&Digest::of(payload))?,
            Shape::BundleV03 | Shape::LegacyEnvelope => artifact(subject)?,
        },
        policy: policy(trust_root),
        required: bundle.shape.required_of_log(),
        signer: SignerKind::Certificate,
    };
    let times = claim.authenticate(trust_root, moment, |refusal| match (&statement, refusal.code) {
        (Err(refused), ReasonCode::BundleMalformed) => refused.clone(),
        (Ok(statement), ReasonCode::SubjectMismatch) if statement.subject == *subject => {
            Refusal::new(ReasonCode::LogEntryMismatch, refusal.message)
        }
        _ => refusal,
    })?;
    let earliest = times.into_iter().min();
    let logged_at = earliest.ok_or_else(|| Refusal::new(ReasonCode::TimestampMissing, "no trusted time"))?;
    // (9)
    let predicate_type = statement.as_ref().ok().map(|statement| statement.predicate_type.clone());
    let found = Found { signer, logged_at, predicate_type };
    let statement = statement.map_err(|refused| refused.with_found(&found))?;
    // (10)
    if statement.subject != *subject {
        let message = format!("subject: expected {subject}, found {}", statement.subject);
        return Err(Refusal::new(ReasonCode::SubjectMismatch, message).with_found(&found));
    }
    Ok(Authentic { statement, found, payload_digest: Digest::of(payload) })
}

/// Anybody, since who signed is judged here; less than everything only where the trust root has nothing to check it with.
fn policy(trust_root: &TrustRoot) -> VerificationPolicy {
    let mut policy = VerificationPolicy::any_identity();
    if trust_root.without_log().is_some() {
        policy = policy.skip_tlog_unsafe();
    }
    if !trust_root.asks_for_sct() {
        policy = policy.skip_sct();
    }
    policy
}

/// Build provenance may come from a second instance: then nothing else of it is believed.
fn authenticate_of_any(
    bundle: &Bundle,
    subject: &Digest,
    trust_root: &TrustRoot,
    moment: Moment,
) -> Result<Authentic, Refusal> {
    use ReasonCode as R;
    let refusal = match authenticate(bundle, subject, trust_root, moment) {
        Ok(authentic) => return Ok(authentic),
        Err(refusal) => refusal,
    };
    // As bundles of an instance without log and CT log look to one that has them.
    let foreign = [R::LogEntryMissing, R::LogUnknown, R::SctMissing, R::CertificateUntrusted].contains(&refusal.code);
    let Some(instance) = trust_root.builders_instance().filter(|_| foreign) else { return Err(refusal) };
    // Timestamps are looked at before the chain, and theirs are by an authority of theirs too.
    let not_theirs =
        [R::CertificateUntrusted, R::LogUnknown, R::LogEntryMissing, R::TimestampInvalid, R::TimestampMissing];
    match authenticate(bundle, subject, &instance, moment) {
        Ok(authentic) if authentic.statement.predicate_type.is_provenance() => Ok(authentic),
        Ok(_) => Err(refusal),
        // The chain decides whose it is: only what that instance issued is refused in its words.
        Err(theirs) if not_theirs.contains(&theirs.code) => Err(refusal),
        Err(theirs) => Err(theirs),
    }
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

pub(super) fn artifact(subject: &Digest) -> Result<Artifact<'static>, Refusal> {
    let algorithm = match subject.algorithm() {
        Algorithm::Sha256 => HashAlgorithm::Sha2256,
        Algorithm::Sha512 => HashAlgorithm::Sha2512,
    };
    let unusable = |why: String| Refusal::new(ReasonCode::VerificationFailed, format!("digest {subject}: {why}"));
    let bytes = hex::decode(subject.hex()).map_err(|e| unusable(e.to_string()))?;
    ArtifactDigest::new(algorithm, bytes).map(Artifact::from).map_err(|e| unusable(e.to_string()))
}
