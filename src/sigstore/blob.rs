//! Signing of blobs with a message signature, as the sigstore-conformance protocol asks for it. Images are signed by
//! statements alone ([`super::Signer`]).

use sigstore_bundle::BundleV03;
use sigstore_crypto::KeyPair;
use sigstore_types::{DerCertificate, SignatureBytes};
use tokio::time::Instant;

use crate::evidence::authenticate_own_blob;
use crate::sigstore::fulcio::certify;
use crate::sigstore::keyless::{KeylessSigner, MAX_RESIGNED};
use crate::sigstore::log::Submitted;
use crate::sigstore::{Service, SigstoreError};

impl KeylessSigner {
    /// Signs `blob` and returns the bundle v0.3 with its message signature, after it stood up to the trust root.
    pub async fn sign_blob(&self, blob: &[u8]) -> Result<Vec<u8>, SigstoreError> {
        let unsignable = |why: String| SigstoreError::Statement { why };
        let deadline = Instant::now() + self.deadline;
        let token = self.token().await?;
        let key = KeyPair::generate_ecdsa_p256().map_err(|e| unsignable(e.to_string()))?;
        let certified = certify(&self.http, self.services.fulcio_url(), &token, &key, deadline).await?;
        drop(token);
        for _ in 0..MAX_RESIGNED {
            let signature = key.sign(blob).map_err(|e| unsignable(e.to_string()))?;
            if let Some(bundle) = self.log_blob(blob, &signature, &certified.leaf, deadline).await? {
                return Ok(bundle);
            }
        }
        let why = format!("{MAX_RESIGNED} new signatures were all said to be logged already");
        Err(SigstoreError::Unavailable { service: Service::Rekor, why })
    }

    /// `None` where the log has this very signature already.
    async fn log_blob(
        &self,
        blob: &[u8],
        signature: &SignatureBytes,
        certificate: &DerCertificate,
        deadline: Instant,
    ) -> Result<Option<Vec<u8>>, SigstoreError> {
        let logged = self.log.submit_blob(&self.http, blob, signature, certificate, deadline);
        let (entry, timestamp) = futures_util::future::try_join(logged, self.timestamp(signature, deadline)).await?;
        let Submitted::Entry(entry) = entry else { return Ok(None) };
        let hash = sigstore_crypto::sha256(blob);
        let made = BundleV03::with_certificate_and_signature(certificate.clone(), signature.clone(), hash);
        let mut bundle = made.with_tlog_entry(*entry);
        if let Some(timestamp) = timestamp {
            bundle = bundle.with_rfc3161_timestamp(timestamp);
        }
        let json = bundle.into_bundle().to_json().map_err(|e| SigstoreError::Statement { why: e.to_string() })?;
        authenticate_own_blob(json.as_bytes(), blob, &self.trust_root, (self.clock)())
            .map_err(|refusal| SigstoreError::NotVerifiable { code: refusal.code, why: refusal.message })?;
        Ok(Some(json.into_bytes()))
    }
}
