//! Which services to sign with, from a Sigstore `signing_config.json` v0.2, and the client to reach them.

use std::path::Path;
use std::time::Duration;

use sigstore_rekor::RekorApiVersion;
use sigstore_sign::SigningServices;
use sigstore_trust_root::SigningConfig;

use crate::sigstore::SigstoreError;

/// One request. Rekor v2 answers only when the entry is in a published checkpoint, which may take some seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest signing configuration we read; the public one has 2 kB.
const MAX_SIGNING_CONFIG_BYTES: usize = 1024 * 1024;

/// The chosen endpoints: the first Fulcio, the highest Rekor version offered, a timestamp authority.
#[derive(Debug, Clone)]
pub struct Services {
    pub(super) chosen: SigningServices,
    /// For cosign's older layout, whatever version the rest uses.
    rekor_v1: Option<String>,
}

impl Services {
    /// Reads a signing configuration. Only services whose validity covers today are chosen; a configuration that asks for
    /// several logs or authorities at once is refused, never served with fewer.
    pub fn from_json(bytes: &[u8]) -> Result<Self, SigstoreError> {
        let refuse = |why: String| SigstoreError::SigningConfig { why };
        if bytes.len() > MAX_SIGNING_CONFIG_BYTES {
            return Err(refuse(format!("{} bytes, at most {MAX_SIGNING_CONFIG_BYTES} are read", bytes.len())));
        }
        let text = std::str::from_utf8(bytes).map_err(|e| refuse(e.to_string()))?;
        let config = SigningConfig::from_json(text).map_err(|e| refuse(e.to_string()))?;
        let chosen = SigningServices::from_signing_config(&config).map_err(|e| refuse(e.to_string()))?;
        let v1 = SigningServices::from_signing_config_with_rekor_version(&config, Some(RekorApiVersion::V1));
        Ok(Self { chosen, rekor_v1: v1.ok().map(|v1| v1.rekor_url().to_owned()) })
    }

    pub fn from_file(path: &Path) -> Result<Self, SigstoreError> {
        let bytes = std::fs::read(path)
            .map_err(|e| SigstoreError::File { path: path.display().to_string(), why: e.to_string() })?;
        Self::from_json(&bytes)
    }

    #[must_use]
    pub fn fulcio_url(&self) -> &str {
        self.chosen.fulcio_url()
    }

    #[must_use]
    pub fn rekor_url(&self) -> &str {
        self.chosen.rekor_url()
    }

    /// The log of API version 1, where one is offered.
    #[must_use]
    pub fn rekor_v1_url(&self) -> Option<&str> {
        self.rekor_v1.as_deref()
    }

    /// The issuer where people log in.
    #[must_use]
    pub fn oidc_url(&self) -> Option<&str> {
        self.chosen.oidc_url()
    }

    #[must_use]
    pub fn tsa_url(&self) -> Option<&str> {
        self.chosen.tsa_url()
    }
}

/// A client that follows no redirect: the identity token must not travel along one.
pub fn http_client() -> Result<reqwest::Client, SigstoreError> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(REQUEST_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| SigstoreError::SigningConfig { why: format!("HTTP client: {e}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigstore::SigstoreErrorKind;

    #[test]
    fn a_signing_configuration_must_be_v0_2_and_complete() {
        for bad in ["", "{}", r#"{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}"#] {
            assert_eq!(Services::from_json(bad.as_bytes()).unwrap_err().kind(), SigstoreErrorKind::Configuration);
        }
    }
}
