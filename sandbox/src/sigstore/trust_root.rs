//! The documents that clients are configured with: `trusted_root.json` (v0.1) and `signing_config.json` (v0.2), in the
//! protobuf-JSON form that cosign writes.

use super::{Core, Urls, ca, clock};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::time::SystemTime;

/// `validFor` of logs, moved from now in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub starts: i64,
    /// `None`: still valid.
    pub ends: Option<i64>,
}

impl Default for Window {
    fn default() -> Self {
        Self { starts: -ca::CA_AGE_SECONDS, ends: None }
    }
}

impl Window {
    fn json(self) -> Value {
        let at = |offset| clock::rfc3339(clock::now_with_offset(offset));
        match self.ends {
            None => json!({"start": at(self.starts)}),
            Some(ends) => json!({"start": at(self.starts), "end": at(ends)}),
        }
    }
}

pub(super) fn trusted_root(core: &Core, urls: &Urls, rekor_window: Window) -> Value {
    let always = Window::default().json();
    json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [{
            // The host must be the log's origin: clients derive one from the other. It need not resolve.
            "baseUrl": format!("http://{}", core.rekor.origin()),
            "hashAlgorithm": "SHA2_256",
            "publicKey": key(&core.rekor.public_key(), "PKIX_ED25519", &rekor_window.json()),
            "logId": {"keyId": STANDARD.encode(core.rekor.id())},
        }],
        "certificateAuthorities": [{
            "subject": subject(ca::FULCIO_ROOT),
            "uri": urls.fulcio,
            "certChain": chain(&core.fulcio.ca.chain()),
            "validFor": always,
        }],
        "ctlogs": [{
            "baseUrl": "http://ct.sandbox",
            "hashAlgorithm": "SHA2_256",
            "publicKey": key(&core.fulcio.ct.public_key(), "PKIX_ECDSA_P256_SHA_256", &always),
            "logId": {"keyId": STANDARD.encode(core.fulcio.ct.id())},
        }],
        "timestampAuthorities": [{
            "subject": subject(super::tsa::TSA_ROOT),
            "uri": urls.tsa,
            "certChain": chain(&core.tsa.chain()),
            "validFor": always,
        }],
    })
}

pub(super) fn signing_config(urls: &Urls) -> Value {
    let since = clock::rfc3339(clock::shift(SystemTime::now(), -ca::CA_AGE_SECONDS));
    let service = |url: &str, version: u32| json!([{"url": url, "majorApiVersion": version, "validFor": {"start": since}, "operator": "sandbox"}]);
    let one = json!({"selector": "EXACT", "count": 1});
    json!({
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": service(&urls.fulcio, 1),
        "oidcUrls": service(&urls.oidc, 1),
        "rekorTlogUrls": service(&urls.rekor, 2),
        "rekorTlogConfig": one,
        "tsaUrls": service(&urls.tsa, 1),
        "tsaConfig": one,
    })
}

fn key(spki: &[u8], details: &str, valid_for: &Value) -> Value {
    json!({"rawBytes": STANDARD.encode(spki), "keyDetails": details, "validFor": valid_for})
}

fn subject(common_name: &str) -> Value {
    json!({"organization": ca::ORGANIZATION, "commonName": common_name})
}

fn chain(certificates: &[Vec<u8>]) -> Value {
    let certificates: Vec<_> = certificates.iter().map(|der| json!({"rawBytes": STANDARD.encode(der)})).collect();
    json!({"certificates": certificates})
}
