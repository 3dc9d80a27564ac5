//! An entry in the transparency log: Rekor v2 (`hashedrekord` 0.0.2) or v1 (`dsse` 0.0.1).

use std::collections::HashMap;

use sigstore_rekor::{DsseEntry, HashedRekord, HashedRekordV2, LogEntry, RekorApiVersion, RekorV2KeyDetails};
use sigstore_types::{DerCertificate, DsseEnvelope, KindVersion, SignatureBytes, TransparencyLogEntry};
use tokio::time::Instant;

use crate::sigstore::exchange::{Trouble, nonsense, post};
use crate::sigstore::retry::{Attempt, until};
use crate::sigstore::{Service, SigstoreError};

const SERVICE: Service = Service::Rekor;

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
        self.post(http, body, KindVersion::DsseV001, deadline).await.map_err(|error| match error {
            SigstoreError::Rejected { service, status, why } => {
                let why = format!("{why} (a statement of {} bytes)", envelope.payload.as_bytes().len());
                SigstoreError::Rejected { service, status, why }
            }
            other => other,
        })
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
