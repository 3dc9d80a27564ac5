//! Compact JSON web tokens, RS256 only: what GitHub and the public e-mail issuer use, and what cosign insists on.

use anyhow::{Context as _, Result, anyhow, bail};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// An issuer's RSA key with its id.
#[derive(Debug)]
pub(crate) struct TokenKey {
    pair: KeyPair,
    pub(crate) id: String,
}

impl TokenKey {
    /// A fresh 2048-bit key.
    pub(crate) fn generate() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("2048 bits is a size that the library offers");
        let id = hex::encode(&Sha256::digest(pair.public_key().as_ref())[..8]);
        Self { pair, id }
    }

    /// The public half as a JSON web key.
    pub(crate) fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let n = b64(public.modulus().big_endian_without_leading_zero());
        let e = b64(public.exponent().big_endian_without_leading_zero());
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "n": n, "e": e})
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| anyhow!("cannot sign a token"))?;
        Ok(signature)
    }

    fn made(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.pair.public_key().as_ref())
            .verify(message, signature)
            .is_ok()
    }
}

/// `header.claims.signature`.
pub(super) fn sign(claims: &Map<String, Value>, key: &TokenKey) -> String {
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": key.id});
    let part = |v: &str| URL_SAFE_NO_PAD.encode(v);
    let claims = serde_json::to_string(claims).expect("a JSON object serializes");
    let signed = format!("{}.{}", part(&header.to_string()), part(&claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).expect("a fresh 2048-bit key signs"));
    format!("{signed}.{signature}")
}

/// The claims, not yet believed: only good for finding out which issuer's key to check with.
pub(super) fn unverified_claims(token: &str) -> Result<Map<String, Value>> {
    let claims = token.split('.').nth(1).context("token is not a JWT")?;
    let raw = URL_SAFE_NO_PAD.decode(claims).context("claims are not base64url")?;
    serde_json::from_slice(&raw).context("claims are not a JSON object")
}

/// Check the signature with `key`.
pub(super) fn verify(token: &str, key: &TokenKey) -> Result<()> {
    let (signed, signature) = token.rsplit_once('.').context("token is not a JWT")?;
    let header = signed.split('.').next().unwrap_or_default();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).context("header is not base64url")?)?;
    if header["alg"] != "RS256" {
        bail!("token algorithm {} is not RS256", header["alg"]);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).context("signature is not base64url")?;
    if !key.made(signed.as_bytes(), &signature) {
        bail!("token signature does not verify");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_claim_breaks_the_signature() {
        let key = TokenKey::generate();
        let claims = json!({"sub": "a"}).as_object().unwrap().clone();
        let token = sign(&claims, &key);
        assert!(verify(&token, &key).is_ok());
        assert_eq!(unverified_claims(&token).unwrap(), claims);
        let mut parts: Vec<&str> = token.split('.').collect();
        let other = URL_SAFE_NO_PAD.encode(r#"{"sub":"b"}"#);
        parts[1] = &other;
        assert!(verify(&parts.join("."), &key).is_err());
        assert!(verify(&token, &TokenKey::generate()).is_err());
    }
}
