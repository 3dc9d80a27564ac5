//! cosign's older layout, written without the product's code: sandbox bundles with a Rekor v1 entry, taken apart into
//! layers with annotations.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_sandbox::registry::Registry;
use countersign_sandbox::sigstore::{BundleOptions, CertificateOptions, LogV1Options, Sigstore, TimestampOptions};
use serde_json::{Value, json};

pub(crate) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
pub(crate) const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";

/// One layer: blob, media type and annotations.
pub(crate) struct Layer {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) annotations: BTreeMap<String, String>,
}

pub(crate) fn payload(repository: &str, digest: &str, kind: &str) -> Vec<u8> {
    let critical = json!({
        "identity": { "docker-reference": repository }, "image": { "docker-manifest-digest": digest }, "type": kind,
    });
    json!({ "critical": critical, "optional": null }).to_string().into_bytes()
}

/// The Rekor v1 entry alone, and a timestamp if asked for.
fn options(timestamp: bool) -> BundleOptions {
    let mut options = BundleOptions::rekor_v1(LogV1Options::default());
    options.timestamp = timestamp.then(TimestampOptions::default);
    options
}

/// A layer of `.sig`: a signature of `payload` by `email`.
pub(crate) fn signature(sigstore: &Sigstore, payload: &[u8], email: &str, timestamp: bool) -> Layer {
    let claims = sigstore.email_claims(email);
    let bundle = sigstore.sign_blob(payload, &claims, &CertificateOptions::default(), &options(timestamp)).unwrap();
    let bundle: Value = serde_json::from_str(&bundle).unwrap();
    let mut annotations = material(&bundle);
    let signature = bundle["messageSignature"]["signature"].as_str().unwrap().to_owned();
    annotations.insert("dev.cosignproject.cosign/signature".to_owned(), signature);
    Layer { media_type: SIMPLE_SIGNING, bytes: payload.to_vec(), annotations }
}

/// A layer of `.att`.
pub(crate) fn attestation(sigstore: &Sigstore, statement: &Value, email: &str) -> Layer {
    let claims = sigstore.email_claims(email);
    let statement_bytes = statement.to_string().into_bytes();
    let bundle =
        sigstore.sign_bundle(&statement_bytes, &claims, &CertificateOptions::default(), &options(false)).unwrap();
    let bundle: Value = serde_json::from_str(&bundle).unwrap();
    let mut annotations = material(&bundle);
    annotations.insert("dev.cosignproject.cosign/signature".to_owned(), String::new());
    annotations.insert("predicateType".to_owned(), statement["predicateType"].as_str().unwrap().to_owned());
    Layer { media_type: ENVELOPE, bytes: bundle["dsseEnvelope"].to_string().into_bytes(), annotations }
}

fn material(bundle: &Value) -> BTreeMap<String, String> {
    let material = &bundle["verificationMaterial"];
    let entry = &material["tlogEntries"][0];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pem = |der: &str| format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n");
    let rekor = json!({
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {
            "body": entry["canonicalizedBody"],
            "integratedTime": text(&entry["integratedTime"]).parse::<i64>().unwrap(),
            "logIndex": text(&entry["logIndex"]).parse::<i64>().unwrap(),
            "logID": hex(&STANDARD.decode(text(&entry["logId"]["keyId"])).unwrap()),
        },
    });
    let mut annotations = BTreeMap::from([
        ("dev.sigstore.cosign/certificate".to_owned(), pem(&text(&material["certificate"]["rawBytes"]))),
        ("dev.sigstore.cosign/bundle".to_owned(), rekor.to_string()),
    ]);
    let timestamp = &material["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"];
    if let Some(timestamp) = timestamp.as_str() {
        let annotation = json!({ "SignedRFC3161Timestamp": timestamp }).to_string();
        annotations.insert("dev.sigstore.cosign/rfc3161timestamp".to_owned(), annotation);
    }
    annotations
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Pushes `layers` under `sha256-<hex>.SUFFIX`.
pub(crate) fn push(registry: &Registry, name: &str, subject: &str, suffix: &str, layers: &[Layer]) {
    let config = registry.put_blob(name, "{}".as_bytes().to_vec());
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| {
            let digest = registry.put_blob(name, layer.bytes.clone());
            json!({
                "mediaType": layer.media_type, "digest": digest, "size": layer.bytes.len(), "annotations": layer.annotations,
            })
        })
        .collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2 },
        "layers": layers,
    });
    let bytes = manifest.to_string().into_bytes();
    let digest = registry.put_manifest_raw(name, "application/vnd.oci.image.manifest.v1+json", bytes);
    registry.set_tag(name, &format!("{}.{suffix}", subject.replace(':', "-")), &digest);
}
