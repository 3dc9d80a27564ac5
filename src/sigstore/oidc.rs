//! Identity tokens: where they come from, and what may be read from them before Fulcio has judged them.
//!
//! The claims are peeked at, not verified: for expiry, and for whether the git context agrees. A token is fetched fresh for
//! each use, held in memory that is wiped, never printed, and sent to Fulcio only.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sigstore_oidc::IdentityToken;
use tokio::time::Instant;
use url::Url;

use crate::sigstore::retry::{Attempt, excerpt, is_transient, until};
use crate::sigstore::{Browser, Service, SigstoreError};

/// Largest token, and answer carrying one, that we read; GitHub's are about 2 kB.
const MAX_TOKEN_BYTES: u64 = 64 * 1024;
/// A token that ends sooner than this will not live through the request to Fulcio.
const MIN_LIFETIME: SignedDuration = SignedDuration::from_secs(5);
/// The audience Fulcio expects.
const AUDIENCE: &str = "sigstore";

/// Where the token comes from. The environment is read by `config`, and its values are handed in.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// A file, read anew for each use: projected tokens are rotated.
    File(PathBuf),
    /// The value of `SIGSTORE_ID_TOKEN`.
    Value(SecretString),
    /// GitHub Actions: `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    GitHub { request_url: Url, request_token: SecretString },
    /// A person at a terminal.
    Browser(Browser),
    /// Nothing was found.
    None,
}

impl TokenSource {
    /// Fetches a fresh token, until `deadline`; a person may take longer.
    pub async fn fetch(
        &self,
        http: &reqwest::Client,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<WorkloadToken, SigstoreError> {
        match self {
            Self::File(path) => {
                let unreadable =
                    |e: std::io::Error| SigstoreError::File { path: path.display().to_string(), why: e.to_string() };
                let mut text = String::new();
                let file = std::fs::File::open(path).map_err(unreadable)?;
                file.take(MAX_TOKEN_BYTES).read_to_string(&mut text).map_err(unreadable)?;
                WorkloadToken::parse(&SecretString::from(text), "file")
            }
            Self::Value(value) => WorkloadToken::parse(value, "SIGSTORE_ID_TOKEN"),
            Self::GitHub { request_url, request_token } => {
                let url = github_url(request_url)?;
                let attempt = || ask_github(http, &url, request_token);
                let token = until(deadline, Service::Oidc, attempt).await?;
                WorkloadToken::parse(&token, "GitHub Actions")
            }
            Self::Browser(browser) => {
                let usable = |token: &SecretString| {
                    WorkloadToken::parse(token, BROWSER).is_ok_and(|token| token.check_fresh(now).is_ok())
                };
                let token = browser.token(http, usable).await?;
                WorkloadToken::parse(&token, BROWSER)
            }
            Self::None => Err(SigstoreError::NoToken),
        }
    }
}

const BROWSER: &str = "browser login";

/// The request token is a credential: over TLS only, except on this machine.
fn github_url(request_url: &Url) -> Result<Url, SigstoreError> {
    let loopback = match request_url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if request_url.scheme() != "https" && !loopback {
        let why = "ACTIONS_ID_TOKEN_REQUEST_URL is not https".to_owned();
        return Err(SigstoreError::TokenMalformed { origin: "GitHub Actions", why });
    }
    let mut url = request_url.clone();
    url.query_pairs_mut().append_pair("audience", AUDIENCE);
    Ok(url)
}

async fn ask_github(http: &reqwest::Client, url: &Url, request_token: &SecretString) -> Attempt<SecretString> {
    let secret = request_token.expose_secret();
    let service = Service::Oidc;
    // The URL may carry a secret in its query: errors must not repeat it.
    let failed = |e: reqwest::Error| {
        Attempt::Again(SigstoreError::Unavailable { service, why: excerpt(&e.without_url().to_string(), secret) })
    };
    let mut response = match http.get(url.clone()).bearer_auth(secret).send().await {
        Ok(response) => response,
        Err(e) => return failed(e),
    };
    let status = response.status().as_u16();
    if !response.status().is_success() {
        let why = "no token was given".to_owned();
        if is_transient(status) {
            return Attempt::Again(SigstoreError::Unavailable { service, why: format!("HTTP {status}") });
        }
        return Attempt::Failed(SigstoreError::Unauthorized { service, status, why });
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 <= MAX_TOKEN_BYTES => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Ok(Some(_)) => {
                let why = format!("an answer of more than {MAX_TOKEN_BYTES} bytes");
                return Attempt::Failed(SigstoreError::Unavailable { service, why });
            }
            Err(e) => return failed(e),
        }
    }
    #[derive(Deserialize)]
    struct Answer {
        value: String,
    }
    match serde_json::from_slice::<Answer>(&body) {
        Ok(answer) => Attempt::Done(SecretString::from(answer.value)),
        Err(_) => Attempt::Failed(SigstoreError::Unavailable { service, why: "an answer without a token".to_owned() }),
    }
}

/// A token, with the claims that may be looked at.
#[derive(Clone)]
pub struct WorkloadToken {
    token: IdentityToken,
    git: GitClaims,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct GitClaims {
    /// GitHub: the full ref. GitLab: the short name, with the full one in `ref_path`.
    r#ref: Option<String>,
    ref_path: Option<String>,
    sha: Option<String>,
    /// GitHub: `public`, `private` or `internal`.
    repository_visibility: Option<String>,
}

/// The token was issued for another commit or ref than this run says it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the identity token's {claim}: expected {expected}, found {found}")]
pub struct ClaimMismatch {
    pub claim: &'static str,
    pub expected: String,
    pub found: String,
}

impl WorkloadToken {
    fn parse(secret: &SecretString, origin: &'static str) -> Result<Self, SigstoreError> {
        // The parser's own texts may quote the token.
        let malformed = |why: &str| SigstoreError::TokenMalformed { origin, why: why.to_owned() };
        let text = secret.expose_secret().trim();
        let token = IdentityToken::from_jwt(text).map_err(|_| malformed("expected a JWT with iss, sub and exp"))?;
        let payload = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let git = payload.and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default();
        Ok(Self { token, git })
    }

    /// Refuses a token that ends before it can be used.
    pub fn check_fresh(&self, now: Timestamp) -> Result<(), SigstoreError> {
        let expired_at = self.token.expiration();
        if expired_at.duration_since(now) < MIN_LIFETIME {
            return Err(SigstoreError::TokenExpired { expired_at, now });
        }
        Ok(())
    }

    #[must_use]
    pub fn issuer(&self) -> &str {
        self.token.issuer()
    }

    /// The git ref the token was issued for; a person's token has none.
    #[must_use]
    pub fn git_ref(&self) -> Option<&str> {
        self.git.ref_path.as_deref().or(self.git.r#ref.as_deref())
    }

    #[must_use]
    pub fn sha(&self) -> Option<&str> {
        self.git.sha.as_deref()
    }

    /// Was it issued to a run of a repository that not everybody may see?
    #[must_use]
    pub fn is_private_repository(&self) -> bool {
        self.git.repository_visibility.as_deref().is_some_and(|visibility| visibility != "public")
    }

    /// Where the token names a ref or commit, it must be this one.
    pub fn agrees_with(&self, git_ref: Option<&str>, sha: Option<&str>) -> Result<(), ClaimMismatch> {
        for (claim, expected, found) in [("ref", git_ref, self.git_ref()), ("sha", sha, self.sha())] {
            if let (Some(expected), Some(found)) = (expected, found)
                && expected != found
            {
                let (expected, found) = (expected.to_owned(), found.chars().take(200).collect());
                return Err(ClaimMismatch { claim, expected, found });
            }
        }
        Ok(())
    }

    pub(super) fn inner(&self) -> &IdentityToken {
        &self.token
    }
}

impl fmt::Debug for WorkloadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkloadToken").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigstore::SigstoreErrorKind;

    fn token(claims: &serde_json::Value) -> Result<WorkloadToken, SigstoreError> {
        let text = format!("e30.{}.c2ln\n", URL_SAFE_NO_PAD.encode(claims.to_string()));
        WorkloadToken::parse(&SecretString::from(text), "test")
    }

    #[test]
    fn an_expired_token_is_told_apart_before_it_is_used() {
        let claims = serde_json::json!({"iss": "https://i", "sub": "s", "exp": 1_700_000_000});
        let token = token(&claims).unwrap();
        assert!(token.check_fresh("2023-11-14T22:00:00Z".parse().unwrap()).is_ok());
        let error = token.check_fresh("2023-11-14T22:13:18Z".parse().unwrap()).unwrap_err();
        assert!(matches!(error, SigstoreError::TokenExpired { .. }));
        assert_eq!(error.kind(), SigstoreErrorKind::Unauthorized);
    }

    #[test]
    fn the_git_context_must_agree_with_the_claims_where_there_are_any() {
        let git = serde_json::json!({"iss": "https://i", "sub": "s", "exp": 1, "ref": "refs/tags/v1", "sha": "abc"});
        let token = token(&git).unwrap();
        assert_eq!(token.agrees_with(Some("refs/tags/v1"), Some("abc")), Ok(()));
        assert_eq!(token.agrees_with(None, None), Ok(()));
        assert_eq!(token.agrees_with(Some("refs/tags/v2"), None).unwrap_err().claim, "ref");
        assert_eq!(token.agrees_with(None, Some("abd")).unwrap_err().claim, "sha");
    }

    #[test]
    fn a_gitlab_token_is_compared_by_its_full_ref() {
        let claims =
            serde_json::json!({"iss": "https://i", "sub": "s", "exp": 1, "ref": "main", "ref_path": "refs/heads/main"});
        assert_eq!(token(&claims).unwrap().agrees_with(Some("refs/heads/main"), None), Ok(()));
    }

    #[test]
    fn what_is_no_token_is_not_repeated_in_the_error() {
        for secret in ["s3cret", "a.s3cret.c", "", "a.e30.c"] {
            let error = WorkloadToken::parse(&SecretString::from(secret), "test").unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        let claims = serde_json::json!({"iss": "https://i", "sub": "s3cret", "exp": 1});
        assert!(!format!("{:?}", token(&claims).unwrap()).contains("s3cret"));
    }

    #[test]
    fn the_request_token_goes_over_tls_only() {
        let url = |text: &str| github_url(&text.parse().unwrap()).map(|url| url.to_string());
        assert_eq!(url("https://h/x?a=b").unwrap(), "https://h/x?a=b&audience=sigstore");
        assert!(url("http://127.0.0.1:1/x").is_ok() && url("http://h/x").is_err());
    }
}
