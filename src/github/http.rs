//! GitHub's REST API over HTTP: GET requests, bounded and retried, with the token kept on its own origin.
//!
//! The token goes to the origin of the configured API, and neither along a redirect to another origin nor to the address of
//! a stored bundle, which is pre-signed on a foreign host. Redirects within the origin are followed: GitHub answers so for
//! renamed repositories. 403 is a rate limit where GitHub says so
//! (<https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>).

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use crate::causes::innermost;
use crate::evidence::MAX_BUNDLE_BYTES;
use crate::github::attestations::{self, Entry};
use crate::github::{ErrorKind, GitHub, GitHubError, MAX_ATTESTATIONS, Relation};
use crate::identity::GitHubRepository;
use crate::oci::Digest;
use crate::promotion::Commit;
use crate::registry::{Pages, is_loopback};

/// The API of github.com.
pub const PUBLIC_API: &str = "https://api.github.com";

/// The version of the API whose answers these are.
const API_VERSION: &str = "2022-11-28";
/// As `gh attestation verify` asks: attestations of other types are not read. What a server that ignores this adds does no harm.
const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// Entries of one page, GitHub's own default: pages with inline bundles stay within [`MAX_PAGE_BYTES`].
const PER_PAGE: &str = "30";
/// One page: thirty inline bundles of `actions/attest-build-provenance` have about 0.4 MB; SBOM attestations may have 16 MB
/// each, but are not asked for.
const MAX_PAGE_BYTES: u64 = 16 * 1024 * 1024;
/// A comparison lists commits and files; of those only one entry is asked for, and files come with patches.
const MAX_COMPARISON_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of an error answer that are looked at.
const MAX_ERROR_BYTES: u64 = 16 * 1024;
/// A renamed repository in a renamed organisation takes two.
const MAX_REDIRECTS: usize = 3;
/// Attempts of one request, as `gh` makes them.
const MAX_ATTEMPTS: u32 = 4;
/// Pauses between attempts start here and double.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// GitHub's limits last minutes to an hour; what is longer than this is reported instead of waited for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);
/// TCP and TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// One request with its retries, without `--timeout`.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);
/// Stored bundles that are fetched at once.
const PARALLEL: usize = 4;
/// All bundles of one answer together: a hundred of `actions/attest-build-provenance` have 1.5 MB. Beyond this they are
/// *unknown*, so that memory stays bounded.
const MAX_BUNDLES_BYTES: u64 = 32 * 1024 * 1024;

/// Why no client could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitHubSetupError {
    #[error("the address of GitHub's API: expected an https URL without query, found {found:?}")]
    Address { found: String },
    #[error("the GitHub token is no header value")]
    Token,
    #[error("no HTTP client: {why}")]
    Client { why: String },
}

/// The API at one address, with the token for it, if any.
#[derive(Debug)]
pub struct HttpGitHub {
    api: Url,
    token: Option<HeaderValue>,
    client: Client,
    deadline: Duration,
}

/// What was answered with a status that is no failure.
struct Answer {
    headers: HeaderMap,
    body: Vec<u8>,
}

/// How one attempt ended badly.
struct Trouble {
    kind: ErrorKind,
    message: String,
    /// Worth trying again, after this pause or our own.
    again: Option<Option<Duration>>,
}

impl HttpGitHub {
    /// `api` is encrypted or on this machine, because the token goes there.
    pub fn new(api: &str, token: Option<&SecretString>, deadline: Option<Duration>) -> Result<Self, GitHubSetupError> {
        let refuse = || GitHubSetupError::Address { found: api.chars().take(200).collect() };
        let url = Url::parse(api.trim_end_matches('/')).map_err(|_| refuse())?;
        let plain = url.query().is_some() || url.fragment().is_some() || !url.username().is_empty();
        if plain || !(url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url))) {
            return Err(refuse());
        }
        let token = token.map(|token| {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
            value.map_err(|_| GitHubSetupError::Token).map(|mut value| {
                value.set_sensitive(true);
                value
            })
        });
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&url) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| GitHubSetupError::Client { why: innermost(&e) })?;
        Ok(Self { api: url, token: token.transpose()?, client, deadline: deadline.unwrap_or(DEFAULT_DEADLINE) })
    }

    fn url(&self, repository: &GitHubRepository, rest: &str) -> Result<Url, GitHubError> {
        let address = format!("{}/repos/{}/{rest}", self.api.as_str().trim_end_matches('/'), repository.name());
        Url::parse(&address).map_err(|e| GitHubError {
            kind: ErrorKind::Malformed,
            subject: address.clone(),
            message: e.to_string(),
        })
    }

    /// `Ok(None)`: 404.
    async fn get(&self, url: &Url, max: u64, token: Option<&HeaderValue>) -> Result<Option<Answer>, GitHubError> {
        let error =
            |trouble: Trouble| GitHubError { kind: trouble.kind, subject: shown(url), message: trouble.message };
        let deadline = Instant::now() + self.deadline;
        let mut pause = FIRST_PAUSE;
        let mut last = Trouble::unavailable("no answer in time");
        for _ in 0..MAX_ATTEMPTS {
            let attempt = timeout_at(deadline, self.attempt(url, max, token)).await;
            last = match attempt {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(trouble)) => trouble,
                Err(_) => break,
            };
            let Some(asked) = last.again else { break };
            let wait = asked.unwrap_or(pause);
            if wait > MAX_RETRY_AFTER || Instant::now() + wait >= deadline {
                break;
            }
            sleep(wait).await;
            pause *= 2;
        }
        Err(error(last))
    }

    async fn attempt(&self, url: &Url, max: u64, token: Option<&HeaderValue>) -> Result<Option<Answer>, Trouble> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.client.get(url.clone()).header("x-github-api-version", API_VERSION);
            if let Some(token) = token {
                request = request.header(header::AUTHORIZATION, token.clone());
            }
            let accept = request.header(header::ACCEPT, "application/vnd.github+json");
            let response = accept.send().await.map_err(|e| Trouble::unavailable(&innermost(&e)))?;
            let status = response.status();
            if status.is_redirection() {
                url = redirected(&url, response.headers())?;
                continue;
            }
            let headers = response.headers().clone();
            if status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            if status == StatusCode::OK {
                return Ok(Some(Answer { headers, body: read(response, max).await? }));
            }
            // Its text only tells one 403 from another.
            let body = read(response, MAX_ERROR_BYTES).await.unwrap_or_default();
            return Err(Trouble::of(status, &headers, &String::from_utf8_lossy(&body)));
        }
        Err(Trouble::malformed(format!("more than {MAX_REDIRECTS} redirects")))
    }

    /// Every page, up to the limit.
    async fn list(&self, first: Url) -> Result<Vec<Entry>, GitHubError> {
        let (mut found, mut inline) = (Vec::new(), 0);
        let mut pages = Pages::new(first.clone());
        let mut next = Some(first);
        while let Some(url) = next {
            let error = |kind, message: String| GitHubError { kind, subject: shown(&url), message };
            let Some(answer) = self.get(&url, MAX_PAGE_BYTES, self.token.as_ref()).await? else {
                return match found.is_empty() {
                    true => Ok(found),
                    false => Err(error(ErrorKind::Malformed, "a later page is not there".to_owned())),
                };
            };
            let page = attestations::entries(&answer.body).map_err(|why| error(ErrorKind::Malformed, why))?;
            let empty = page.is_empty();
            inline += answer.body.len() as u64;
            found.extend(page);
            let link = answer.headers.get(header::LINK).and_then(|link| link.to_str().ok());
            next = pages.next(link).map_err(|e| error(ErrorKind::Malformed, e.to_string()))?;
            if next.is_some() && inline > MAX_BUNDLES_BYTES {
                return Err(error(ErrorKind::Limit, format!("more than {MAX_BUNDLES_BYTES} bytes of bundles")));
            }
            if found.len() > MAX_ATTESTATIONS || (next.is_some() && (empty || pages.count() > MAX_ATTESTATIONS)) {
                let message = format!("more than {MAX_ATTESTATIONS} attestations, or pages without any");
                return Err(error(ErrorKind::Limit, message));
            }
        }
        Ok(found)
    }

    /// Without the token, wherever it is.
    async fn stored(&self, address: &str) -> Result<Vec<u8>, GitHubError> {
        let refuse = |subject: String, message: &str| GitHubError {
            kind: ErrorKind::Malformed,
            subject,
            message: message.to_owned(),
        };
        let url = Url::parse(address).map_err(|_| refuse("bundle_url".to_owned(), "no address"))?;
        let allowed =
            url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url) && is_loopback(&self.api));
        if !allowed {
            return Err(refuse(shown(&url), "expected an https address"));
        }
        let answer = self.get(&url, MAX_BUNDLE_BYTES, None).await?;
        let answer = answer.ok_or_else(|| GitHubError {
            kind: ErrorKind::Unavailable,
            subject: shown(&url),
            message: "listed, but not there".to_owned(),
        })?;
        attestations::bundle(answer.body).map_err(|why| refuse(shown(&url), &why))
    }
}

#[async_trait]
impl GitHub for HttpGitHub {
    async fn attestations(
        &self,
        repository: &GitHubRepository,
        subject: &Digest,
    ) -> Result<Vec<Result<Vec<u8>, GitHubError>>, GitHubError> {
        let mut url = self.url(repository, &format!("attestations/{subject}"))?;
        url.query_pairs_mut().append_pair("per_page", PER_PAGE).append_pair("predicate_type", PREDICATE_TYPE);
        let listed = self.list(url.clone()).await?;
        let each = listed.into_iter().map(|entry| {
            let empty = || GitHubError {
                kind: ErrorKind::Malformed,
                subject: shown(&url),
                message: "an attestation with neither bundle nor bundle_url".to_owned(),
            };
            async move {
                match entry {
                    Entry::Bundle(bundle) => Ok(bundle),
                    Entry::Address(address) => self.stored(&address).await,
                    Entry::Empty => Err(empty()),
                }
            }
        });
        let mut fetched = stream::iter(each).buffered(PARALLEL);
        let (mut found, mut bytes) = (Vec::new(), 0);
        while let Some(bundle) = fetched.next().await {
            bytes += bundle.as_ref().map_or(0, |bundle| bundle.len() as u64);
            if bytes > MAX_BUNDLES_BYTES {
                let message = format!("more than {MAX_BUNDLES_BYTES} bytes of bundles");
                found.push(Err(GitHubError { kind: ErrorKind::Limit, subject: shown(&url), message }));
                break;
            }
            found.push(bundle);
        }
        Ok(found)
    }

    async fn compare(
        &self,
        repository: &GitHubRepository,
        base: &Commit,
        head: &Commit,
    ) -> Result<Option<Relation>, GitHubError> {
        let mut url = self.url(repository, &format!("compare/{}...{}", base.as_str(), head.as_str()))?;
        // Files come with the first page only.
        url.query_pairs_mut().append_pair("per_page", "1").append_pair("page", "2");
        let Some(answer) = self.get(&url, MAX_COMPARISON_BYTES, self.token.as_ref()).await? else { return Ok(None) };
        let malformed = |message| GitHubError { kind: ErrorKind::Malformed, subject: shown(&url), message };
        attestations::relation(&answer.body).map(Some).map_err(malformed)
    }
}

impl Trouble {
    fn unavailable(why: &str) -> Self {
        Self { kind: ErrorKind::Unavailable, message: why.to_owned(), again: Some(None) }
    }

    fn malformed(message: String) -> Self {
        Self { kind: ErrorKind::Malformed, message, again: None }
    }

    fn of(status: StatusCode, headers: &HeaderMap, body: &str) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let retry_after = text("retry-after").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        let limited = status == StatusCode::TOO_MANY_REQUESTS
            || (status == StatusCode::FORBIDDEN
                && (retry_after.is_some()
                    || text("x-ratelimit-remaining") == Some("0")
                    || body.to_ascii_lowercase().contains("rate limit")));
        let message = format!("HTTP {}", status.as_u16());
        let (kind, again) = match status {
            _ if limited => (ErrorKind::RateLimited, retry_after.map(Some)),
            StatusCode::UNAUTHORIZED => (ErrorKind::Unauthenticated, None),
            StatusCode::FORBIDDEN => (ErrorKind::Forbidden, None),
            _ if status.is_server_error() => (ErrorKind::Unavailable, Some(retry_after)),
            _ => (ErrorKind::Malformed, None),
        };
        let message = if limited { format!("{message}, rate limited") } else { message };
        Self { kind, message, again }
    }
}

/// Within the origin only: elsewhere the token would be somebody else's, and the answer nobody's.
fn redirected(from: &Url, headers: &HeaderMap) -> Result<Url, Trouble> {
    let target = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let target = target.and_then(|target| from.join(target).ok());
    let target = target.ok_or_else(|| Trouble::malformed("a redirect to nowhere".to_owned()))?;
    if target.origin() != from.origin() {
        let origin = target.origin().ascii_serialization();
        return Err(Trouble::malformed(format!("a redirect to another origin, {origin}, is not followed")));
    }
    Ok(target)
}

async fn read(mut response: reqwest::Response, max: u64) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| Trouble::unavailable(&innermost(&e)))? {
        if (body.len() + chunk.len()) as u64 > max {
            let message = format!("an answer of more than {max} bytes");
            return Err(Trouble { kind: ErrorKind::Limit, message, again: None });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Origin and path; a query may be a signature.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
