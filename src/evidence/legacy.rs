//! cosign's older layout: one layer for each signature under the tags `sha256-<hex>.sig` and `.att`, the verification
//! material in the layer's annotations.
//!
//! Turned into the bundle it amounts to (v0.1: a certificate and a promise of Rekor v1), so that one verification serves
//! both. What the layout cannot carry is refused: an inclusion proof or a Rekor v2 entry, so a signature without a promise
//! counts for nothing here. The `chain` annotation is not read; intermediates come from the trust root.
//! Spec: cosign `specs/SIGNATURE_SPEC.md`; the annotations are unsigned, but each is bound to the signature by a check.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sigstore_types::DerCertificate;

use crate::evidence::bundle::{Bundle, Shape, Unverified};
use crate::evidence::{MAX_BUNDLE_BYTES, Refusal, Statement};
use crate::oci::{Descriptor, Digest, media_type};
use crate::policy::ReasonCode;

/// A simple-signing payload has about 250 bytes; a repository name in it at most 255 more.
pub const MAX_SIMPLE_SIGNING_BYTES: u64 = 64 * 1024;

pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
pub const CERTIFICATE_ANNOTATION: &str = "dev.sigstore.cosign/certificate";
pub const CHAIN_ANNOTATION: &str = "dev.sigstore.cosign/chain";
pub const BUNDLE_ANNOTATION: &str = "dev.sigstore.cosign/bundle";
pub const TIMESTAMP_ANNOTATION: &str = "dev.sigstore.cosign/rfc3161timestamp";
/// On layers of `.att`: an unsigned hint.
pub const PREDICATE_TYPE_ANNOTATION: &str = "predicateType";

/// `critical.type` of every cosign signature; other programs sign other things in the same shape.
const SIMPLE_SIGNING_TYPE: &str = "cosign container image signature";

/// How many bytes of a layer of this media type are read; `None`: no layer of this layout.
#[must_use]
pub fn max_layer_bytes(layer: &Descriptor) -> Option<u64> {
    match layer.media_type.as_str() {
        media_type::SIMPLE_SIGNING => Some(MAX_SIMPLE_SIGNING_BYTES),
        media_type::DSSE_ENVELOPE => Some(MAX_BUNDLE_BYTES),
        _ => None,
    }
}

impl Unverified<Bundle> {
    /// Reads a layer of a `.sig` or `.att` manifest whose bytes were compared with its digest.
    pub fn from_legacy(layer: &Descriptor, bytes: &[u8]) -> Result<Self, Refusal> {
        if max_layer_bytes(layer).is_none_or(|max| bytes.len() as u64 > max) {
            let message = format!("layer {:?} of {} bytes is no legacy signature", layer.media_type, bytes.len());
            return Err(Refusal::new(ReasonCode::BundleTooLarge, message));
        }
        let annotations = &layer.annotations;
        let (content, shape) = match layer.media_type.as_str() {
            media_type::SIMPLE_SIGNING => {
                let signature = required(annotations, SIGNATURE_ANNOTATION)?;
                STANDARD.decode(signature).map_err(|_| malformed("the signature annotation is no base64"))?;
                (json!({ "signature": signature }), Shape::LegacySignature { payload: bytes.to_vec() })
            }
            _ => {
                let envelope: Value =
                    serde_json::from_slice(bytes).map_err(|e| malformed(&format!("no DSSE envelope: {e}")))?;
                (envelope, Shape::LegacyEnvelope)
            }
        };
        let name = if shape == Shape::LegacyEnvelope { "dsseEnvelope" } else { "messageSignature" };
        let document = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
            "verificationMaterial": {
                "certificate": { "rawBytes": certificate(annotations)? },
                "tlogEntries": [log_entry(annotations)?],
                "timestampVerificationData": { "rfc3161Timestamps": timestamps(annotations)? },
            },
            name: content,
        });
        Self::of_shape(&document, Digest::of(bytes), shape)
    }
}

fn malformed(message: &str) -> Refusal {
    Refusal::new(ReasonCode::BundleMalformed, message)
}

fn required<'a>(annotations: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str, Refusal> {
    let text = annotations.get(name).map(String::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| malformed(&format!("the layer has no annotation {name}")))
}

fn certificate(annotations: &BTreeMap<String, String>) -> Result<String, Refusal> {
    let Some(pem) = annotations.get(CERTIFICATE_ANNOTATION).filter(|pem| !pem.is_empty()) else {
        let message = "no certificate: the signature was made with a managed key";
        return Err(Refusal::new(ReasonCode::BundleMaterial, message));
    };
    if pem.matches("-----BEGIN").count() != 1 {
        return Err(Refusal::new(ReasonCode::BundleMaterial, "a certificate chain, expected the leaf alone"));
    }
    let der = DerCertificate::from_pem(pem).map_err(|e| malformed(&format!("unreadable certificate: {e}")))?;
    Ok(STANDARD.encode(der.as_bytes()))
}

/// cosign's `bundle` annotation.
#[derive(Deserialize, Serialize)]
pub(crate) struct RekorBundle {
    #[serde(rename = "SignedEntryTimestamp")]
    pub(crate) signed_entry_timestamp: String,
    #[serde(rename = "Payload")]
    pub(crate) payload: RekorPayload,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct RekorPayload {
    /// Base64 of the canonical entry.
    pub(crate) body: String,
    #[serde(rename = "integratedTime")]
    pub(crate) integrated_time: i64,
    #[serde(rename = "logIndex")]
    pub(crate) log_index: u64,
    /// Hex.
    #[serde(rename = "logID")]
    pub(crate) log_id: String,
}

fn log_entry(annotations: &BTreeMap<String, String>) -> Result<Value, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        kind: String,
        api_version: String,
    }
    let Some(text) = annotations.get(BUNDLE_ANNOTATION).filter(|text| !text.is_empty()) else {
        let message = "a legacy signature without a Rekor v1 promise: this layout carries no other proof of logging";
        return Err(Refusal::new(ReasonCode::LogEntryMissing, message));
    };
    let bundle: RekorBundle =
        serde_json::from_str(text).map_err(|e| malformed(&format!("annotation {BUNDLE_ANNOTATION}: {e}")))?;
    let payload = bundle.payload;
    let body = STANDARD.decode(&payload.body).map_err(|_| malformed("the log entry is no base64"))?;
    let kind: Body = serde_json::from_slice(&body).map_err(|e| malformed(&format!("unreadable log entry: {e}")))?;
    let log_id = hex::decode(&payload.log_id).map_err(|_| malformed("the log id is no hex"))?;
    Ok(json!({
        "logIndex": payload.log_index.to_string(),
        "logId": { "keyId": STANDARD.encode(log_id) },
        "kindVersion": { "kind": kind.kind, "version": kind.api_version },
        "integratedTime": payload.integrated_time.to_string(),
        "inclusionPromise": { "signedEntryTimestamp": bundle.signed_entry_timestamp },
        "canonicalizedBody": payload.body,
    }))
}

/// cosign's `rfc3161timestamp` annotation.
#[derive(Deserialize, Serialize)]
pub(crate) struct TimestampAnnotation {
    #[serde(rename = "SignedRFC3161Timestamp")]
    pub(crate) signed_timestamp: String,
}

fn timestamps(annotations: &BTreeMap<String, String>) -> Result<Vec<Value>, Refusal> {
    let Some(text) = annotations.get(TIMESTAMP_ANNOTATION).filter(|text| !text.is_empty()) else {
        return Ok(Vec::new());
    };
    let timestamp: TimestampAnnotation =
        serde_json::from_str(text).map_err(|e| malformed(&format!("annotation {TIMESTAMP_ANNOTATION}: {e}")))?;
    Ok(vec![json!({ "signedTimestamp": timestamp.signed_timestamp })])
}

/// The simple-signing payload, as cosign reads and writes it.
#[derive(Deserialize, Serialize)]
struct SimpleSigning {
    critical: Critical,
    #[serde(default)]
    optional: Value,
}

#[derive(Deserialize, Serialize)]
struct Critical {
    identity: CriticalIdentity,
    image: CriticalImage,
    r#type: String,
}

#[derive(Deserialize, Serialize)]
struct CriticalIdentity {
    #[serde(rename = "docker-reference")]
    docker_reference: String,
}

#[derive(Deserialize, Serialize)]
struct CriticalImage {
    #[serde(rename = "docker-manifest-digest")]
    docker_manifest_digest: String,
}

/// A payload for `subject` in `repository`.
#[must_use]
pub fn simple_signing(repository: &str, subject: &Digest) -> Vec<u8> {
    let payload = SimpleSigning {
        critical: Critical {
            identity: CriticalIdentity { docker_reference: repository.to_owned() },
            image: CriticalImage { docker_manifest_digest: subject.to_string() },
            r#type: SIMPLE_SIGNING_TYPE.to_owned(),
        },
        optional: Value::Null,
    };
    serde_json::to_vec(&payload).expect("strings always serialise")
}

/// What an authenticated payload states. The repository in it is not compared: bundles make no such claim either, and a
/// copy of an image keeps its signatures.
pub(super) fn statement_of(payload: &[u8]) -> Result<Statement, Refusal> {
    let refuse = |message: String| Refusal::new(ReasonCode::StatementMalformed, message);
    let payload: SimpleSigning =
        serde_json::from_slice(payload).map_err(|e| refuse(format!("no simple-signing payload: {e}")))?;
    if payload.critical.r#type != SIMPLE_SIGNING_TYPE {
        let found: String = payload.critical.r#type.chars().take(200).collect();
        return Err(refuse(format!("payload type: expected {SIMPLE_SIGNING_TYPE:?}, found {found:?}")));
    }
    let digest = payload.critical.image.docker_manifest_digest;
    let subject = digest.parse().map_err(|_| {
        let found: String = digest.chars().take(200).collect();
        Refusal::new(ReasonCode::SubjectMismatch, format!("the payload's digest cannot be used: {found:?}"))
    })?;
    Ok(Statement::signature(subject))
}

#[cfg(test)]
#[path = "legacy_tests.rs"]
mod tests;
