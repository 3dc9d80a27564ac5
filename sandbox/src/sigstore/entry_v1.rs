//! Entries of Rekor v1: what a client proposes, its checks, and the canonical body that is hashed into the log.

use super::key;
use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use der::{Decode as _, Encode as _, pem::LineEnding};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;

/// A signature that somebody asks to log. Certificates in PEM, everything else raw.
#[derive(Clone, Debug)]
pub(super) enum Proposal {
    HashedRekord { digest: Vec<u8>, signature: Vec<u8>, certificate: String },
    Dsse { envelope: String, payload: Vec<u8>, signature: Vec<u8>, certificate: String },
    Intoto { envelope: String, payload_type: String, payload: Vec<u8>, signature: Vec<u8>, certificate: String },
}

impl Proposal {
    /// Parses and checks a `ProposedEntry`; `dsse` and `hashedrekord`, 0.0.1 each.
    pub(super) fn from_request(body: &[u8]) -> Result<Self> {
        let request: Value = serde_json::from_slice(body).context("request is not JSON")?;
        let (kind, spec) = (&request["kind"], &request["spec"]);
        if request["apiVersion"] != "0.0.1" {
            bail!("unknown version {} of {kind}", request["apiVersion"]);
        }
        match kind.as_str() {
            Some("hashedrekord") => Self::hashedrekord(spec),
            Some("dsse") => Self::dsse(spec),
            _ => bail!("unknown kind {kind}"),
        }
    }

    fn hashedrekord(spec: &Value) -> Result<Self> {
        let hash = &spec["data"]["hash"];
        if hash["algorithm"] != "sha256" {
            bail!("hash algorithm {} is not sha256", hash["algorithm"]);
        }
        let digest = hex::decode(hash["value"].as_str().context("hash value is missing")?)?;
        let signature = bytes(&spec["signature"]["content"]).context("signature.content")?;
        let pem = bytes(&spec["signature"]["publicKey"]["content"]).context("signature.publicKey")?;
        let certificate = String::from_utf8(pem)?;
        key::verify_digest(&key_of(&certificate)?, &digest, &signature)?;
        Ok(Self::HashedRekord { digest, signature, certificate })
    }

    fn dsse(spec: &Value) -> Result<Self> {
        let proposed = &spec["proposedContent"];
        let text = proposed["envelope"].as_str().context("proposedContent.envelope is missing")?.to_owned();
        let envelope: Value = serde_json::from_str(&text).context("envelope is not JSON")?;
        let payload = bytes(&envelope["payload"]).context("payload")?;
        let payload_type = envelope["payloadType"].as_str().context("payloadType is missing")?;
        let signature = bytes(&envelope["signatures"][0]["sig"]).context("signature")?;
        let certificate = String::from_utf8(bytes(&proposed["verifiers"][0]).context("verifiers")?)?;
        let pae = pre_authentication_encoding(payload_type, &payload);
        key::verify(&key_of(&certificate)?, &pae, &signature)?;
        Ok(Self::Dsse { envelope: text, payload, signature, certificate })
    }

    pub(super) fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Self::HashedRekord { .. } => ("hashedrekord", "0.0.1"),
            Self::Dsse { .. } => ("dsse", "0.0.1"),
            Self::Intoto { .. } => ("intoto", "0.0.2"),
        }
    }

    /// RFC 8785 by hand: keys in order, no spaces; base64 and hex need no escapes.
    pub(super) fn canonical_body(&self) -> Vec<u8> {
        let b64 = |b: &[u8]| STANDARD.encode(b);
        let hash = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        let body = match self {
            Self::HashedRekord { digest, signature, certificate } => format!(
                r#"{{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{{"data":{{"hash":{{"algorithm":"sha256","value":"{}"}}}},"signature":{{"content":"{}","publicKey":{{"content":"{}"}}}}}}}}"#,
                hex::encode(digest),
                b64(signature),
                b64(certificate.as_bytes())
            ),
            Self::Dsse { envelope, payload, signature, certificate } => format!(
                r#"{{"apiVersion":"0.0.1","kind":"dsse","spec":{{"envelopeHash":{{"algorithm":"sha256","value":"{}"}},"payloadHash":{{"algorithm":"sha256","value":"{}"}},"signatures":[{{"signature":"{}","verifier":"{}"}}]}}}}"#,
                hash(envelope.as_bytes()),
                hash(payload),
                b64(signature),
                b64(certificate.as_bytes())
            ),
            // This kind holds the signature's base64 in base64.
            Self::Intoto { envelope, payload_type, payload, signature, certificate } => format!(
                r#"{{"apiVersion":"0.0.2","kind":"intoto","spec":{{"content":{{"envelope":{{"payloadType":"{payload_type}","signatures":[{{"publicKey":"{}","sig":"{}"}}]}},"hash":{{"algorithm":"sha256","value":"{}"}},"payloadHash":{{"algorithm":"sha256","value":"{}"}}}}}}}}"#,
                b64(certificate.as_bytes()),
                b64(b64(signature).as_bytes()),
                hash(envelope.as_bytes()),
                hash(payload)
            ),
        };
        body.into_bytes()
    }
}

/// A certificate in PEM, as Rekor v1 keeps it.
pub(super) fn pem(certificate: &[u8]) -> Result<String> {
    der::pem::encode_string("CERTIFICATE", LineEnding::LF, certificate).map_err(|e| anyhow::anyhow!("PEM: {e}"))
}

pub(super) fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

/// The SPKI of a certificate or public key in PEM.
fn key_of(pem: &str) -> Result<Vec<u8>> {
    let (label, der) = der::pem::decode_vec(pem.as_bytes()).map_err(|e| anyhow::anyhow!("verifier is not PEM: {e}"))?;
    Ok(match label {
        "CERTIFICATE" => Certificate::from_der(&der)?.tbs_certificate.subject_public_key_info.to_der()?,
        "PUBLIC KEY" => der,
        _ => bail!("verifier has PEM label {label}"),
    })
}

fn bytes(value: &Value) -> Result<Vec<u8>> {
    STANDARD.decode(value.as_str().context("is missing")?).context("is not base64")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_already_canonical() {
        let certificate = "PEM".to_owned();
        let (payload, signature, envelope) = (vec![1], vec![2], "{}".to_owned());
        for entry in [
            Proposal::HashedRekord { digest: vec![0; 32], signature: vec![9], certificate: certificate.clone() },
            Proposal::Dsse {
                envelope: envelope.clone(),
                payload: payload.clone(),
                signature: signature.clone(),
                certificate: certificate.clone(),
            },
            Proposal::Intoto { envelope, payload_type: "t/x".to_owned(), payload, signature, certificate },
        ] {
            let body = String::from_utf8(entry.canonical_body()).unwrap();
            let mut value: Value = serde_json::from_str(&body).unwrap();
            value.sort_all_objects();
            assert_eq!(value.to_string(), body);
            let (kind, version) = entry.kind();
            assert_eq!((&value["kind"], &value["apiVersion"]), (&kind.into(), &version.into()));
        }
    }
}
