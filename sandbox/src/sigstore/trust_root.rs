//! The documents that clients are configured with: `trusted_root.json` (v0.1) and `signing_config.json` (v0.2), in the
//! protobuf-JSON form that cosign writes.

use super::{Core, Urls, ca, clock, ct::CtLog, rekor::Rekor};
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

/// Of two services of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    #[default]
    First,
    Second,
}

/// When the trust root says that each service may be believed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Windows {
    pub rekor: Window,
    pub rekor_v1: Window,
    pub fulcio: Window,
    pub ct: Window,
    pub tsa: Window,
    /// Of a second log, authority, CT log and timestamp authority; `None`: they are not in the trust root.
    pub second: Option<Window>,
}

pub(super) fn trusted_root(core: &Core, urls: &Urls, windows: &Windows) -> Value {
    let mut root = first(core, urls, windows);
    if let Some(window) = windows.second {
        let second = second(core, urls, &window.json());
        for (kind, entry) in second {
            if let Some(all) = root[kind].as_array_mut() {
                all.push(entry);
            }
        }
    }
    root
}

fn first(core: &Core, urls: &Urls, windows: &Windows) -> Value {
    let [fulcio, ct, tsa] = [windows.fulcio, windows.ct, windows.tsa].map(Window::json);
    json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [
            log(&core.rekor, &windows.rekor.json()),
            {
                "baseUrl": format!("http://{}", core.rekor_v1.origin()),
                "hashAlgorithm": "SHA2_256",
                "publicKey": key(&core.rekor_v1.public_key(), "PKIX_ECDSA_P256_SHA_256", &windows.rekor_v1.json()),
                "logId": {"keyId": STANDARD.encode(core.rekor_v1.id())},
            },
        ],
        "certificateAuthorities": [authority(ca::FULCIO_ROOT, &urls.fulcio, &core.fulcio.ca.chain(), &fulcio)],
        "ctlogs": [ct_log(&core.fulcio.ct.first, &ct)],
        "timestampAuthorities": [authority(super::tsa::TSA_ROOT, &urls.tsa, &core.tsa.chain(), &tsa)],
    })
}

fn second(core: &Core, urls: &Urls, window: &Value) -> [(&'static str, Value); 4] {
    let chain = core.fulcio.ca.second_chain();
    [
        ("tlogs", log(&core.second_rekor, window)),
        ("certificateAuthorities", authority(ca::FULCIO_ROOT, &urls.fulcio, &chain, window)),
        ("ctlogs", ct_log(&core.fulcio.ct.second, window)),
        ("timestampAuthorities", authority(super::tsa::TSA_ROOT, &urls.tsa, &core.second_tsa.chain(), window)),
    ]
}

fn log(rekor: &Rekor, valid_for: &Value) -> Value {
    json!({
        // The host must be the log's origin: clients derive one from the other. It need not resolve.
        "baseUrl": format!("http://{}", rekor.origin()),
        "hashAlgorithm": "SHA2_256",
        "publicKey": key(&rekor.public_key(), "PKIX_ED25519", valid_for),
        "logId": {"keyId": STANDARD.encode(rekor.id())},
    })
}

fn ct_log(ct: &CtLog, valid_for: &Value) -> Value {
    json!({
        "baseUrl": "http://ct.sandbox",
        "hashAlgorithm": "SHA2_256",
        "publicKey": key(&ct.public_key(), "PKIX_ECDSA_P256_SHA_256", valid_for),
        "logId": {"keyId": STANDARD.encode(ct.id())},
    })
}

fn authority(common_name: &str, uri: &str, certificates: &[Vec<u8>], valid_for: &Value) -> Value {
    json!({
        "subject": subject(common_name),
        "uri": uri,
        "certChain": chain(certificates),
        "validFor": valid_for,
    })
}

pub(super) fn signing_config(urls: &Urls, rekor_versions: &[u32]) -> Value {
    let since = clock::rfc3339(clock::shift(SystemTime::now(), -ca::CA_AGE_SECONDS));
    let one_of = |url: &str, version: u32| json!({"url": url, "majorApiVersion": version, "validFor": {"start": since}, "operator": "sandbox"});
    let service = |url: &str, version: u32| json!([one_of(url, version)]);
    let logs: Vec<Value> = rekor_versions.iter().map(|version| one_of(&urls.rekor, *version)).collect();
    let one = json!({"selector": "EXACT", "count": 1});
    json!({
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": service(&urls.fulcio, 1),
        "oidcUrls": service(&urls.oidc, 1),
        "rekorTlogUrls": logs,
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
