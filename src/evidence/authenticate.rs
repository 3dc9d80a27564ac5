//! Steps 3 to 8 of verification, the same for statements about images and for blobs: log, cryptography, times.
//!
//! What is signed, by whom it may be signed, and what it says is for [`super::verify()`] and [`super::blob`] to judge. The
//! numbers are those of [`super::verify::verify()`].

use jiff::{SignedDuration, Timestamp};
use sigstore_types::{Artifact, Bundle, TransparencyLogEntry};
use sigstore_verify::{Policy, VerificationResult, Verifier};

use crate::evidence::log::{self, Required};
use crate::evidence::trust_root::{Log, TrustRoot};
use crate::evidence::{Moment, Refusal};
use crate::policy::ReasonCode;

/// How far a trusted time may lie ahead of our clock before it counts as future: machines are rarely set better.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// A parsed bundle and what it is held against.
pub(super) struct Claim<'a, P: Policy> {
    pub(super) bundle: &'a Bundle,
    /// `None` is refused unless the trust root has no log at all.
    pub(super) entry: Option<&'a TransparencyLogEntry>,
    pub(super) artifact: Artifact<'a>,
    /// Of the crate; relaxed only where the trust root has no log or no CT log, see `verify.rs`.
    pub(super) policy: P,
    pub(super) required: Required,
    pub(super) signer: SignerKind,
}

/// What the crate must have verified besides the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignerKind {
    Certificate,
    /// A managed key, given by the caller: no chain, no SCT, and a time only where there is one.
    Key,
}

impl<P: Policy> Claim<'_, P> {
    /// All trusted times; at least one where a certificate signed. `refine` may name a refusal of step 4 more closely.
    pub(super) fn authenticate(
        &self,
        trust_root: &TrustRoot,
        moment: Moment,
        refine: impl FnOnce(Refusal) -> Refusal,
    ) -> Result<Vec<Timestamp>, Refusal> {
        // (3)
        let (log, verifier) = self.log(trust_root, moment)?;
        // (4)
        let result = verifier.verify(self.artifact.clone(), self.bundle, &self.policy);
        let result = result.map_err(|e| refine(Refusal::from(e)))?;
        // (5)
        self.check_complete(&result, trust_root, log)?;
        // (6)
        if let Some(entry) = self.entry {
            log::check_rebuilt(entry, self.bundle)?;
        }
        // (7)
        let times = result.verified_timestamps();
        check_times(times, moment)?;
        if let (Some(log), Some(entry)) = (log, self.entry) {
            log.check_window(&log::times_of_entry(entry, times))?;
        }
        // (8)
        self.check_authorities(trust_root, log, times)?;
        Ok(times.to_vec())
    }

    /// The entry's log with its verifier; without an entry the verifier of a root that has no log.
    fn log<'t>(&self, root: &'t TrustRoot, moment: Moment) -> Result<(Option<&'t Log>, &'t Verifier), Refusal> {
        match (self.entry, root.without_log()) {
            (Some(entry), _) => {
                let log = log::log_of(entry, root, self.required)?;
                log.check_started(moment.now)?;
                Ok((Some(log), &log.verifier))
            }
            (None, Some(verifier)) => Ok((None, verifier)),
            (None, None) => Err(Refusal::new(ReasonCode::LogEntryMissing, "the bundle has no log entry")),
        }
    }

    /// Fails closed should a later version of the crate skip a check without being told to.
    fn check_complete(
        &self,
        result: &VerificationResult,
        trust_root: &TrustRoot,
        log: Option<&Log>,
    ) -> Result<(), Refusal> {
        let signer = match self.signer {
            SignerKind::Certificate => {
                result.certificate_verified() && (result.sct_verified() || !trust_root.asks_for_sct())
            }
            SignerKind::Key => true,
        };
        let logged = result.tlog_verified() || (log.is_none() && trust_root.without_log().is_some());
        if !(signer && logged) {
            return Err(Refusal::new(ReasonCode::VerificationFailed, "a check of the Sigstore client was left out"));
        }
        if result.verified_timestamps().is_empty() && self.signer == SignerKind::Certificate {
            return Err(Refusal::new(ReasonCode::TimestampMissing, "no trusted time"));
        }
        Ok(())
    }

    /// Repeats step 4 without the authorities that were out of date, for CVE-2026-24122: an expired intermediate. The
    /// crate checks the leaf's dates alone. Where all authorities were in date there is nothing to repeat.
    fn check_authorities(&self, trust_root: &TrustRoot, log: Option<&Log>, times: &[Timestamp]) -> Result<(), Refusal> {
        if self.signer == SignerKind::Key {
            return Ok(());
        }
        let verifier = trust_root
            .verifier_without_expired_authorities(log, times)
            .map_err(|e| Refusal::new(ReasonCode::VerificationFailed, e.to_string()))?;
        let Some(verifier) = verifier else { return Ok(()) };
        match verifier.verify(self.artifact.clone(), self.bundle, &self.policy) {
            Ok(_) => Ok(()),
            Err(_) => Err(Refusal::new(
                ReasonCode::AuthorityExpired,
                "a certificate authority above the signing certificate was out of date when it signed",
            )),
        }
    }
}

fn check_times(times: &[Timestamp], moment: Moment) -> Result<(), Refusal> {
    for time in times {
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
