//! A `hashedrekord` 0.0.2 entry: the request as protobuf-JSON, its checks, and the canonical body (RFC 8785) that is hashed
//! into the log.

use super::key;
use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use der::{Decode as _, Encode as _};
use serde_json::Value;
use x509_cert::Certificate;

const KEY_DETAILS: &str = "PKIX_ECDSA_P256_SHA_256";
/// The number of [`KEY_DETAILS`] in the protobuf enumeration, which protobuf-JSON accepts as well.
const KEY_DETAILS_NUMBER: i64 = 5;

/// Who made the signature, in DER.
#[derive(Clone, Debug)]
pub(super) enum Verifier {
    Certificate(Vec<u8>),
    PublicKey(Vec<u8>),
}

/// What a client asks to be logged.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub digest: Vec<u8>,
    pub signature: Vec<u8>,
    pub verifier: Verifier,
}

impl Entry {
    /// Parse `{"hashedRekordRequestV002": …}`.
    pub(super) fn from_request(body: &[u8]) -> Result<Self> {
        let request: Value = serde_json::from_slice(body).context("request is not JSON")?;
        let request = request.get("hashedRekordRequestV002").context("only hashedRekordRequestV002 is supported")?;
        let verifier = &request["signature"]["verifier"];
        let details = &verifier["keyDetails"];
        if details != KEY_DETAILS && details.as_i64() != Some(KEY_DETAILS_NUMBER) {
            bail!("key details {details} are not {KEY_DETAILS}");
        }
        let certificate = &verifier["x509Certificate"]["rawBytes"];
        let public_key = &verifier["publicKey"]["rawBytes"];
        Ok(Self {
            digest: bytes(&request["digest"]).context("digest")?,
            signature: bytes(&request["signature"]["content"]).context("signature.content")?,
            verifier: match (certificate.is_null(), public_key.is_null()) {
                (false, true) => Verifier::Certificate(bytes(certificate).context("x509Certificate")?),
                (true, false) => Verifier::PublicKey(bytes(public_key).context("publicKey")?),
                _ => bail!("verifier needs either x509Certificate or publicKey"),
            },
        })
    }

    /// The signature must be the verifier's over the digest, as Rekor checks on submission.
    pub(super) fn verify(&self) -> Result<()> {
        if self.digest.len() != 32 {
            bail!("digest has {} bytes, not 32", self.digest.len());
        }
        let spki = match &self.verifier {
            Verifier::PublicKey(spki) => spki.clone(),
            Verifier::Certificate(der) => Certificate::from_der(der)
                .context("certificate does not parse")?
                .tbs_certificate
                .subject_public_key_info
                .to_der()?,
        };
        key::verify_digest(&spki, &self.digest, &self.signature)
    }

    /// Keys in order, no spaces; base64 needs no escapes, so text is enough.
    pub(super) fn canonical_body(&self) -> Vec<u8> {
        let b64 = |b: &[u8]| STANDARD.encode(b);
        let verifier = match &self.verifier {
            Verifier::Certificate(der) => {
                format!(r#""keyDetails":"{KEY_DETAILS}","x509Certificate":{{"rawBytes":"{}"}}"#, b64(der))
            }
            Verifier::PublicKey(der) => {
                format!(r#""keyDetails":"{KEY_DETAILS}","publicKey":{{"rawBytes":"{}"}}"#, b64(der))
            }
        };
        format!(
            r#"{{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{{"hashedRekordV002":{{"data":{{"algorithm":"SHA2_256","digest":"{}"}},"signature":{{"content":"{}","verifier":{{{verifier}}}}}}}}}}}"#,
            b64(&self.digest),
            b64(&self.signature),
        )
        .into_bytes()
    }
}

fn bytes(value: &Value) -> Result<Vec<u8>> {
    STANDARD.decode(value.as_str().context("is missing")?).context("is not base64")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_already_canonical() {
        for verifier in [Verifier::Certificate(vec![1]), Verifier::PublicKey(vec![2])] {
            let entry = Entry { digest: vec![0; 32], signature: vec![9], verifier };
            let body = String::from_utf8(entry.canonical_body()).unwrap();
            let mut value: Value = serde_json::from_str(&body).unwrap();
            value.sort_all_objects();
            assert_eq!(value.to_string(), body);
        }
    }
}
