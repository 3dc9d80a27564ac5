//! The `reqwest` clients: one for everybody, one more per registry with its own certificate authority.
//!
//! Redirects are off (see `redirect`). Proxies come from the environment; loopback is never proxied, whatever
//! `NO_PROXY` says, because a proxy could not reach it and would see what we send.

use std::collections::BTreeMap;

use reqwest::Client;
use reqwest::redirect::Policy;
use url::Url;

use crate::causes::innermost;
use crate::registry::http::endpoint::is_loopback;
use crate::registry::http::limits::CONNECT_TIMEOUT;
use crate::registry::http::options::{HttpOptions, HttpSetupError};

#[derive(Debug)]
pub(super) struct Clients {
    direct: Client,
    general: Client,
    by_registry: BTreeMap<String, Client>,
}

impl Clients {
    pub(super) fn new(options: &HttpOptions) -> Result<Self, HttpSetupError> {
        let failed = |why: reqwest::Error| HttpSetupError::Client { why: innermost(&why) };
        let builder = || {
            Client::builder()
                .redirect(Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .user_agent(&options.user_agent)
                // Clients with fresh caches are made per step; idle connections of old ones need not linger.
                .pool_idle_timeout(std::time::Duration::from_secs(20))
        };
        let direct = builder().no_proxy().build().map_err(failed)?;
        let general = builder().build().map_err(failed)?;
        let mut by_registry = BTreeMap::new();
        for (registry, pem) in &options.extra_ca {
            let refuse = |why: String| HttpSetupError::CertificateAuthority { registry: registry.clone(), why };
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|why| refuse(innermost(&why)))?;
            if certificates.is_empty() {
                return Err(refuse("no certificate in it".to_owned()));
            }
            let client = builder().tls_certs_merge(certificates).build().map_err(|why| refuse(innermost(&why)))?;
            by_registry.insert(registry.clone(), client);
        }
        Ok(Self { direct, general, by_registry })
    }

    /// The client for an address that `registry` led us to.
    pub(super) fn client(&self, registry: &str, url: &Url) -> &Client {
        if is_loopback(url) {
            return &self.direct;
        }
        self.by_registry.get(registry).unwrap_or(&self.general)
    }
}
