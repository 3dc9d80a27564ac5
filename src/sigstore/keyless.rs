//! Keyless signing with Fulcio, Rekor and a timestamp authority.
//!
//! One ephemeral key and one certificate per call, however many statements: the certificate lives ten minutes, a call some
//! seconds. Log entry and timestamp of all statements are asked for at once, because a log that publishes once a second
//! otherwise costs a second each (facts measured on Rekor v2: eight together 1.04 s).

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{try_join, try_join_all};
use sigstore_bundle::BundleV03;
use sigstore_crypto::KeyPair;
use sigstore_fulcio::FulcioClient;
use sigstore_rekor::{DsseEntry, HashedRekordV2, RekorApiVersion, RekorClient, RekorV2Client, RekorV2KeyDetails};
use sigstore_tsa::TimestampClient;
use sigstore_types::{
    DerCertificate, DsseEnvelope, DsseSignature, KeyId, KindVersion, PayloadBytes, SignatureBytes, TimestampToken,
    TransparencyLogEntry,
};
use tokio::time::Instant;

use crate::evidence::{IN_TOTO_PAYLOAD_TYPE, MAX_BUNDLE_BYTES, TrustRoot, authenticate_own};
use crate::oci::Digest;
use crate::sigstore::retry::{Attempt, excerpt, is_transient, until};
use crate::sigstore::{
    Clock, Service, Services, SignedBundle, Signer, SigstoreError, TokenSource, WorkloadToken, http_client,
};

/// Everything one call may take, retries included; well under the certificate's ten minutes.
const DEADLINE: Duration = Duration::from_secs(90);
/// A log answers 409 for an entry it has already, for example after a lost answer. Another signature over the same
/// statement is another entry.
const MAX_RESIGNED: u32 = 3;

/// Signs with the identity of a token. Holds no key: each call makes its own and forgets it.
pub struct KeylessSigner {
    services: Services,
    tokens: TokenSource,
    trust_root: TrustRoot,
    clock: Clock,
    http: reqwest::Client,
    fulcio: FulcioClient,
    log: LogClient,
    timestamps: Option<TimestampClient>,
    deadline: Duration,
}

enum LogClient {
    V1(RekorClient),
    V2(RekorV2Client),
}

impl KeylessSigner {
    pub fn new(
        services: Services,
        tokens: TokenSource,
        trust_root: TrustRoot,
        clock: Clock,
    ) -> Result<Self, SigstoreError> {
        let unusable = |why: String| SigstoreError::SigningConfig { why };
        let http = http_client()?;
        let chosen = &services.chosen;
        chosen.validate().map_err(|e| unusable(e.to_string()))?;
        let fulcio = FulcioClient::builder(chosen.fulcio_url()).with_http_client(http.clone()).build();
        let fulcio = fulcio.map_err(|e| unusable(e.to_string()))?;
        let url = chosen.rekor_url();
        let log = match chosen.rekor_api_version() {
            RekorApiVersion::V1 => RekorClient::builder(url).with_http_client(http.clone()).build().map(LogClient::V1),
            RekorApiVersion::V2 => {
                RekorV2Client::builder(url).with_http_client(http.clone()).build().map(LogClient::V2)
            }
            other => return Err(unusable(format!("Rekor API version {}", other.major()))),
        };
        let log = log.map_err(|e| unusable(e.to_string()))?;
        let timestamps =
            chosen.tsa_url().map(|url| TimestampClient::builder(url).with_http_client(http.clone()).build());
        let timestamps = timestamps.transpose().map_err(|e| unusable(e.to_string()))?;
        Ok(Self { services, tokens, trust_root, clock, http, fulcio, log, timestamps, deadline: DEADLINE })
    }

    /// Gives up sooner than after 90 seconds.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline: deadline.min(DEADLINE), ..self }
    }

    /// A fresh token, for example to compare its git claims before anything is signed.
    pub async fn token(&self) -> Result<WorkloadToken, SigstoreError> {
        let token = self.tokens.fetch(&self.http, Instant::now() + self.deadline).await?;
        token.check_fresh((self.clock)())?;
        Ok(token)
    }

    async fn certify(
        &self,
        token: &WorkloadToken,
        key: &KeyPair,
        deadline: Instant,
    ) -> Result<DerCertificate, SigstoreError> {
        let service = Service::Fulcio;
        until(deadline, service, || async {
            let error = match self.fulcio.create_signing_certificate(token.inner(), key).await {
                Ok(certificate) => return Attempt::Done(certificate.leaf_certificate().clone()),
                Err(error) => error,
            };
            let why = excerpt(&error.to_string(), token.inner().expose_secret());
            match error {
                sigstore_fulcio::Error::Status { status, .. } if is_transient(status) => {
                    Attempt::Again(SigstoreError::Unavailable { service, why })
                }
                // Fulcio says 400 for a token it cannot verify, 401 and 403 for one it does not accept.
                sigstore_fulcio::Error::Status { status: status @ (400 | 401 | 403), .. } => {
                    Attempt::Failed(SigstoreError::Unauthorized { service, status, why })
                }
                sigstore_fulcio::Error::Status { status, .. } => {
                    Attempt::Failed(SigstoreError::Rejected { service, status, why })
                }
                sigstore_fulcio::Error::Signing(_) => Attempt::Failed(SigstoreError::Statement { why }),
                _ => Attempt::Again(SigstoreError::Unavailable { service, why }),
            }
        })
        .await
    }

    async fn attest(
        &self,
        statement: &[u8],
        key: &KeyPair,
        certificate: &DerCertificate,
        deadline: Instant,
    ) -> Result<SignedBundle, SigstoreError> {
        let unsignable = |why: String| SigstoreError::Statement { why };
        let pae = sigstore_types::pae(IN_TOTO_PAYLOAD_TYPE, statement);
        for _ in 0..MAX_RESIGNED {
            let signature = key.sign(&pae).map_err(|e| unsignable(e.to_string()))?;
            let payload = PayloadBytes::new(statement.to_vec());
            let signed = DsseSignature::new(signature.clone(), KeyId::default());
            let envelope = DsseEnvelope::new(IN_TOTO_PAYLOAD_TYPE.to_owned(), payload, signed);
            let logged = self.submit(&envelope, &pae, certificate, deadline);
            let (entry, timestamp) = try_join(logged, self.timestamp(&signature, deadline)).await?;
            let Submitted::Entry(entry) = entry else { continue };
            let mut bundle =
                BundleV03::with_certificate_and_dsse(certificate.clone(), envelope).with_tlog_entry(*entry);
            if let Some(timestamp) = timestamp {
                bundle = bundle.with_rfc3161_timestamp(timestamp);
            }
            let json = bundle.into_bundle().to_json().map_err(|e| unsignable(e.to_string()))?;
            return self.check(json.into_bytes(), statement);
        }
        let why = format!("{MAX_RESIGNED} new signatures were all said to be logged already");
        Err(SigstoreError::Unavailable { service: Service::Rekor, why })
    }

    /// The crates do not verify what they sign, so it is done here, before anything is attached.
    fn check(&self, bytes: Vec<u8>, statement: &[u8]) -> Result<SignedBundle, SigstoreError> {
        let found = authenticate_own(&bytes, statement, &self.trust_root, (self.clock)())
            .map_err(|refusal| SigstoreError::NotVerifiable { code: refusal.code, why: refusal.message })?;
        Ok(SignedBundle { bytes, payload_digest: Digest::of(statement), logged_at: found.logged_at })
    }

    async fn submit(
        &self,
        envelope: &DsseEnvelope,
        pae: &[u8],
        certificate: &DerCertificate,
        deadline: Instant,
    ) -> Result<Submitted, SigstoreError> {
        let service = Service::Rekor;
        until(deadline, service, || async {
            let error = match self.submit_once(envelope, pae, certificate).await {
                Ok(entry) => return Attempt::Done(Submitted::Entry(Box::new(entry))),
                Err(error) => error,
            };
            let why = excerpt(&error.to_string(), "");
            match error {
                sigstore_rekor::Error::Status { status: 409, .. } => Attempt::Done(Submitted::AlreadyThere),
                sigstore_rekor::Error::Status { status, .. } if !is_transient(status) => {
                    let why = format!("{why} (a statement of {} bytes)", envelope.payload.as_bytes().len());
                    Attempt::Failed(SigstoreError::Rejected { service, status, why })
                }
                _ => Attempt::Again(SigstoreError::Unavailable { service, why }),
            }
        })
        .await
    }

    async fn submit_once(
        &self,
        envelope: &DsseEnvelope,
        pae: &[u8],
        certificate: &DerCertificate,
    ) -> Result<TransparencyLogEntry, sigstore_rekor::Error> {
        match &self.log {
            LogClient::V2(log) => {
                let hash = sigstore_crypto::sha256(pae);
                let details = RekorV2KeyDetails::PkixEcdsaP256Sha256;
                let entry = HashedRekordV2::new_with_certificate(&hash, &envelope.signature.sig, certificate, details);
                log.create_entry(entry).await
            }
            LogClient::V1(log) => {
                let entry = log.create_dsse_entry(DsseEntry::new(envelope, certificate)?).await?;
                let entry = entry.to_bundle_entry(KindVersion::DsseV001);
                entry.map_err(|e| sigstore_rekor::Error::InvalidResponse(e.to_string()))
            }
        }
    }

    async fn timestamp(
        &self,
        signature: &SignatureBytes,
        deadline: Instant,
    ) -> Result<Option<TimestampToken>, SigstoreError> {
        let Some(authority) = &self.timestamps else { return Ok(None) };
        let service = Service::TimestampAuthority;
        let token = until(deadline, service, || async {
            match authority.timestamp_signature(signature).await {
                Ok(token) => Attempt::Done(token),
                Err(e) => Attempt::Again(SigstoreError::Unavailable { service, why: excerpt(&e.to_string(), "") }),
            }
        });
        token.await.map(Some)
    }
}

/// What became of a log entry.
enum Submitted {
    Entry(Box<TransparencyLogEntry>),
    AlreadyThere,
}

#[async_trait]
impl Signer for KeylessSigner {
    async fn sign(&self, statements: &[Vec<u8>]) -> Result<Vec<SignedBundle>, SigstoreError> {
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        for statement in statements {
            check_size(statement)?;
        }
        let deadline = Instant::now() + self.deadline;
        let token = self.token().await?;
        let key = KeyPair::generate_ecdsa_p256().map_err(|e| SigstoreError::Statement { why: e.to_string() })?;
        let certificate = self.certify(&token, &key, deadline).await?;
        drop(token);
        try_join_all(statements.iter().map(|statement| self.attest(statement, &key, &certificate, deadline))).await
    }
}

/// A bundle holds its payload in base64; what no verifier would read is refused before a certificate is asked for.
fn check_size(statement: &[u8]) -> Result<(), SigstoreError> {
    let largest = MAX_BUNDLE_BYTES / 4 * 3 - 64 * 1024;
    if statement.len() as u64 > largest {
        let why = format!("{} bytes, at most {largest} fit into a bundle", statement.len());
        return Err(SigstoreError::Statement { why });
    }
    Ok(())
}

impl fmt::Debug for KeylessSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeylessSigner").field("services", &self.services).finish_non_exhaustive()
    }
}
