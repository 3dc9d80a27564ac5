//! A Rekor v1 log's promise to include an entry: the signed entry timestamp ("SET").
//!
//! The signature covers body, integrated time, index and log id, so it is what makes an integrated time trustworthy; it
//! says nothing about *whose* signature the body describes. Whoever calls this binds the body to the signature at hand, or
//! accepts another image's promise (CVE-2022-23649). Spec: Rekor v1 API, `verification.signedEntryTimestamp`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sigstore_types::{LogKeyId, SignatureBytes, TransparencyLogEntry};

use crate::evidence::Refusal;
use crate::evidence::trust_root::TrustRoot;
use crate::policy::ReasonCode;

/// What a promise covers and the signature over it, from a bundle's log entry or from cosign's older annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise<'a> {
    /// The canonical entry, decoded.
    pub body: &'a [u8],
    /// Seconds since 1970.
    pub integrated_time: i64,
    pub log_index: u64,
    /// SHA-256 of the log's public key.
    pub log_id: &'a [u8],
    /// ASN.1, decoded.
    pub signature: &'a [u8],
}

impl<'a> Promise<'a> {
    /// `None` where the entry makes no promise.
    pub(super) fn of(entry: &'a TransparencyLogEntry) -> Option<Self> {
        Some(Self {
            body: entry.canonicalized_body.as_bytes(),
            integrated_time: entry.integrated_time.map_or(0, Timestamp::as_second),
            log_index: entry.log_index.get(),
            log_id: entry.log_id.key_id.as_bytes(),
            signature: entry.inclusion_promise.as_ref()?.signed_entry_timestamp.as_bytes(),
        })
    }

    /// Verifies the promise with the key of the log it names and returns the integrated time, which then is a trusted one.
    /// The log must be in the trust root, and its key in use at that time. Whether the time lies in the future or outside
    /// a certificate's dates, and what the body says, is the caller's to judge.
    pub fn verify(&self, trust_root: &TrustRoot) -> Result<Timestamp, Refusal> {
        let id = LogKeyId::from_bytes(self.log_id);
        let Some(log) = trust_root.log(&id) else {
            return Err(Refusal::new(ReasonCode::LogUnknown, format!("log {id} is not in the trust root")));
        };
        let invalid = |why: String| Refusal::new(ReasonCode::InclusionPromiseInvalid, why);
        let time = Timestamp::from_second(self.integrated_time)
            .map_err(|e| invalid(format!("integrated time {}: {e}", self.integrated_time)))?;
        if self.integrated_time <= 0 {
            return Err(invalid("a promise without an integrated time".to_owned()));
        }
        log.check_window(&[time])?;
        let signature = SignatureBytes::new(self.signature.to_vec());
        log.key
            .verify(self.signed_bytes(), &signature)
            .map_err(|e| invalid(format!("the log's promise does not verify: {e}")))?;
        Ok(time)
    }

    /// RFC 8785: keys in order, no spaces; base64, hex and integers need no escapes.
    fn signed_bytes(&self) -> Vec<u8> {
        format!(
            r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
            STANDARD.encode(self.body),
            self.integrated_time,
            hex::encode(self.log_id),
            self.log_index
        )
        .into_bytes()
    }
}
