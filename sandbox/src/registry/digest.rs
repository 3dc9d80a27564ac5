//! Digests as the registry sees them: `sha256:` or `sha512:` and lower-case hex.

use sha2::{Digest as _, Sha256, Sha512};

/// `sha256:<hex>` of the bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Whether the text has the shape of a digest that this registry can check.
pub(super) fn is_digest(text: &str) -> bool {
    let Some((algorithm, encoded)) = text.split_once(':') else { return false };
    let length = match algorithm {
        "sha256" => 64,
        "sha512" => 128,
        _ => return false,
    };
    encoded.len() == length && encoded.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether the bytes have this digest. An unknown algorithm never matches.
pub(super) fn matches(bytes: &[u8], digest: &str) -> bool {
    match digest.split_once(':') {
        Some(("sha256", encoded)) => hex::encode(Sha256::digest(bytes)) == encoded,
        Some(("sha512", encoded)) => hex::encode(Sha512::digest(bytes)) == encoded,
        _ => false,
    }
}
