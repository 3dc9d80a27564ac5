//! A small Sigstore over loopback HTTP, true to the protocols: token issuers, Fulcio with a CT log, Rekor v2 and v1, a timestamp
//! authority, and the two documents that point clients at them. Written against the specifications with `RustCrypto`, not
//! with any Sigstore client library, so that it can disagree with one. Every part also works without HTTP
//! ([`Sigstore::issue`], [`Sigstore::sign_bundle`]) and can be told to misbehave ([`Faults`], the `…Options` types).

mod bundle;
mod ca;
mod certificate;
mod checkpoint;
mod clock;
mod ct;
mod entry;
mod entry_v1;
mod faults;
mod fulcio;
mod identity;
mod jwt;
mod key;
mod merkle;
mod oidc;
mod rekor;
mod rekor_v1;
mod request_log;
mod server;
mod tiles;
mod trust_root;
mod tsa;

pub use bundle::{BUNDLE_V03, BundleOptions};
pub use ca::Issued;
pub use certificate::{Authority, CertificateOptions, Sct, extension, fulcio_extension};
pub use faults::{Effect, Fault, Faults, Service, When};
pub use identity::{Claims, San};
pub use key::EcKey;
pub use rekor::LogOptions;
pub use rekor_v1::{KindV1, LogV1Options, Promise};
pub use request_log::{Request, RequestLog};
pub use trust_root::{Which, Window, Windows};
pub use tsa::{TimestampOptions, TsaOptions};

use anyhow::{Context as _, Result};
use ca::Ca;
use ct::CtLogs;
use fulcio::Fulcio;
use identity::Identity;
use oidc::Oidc;
use rekor::Rekor;
use rekor_v1::RekorV1;
use serde_json::Value;
use server::{Port, Shared};
use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::task::JoinHandle;
use tsa::Tsa;

/// How to start; the default is a log that publishes at once and nothing expired.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log's host name: checkpoint origin, and host of its `baseUrl` in the trust root.
    pub rekor_origin: String,
    /// Entries submitted within one interval are published together at its end; the real log has one second.
    pub publication_interval: Duration,
    /// Seconds from now at which the intermediate CA expires (negative: it has); `None`: in ten years.
    pub intermediate_ends: Option<i64>,
    /// When the trust root says that each service may be believed.
    pub windows: Windows,
    /// The versions of Rekor's API that the signing configuration offers: 2, 1 or both. Both are always served.
    pub rekor_versions: Vec<u32>,
    /// The timestamp authority's certificate.
    pub tsa: TsaOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rekor_origin: "rekor.sandbox".to_owned(),
            publication_interval: Duration::ZERO,
            intermediate_ends: None,
            windows: Windows::default(),
            rekor_versions: vec![2, 1],
            tsa: TsaOptions::default(),
        }
    }
}

/// Where the services listen, as clients are told.
#[derive(Clone, Debug)]
pub struct Urls {
    /// The e-mail issuer; the GitHub-Actions-like one is below it at `/ci`.
    pub oidc: String,
    pub fulcio: String,
    pub rekor: String,
    /// With the path of the timestamp endpoint.
    pub tsa: String,
}

/// The services' keys and state.
#[derive(Debug)]
struct Core {
    oidc: Arc<Oidc>,
    fulcio: Arc<Fulcio>,
    rekor: Arc<Rekor>,
    second_rekor: Rekor,
    rekor_v1: Arc<RekorV1>,
    tsa: Arc<Tsa>,
    second_tsa: Tsa,
}

impl Core {
    fn rekor(&self, which: Which) -> &Rekor {
        match which {
            Which::First => &self.rekor,
            Which::Second => &self.second_rekor,
        }
    }

    fn tsa(&self, which: Which) -> &Tsa {
        match which {
            Which::First => &self.tsa,
            Which::Second => &self.second_tsa,
        }
    }
}

/// A running Sigstore; dropped means stopped.
#[derive(Debug)]
pub struct Sigstore {
    core: Core,
    urls: Urls,
    options: Options,
    shared: Shared,
    servers: Vec<JoinHandle<()>>,
}

impl Sigstore {
    /// Make keys, bind four ports on 127.0.0.1 and serve. Needs a tokio runtime.
    pub async fn start(options: Options) -> Result<Self> {
        let (oidc_port, fulcio_port) = (Port::bind().await?, Port::bind().await?);
        let (rekor_port, tsa_port) = (Port::bind().await?, Port::bind().await?);
        let urls = Urls {
            oidc: oidc_port.url.clone(),
            fulcio: fulcio_port.url.clone(),
            rekor: rekor_port.url.clone(),
            tsa: format!("{}/api/v1/timestamp", tsa_port.url),
        };
        let oidc = Arc::new(Oidc::new(&urls.oidc));
        let ca = Ca::generate(options.intermediate_ends)?;
        let core = Core {
            fulcio: Arc::new(Fulcio { ca, ct: CtLogs::generate(), oidc: Arc::clone(&oidc) }),
            oidc,
            rekor: Arc::new(Rekor::generate(&options.rekor_origin, options.publication_interval)),
            second_rekor: Rekor::generate(&format!("second.{}", options.rekor_origin), options.publication_interval),
            rekor_v1: Arc::new(RekorV1::generate(&format!("v1.{}", options.rekor_origin))),
            tsa: Arc::new(Tsa::generate(&options.tsa)?),
            second_tsa: Tsa::generate(&TsaOptions::default())?,
        };
        let shared = Shared::default();
        let servers = vec![
            oidc_port.serve(Service::Oidc, oidc::routes(Arc::clone(&core.oidc)), shared.clone()),
            fulcio_port.serve(Service::Fulcio, fulcio::routes(Arc::clone(&core.fulcio)), shared.clone()),
            rekor_port.serve(
                Service::Rekor,
                rekor::routes(Arc::clone(&core.rekor)).merge(rekor_v1::routes(Arc::clone(&core.rekor_v1))),
                shared.clone(),
            ),
            tsa_port.serve(Service::Tsa, tsa::routes(Arc::clone(&core.tsa)), shared.clone()),
        ];
        Ok(Self { core, urls, options, shared, servers })
    }

    pub fn urls(&self) -> &Urls {
        &self.urls
    }

    /// The issuer of [`Sigstore::email_token`].
    pub fn email_issuer(&self) -> &str {
        &self.core.oidc.email.url
    }

    /// The issuer of [`Sigstore::ci_token`].
    pub fn ci_issuer(&self) -> &str {
        &self.core.oidc.ci.url
    }

    /// The switches.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// What arrived so far.
    pub fn log(&self) -> &RequestLog {
        &self.shared.log
    }

    /// How many entries the log has published.
    pub fn rekor_size(&self) -> usize {
        self.core.rekor.size()
    }

    pub fn trusted_root_json(&self) -> String {
        pretty(&trust_root::trusted_root(&self.core, &self.urls, &self.options.windows))
    }

    pub fn signing_config_json(&self) -> String {
        pretty(&trust_root::signing_config(&self.urls, &self.options.rekor_versions))
    }

    /// Write `trusted_root.json` and `signing_config.json` into an existing folder.
    pub fn write_files(&self, folder: &Path) -> Result<()> {
        for (name, text) in
            [("trusted_root.json", self.trusted_root_json()), ("signing_config.json", self.signing_config_json())]
        {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// A token for a verified e-mail address.
    pub fn email_token(&self, email: &str) -> String {
        self.core.oidc.email.token(&[("email", email)])
    }

    /// A GitHub-Actions-like token; each pair replaces a claim, an empty value removes it, `ttl` sets the lifetime.
    pub fn ci_token(&self, claims: &[(&str, &str)]) -> String {
        self.core.oidc.ci.token(claims)
    }

    /// An e-mail token that ended a minute ago.
    pub fn expired_token(&self) -> String {
        self.core.oidc.email.token(&[("ttl", "-60")])
    }

    /// The claims of [`Sigstore::email_token`], for [`Sigstore::issue`].
    pub fn email_claims(&self, email: &str) -> Claims {
        self.core.oidc.email.claims(&[("email", email)])
    }

    /// The claims of [`Sigstore::ci_token`].
    pub fn ci_claims(&self, claims: &[(&str, &str)]) -> Claims {
        self.core.oidc.ci.claims(claims)
    }

    /// The environment of a GitHub job with `id-token: write`: where to fetch a token with `claims`, and the secret.
    pub fn actions_environment(&self, claims: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let mut url = format!("{}/actions/token?api-version=2.0", self.urls.oidc);
        for (name, value) in claims {
            url.push_str(&format!("&{}={}", percent(name), percent(value)));
        }
        vec![
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", url),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", self.core.oidc.request_token.clone()),
        ]
    }

    /// Issue a certificate for a fresh key, without a request and without checking the claims' dates.
    pub fn issue(&self, claims: &Claims, options: &CertificateOptions) -> Result<(EcKey, Issued)> {
        let issuer = self.core.oidc.issuer(claims.get("iss").and_then(Value::as_str).unwrap_or_default())?;
        let identity = Identity::from_claims(claims, issuer.kind)?;
        let key = EcKey::generate();
        let issued = self.core.fulcio.ca.issue(&identity, &key.spki(), &self.core.fulcio.ct, options)?;
        Ok((key, issued))
    }

    /// A DSSE bundle over `statement`, the exact payload, as JSON.
    pub fn sign_bundle(
        &self,
        statement: &[u8],
        claims: &Claims,
        certificate: &CertificateOptions,
        bundle: &BundleOptions,
    ) -> Result<String> {
        let (key, issued) = self.issue(claims, certificate)?;
        self.sign_bundle_with(statement, &key, &issued, bundle)
    }

    /// [`Sigstore::sign_bundle`] with a key and certificate at hand, which need not belong together.
    pub fn sign_bundle_with(
        &self,
        statement: &[u8],
        key: &EcKey,
        certificate: &Issued,
        bundle: &BundleOptions,
    ) -> Result<String> {
        Ok(bundle::dsse(&self.core, statement, key, certificate, bundle)?.to_string())
    }

    /// A blob's bundle with a message signature, as JSON.
    pub fn sign_blob(
        &self,
        blob: &[u8],
        claims: &Claims,
        certificate: &CertificateOptions,
        bundle: &BundleOptions,
    ) -> Result<String> {
        let (key, issued) = self.issue(claims, certificate)?;
        Ok(bundle::message_signature(&self.core, blob, &key, &issued, bundle)?.to_string())
    }
}

impl Drop for Sigstore {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for server in &self.servers {
            server.abort();
        }
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
