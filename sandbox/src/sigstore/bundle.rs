//! Bundles v0.3 made in process, without HTTP and without a client: the good one by default, and any single thing about
//! it wrong on request, for corpora of attacks.

use super::{
    Core,
    ca::Issued,
    entry::{Entry, Verifier},
    entry_v1::{self, Proposal, pre_authentication_encoding},
    key::EcKey,
    rekor::{LogOptions, Refusal},
    rekor_v1::{KindV1, LogV1Options},
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
    /// An entry of the Rekor v1 log, after that of the other log where there is one.
    pub log_v1: Option<LogV1Options>,
    /// How often the entries appear in the bundle.
    pub log_entry_copies: usize,
    /// Log this digest instead of the one that was signed (the entry is then about something else).
    pub logged_digest: Option<[u8; 32]>,
    /// `None`: no timestamp.
    pub timestamp: Option<TimestampOptions>,
    /// Further timestamps.
    pub more_timestamps: Vec<TimestampOptions>,
    /// How often each timestamp appears in the bundle.
    pub timestamp_copies: usize,
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
            log_v1: None,
            log_entry_copies: 1,
            logged_digest: None,
            timestamp: Some(TimestampOptions::default()),
            more_timestamps: Vec::new(),
            timestamp_copies: 1,
            stamped: None,
            with_chain: false,
            signatures: 1,
        }
    }
}

impl BundleOptions {
    /// As Rekor v1 makes them: its entry with a promise, no timestamp.
    pub fn rekor_v1(log: LogV1Options) -> Self {
        Self { log: None, log_v1: Some(log), timestamp: None, ..Self::default() }
    }
}

/// What is signed.
struct Content<'a> {
    /// The bytes under the signature.
    message: &'a [u8],
    /// For an envelope.
    envelope: Option<Envelope<'a>>,
}

struct Envelope<'a> {
    payload_type: &'a str,
    payload: &'a [u8],
    json: String,
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
    let signatures = vec![json!({"sig": STANDARD.encode(&signature)}); options.signatures];
    let envelope = json!({
        "payload": STANDARD.encode(payload),
        "payloadType": options.payload_type,
        "signatures": signatures,
    });
    let json = envelope.to_string();
    let content =
        Content { message: &message, envelope: Some(Envelope { payload_type: &options.payload_type, payload, json }) };
    let mut bundle = frame(core, &content, &signature, certificate, options)?;
    bundle["dsseEnvelope"] = envelope;
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
    let content = Content { message, envelope: None };
    let mut bundle = frame(core, &content, &signature, certificate, options)?;
    bundle["messageSignature"] = json!({
        "messageDigest": {"algorithm": "SHA2_256", "digest": STANDARD.encode(Sha256::digest(message))},
        "signature": STANDARD.encode(&signature),
    });
    Ok(bundle)
}

/// Everything but the content.
fn frame(
    core: &Core,
    content: &Content<'_>,
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
    let entries = log_entries(core, content, signature, certificate, options)?;
    if !entries.is_empty() {
        material["tlogEntries"] = vec![entries; options.log_entry_copies].concat().into();
    }
    let mut stamps = Vec::new();
    for timestamp in options.timestamp.iter().chain(&options.more_timestamps) {
        let token =
            core.tsa(timestamp.authority).timestamp(options.stamped.as_deref().unwrap_or(signature), timestamp)?;
        stamps.push(json!({"signedTimestamp": STANDARD.encode(token)}));
    }
    if !stamps.is_empty() {
        let stamps = vec![stamps; options.timestamp_copies].concat();
        material["timestampVerificationData"] = json!({"rfc3161Timestamps": stamps});
    }
    Ok(json!({"mediaType": options.media_type, "verificationMaterial": material}))
}

fn log_entries(
    core: &Core,
    content: &Content<'_>,
    signature: &[u8],
    certificate: &Issued,
    options: &BundleOptions,
) -> Result<Vec<Value>> {
    let mut entries = Vec::new();
    let digest = options.logged_digest.map_or_else(|| Sha256::digest(content.message).to_vec(), |d| d.to_vec());
    if let Some(log) = &options.log {
        let verifier = Verifier::Certificate(certificate.leaf.clone());
        let entry = Entry { digest: digest.clone(), signature: signature.to_vec(), verifier };
        let logged = core.rekor(log.which).append_unchecked(&entry, log).map_err(|refusal| match refusal {
            Refusal::Duplicate(index) => anyhow!("the log has this entry already, with index {index}"),
            Refusal::Invalid(e) => e,
        })?;
        entries.push(without_empty_fields(logged));
    }
    if let Some(log) = &options.log_v1 {
        let proposal = proposal(log.kind, content, digest, signature, certificate)?;
        let index = core
            .rekor_v1
            .append(&proposal, log.clock_offset)
            .map_err(|duplicate| anyhow!("the log has this entry already: {}", duplicate.0))?;
        entries.push(core.rekor_v1.bundle_entry(index, log));
    }
    Ok(entries)
}

fn proposal(
    kind: KindV1,
    content: &Content<'_>,
    digest: Vec<u8>,
    signature: &[u8],
    certificate: &Issued,
) -> Result<Proposal> {
    let (signature, certificate) = (signature.to_vec(), entry_v1::pem(&certificate.leaf)?);
    Ok(match (&content.envelope, kind) {
        (Some(envelope), KindV1::Fitting) => Proposal::Dsse {
            envelope: envelope.json.clone(),
            payload: envelope.payload.to_vec(),
            signature,
            certificate,
        },
        (Some(envelope), KindV1::Intoto) => Proposal::Intoto {
            envelope: envelope.json.clone(),
            payload_type: envelope.payload_type.to_owned(),
            payload: envelope.payload.to_vec(),
            signature,
            certificate,
        },
        (_, KindV1::HashedRekord) | (None, _) => Proposal::HashedRekord { digest, signature, certificate },
    })
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
