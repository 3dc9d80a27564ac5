//! Compact JSON web tokens, ES256 only.

use super::key::EcKey;
use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// `header.claims.signature`.
pub(super) fn sign(claims: &Map<String, Value>, key_id: &str, key: &EcKey) -> String {
    let header = json!({"alg": "ES256", "typ": "JWT", "kid": key_id});
    let part = |v: &str| URL_SAFE_NO_PAD.encode(v);
    let claims = serde_json::to_string(claims).expect("a JSON object serializes");
    let signed = format!("{}.{}", part(&header.to_string()), part(&claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign_raw(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// The claims, not yet believed: only good for finding out which issuer's key to check with.
pub(super) fn unverified_claims(token: &str) -> Result<Map<String, Value>> {
    let claims = token.split('.').nth(1).context("token is not a JWT")?;
    let raw = URL_SAFE_NO_PAD.decode(claims).context("claims are not base64url")?;
    serde_json::from_slice(&raw).context("claims are not a JSON object")
}

/// Check the signature with `key`.
pub(super) fn verify(token: &str, key: &EcKey) -> Result<()> {
    let (signed, signature) = token.rsplit_once('.').context("token is not a JWT")?;
    let header = signed.split('.').next().unwrap_or_default();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).context("header is not base64url")?)?;
    if header["alg"] != "ES256" {
        bail!("token algorithm {} is not ES256", header["alg"]);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).context("signature is not base64url")?;
    if !key.made_raw(signed.as_bytes(), &signature) {
        bail!("token signature does not verify");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_claim_breaks_the_signature() {
        let key = EcKey::generate();
        let claims = json!({"sub": "a"}).as_object().unwrap().clone();
        let token = sign(&claims, "k", &key);
        assert!(verify(&token, &key).is_ok());
        assert_eq!(unverified_claims(&token).unwrap(), claims);
        let mut parts: Vec<&str> = token.split('.').collect();
        let other = URL_SAFE_NO_PAD.encode(r#"{"sub":"b"}"#);
        parts[1] = &other;
        assert!(verify(&parts.join("."), &key).is_err());
        assert!(verify(&token, &EcKey::generate()).is_err());
    }
}
