//! C2SP signed notes and checkpoints (tlog-checkpoint, signed-note) with Ed25519.

use super::merkle::Hash;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// The note signature type of Ed25519.
const ED25519: u8 = 1;

/// SHA-256(origin ‖ "\n" ‖ type ‖ key): Rekor v2 uses all 32 bytes as its log id, notes the first four as key hint.
pub(super) fn key_id(origin: &str, key: &VerifyingKey) -> Hash {
    Sha256::new().chain_update(origin).chain_update([b'\n', ED25519]).chain_update(key.as_bytes()).finalize().into()
}

/// The key hint of a note's signature line.
pub(super) fn key_hint(id: &Hash) -> [u8; 4] {
    [id[0], id[1], id[2], id[3]]
}

/// A signed checkpoint: three lines, a blank line, one signature line naming the origin.
pub(super) fn sign(origin: &str, size: u64, root: &Hash, hint: [u8; 4], key: &SigningKey) -> String {
    let body = format!("{origin}\n{size}\n{}\n", STANDARD.encode(root));
    let mut blob = hint.to_vec();
    blob.extend_from_slice(&key.sign(body.as_bytes()).to_bytes());
    format!("{body}\n\u{2014} {origin} {}\n", STANDARD.encode(blob))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signature, Verifier as _};

    #[test]
    fn a_checkpoint_is_a_note_that_its_key_signed() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let id = key_id("log.example", &key.verifying_key());
        let note = sign("log.example", 3, &[1; 32], key_hint(&id), &key);
        let (body, signatures) = note.split_once("\n\n").unwrap();
        let line = signatures.strip_prefix("\u{2014} log.example ").unwrap().trim_end();
        let blob = STANDARD.decode(line).unwrap();
        assert_eq!(blob[..4], id[..4]);
        let signature = Signature::from_slice(&blob[4..]).unwrap();
        assert!(key.verifying_key().verify(format!("{body}\n").as_bytes(), &signature).is_ok());
        assert!(body.starts_with("log.example\n3\n"));
    }
}
