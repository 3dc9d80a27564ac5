//! The trust root: which authorities and logs we believe, prepared once.
//!
//! One verifier is prepared per log, so that a checkpoint signed by *another* trusted log does not count for an entry, and
//! the dates of every CA certificate are kept, because `sigstore-verify` takes each of them for an anchor without dates.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use sigstore_crypto::VerificationKey;
use sigstore_trust_root::{TransparencyLog, TrustedRoot};
use sigstore_types::{LogKeyId, TimeRange};
use sigstore_verify::Verifier;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// Largest trusted root we read; the public one has 7 kB.
pub const MAX_TRUST_ROOT_BYTES: u64 = 4 * 1024 * 1024;

/// With a version behind it.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot";

/// A parsed `trusted_root.json`. Cheap to clone. A root without any log (GitHub's own instance) asks for no log entry, and
/// without certificate-transparency logs besides for no SCT; timestamps say when. A root with a log never does without.
#[derive(Clone)]
pub struct TrustRoot(Arc<Prepared>, Option<Arc<Prepared>>);

struct Prepared {
    root: TrustedRoot,
    logs: Vec<Log>,
    /// Where there is no log: timestamps alone say when.
    without_log: Option<Verifier>,
    /// As `root.certificate_authorities`: the dates of every certificate of the chain.
    authorities: Vec<Vec<Dates>>,
}

struct Dates {
    not_before: Timestamp,
    not_after: Timestamp,
}

/// A log of the trust root, with a verifier that knows this log alone.
pub(super) struct Log {
    pub(super) id: LogKeyId,
    /// The host of its base URL, which a Rekor v2 checkpoint carries as origin.
    pub(super) host: String,
    pub(super) window: Option<TimeRange>,
    pub(super) key: VerificationKey,
    pub(super) verifier: Verifier,
}

impl TrustRoot {
    /// Reads a Sigstore `trusted_root.json`.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TrustRootError> {
        let root = Self::for_keys(bytes)?;
        if root.0.authorities.is_empty() {
            return Err(TrustRootError::Malformed { why: "no certificate authority".to_owned() });
        }
        Ok(root)
    }

    /// As [`TrustRoot::from_json`], also without a certificate authority: enough where a managed key signed.
    pub fn for_keys(bytes: &[u8]) -> Result<Self, TrustRootError> {
        let malformed = |why: String| TrustRootError::Malformed { why };
        if bytes.len() as u64 > MAX_TRUST_ROOT_BYTES {
            return Err(malformed(format!("{} bytes, at most {MAX_TRUST_ROOT_BYTES} are read", bytes.len())));
        }
        let text = std::str::from_utf8(bytes).map_err(|e| malformed(e.to_string()))?;
        let root = TrustedRoot::from_json(text).map_err(|e| malformed(e.to_string()))?;
        if !root.media_type.starts_with(MEDIA_TYPE) {
            return Err(malformed(format!("media type {:?}", root.media_type)));
        }
        let logs = root.tlogs.iter().map(|log| Log::new(&root, log)).collect::<Result<Vec<_>, _>>()?;
        let authorities = root.certificate_authorities.iter().map(|authority| {
            authority.cert_chain.certificates.iter().map(|entry| Dates::of(entry.raw_bytes.as_bytes())).collect()
        });
        let authorities = authorities.collect::<Result<Vec<_>, _>>()?;
        let without_log = match logs.is_empty() && !root.timestamp_authorities.is_empty() {
            true => Some(Verifier::new(&root).map_err(|e| malformed(e.to_string()))?),
            false => None,
        };
        Ok(Self(Arc::new(Prepared { root, logs, without_log, authorities }), None))
    }

    /// Adds an instance that build provenance, and nothing else, may come from.
    #[must_use]
    pub fn with_builders_instance(self, instance: &Self) -> Self {
        Self(self.0, Some(Arc::clone(&instance.0)))
    }

    /// The instance that build provenance may come from besides.
    pub(super) fn builders_instance(&self) -> Option<Self> {
        self.1.as_ref().map(|instance| Self(Arc::clone(instance), None))
    }

    /// The verifier for bundles without a log entry; `None` where the root has a log, or nobody to say when.
    pub(super) fn without_log(&self) -> Option<&Verifier> {
        self.0.without_log.as_ref()
    }

    /// Must every certificate have been in a certificate-transparency log? Only a root without logs of either kind does
    /// without.
    pub(super) fn asks_for_sct(&self) -> bool {
        self.0.without_log.is_none() || !self.0.root.ctlogs.is_empty()
    }

    pub(super) fn root(&self) -> &TrustedRoot {
        &self.0.root
    }

    /// Per certificate authority, when the first certificate of its chain ends.
    pub(super) fn chain_ends(&self) -> impl Iterator<Item = Option<Timestamp>> {
        self.0.authorities.iter().map(|chain| chain.iter().map(|dates| dates.not_after).min())
    }

    pub(super) fn log(&self, id: &LogKeyId) -> Option<&Log> {
        self.0.logs.iter().find(|log| log.id == *id)
    }

    /// A verifier of `log` (`None`: of no log) without the authorities of which any certificate was out of date at any of `times`; `None`
    /// where all were in date, so that the log's own verifier has said everything.
    pub(super) fn verifier_without_expired_authorities(
        &self,
        log: Option<&Log>,
        times: &[Timestamp],
    ) -> Result<Option<Verifier>, TrustRootError> {
        let in_date = |chain: &[Dates]| chain.iter().all(|dates| times.iter().all(|time| dates.contains(*time)));
        if self.0.authorities.iter().all(|chain| in_date(chain)) {
            return Ok(None);
        }
        let mut root = self.0.root.clone();
        let mut chains = self.0.authorities.iter();
        root.certificate_authorities.retain(|_| chains.next().is_some_and(|chain| in_date(chain)));
        root.tlogs.retain(|known| log.is_some_and(|log| known.log_id.key_id == log.id));
        Verifier::new(&root).map(Some).map_err(|e| TrustRootError::Malformed { why: e.to_string() })
    }
}

impl fmt::Debug for TrustRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<&str> = self.0.logs.iter().map(|log| log.host.as_str()).collect();
        f.debug_struct("TrustRoot").field("logs", &hosts).finish_non_exhaustive()
    }
}

impl Log {
    fn new(root: &TrustedRoot, log: &TransparencyLog) -> Result<Self, TrustRootError> {
        let malformed = |why: String| TrustRootError::Malformed { why: format!("log {}: {why}", log.base_url) };
        let url = url::Url::parse(&log.base_url).map_err(|e| malformed(e.to_string()))?;
        let host = url.host_str().ok_or_else(|| malformed("no host".to_owned()))?.to_owned();
        let mut alone = root.clone();
        alone.tlogs = vec![log.clone()];
        let verifier = Verifier::new(&alone).map_err(|e| malformed(e.to_string()))?;
        let key = VerificationKey::from_spki(&log.public_key.raw_bytes).map_err(|e| malformed(e.to_string()))?;
        Ok(Self { id: log.log_id.key_id.clone(), host, window: log.public_key.valid_for, key, verifier })
    }
}

impl Dates {
    fn of(der: &[u8]) -> Result<Self, TrustRootError> {
        let malformed = |why: String| TrustRootError::Malformed { why: format!("certificate authority: {why}") };
        let certificate = Certificate::from_der(der).map_err(|e| malformed(e.to_string()))?;
        let validity = certificate.tbs_certificate.validity;
        let time = |time: x509_cert::time::Time| {
            Timestamp::try_from(time.to_system_time()).map_err(|e| malformed(e.to_string()))
        };
        Ok(Self { not_before: time(validity.not_before)?, not_after: time(validity.not_after)? })
    }

    fn contains(&self, time: Timestamp) -> bool {
        self.not_before <= time && time <= self.not_after
    }
}

/// A trust root that cannot be used: a configuration error, exit 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustRootError {
    #[error("unusable trust root: {why}")]
    Malformed { why: String },
}
