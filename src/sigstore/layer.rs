//! Signs for cosign's older layout: a layer whose annotations hold what a bundle would.
//!
//! The layout has room for a Rekor v1 promise and for nothing newer, so the entry goes to the v1 log of the signing
//! configuration whatever the bundles use. A signature gets a timestamp too. An attestation gets none: whether
//! cosign stamps the signature or the whole envelope there was not checked, and the promise gives the time already.
//! Spec: cosign `specs/SIGNATURE_SPEC.md`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::try_join;
use serde_json::Value;
use sigstore_crypto::KeyPair;
use sigstore_types::{
    DsseEnvelope, DsseSignature, KeyId, PayloadBytes, SignatureBytes, TimestampToken, TransparencyLogEntry,
};
use tokio::time::Instant;

use crate::evidence::legacy::{
    BUNDLE_ANNOTATION, CERTIFICATE_ANNOTATION, CHAIN_ANNOTATION, PREDICATE_TYPE_ANNOTATION, RekorBundle, RekorPayload,
    SIGNATURE_ANNOTATION, TIMESTAMP_ANNOTATION, TimestampAnnotation,
};
use crate::evidence::{IN_TOTO_PAYLOAD_TYPE, Statement, authenticate_own_layer};
use crate::oci::{Descriptor, media_type};
use crate::sigstore::fulcio::Certified;
use crate::sigstore::keyless::{KeylessSigner, MAX_RESIGNED};
use crate::sigstore::log::{Log, Submitted};
use crate::sigstore::{Service, SignedLayer, SigstoreError};

/// A layer but for what the log says about it.
struct Draft {
    media_type: &'static str,
    bytes: Vec<u8>,
    annotations: BTreeMap<String, String>,
}

fn unsignable(why: impl ToString) -> SigstoreError {
    SigstoreError::Statement { why: why.to_string() }
}

impl KeylessSigner {
    /// Is there a log for the older layout? To be asked before anything is read or signed.
    pub fn check_legacy(&self) -> Result<(), SigstoreError> {
        self.legacy_log().map(|_| ())
    }

    /// The log for the older layout, or the set-up problem that there is none.
    pub(super) fn legacy_log(&self) -> Result<&Log, SigstoreError> {
        self.legacy_log.as_ref().ok_or_else(|| SigstoreError::SigningConfig {
            why: "cosign's older layout (signatures: legacy or both) needs a Rekor v1 log, and the signing \
                  configuration offers none today: the layout cannot carry an entry of Rekor v2"
                .to_owned(),
        })
    }

    /// A layer of `.sig` over a simple-signing payload.
    pub(super) async fn sign_simple(
        &self,
        payload: &[u8],
        key: &KeyPair,
        certified: &Certified,
        deadline: Instant,
    ) -> Result<SignedLayer, SigstoreError> {
        for _ in 0..MAX_RESIGNED {
            let signature = key.sign(payload).map_err(unsignable)?;
            let log = self.legacy_log()?;
            let logged = log.submit_blob(&self.http, payload, &signature, &certified.leaf, deadline);
            let (entry, timestamp) = try_join(logged, self.timestamp(&signature, deadline)).await?;
            let Submitted::Entry(entry) = entry else { continue };
            let annotations = signature_annotations(&signature, timestamp.as_ref())?;
            let draft = Draft { media_type: media_type::SIMPLE_SIGNING, bytes: payload.to_vec(), annotations };
            return self.layer(draft, certified, &entry);
        }
        Err(logged_already())
    }

    /// A layer of `.att` over a statement.
    pub(super) async fn sign_envelope(
        &self,
        statement: &[u8],
        key: &KeyPair,
        certified: &Certified,
        deadline: Instant,
    ) -> Result<SignedLayer, SigstoreError> {
        let predicate_type = Statement::parse(statement).map_err(unsignable)?.predicate_type;
        let pae = sigstore_types::pae(IN_TOTO_PAYLOAD_TYPE, statement);
        for _ in 0..MAX_RESIGNED {
            let signature = key.sign(&pae).map_err(unsignable)?;
            let payload = PayloadBytes::new(statement.to_vec());
            let signed = DsseSignature::new(signature, KeyId::default());
            let envelope = DsseEnvelope::new(IN_TOTO_PAYLOAD_TYPE.to_owned(), payload, signed);
            let logged = self.legacy_log()?.submit(&self.http, &envelope, &pae, &certified.leaf, deadline);
            let Submitted::Entry(entry) = logged.await? else { continue };
            // The entry has the hash of these very bytes, and cosign compares.
            let bytes = serde_json::to_vec(&envelope).map_err(unsignable)?;
            let annotations = BTreeMap::from([
                (SIGNATURE_ANNOTATION.to_owned(), String::new()),
                (PREDICATE_TYPE_ANNOTATION.to_owned(), predicate_type.as_str().to_owned()),
            ]);
            return self.layer(Draft { media_type: media_type::DSSE_ENVELOPE, bytes, annotations }, certified, &entry);
        }
        Err(logged_already())
    }

    /// Complete, and checked as a reader would before it is handed out.
    fn layer(
        &self,
        draft: Draft,
        certified: &Certified,
        entry: &TransparencyLogEntry,
    ) -> Result<SignedLayer, SigstoreError> {
        let Draft { media_type, bytes, mut annotations } = draft;
        // Go's PEM has plain line ends.
        annotations.insert(CERTIFICATE_ANNOTATION.to_owned(), certified.leaf.to_pem().replace('\r', ""));
        annotations.insert(CHAIN_ANNOTATION.to_owned(), certified.chain.clone());
        annotations.insert(BUNDLE_ANNOTATION.to_owned(), promise(entry)?);
        let descriptor = Descriptor { annotations, ..Descriptor::of(media_type, &bytes) };
        authenticate_own_layer(&descriptor, &bytes, &self.trust_root, (self.clock)())
            .map_err(|refusal| SigstoreError::NotVerifiable { code: refusal.code, why: refusal.message })?;
        Ok(SignedLayer { descriptor, bytes })
    }
}

fn logged_already() -> SigstoreError {
    let why = format!("{MAX_RESIGNED} new signatures were all said to be logged already");
    SigstoreError::Unavailable { service: Service::Rekor, why }
}

fn signature_annotations(
    signature: &SignatureBytes,
    timestamp: Option<&TimestampToken>,
) -> Result<BTreeMap<String, String>, SigstoreError> {
    let mut annotations = BTreeMap::new();
    annotations.insert(SIGNATURE_ANNOTATION.to_owned(), STANDARD.encode(signature.as_bytes()));
    if let Some(timestamp) = timestamp {
        let annotation = TimestampAnnotation { signed_timestamp: STANDARD.encode(timestamp.as_bytes()) };
        let text = serde_json::to_string(&annotation).map_err(unsignable)?;
        annotations.insert(TIMESTAMP_ANNOTATION.to_owned(), text);
    }
    Ok(annotations)
}

/// cosign's `bundle` annotation from the log's answer. The crate gives its parts in protobuf's JSON.
fn promise(entry: &TransparencyLogEntry) -> Result<String, SigstoreError> {
    let nonsense = |why: &str| SigstoreError::Unavailable { service: Service::Rekor, why: why.to_owned() };
    let value = serde_json::to_value(entry).map_err(unsignable)?;
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let number = |pointer: &str| text(pointer).map_or(Some(0), |text| text.parse::<u64>().ok());
    let promise = text("/inclusionPromise/signedEntryTimestamp");
    let log_id = text("/logId/keyId").and_then(|id| STANDARD.decode(id).ok());
    let time = number("/integratedTime").and_then(|time| i64::try_from(time).ok());
    let bundle = RekorBundle {
        signed_entry_timestamp: promise.ok_or_else(|| nonsense("an entry without a promise"))?.to_owned(),
        payload: RekorPayload {
            body: text("/canonicalizedBody").ok_or_else(|| nonsense("an entry without a body"))?.to_owned(),
            integrated_time: time.ok_or_else(|| nonsense("an entry without a time"))?,
            log_index: number("/logIndex").ok_or_else(|| nonsense("an entry without an index"))?,
            log_id: hex::encode(log_id.ok_or_else(|| nonsense("an entry without a log id"))?),
        },
    };
    serde_json::to_string(&bundle).map_err(unsignable)
}
