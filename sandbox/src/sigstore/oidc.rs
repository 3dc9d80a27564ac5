//! Two token issuers on one server: e-mail identities at the base URL, GitHub-Actions-like ones under `/ci`, and the
//! endpoint from which a GitHub job fetches its token. `/token` hands a bare JWT to anyone who asks: it is a sandbox.

use super::{clock, identity::Claims, identity::IssuerKind, jwt, jwt::TokenKey};
use anyhow::{Context as _, Result, bail};
use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

/// How long a token lives when the caller does not say.
const TOKEN_SECONDS: i64 = 600;
const AUDIENCE: &str = "sigstore";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// One issuer; the two kinds have different keys.
#[derive(Debug)]
pub(super) struct Issuer {
    pub url: String,
    pub kind: IssuerKind,
    serial: AtomicU64,
}

impl Issuer {
    pub(super) fn new(url: String, kind: IssuerKind) -> Self {
        Self { url, kind, serial: AtomicU64::new(1) }
    }

    /// RSA keys take a third of a second to make, so all sandboxes of a process share one per kind; their issuer URLs
    /// differ, and a token names its issuer.
    fn key(&self) -> &'static TokenKey {
        static EMAIL: LazyLock<TokenKey> = LazyLock::new(TokenKey::generate);
        static GITHUB_ACTIONS: LazyLock<TokenKey> = LazyLock::new(TokenKey::generate);
        match self.kind {
            IssuerKind::Email => &EMAIL,
            IssuerKind::GitHubActions => &GITHUB_ACTIONS,
        }
    }

    /// Claims with this issuer's defaults; each of `overrides` wins over the default of its name, an empty value removes
    /// it, and `ttl` (seconds, may be negative) sets `exp`.
    pub(super) fn claims(&self, overrides: &[(&str, &str)]) -> Claims {
        let find = |name: &str, default: &str| {
            overrides
                .iter()
                .rev()
                .find(|(k, _)| *k == name)
                .map_or_else(|| default.to_owned(), |(_, v)| (*v).to_owned())
        };
        let now = clock::unix_seconds(SystemTime::now());
        let ttl = find("ttl", "").parse().unwrap_or(TOKEN_SECONDS);
        let issued = now.min(now + ttl);
        let id = format!("{}-{}", self.key().id, self.serial.fetch_add(1, Ordering::Relaxed));
        let mut claims = object(
            json!({"iss": self.url, "aud": AUDIENCE, "iat": issued, "nbf": issued - 5, "exp": now + ttl, "jti": id}),
        );
        claims.extend(match self.kind {
            IssuerKind::Email => email_defaults(&find),
            IssuerKind::GitHubActions => github_defaults(&find),
        });
        for (name, value) in overrides.iter().filter(|(name, _)| *name != "ttl") {
            let value = if *name == "email_verified" { json!(*value == "true") } else { json!(value) };
            claims.insert((*name).to_owned(), value);
        }
        claims.retain(|_, value| value != "");
        claims
    }

    /// A signed token with [`Issuer::claims`].
    pub(super) fn token(&self, overrides: &[(&str, &str)]) -> String {
        jwt::sign(&self.claims(overrides), self.key())
    }

    fn discovery(&self) -> Value {
        let url = &self.url;
        json!({
            "issuer": url, "jwks_uri": format!("{url}/keys"),
            "authorization_endpoint": format!("{url}/auth"), "token_endpoint": format!("{url}/token"),
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })
    }

    fn keys(&self) -> Value {
        json!({"keys": [self.key().jwk()]})
    }
}

/// Both issuers, and the secret of the ambient endpoint.
#[derive(Debug)]
pub(super) struct Oidc {
    pub email: Issuer,
    pub ci: Issuer,
    /// What a job presents as `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    pub request_token: String,
}

impl Oidc {
    pub(super) fn new(base: &str) -> Self {
        let mut secret = [0u8; 16];
        rand_core::RngCore::fill_bytes(&mut rand_core::OsRng, &mut secret);
        Self {
            email: Issuer::new(base.to_owned(), IssuerKind::Email),
            ci: Issuer::new(format!("{base}/ci"), IssuerKind::GitHubActions),
            request_token: hex::encode(secret),
        }
    }

    /// The issuer that a token's `iss` names exactly.
    pub(super) fn issuer(&self, url: &str) -> Result<&Issuer> {
        [&self.email, &self.ci]
            .into_iter()
            .find(|i| i.url == url)
            .with_context(|| format!("issuer {url} is not known here"))
    }

    /// What Fulcio checks: issuer, signature, audience, dates. Returns the claims and whose they are.
    pub(super) fn verify(&self, token: &str, now: SystemTime) -> Result<(Claims, &Issuer)> {
        let claims = jwt::unverified_claims(token)?;
        let issuer = self.issuer(claims.get("iss").and_then(Value::as_str).unwrap_or_default())?;
        jwt::verify(token, issuer.key())?;
        let audience = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(|a| a == AUDIENCE),
            Some(one) => one == AUDIENCE,
            None => false,
        };
        if !audience {
            bail!("token is not for audience {AUDIENCE}");
        }
        let (now, at) = (clock::unix_seconds(now), |name: &str| claims.get(name).and_then(Value::as_i64));
        if at("exp").is_none_or(|exp| exp <= now) {
            bail!("token is expired");
        }
        if at("nbf").is_some_and(|nbf| nbf > now) {
            bail!("token is not valid yet");
        }
        Ok((claims, issuer))
    }
}

fn object(value: Value) -> Claims {
    match value {
        Value::Object(map) => map,
        _ => Claims::new(),
    }
}

fn email_defaults(find: &dyn Fn(&str, &str) -> String) -> Claims {
    let mail = find("email", "releaser@example.com");
    object(json!({"sub": mail, "email": mail, "email_verified": true}))
}

fn github_defaults(find: &dyn Fn(&str, &str) -> String) -> Claims {
    let repository = find("repository", "example-org/app");
    let reference = find("ref", "refs/tags/v1.2.3");
    let sha = find("sha", COMMIT);
    let flow = find("workflow_ref", &format!("{repository}/.github/workflows/release.yml@{reference}"));
    let owner = repository.split('/').next().unwrap_or_default();
    let ref_type = if reference.starts_with("refs/tags/") { "tag" } else { "branch" };
    object(json!({
        "sub": format!("repo:{repository}:ref:{reference}"), "repository": repository, "repository_id": "1000001",
        "repository_owner": owner, "repository_owner_id": "2000002", "repository_visibility": "public",
        "workflow": "release", "workflow_ref": flow, "workflow_sha": sha, "job_workflow_ref": flow, "job_workflow_sha": sha,
        "ref": reference, "ref_type": ref_type, "sha": sha, "event_name": "push", "actor": "releaser",
        "run_id": "3000003", "run_number": "7", "run_attempt": "1", "runner_environment": "github-hosted",
    }))
}

type Params = Query<Vec<(String, String)>>;

pub(super) fn routes(oidc: Arc<Oidc>) -> Router {
    Router::new()
        .route(
            "/.well-known/openid-configuration",
            get(async |State(o): State<Arc<Oidc>>| json_reply(&o.email.discovery())),
        )
        .route(
            "/ci/.well-known/openid-configuration",
            get(async |State(o): State<Arc<Oidc>>| json_reply(&o.ci.discovery())),
        )
        .route("/keys", get(async |State(o): State<Arc<Oidc>>| json_reply(&o.email.keys())))
        .route("/ci/keys", get(async |State(o): State<Arc<Oidc>>| json_reply(&o.ci.keys())))
        .route("/token", get(async |State(o): State<Arc<Oidc>>, q: Params| o.email.token(&borrowed(&q))))
        .route("/ci/token", get(async |State(o): State<Arc<Oidc>>, q: Params| o.ci.token(&borrowed(&q))))
        .route("/actions/token", get(actions_token))
        .with_state(oidc)
}

/// GitHub's ambient endpoint: a bearer secret in, `{"value": jwt}` out; query parameters other than its own become claims.
async fn actions_token(State(oidc): State<Arc<Oidc>>, headers: HeaderMap, query: Params) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.split_once(' '));
    if !bearer.is_some_and(|(scheme, secret)| scheme.eq_ignore_ascii_case("bearer") && secret == oidc.request_token) {
        return (StatusCode::UNAUTHORIZED, "{\"message\":\"bad request token\"}").into_response();
    }
    let claims: Vec<_> = borrowed(&query)
        .into_iter()
        .filter(|(name, _)| *name != "api-version")
        .map(|(name, value)| (if name == "audience" { "aud" } else { name }, value))
        .collect();
    let value = oidc.ci.token(&claims);
    json_reply(&json!({"count": value.len(), "value": value}))
}

fn borrowed(query: &Params) -> Vec<(&str, &str)> {
    query.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
}

fn json_reply(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
