//! A person's identity: the authorization code flow with PKCE (RFC 7636) and state, by `sigstore-oidc`.
//!
//! The browser comes back to a loopback port; without a browser the person copies a code. The token is kept for the run:
//! a gate that asks twice for a login would be answered without thought. The code and the token go to the issuer's own
//! endpoints only, and redirects are not followed.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sigstore_oidc::oauth::{AuthCallback, AuthMode, OAuthClient, OAuthConfig};
use sigstore_oidc::templates::{DefaultTemplates, HtmlTemplates};
use tokio::sync::Mutex;

use crate::sigstore::{Service, SigstoreError};

/// Talks to the person in front of the terminal.
pub trait Person: Send + Sync + fmt::Debug {
    /// Shows where to log in; `opened` says whether a browser was opened there.
    fn log_in_at(&self, url: &str, opened: bool);

    /// Reads the code that the page shows where no browser could be opened.
    fn read_code(&self) -> std::io::Result<SecretString>;
}

/// The login of one run. Clones share it.
#[derive(Clone)]
pub struct Browser {
    issuer: String,
    person: Arc<dyn Person>,
    token: Arc<Mutex<Option<SecretString>>>,
}

impl Browser {
    /// `issuer` serves `/auth` and `/token` below it, as Sigstore's Dex does.
    #[must_use]
    pub fn new(issuer: &str, person: Arc<dyn Person>) -> Self {
        Self { issuer: issuer.to_owned(), person, token: Arc::default() }
    }

    /// The token of this run's login if `usable` says so, else that of a new one.
    pub(super) async fn token(
        &self,
        http: &reqwest::Client,
        usable: impl Fn(&SecretString) -> bool,
    ) -> Result<SecretString, SigstoreError> {
        let mut kept = self.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| usable(token)) {
            return Ok(token.clone());
        }
        let client = OAuthClient::with_http_client(OAuthConfig::dex(&self.issuer), http.clone());
        let token = client.authenticate(Callback(self.person.as_ref())).await;
        let token = token.map_err(|e| SigstoreError::Unavailable { service: Service::Oidc, why: e.to_string() })?;
        let token = SecretString::from(token.expose_secret().to_owned());
        *kept = Some(token.clone());
        Ok(token)
    }
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// The person, as the library calls them.
struct Callback<'a>(&'a dyn Person);

impl HtmlTemplates for Callback<'_> {
    fn success_html(&self) -> &str {
        DefaultTemplates.success_html()
    }

    fn error_html(&self, error: &str) -> String {
        DefaultTemplates.error_html(error)
    }
}

impl AuthCallback for Callback<'_> {
    fn auth_url_ready(&self, url: &str, mode: AuthMode) {
        self.0.log_in_at(url, mode == AuthMode::BrowserRedirect);
    }

    fn prompt_for_code(&self) -> std::io::Result<sigstore_oidc::SecretString> {
        let code = self.0.read_code()?;
        Ok(sigstore_oidc::SecretString::new(code.expose_secret().trim()))
    }
}

#[cfg(test)]
#[path = "browser_tests.rs"]
mod tests;
