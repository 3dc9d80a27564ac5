//! A certificate from Fulcio (API v2, `signingCert`). The only place that sends the identity token anywhere.

use serde::Deserialize;
use sigstore_crypto::KeyPair;
use sigstore_types::DerCertificate;
use tokio::time::Instant;

use crate::sigstore::exchange::{Trouble, nonsense, post};
use crate::sigstore::retry::{Attempt, until};
use crate::sigstore::{Service, SigstoreError, WorkloadToken};

const SERVICE: Service = Service::Fulcio;

/// What Fulcio answered.
pub(super) struct Certified {
    pub(super) leaf: DerCertificate,
    /// PEM of intermediates and root, as received: a note for cosign's older layout. Verification takes its own from the
    /// trust root.
    pub(super) chain: String,
}

/// Asks for a certificate of `key` for the holder of `token`; possession is proved by signing the token's identity.
pub(super) async fn certify(
    http: &reqwest::Client,
    base: &str,
    token: &WorkloadToken,
    key: &KeyPair,
    deadline: Instant,
) -> Result<Certified, SigstoreError> {
    let unsignable = |e: sigstore_crypto::Error| SigstoreError::Statement { why: e.to_string() };
    let (identity, secret) = (token.inner().identity(), token.inner().expose_secret());
    let body = serde_json::json!({
        "credentials": { "oidcIdentityToken": secret },
        "publicKeyRequest": {
            "publicKey": { "algorithm": "", "content": key.public_key_der().map_err(unsignable)?.to_pem() },
            "proofOfPossession": key.sign(identity.as_bytes()).map_err(unsignable)?,
        },
    });
    let url = format!("{}/api/v2/signingCert", base.trim_end_matches('/'));
    let body = body.to_string().into_bytes();
    until(deadline, SERVICE, || async {
        match post(http, &url, "application/json", body.clone(), secret).await {
            Ok(answer) => leaf(&answer),
            // Fulcio says 400 for a token it cannot verify, 401 and 403 for one it does not accept.
            Err(Trouble::Status { status: status @ (400 | 401 | 403), why }) => {
                Attempt::Failed(SigstoreError::Unauthorized { service: SERVICE, status, why })
            }
            Err(trouble) => trouble.attempt(SERVICE),
        }
    })
    .await
}

/// With the CT log's timestamp in the certificate, or beside it. Bundles have no place for the latter, so that such a
/// certificate fails when the finished bundle is checked, with the code that says why.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    SignedCertificateEmbeddedSct { chain: Chain },
    SignedCertificateDetachedSct { chain: Chain },
}

#[derive(Deserialize)]
struct Chain {
    certificates: Vec<String>,
}

fn leaf(answer: &[u8]) -> Attempt<Certified> {
    let chain = match serde_json::from_slice(answer) {
        Ok(Answer::SignedCertificateEmbeddedSct { chain } | Answer::SignedCertificateDetachedSct { chain }) => chain,
        Err(e) => return nonsense(SERVICE, e),
    };
    let Some((leaf, issuers)) = chain.certificates.split_first() else {
        return nonsense(SERVICE, "an empty certificate chain");
    };
    match DerCertificate::from_pem(leaf) {
        Ok(leaf) => {
            let chain = issuers.iter().map(|pem| format!("{}\n", pem.trim())).collect();
            Attempt::Done(Certified { leaf, chain })
        }
        Err(e) => nonsense(SERVICE, e),
    }
}
