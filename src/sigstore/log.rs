//! An entry in the transparency log: Rekor v2 (`hashedrekord` 0.0.2) or v1 (`dsse` 0.0.1).

use std::collections::HashMap;

use sigstore_rekor::{DsseEntry, HashedRekord, HashedRekordV2, LogEntry, RekorApiVersion, RekorV2KeyDetails};
use sigstore_types::{DerCertificate, DsseEnvelope, KindVersion, SignatureBytes, TransparencyLogEntry};
use tokio::time::Instant;

use crate::sigstore::exchange::{Trouble, nonsense, post};
use crate::sigstore::retry::{Attempt, until};
use crate::sigstore::{Service, SigstoreError};

const SERVICE: Service = Service::Rekor;
/// The public log of API version 1.
const PUBLIC_V1: &str = "https://rekor.sigstore.dev";
/// Statements of this size are refused by the public Rekor v1, which publishes no limit: an SBOM of 3.5 MB was, by a closed
/// connection (<https://github.com/Sage-Bionetworks/sage-monorepo/pull/3982>), and the cause is `max_request_body_size`
/// (<https://github.com/sigstore/rekor/issues/2808>), which other instances set as they like.
const PUBLIC_V1_MOST: u64 = 3_500_000;
/// From here on a failure of Rekor v1 may be about the size: what stands before such a log often reads no more than this
/// (`client_max_body_size` of nginx), and closes the connection or says 413 or 502.
const SUSPICIOUS_BYTES: usize = 700_000;

/// What became of an entry.
pub(super) enum Submitted {
    Entry(Box<TransparencyLogEntry>),
    /// 409: the log has this very entry, for example because an answer was lost.
    AlreadyThere,
}

/// The log and the version of its API.
#[derive(Debug, Clone)]
pub(super) struct Log {
    url: String,
    version: RekorApiVersion,
}

impl Log {
    pub(super) fn new(base: &str, version: RekorApiVersion) -> Result<Self, SigstoreError> {
        let path = match version {
            RekorApiVersion::V1 => "api/v1/log/entries",
            RekorApiVersion::V2 => "api/v2/log/entries",
            other => {
                return Err(SigstoreError::SigningConfig { why: format!("Rekor API version {}", other.major()) });
            }
        };
        Ok(Self { url: format!("{}/{path}", base.trim_end_matches('/')), version })
    }

    /// Refuses, before anything is signed, a statement that this log is known to refuse. Version 2 is sent a hash alone.
    pub(super) fn takes(&self, statement: &[u8]) -> Result<(), SigstoreError> {
        let bytes = statement.len() as u64;
        let public = self.version == RekorApiVersion::V1 && self.url.starts_with(&format!("{PUBLIC_V1}/"));
        match public && bytes >= PUBLIC_V1_MOST {
            true => Err(SigstoreError::TooLarge {
                bytes,
                most: PUBLIC_V1_MOST - 1,
                place: format!("the log {PUBLIC_V1} (Rekor v1, which is sent whole statements)"),
            }),
            false => Ok(()),
        }
    }

    /// Says that the size may be the reason, where it may be.
    fn explained(&self, error: SigstoreError, bytes: usize) -> SigstoreError {
        if self.version != RekorApiVersion::V1 || bytes < SUSPICIOUS_BYTES {
            return error;
        }
        let more = |why: String| {
            format!(
                "{why} (a statement of {bytes} bytes: Rekor v1 is sent it whole and may refuse it for its size; \
                 Rekor v2 takes a hash alone)"
            )
        };
        match error {
            SigstoreError::Rejected { service, status, why } => {
                SigstoreError::Rejected { service, status, why: more(why) }
            }
            SigstoreError::Unavailable { service, why } => SigstoreError::Unavailable { service, why: more(why) },
            other => other,
        }
    }

    /// Submits a signed envelope; `pae` is what the signature is over.
    pub(super) async fn submit(
        &self,
        http: &reqwest::Client,
        envelope: &DsseEnvelope,
        pae: &[u8],
        certificate: &DerCertificate,
        deadline: Instant,
    ) -> Result<Submitted, SigstoreError> {
        let body = self.request(envelope, pae, certificate)?;
        let submitted = self.post(http, body, KindVersion::DsseV001, deadline).await;
        submitted.map_err(|error| self.explained(error, envelope.payload.as_bytes().len()))
    }

    /// Submits a signature over `blob` itself.
    pub(super) async fn submit_blob(
        &self,
        http: &reqwest::Client,
        blob: &[u8],
        signature: &SignatureBytes,
        certificate: &DerCertificate,
        deadline: Instant,
    ) -> Result<Submitted, SigstoreError> {
        let hash = sigstore_crypto::sha256(blob);
        let body = if self.version == RekorApiVersion::V2 {
            let details = RekorV2KeyDetails::PkixEcdsaP256Sha256;
            serde_json::to_vec(&HashedRekordV2::new_with_certificate(&hash, signature, certificate, details))
        } else {
            serde_json::to_vec(&HashedRekord::new(&hash, signature, certificate))
        };
        let body = body.map_err(|e| SigstoreError::Statement { why: e.to_string() })?;
        self.post(http, body, KindVersion::HashedRekordV001, deadline).await
    }

    /// `kind` is what an answer of Rekor v1 is about.
    async fn post(
        &self,
        http: &reqwest::Client,
        body: Vec<u8>,
        kind: KindVersion,
        deadline: Instant,
    ) -> Result<Submitted, SigstoreError> {
        let submitted = until(deadline, SERVICE, || async {
            match post(http, &self.url, "application/json", body.clone(), "").await {
                Ok(answer) => self.entry(&answer, kind),
                Err(Trouble::Status { status: 409, .. }) => Attempt::Done(Submitted::AlreadyThere),
                Err(trouble) => trouble.attempt(SERVICE),
            }
        });
        submitted.await
    }

    fn request(
        &self,
        envelope: &DsseEnvelope,
        pae: &[u8],
        certificate: &DerCertificate,
    ) -> Result<Vec<u8>, SigstoreError> {
        let unsignable = |why: String| SigstoreError::Statement { why };
        let body = if self.version == RekorApiVersion::V2 {
            let hash = sigstore_crypto::sha256(pae);
            let details = RekorV2KeyDetails::PkixEcdsaP256Sha256;
            let entry = HashedRekordV2::new_with_certificate(&hash, &envelope.signature.sig, certificate, details);
            serde_json::to_vec(&entry)
        } else {
            let entry = DsseEntry::new(envelope, certificate).map_err(|e| unsignable(e.to_string()))?;
            serde_json::to_vec(&entry)
        };
        body.map_err(|e| unsignable(e.to_string()))
    }

    fn entry(&self, answer: &[u8], kind: KindVersion) -> Attempt<Submitted> {
        let entry = if self.version == RekorApiVersion::V2 {
            serde_json::from_slice(answer).map_err(|e| e.to_string())
        } else {
            entry_v1(answer, kind)
        };
        match entry {
            Ok(entry) => Attempt::Done(Submitted::Entry(Box::new(entry))),
            Err(why) => nonsense(SERVICE, why),
        }
    }
}

/// Rekor v1 answers with a map of one entry.
fn entry_v1(answer: &[u8], kind: KindVersion) -> Result<TransparencyLogEntry, String> {
    let entries: HashMap<String, LogEntry> = serde_json::from_slice(answer).map_err(|e| e.to_string())?;
    let entry = entries.into_values().next().ok_or("an empty answer")?;
    entry.to_bundle_entry(kind).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_log_of_version_1_is_known_to_refuse_large_statements() {
        let log = |url: &str, version| Log::new(url, version).unwrap();
        let (large, small) = (vec![b' '; 3_500_000], vec![b' '; 3_499_999]);
        for base in ["https://rekor.sigstore.dev", "https://rekor.sigstore.dev/"] {
            let public = log(base, RekorApiVersion::V1);
            assert_eq!(public.takes(&small), Ok(()));
            let refused = public.takes(&large).unwrap_err();
            assert_eq!(refused.setup().0, "attestation-too-large");
            assert!(refused.to_string().contains("at most 3499999"), "{refused}");
        }
        assert_eq!(log("https://rekor.sigstore.dev.example", RekorApiVersion::V1).takes(&large), Ok(()));
        assert_eq!(log("https://rekor.sigstore.dev", RekorApiVersion::V2).takes(&large), Ok(()));
    }

    #[test]
    fn a_failure_that_may_be_about_the_size_says_so() {
        let failed = || SigstoreError::Unavailable { service: SERVICE, why: "connection closed".to_owned() };
        let log = |version| Log::new("https://log.example", version).unwrap();
        let said = log(RekorApiVersion::V1).explained(failed(), 1_000_000).to_string();
        assert!(said.contains("1000000 bytes") && said.contains("Rekor v2"), "{said}");
        assert_eq!(log(RekorApiVersion::V1).explained(failed(), 1000), failed());
        assert_eq!(log(RekorApiVersion::V2).explained(failed(), 1_000_000), failed());
    }
}
