//! Who may do what: open access, Basic, or Docker's token scheme with scopes, expiry and refresh tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method};
use rand_core::{OsRng, RngCore as _};

use super::path::Route;
use super::reply::Reply;

/// How clients prove who they are.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// Not at all: everybody may do everything.
    #[default]
    Open,
    /// Name and password with every request.
    Basic,
    /// Docker's token scheme: a challenge, a token for scopes, Bearer requests.
    Token {
        /// How long a token is accepted.
        lifetime: Duration,
    },
}

/// A user, with rights on all repositories unless restricted.
#[derive(Debug, Clone)]
pub struct User {
    pub(super) name: String,
    pub(super) password: String,
    pub(super) refresh_token: Option<String>,
    grants: Option<Vec<(String, Right)>>,
}

/// What a user may do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Read.
    Pull,
    /// Read, write and delete.
    Push,
}

impl User {
    /// A user who may do everything.
    #[must_use]
    pub fn new(name: &str, password: &str) -> Self {
        Self { name: name.to_owned(), password: password.to_owned(), refresh_token: None, grants: None }
    }

    /// From now on only this right on this repository (or, with `*` at the end, on all that begin so) and others granted.
    #[must_use]
    pub fn may(mut self, right: Right, repository: &str) -> Self {
        self.grants.get_or_insert_default().push((repository.to_owned(), right));
        self
    }

    /// An identity token that stands for name and password at the token endpoint (POST, `grant_type=refresh_token`).
    #[must_use]
    pub fn refresh_token(mut self, token: &str) -> Self {
        self.refresh_token = Some(token.to_owned());
        self
    }

    pub(super) fn has(&self, repository: &str, action: &str) -> bool {
        let needed = if action == "pull" { Right::Pull } else { Right::Push };
        let covers = |pattern: &str| match pattern.strip_suffix('*') {
            Some(prefix) => repository.starts_with(prefix),
            None => repository == pattern,
        };
        self.grants.as_ref().is_none_or(|g| g.iter().any(|(pattern, right)| covers(pattern) && *right >= needed))
    }
}

pub(super) type Scopes = BTreeMap<String, BTreeSet<String>>;

#[derive(Debug)]
pub(super) struct Auth {
    pub(super) access: Access,
    pub(super) users: Vec<User>,
    pub(super) anonymous_pull: bool,
    pub(super) tokens: BTreeMap<String, IssuedToken>,
}

#[derive(Debug)]
pub(super) struct IssuedToken {
    pub(super) scopes: Scopes,
    pub(super) expires: Instant,
}

/// What an answer to a refused request has to know.
#[derive(Debug)]
pub(super) struct Challenge<'a> {
    pub(super) realm: &'a str,
    pub(super) expired_is_forbidden: bool,
}

impl Auth {
    /// Refuses the request unless its credential allows it.
    pub(super) fn check(
        &self,
        method: &Method,
        route: &Route,
        headers: &HeaderMap,
        challenge: &Challenge<'_>,
    ) -> Result<(), Reply> {
        let action = action(method);
        match &self.access {
            Access::Open => Ok(()),
            Access::Basic => self.check_basic(route, action, headers),
            Access::Token { .. } => self.check_token(route, action, headers, challenge),
        }
    }

    /// Whether the request's token may also read from this other repository: needed to mount a blob from it.
    pub(super) fn may_pull(&self, repository: &str, headers: &HeaderMap) -> bool {
        match &self.access {
            Access::Open => true,
            Access::Basic => self.basic_user(headers).is_some_and(|u| u.has(repository, "pull")),
            Access::Token { .. } => bearer(headers)
                .and_then(|t| self.tokens.get(&t))
                .is_some_and(|t| t.scopes.get(repository).is_some_and(|a| a.contains("pull"))),
        }
    }

    /// The user of a Basic header, if name and password are right.
    pub(super) fn basic_user(&self, headers: &HeaderMap) -> Option<&User> {
        let value = headers.get("authorization")?.to_str().ok()?;
        let (scheme, encoded) = value.split_once(' ')?;
        let decoded = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()).ok())??;
        let text = String::from_utf8(decoded).ok()?;
        let (name, password) = text.split_once(':')?;
        self.users.iter().find(|u| u.name == name && u.password == password)
    }

    pub(super) fn issue(&mut self, scopes: Scopes, lifetime: Duration) -> String {
        let mut random = [0_u8; 24];
        OsRng.fill_bytes(&mut random);
        let token = hex::encode(random);
        self.tokens.insert(token.clone(), IssuedToken { scopes, expires: Instant::now() + lifetime });
        token
    }

    fn check_basic(&self, route: &Route, action: &str, headers: &HeaderMap) -> Result<(), Reply> {
        let refuse = || unauthorized("Basic realm=\"sandbox\"".to_owned());
        match (self.basic_user(headers), route.repository()) {
            (Some(user), Some(repository)) if !user.has(repository, action) => {
                Err(Reply::error(403, "DENIED", "requested access to the resource is denied"))
            }
            (Some(_), _) => Ok(()),
            (None, Some(_)) if self.anonymous_pull && action == "pull" && !headers.contains_key("authorization") => {
                Ok(())
            }
            (None, _) => Err(refuse()),
        }
    }

    fn check_token(
        &self,
        route: &Route,
        action: &str,
        headers: &HeaderMap,
        challenge: &Challenge<'_>,
    ) -> Result<(), Reply> {
        let scope = route.repository().map(|r| format!("repository:{r}:{}", scope_actions(action)));
        let refuse = |error: &str| {
            let scope = scope.as_ref().map(|s| format!(",scope=\"{s}\"")).unwrap_or_default();
            let error = if error.is_empty() { String::new() } else { format!(",error=\"{error}\"") };
            unauthorized(format!("Bearer realm=\"{}\",service=\"sandbox\"{scope}{error}", challenge.realm))
        };
        let Some(token) = bearer(headers) else { return Err(refuse("")) };
        let Some(issued) = self.tokens.get(&token) else { return Err(refuse("invalid_token")) };
        if issued.expires <= Instant::now() {
            if challenge.expired_is_forbidden {
                return Err(Reply::error(
                    403,
                    "DENIED",
                    "Your authorization token has expired. Reauthenticate and try again.",
                ));
            }
            return Err(refuse("invalid_token"));
        }
        let allowed =
            route.repository().is_none_or(|r| issued.scopes.get(r).is_some_and(|actions| actions.contains(action)));
        if allowed { Ok(()) } else { Err(refuse("insufficient_scope")) }
    }
}

fn action(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" | "HEAD" => "pull",
        "DELETE" => "delete",
        _ => "push",
    }
}

fn scope_actions(action: &str) -> &str {
    if action == "push" { "pull,push" } else { action }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get("authorization")?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

fn unauthorized(challenge: String) -> Reply {
    Reply::error(401, "UNAUTHORIZED", "authentication required").header("www-authenticate", challenge)
}
