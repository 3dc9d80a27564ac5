//! Bundles v0.3 made in process, without HTTP and without a client: the good one by default, and any single thing about
//! it wrong on request, for corpora of attacks.

use super::{
    Core,
    ca::Issued,
    entry::{Entry, Verifier},
    key::EcKey,
    rekor::{LogOptions, Refusal},
    tsa::TimestampOptions,
};
use anyhow::{Result, anyhow};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub const BUNDLE_V03: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// A bundle; the default is a correct one with one log entry and one timestamp.
#[derive(Clone, Debug)]
pub struct BundleOptions {
    pub media_type: String,
    pub payload_type: String,
    /// `None`: no log entry.
    pub log: Option<LogOptions>,
    /// How often the entry appears in the bundle.
    pub log_entry_copies: usize,
    /// Log this digest instead of the one that was signed (the entry is then about something else).
    pub logged_digest: Option<[u8; 32]>,
    /// `None`: no timestamp.
    pub timestamp: Option<TimestampOptions>,
    /// Stamp these bytes instead of the signature.
    pub stamped: Option<Vec<u8>>,
    /// `x509CertificateChain` with intermediate and root instead of the leaf alone.
    pub with_chain: bool,
    /// How many signatures the envelope has; a good one has one.
    pub signatures: usize,
}

impl Default for BundleOptions {
    fn default() -> Self {
        Self {
            media_type: BUNDLE_V03.to_owned(),
            payload_type: IN_TOTO.to_owned(),
            log: Some(LogOptions::default()),
            log_entry_copies: 1,
            logged_digest: None,
            timestamp: Some(TimestampOptions::default()),
            stamped: None,
            with_chain: false,
            signatures: 1,
        }
    }
}

/// Sign `payload` in a DSSE envelope with a key that `certificate` was issued for.
pub(super) fn dsse(
    core: &Core,
    payload: &[u8],
    key: &EcKey,
    certificate: &Issued,
    options: &BundleOptions,
) -> Result<Value> {
    let message = pre_authentication_encoding(&options.payload_type, payload);
    let signature = key.sign(&message);
    let mut bundle = frame(core, &message, &signature, certificate, options)?;
    let signatures = vec![json!({"sig": STANDARD.encode(&signature)}); options.signatures];
    bundle["dsseEnvelope"] = json!({
        "payload": STANDARD.encode(payload),
        "payloadType": options.payload_type,
        "signatures": signatures,
    });
    Ok(bundle)
}

/// Sign `message` itself: a blob's bundle with a message signature.
pub(super) fn message_signature(
    core: &Core,
    message: &[u8],
    key: &EcKey,
    certificate: &Issued,
    options: &BundleOptions,
) -> Result<Value> {
    let signature = key.sign(message);
    let mut bundle = frame(core, message, &signature, certificate, options)?;
    bundle["messageSignature"] = json!({
        "messageDigest": {"algorithm": "SHA2_256", "digest": STANDARD.encode(Sha256::digest(message))},
        "signature": STANDARD.encode(&signature),
    });
    Ok(bundle)
}

/// Everything but the content.
fn frame(
    core: &Core,
    message: &[u8],
    signature: &[u8],
    certificate: &Issued,
    options: &BundleOptions,
) -> Result<Value> {
    let mut material = json!({});
    if options.with_chain {
        let all: Vec<_> = std::iter::once(&certificate.leaf).chain(&certificate.chain).map(|d| raw(d)).collect();
        material["x509CertificateChain"] = json!({"certificates": all});
    } else {
        material["certificate"] = raw(&certificate.leaf);
    }
    if let Some(log) = &options.log {
        let digest = options.logged_digest.map_or_else(|| Sha256::digest(message).to_vec(), |d| d.to_vec());
        let verifier = Verifier::Certificate(certificate.leaf.clone());
        let entry = Entry { digest, signature: signature.to_vec(), verifier };
        let logged = core.rekor.append_unchecked(&entry, log).map_err(|refusal| match refusal {
            Refusal::Duplicate(index) => anyhow!("the log has this entry already, with index {index}"),
            Refusal::Invalid(e) => e,
        })?;
        material["tlogEntries"] = vec![without_empty_fields(logged); options.log_entry_copies].into();
    }
    if let Some(timestamp) = &options.timestamp {
        let token = core.tsa.timestamp(options.stamped.as_deref().unwrap_or(signature), timestamp)?;
        material["timestampVerificationData"] =
            json!({"rfc3161Timestamps": [{"signedTimestamp": STANDARD.encode(token)}]});
    }
    Ok(json!({"mediaType": options.media_type, "verificationMaterial": material}))
}

/// The log's server writes zero values out, bundles leave them away.
fn without_empty_fields(mut entry: Value) -> Value {
    if let Some(fields) = entry.as_object_mut() {
        fields.shift_remove("integratedTime");
        fields.shift_remove("inclusionPromise");
    }
    entry
}

fn raw(der: &[u8]) -> Value {
    json!({"rawBytes": STANDARD.encode(der)})
}

fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}
