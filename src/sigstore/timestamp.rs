//! A timestamp of a signature (RFC 3161).
//!
//! The request needs no ASN.1 encoder: for SHA-256 it is a fixed prefix, the hash, and "send your certificate". It has no
//! nonce: a nonce keeps old answers from being replayed, and nobody has an old timestamp of a signature made just now.

use sigstore_types::{SignatureBytes, TimestampToken};
use tokio::time::Instant;

use crate::sigstore::exchange::{nonsense, post};
use crate::sigstore::retry::{Attempt, until};
use crate::sigstore::{Service, SigstoreError};

const SERVICE: Service = Service::TimestampAuthority;

/// `TimeStampReq { version 1, messageImprint { sha256, … } …`, up to the 32 bytes of the hash.
const PREFIX: [u8; 24] = [
    0x30, 0x39, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
    0x01, 0x05, 0x00, 0x04, 0x20,
];
/// `… certReq TRUE }`.
const SUFFIX: [u8; 3] = [0x01, 0x01, 0xff];
/// DER of a `SEQUENCE` starts with this; an error page does not.
const SEQUENCE: u8 = 0x30;

/// Asks `url` for a timestamp of `signature`. The answer is verified with the finished bundle.
pub(super) async fn stamp(
    http: &reqwest::Client,
    url: &str,
    signature: &SignatureBytes,
    deadline: Instant,
) -> Result<TimestampToken, SigstoreError> {
    let hash = sigstore_crypto::sha256(signature.as_bytes());
    let body = [&PREFIX[..], hash.as_bytes(), &SUFFIX[..]].concat();
    until(deadline, SERVICE, || async {
        match post(http, url, "application/timestamp-query", body.clone(), "").await {
            Ok(answer) if answer.first() == Some(&SEQUENCE) => Attempt::Done(TimestampToken::new(answer)),
            Ok(_) => nonsense(SERVICE, "not a timestamp"),
            Err(trouble) => trouble.attempt(SERVICE),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_as_long_as_its_lengths_say() {
        let content = PREFIX.len() + 32 + SUFFIX.len() - 2;
        assert_eq!(usize::from(PREFIX[1]), content);
        let imprint = PREFIX.len() - 7 + 32;
        assert_eq!(usize::from(PREFIX[6]), imprint);
    }
}
