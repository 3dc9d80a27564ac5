//! An ECDSA P-256 key pair with the encodings that Sigstore uses: SPKI, PEM, ASN.1 signatures.

use anyhow::{Context as _, Result};
use p256::{
    ecdsa::{
        Signature, SigningKey, VerifyingKey,
        signature::{Signer as _, hazmat::PrehashVerifier as _},
    },
    pkcs8::{DecodePublicKey as _, EncodePublicKey as _},
};
use rand_core::OsRng;
use sha2::{Digest as _, Sha256};

/// A fresh P-256 key; its private half never leaves the process.
#[derive(Clone)]
pub struct EcKey(SigningKey);

impl std::fmt::Debug for EcKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EcKey(..)")
    }
}

impl EcKey {
    pub fn generate() -> Self {
        Self(SigningKey::random(&mut OsRng))
    }

    /// The public key as `SubjectPublicKeyInfo` DER.
    pub fn spki(&self) -> Vec<u8> {
        self.0.verifying_key().to_public_key_der().expect("a P-256 public key always encodes").into_vec()
    }

    /// SHA-256, then ECDSA; the signature in ASN.1 DER.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(message);
        signature.to_der().as_bytes().to_vec()
    }
}

/// Check an ASN.1 ECDSA signature over a SHA-256 digest with a key in `SubjectPublicKeyInfo` DER.
pub(super) fn verify_digest(spki: &[u8], digest: &[u8], signature: &[u8]) -> Result<()> {
    let key = VerifyingKey::from_public_key_der(spki).context("public key is not P-256")?;
    let signature = Signature::from_der(signature).context("signature is not ASN.1 ECDSA")?;
    key.verify_prehash(digest, &signature).context("signature does not verify")
}

/// [`verify_digest`] over the message itself.
pub(super) fn verify(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<()> {
    verify_digest(spki, &Sha256::digest(message), signature)
}
