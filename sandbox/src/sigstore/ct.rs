//! A certificate-transparency log as far as a signing certificate needs one (RFC 6962 §3.2, ECDSA P-256): real signed
//! timestamps over precertificates. It keeps no tree, so it serves no proofs.

use super::{clock, key::EcKey};
use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::time::SystemTime;

/// The TLS `entry_type` of `precert_entry`.
const PRECERT_ENTRY: u16 = 1;
/// SHA-256 with ECDSA in TLS's numbering.
const SHA256_ECDSA: [u8; 2] = [4, 3];

/// Two logs; the trust root has the second if it was asked for.
#[derive(Debug)]
pub(super) struct CtLogs {
    pub first: CtLog,
    pub second: CtLog,
}

impl CtLogs {
    pub(super) fn generate() -> Self {
        Self { first: CtLog::generate(), second: CtLog::generate() }
    }
}

#[derive(Debug)]
pub(super) struct CtLog {
    key: EcKey,
    wrong_key: EcKey,
}

impl CtLog {
    fn generate() -> Self {
        Self { key: EcKey::generate(), wrong_key: EcKey::generate() }
    }

    pub(super) fn public_key(&self) -> Vec<u8> {
        self.key.spki()
    }

    /// SHA-256 of the public key.
    pub(super) fn id(&self) -> [u8; 32] {
        Sha256::digest(self.key.spki()).into()
    }

    /// A serialized timestamp of now over the certificate that `tbs` will become; with `wrong_key` it will not verify.
    pub(super) fn timestamp(&self, issuer_spki: &[u8], tbs: &[u8], wrong_key: bool) -> Result<Vec<u8>> {
        let millis = clock::unix_millis(SystemTime::now()).to_be_bytes();
        let tbs_length = u32::try_from(tbs.len()).context("certificate too long")?.to_be_bytes();
        let mut signed = vec![0, 0];
        signed.extend_from_slice(&millis);
        signed.extend_from_slice(&PRECERT_ENTRY.to_be_bytes());
        signed.extend_from_slice(&Sha256::digest(issuer_spki));
        signed.extend_from_slice(&tbs_length[1..]);
        signed.extend_from_slice(tbs);
        signed.extend_from_slice(&[0, 0]);
        let key = if wrong_key { &self.wrong_key } else { &self.key };
        let signature = key.sign(&signed);

        let mut sct = vec![0];
        sct.extend_from_slice(&self.id());
        sct.extend_from_slice(&millis);
        sct.extend_from_slice(&[0, 0]);
        sct.extend_from_slice(&SHA256_ECDSA);
        sct.extend(prefixed(&signature)?);
        Ok(sct)
    }
}

/// A `SignedCertificateTimestampList`: each timestamp with its length, the whole with its length.
pub(super) fn list(timestamps: &[Vec<u8>]) -> Result<Vec<u8>> {
    let items = timestamps.iter().map(|t| prefixed(t)).collect::<Result<Vec<_>>>()?;
    prefixed(&items.concat())
}

fn prefixed(bytes: &[u8]) -> Result<Vec<u8>> {
    let length = u16::try_from(bytes.len()).context("longer than 65535 bytes")?;
    Ok([&length.to_be_bytes(), bytes].concat())
}
