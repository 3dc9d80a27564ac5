//! Keyless signing with Fulcio, Rekor and a timestamp authority.
//!
//! One ephemeral key and one certificate per call, however many statements: the certificate lives ten minutes, a call some
//! seconds. Log entry and timestamp of all statements are asked for at once, because a log that publishes once a second
//! otherwise costs a second each (measured on Rekor v2: eight together 1.04 s).

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{try_join, try_join_all};
use sigstore_bundle::BundleV03;
use sigstore_crypto::KeyPair;
use sigstore_rekor::RekorApiVersion;
use sigstore_types::{
    DerCertificate, DsseEnvelope, DsseSignature, KeyId, PayloadBytes, SignatureBytes, TimestampToken,
};
use tokio::time::Instant;

use crate::evidence::{IN_TOTO_PAYLOAD_TYPE, MAX_BUNDLE_BYTES, TrustRoot, authenticate_own};
use crate::oci::Digest;
use crate::sigstore::fulcio::{Certified, certify};
use crate::sigstore::log::{Log, Submitted};
use crate::sigstore::timestamp::stamp;
use crate::sigstore::{
    Clock, Payload, Service, Services, Signed, SignedBundle, Signer, SigstoreError, TokenSource, WorkloadToken,
    http_client,
};

/// Everything one call may take, retries included; well under the certificate's ten minutes.
const DEADLINE: Duration = Duration::from_secs(90);
/// A log answers 409 for an entry it has already. Another signature over the same statement is another entry.
pub(super) const MAX_RESIGNED: u32 = 3;

/// Signs with the identity of a token. Holds no key: each call makes its own and forgets it.
pub struct KeylessSigner {
    pub(super) services: Services,
    tokens: TokenSource,
    pub(super) trust_root: TrustRoot,
    pub(super) clock: Clock,
    pub(super) http: reqwest::Client,
    pub(super) log: Log,
    /// For cosign's older layout.
    pub(super) legacy_log: Option<Log>,
    pub(super) deadline: Duration,
}

impl KeylessSigner {
    pub fn new(
        services: Services,
        tokens: TokenSource,
        trust_root: TrustRoot,
        clock: Clock,
    ) -> Result<Self, SigstoreError> {
        let chosen = &services.chosen;
        chosen.validate().map_err(|e| SigstoreError::SigningConfig { why: e.to_string() })?;
        let log = Log::new(chosen.rekor_url(), chosen.rekor_api_version())?;
        let legacy_log = services.rekor_v1_url().map(|url| Log::new(url, RekorApiVersion::V1)).transpose()?;
        Ok(Self { services, tokens, trust_root, clock, http: http_client()?, log, legacy_log, deadline: DEADLINE })
    }

    /// Gives up sooner than after 90 seconds.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline: deadline.min(DEADLINE), ..self }
    }

    /// Would asking for a token ask a person?
    #[must_use]
    pub fn asks_a_person(&self) -> bool {
        matches!(self.tokens, TokenSource::Browser(_))
    }

    /// A fresh token, for example to compare its git claims before anything is signed.
    pub async fn token(&self) -> Result<WorkloadToken, SigstoreError> {
        let now = (self.clock)();
        let token = self.tokens.fetch(&self.http, now, Instant::now() + self.deadline).await?;
        token.check_fresh(now)?;
        Ok(token)
    }

    async fn sign_one(
        &self,
        payload: &Payload,
        key: &KeyPair,
        certified: &Certified,
        deadline: Instant,
    ) -> Result<Signed, SigstoreError> {
        match payload {
            Payload::Bundle(bytes) => self.attest(bytes, key, &certified.leaf, deadline).await.map(Signed::Bundle),
            Payload::LegacyStatement(bytes) => {
                self.sign_envelope(bytes, key, certified, deadline).await.map(Signed::Layer)
            }
            Payload::LegacySignature(bytes) => {
                self.sign_simple(bytes, key, certified, deadline).await.map(Signed::Layer)
            }
        }
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
            let logged = self.log.submit(&self.http, &envelope, &pae, certificate, deadline);
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

    pub(super) async fn timestamp(
        &self,
        signature: &SignatureBytes,
        deadline: Instant,
    ) -> Result<Option<TimestampToken>, SigstoreError> {
        match self.services.tsa_url() {
            Some(url) => stamp(&self.http, url, signature, deadline).await.map(Some),
            None => Ok(None),
        }
    }

    /// The crates do not verify what they sign, so it is done here, before anything is attached.
    fn check(&self, bytes: Vec<u8>, statement: &[u8]) -> Result<SignedBundle, SigstoreError> {
        let found = authenticate_own(&bytes, statement, &self.trust_root, (self.clock)())
            .map_err(|refusal| SigstoreError::NotVerifiable { code: refusal.code, why: refusal.message })?;
        Ok(SignedBundle { bytes, payload_digest: Digest::of(statement), logged_at: found.logged_at })
    }
}

#[async_trait]
impl Signer for KeylessSigner {
    async fn sign_each(&self, payloads: &[Payload]) -> Result<Vec<Signed>, SigstoreError> {
        if payloads.is_empty() {
            return Ok(Vec::new());
        }
        for payload in payloads {
            check_size(payload.bytes())?;
            match payload {
                Payload::Bundle(statement) => self.log.takes(statement)?,
                Payload::LegacyStatement(statement) => self.legacy_log()?.takes(statement)?,
                // Only its hash is logged.
                Payload::LegacySignature(_) => _ = self.legacy_log()?,
            }
        }
        let token = self.token().await?;
        // A person's login is not part of what the services may take.
        let deadline = Instant::now() + self.deadline;
        let key = KeyPair::generate_ecdsa_p256().map_err(|e| SigstoreError::Statement { why: e.to_string() })?;
        let certified = certify(&self.http, self.services.fulcio_url(), &token, &key, deadline).await?;
        drop(token);
        try_join_all(payloads.iter().map(|payload| self.sign_one(payload, &key, &certified, deadline))).await
    }
}

/// A bundle holds its payload in base64; what no verifier would read is refused before a certificate is asked for.
fn check_size(statement: &[u8]) -> Result<(), SigstoreError> {
    let (bytes, most) = (statement.len() as u64, MAX_BUNDLE_BYTES / 4 * 3 - 64 * 1024);
    match bytes > most {
        true => Err(SigstoreError::TooLarge { bytes, most, place: "a bundle that verifiers read".to_owned() }),
        false => Ok(()),
    }
}

impl fmt::Debug for KeylessSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeylessSigner").field("services", &self.services).finish_non_exhaustive()
    }
}
