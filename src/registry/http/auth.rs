//! What goes into the `Authorization` header: nothing, Basic, or a bearer token of an allowed token service.
//!
//! Learns from a registry's first 401 how it wants to be asked, then asks that way at once. Secrets that were used are
//! remembered only to be struck from texts that a registry sends back.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::registry::http::challenge::Challenge;
use crate::registry::http::credentials::{Credential, CredentialOptions, Credentials};
use crate::registry::http::exchange::{Call, Exchange, status_line};
use crate::registry::http::limiter::Direction;
use crate::registry::http::limits::{DEFAULT_TOKEN_LIFE, MAX_TOKEN_BODY};
use crate::registry::http::realm::allowed_realm;
use crate::registry::http::retry::{Failure, retrying};
use crate::registry::http::token::{Token, TokenCache, TokenService, parse_token};
use crate::registry::{ErrorKind, RegistryError};

/// How a registry wants to be asked.
#[derive(Debug, Clone)]
enum Scheme {
    Basic,
    Bearer(TokenService),
}

/// What one request carries.
#[derive(Debug)]
pub(super) struct Authorization {
    header: Option<HeaderValue>,
    token: Option<SecretString>,
}

impl Authorization {
    pub(super) fn none() -> Self {
        Self { header: None, token: None }
    }

    pub(super) fn header(&self) -> Option<&HeaderValue> {
        self.header.as_ref()
    }

    pub(super) fn is_some(&self) -> bool {
        self.header.is_some()
    }
}

#[derive(Debug)]
pub(super) struct Auth {
    credentials: Credentials,
    realms: BTreeMap<String, Url>,
    schemes: Mutex<HashMap<String, Scheme>>,
    tokens: TokenCache,
    used: Mutex<Vec<SecretString>>,
}

impl Auth {
    pub(super) fn new(credentials: CredentialOptions, realms: BTreeMap<String, Url>) -> Self {
        Self {
            credentials: Credentials::new(credentials),
            realms,
            schemes: Mutex::default(),
            tokens: TokenCache::default(),
            used: Mutex::default(),
        }
    }

    /// What to send with this call, which goes to the registry itself, by what is known of the registry so far.
    pub(super) async fn authorize(&self, exchange: &Exchange, call: &Call<'_>) -> Result<Authorization, Failure> {
        let registry = call.endpoint.registry.as_str();
        let scheme = self.schemes.lock().unwrap_or_else(PoisonError::into_inner).get(registry).cloned();
        match scheme {
            None => Ok(Authorization::none()),
            Some(Scheme::Basic) => {
                let Some(credential) = self.credential(call).await? else {
                    let message = format!("{registry} wants a user name and a password; none is configured for it");
                    return Err(call.error(ErrorKind::Unauthenticated, message).into());
                };
                self.remember(credential.secret());
                let basic = credential.basic();
                self.remember(&basic);
                Ok(Authorization { header: Some(header_value(call, &basic)?), token: None })
            }
            Some(Scheme::Bearer(service)) => {
                let ask = self.ask_token(exchange, call, &service);
                let token = self.tokens.token(registry, &service, call.scope, ask).await?;
                self.remember(&token.secret);
                let bearer = SecretString::from(format!("Bearer {}", token.secret.expose_secret()));
                Ok(Authorization { header: Some(header_value(call, &bearer)?), token: Some(token.secret) })
            }
        }
    }

    /// After a 401 with these challenges, or (without any) after an answer that calls our token expired: what to do
    /// differently. An error if there is nothing to do.
    pub(super) async fn renew(
        &self,
        call: &Call<'_>,
        challenges: &[Challenge],
        rejected: Authorization,
    ) -> Result<(), Failure> {
        let registry = call.endpoint.registry.as_str();
        if let Some(token) = &rejected.token {
            self.tokens.forget(registry, token);
        }
        if challenges.is_empty() {
            self.credentials.forget(registry).await;
            return Ok(());
        }
        let scheme = self.scheme_of(call, challenges)?;
        if matches!(scheme, Scheme::Basic) && rejected.is_some() && rejected.token.is_none() {
            let message = format!("{registry} does not accept our user name and password");
            return Err(call.error(ErrorKind::Unauthenticated, message).into());
        }
        self.schemes.lock().unwrap_or_else(PoisonError::into_inner).insert(registry.to_owned(), scheme);
        Ok(())
    }

    /// `text` without any secret that we used: a registry may send back what it was sent.
    pub(super) fn scrub(&self, text: &str) -> String {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.iter().fold(text.to_owned(), |text, secret| {
            let secret = secret.expose_secret();
            let bare = secret.strip_prefix("Basic ").unwrap_or(secret);
            // A shorter one would blot out words, and is no secret.
            if bare.len() < 4 { text } else { text.replace(bare, "***") }
        })
    }

    fn remember(&self, secret: &SecretString) {
        // A registry that rotates tokens with every answer must not make this grow.
        const MAX_REMEMBERED: usize = 64;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let text = secret.expose_secret();
        if text.is_empty() || used.iter().any(|known| known.expose_secret() == text) {
            return;
        }
        if used.len() == MAX_REMEMBERED {
            used.remove(0);
        }
        used.push(secret.clone());
    }

    /// Bearer before Basic: a token is worth less to a thief.
    fn scheme_of(&self, call: &Call<'_>, challenges: &[Challenge]) -> Result<Scheme, RegistryError> {
        let find = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        if let Some(bearer) = find("bearer") {
            let realm = bearer.param("realm").unwrap_or_default();
            let configured = self.realms.get(&call.endpoint.registry);
            let realm = allowed_realm(call.endpoint, realm, configured)
                .map_err(|why| call.error(ErrorKind::Unauthenticated, why.to_string()))?;
            return Ok(Scheme::Bearer(TokenService { realm, service: bearer.param("service").map(str::to_owned) }));
        }
        if find("basic").is_some() {
            return Ok(Scheme::Basic);
        }
        let offered: Vec<&str> = challenges.iter().map(|challenge| challenge.scheme.as_str()).collect();
        let message = format!("wants authorisation by {}; expected bearer or basic", offered.join(", "));
        Err(call.error(ErrorKind::Unauthenticated, message))
    }

    async fn credential(&self, call: &Call<'_>) -> Result<Option<Credential>, RegistryError> {
        let answer = self.credentials.of(&call.endpoint.registry).await;
        answer.map_err(|why| call.error(ErrorKind::Unauthenticated, why.to_string()))
    }

    async fn ask_token(
        &self,
        exchange: &Exchange,
        call: &Call<'_>,
        service: &TokenService,
    ) -> Result<Token, RegistryError> {
        let credential = self.credential(call).await?;
        if let Some(credential) = &credential {
            self.remember(credential.secret());
            self.remember(&credential.basic());
        }
        let request = token_call(call, service, credential.as_ref());
        let basic = match &credential {
            Some(credential @ (Credential::Password { .. } | Credential::Token(_))) => {
                Some(header_value(call, &credential.basic())?)
            }
            Some(Credential::Identity(_)) | None => None,
        };
        retrying(call.deadline, &exchange.budget, || async {
            let mut answer = exchange.transmit(&request, basic.as_ref()).await?;
            if answer.status == StatusCode::OK {
                let body = exchange.read(&request, &mut answer, MAX_TOKEN_BODY).await.map_err(Failure::by_kind)?;
                return parse_token(&body).ok_or_else(|| {
                    request.error(ErrorKind::Malformed, "the token service's answer holds no token").into()
                });
            }
            if let Some(Credential::Token(token)) = &credential
                && matches!(answer.status.as_u16(), 400 | 401 | 403)
            {
                return Ok(Token::new(token.clone(), DEFAULT_TOKEN_LIFE));
            }
            let mut failure = exchange.judge(&request, &mut answer).await;
            failure.error.message = format!("token service: {}", failure.error.message);
            if failure.error.kind == ErrorKind::Malformed {
                failure.error.message = format!("token service: {}", status_line(answer.status));
            }
            Err(failure)
        })
        .await
    }
}

/// The request for a token: GET for passwords and anonymous callers, the OAuth 2 POST for refresh tokens.
fn token_call<'a>(call: &Call<'a>, service: &TokenService, credential: Option<&Credential>) -> Call<'a> {
    let scope = call.scope.to_string();
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    if let Some(service) = &service.service {
        pairs.push(("service", service));
    }
    pairs.push(("scope", &scope));
    let mut request = Call {
        operation: "GET token",
        subject: call.subject,
        endpoint: call.endpoint,
        scope: call.scope,
        method: Method::GET,
        url: service.realm.clone(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        direction: Direction::Read,
        deadline: call.deadline,
    };
    if let Some(Credential::Identity(token)) = credential {
        pairs.extend([("grant_type", "refresh_token"), ("client_id", "countersign")]);
        pairs.push(("refresh_token", token.expose_secret()));
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        request.method = Method::POST;
        request.body = form.into();
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    } else {
        request.url.query_pairs_mut().extend_pairs(pairs);
    }
    request
}

fn header_value(call: &Call<'_>, secret: &SecretString) -> Result<HeaderValue, RegistryError> {
    let mut value = HeaderValue::from_str(secret.expose_secret())
        .map_err(|_| call.error(ErrorKind::Unauthenticated, "our credential has characters no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}
