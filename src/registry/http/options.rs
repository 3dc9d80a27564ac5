//! What a caller decides about an [`HttpRegistry`](super::HttpRegistry): credentials, exceptions per host, limits.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::registry::StopSignal;
use crate::registry::http::credentials::CredentialOptions;
use crate::registry::http::limits::RETRY_BUDGET;
use crate::registry::http::warning::Warnings;

/// Nothing here is read from the environment, except that `reqwest` honours `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    pub credentials: CredentialOptions,
    /// Registries (`host` or `host:port`, as in a repository) to speak to without TLS. Loopback always is.
    pub plain_http: Vec<String>,
    /// Per registry the one foreign origin that may ask for its credentials (`registries.<host>.realm`).
    pub realms: BTreeMap<String, Url>,
    /// Per registry certificate authorities in PEM, beside the system's (`registries.<host>.ca`).
    pub extra_ca: BTreeMap<String, Vec<u8>>,
    /// From sending a request to its answer's headers, and the longest silence while reading a body. Uploads get more,
    /// by their size.
    pub request_timeout: Duration,
    /// One method of the port with all its retries, pages and tokens; blob streams only up to their first byte.
    pub deadline: Duration,
    pub user_agent: String,
    /// Once requested, no further request is begun; each ends as unavailable.
    pub stop: StopSignal,
    /// Where `Warning` headers are kept; each text is logged once for all clients that share it.
    pub warnings: Warnings,
    /// Requests under way at once per registry. GHCR answered 429 to twelve parallel index writes.
    pub reads_per_host: usize,
    pub writes_per_host: usize,
    /// Repetitions of failed requests in the life of the client, all registries together.
    pub retries: u32,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            credentials: CredentialOptions::default(),
            plain_http: Vec::new(),
            realms: BTreeMap::new(),
            extra_ca: BTreeMap::new(),
            request_timeout: Duration::from_secs(30),
            deadline: Duration::from_secs(60),
            user_agent: concat!("countersign/", env!("CARGO_PKG_VERSION")).to_owned(),
            stop: StopSignal::default(),
            warnings: Warnings::default(),
            reads_per_host: 8,
            writes_per_host: 4,
            retries: RETRY_BUDGET,
        }
    }
}

/// Why no client could be built from the options.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    #[error("certificate authority of registry {registry}: {why}")]
    CertificateAuthority { registry: String, why: String },
    #[error("realm of registry {registry} is {realm}: expected an https address")]
    Realm { registry: String, realm: String },
    #[error("http client: {why}")]
    Client { why: String },
}
