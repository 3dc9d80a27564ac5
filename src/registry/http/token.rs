//! Bearer tokens of the distribution token protocol: asked for once per (registry, service, scope), kept until shortly
//! before they expire. Parallel callers wait for one request.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::registry::http::limits::{DEFAULT_TOKEN_LIFE, MAX_TOKEN_LIFE, TOKEN_MARGIN};

/// What a request needs to be allowed to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    path: String,
    push: bool,
}

impl Scope {
    pub(super) fn pull(path: &str) -> Self {
        Self { path: path.to_owned(), push: false }
    }

    pub(super) fn push(path: &str) -> Self {
        Self { path: path.to_owned(), push: true }
    }

    /// The scope that includes this one.
    fn wider(&self) -> Option<Self> {
        (!self.push).then(|| Self { path: self.path.clone(), push: true })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repository:{}:{}", self.path, if self.push { "pull,push" } else { "pull" })
    }
}

/// A token service that was found to be allowed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TokenService {
    pub(super) realm: Url,
    pub(super) service: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) secret: SecretString,
    fresh_until: Instant,
}

impl Token {
    pub(super) fn new(secret: SecretString, life: Duration) -> Self {
        let life = life.min(MAX_TOKEN_LIFE);
        // Short lives are used for half of their time, rather than never.
        let usable = life.saturating_sub(TOKEN_MARGIN).max(life / 2);
        Self { secret, fresh_until: Instant::now() + usable }
    }

    fn is_fresh(&self) -> bool {
        Instant::now() < self.fresh_until
    }
}

/// The answer of a token service.
#[derive(Deserialize)]
struct Wire {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Reads a token answer of capped length; `None` if there is no token in it.
pub(super) fn parse_token(body: &[u8]) -> Option<Token> {
    let wire: Wire = serde_json::from_slice(body).ok()?;
    let secret = SecretString::from(wire.token.or(wire.access_token).filter(|token| !token.is_empty())?);
    let life = wire.expires_in.filter(|seconds| *seconds > 0).map_or(DEFAULT_TOKEN_LIFE, Duration::from_secs);
    Some(Token::new(secret, life))
}

type Key = (String, TokenService, Scope);
type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;

#[derive(Debug, Default)]
pub(super) struct TokenCache {
    slots: Mutex<HashMap<Key, Slot>>,
}

impl TokenCache {
    /// A fresh token from the cache, or from `ask`, which runs once however many callers wait for the same token.
    /// A token that may push is used for pulling too.
    pub(super) async fn token<E>(
        &self,
        registry: &str,
        service: &TokenService,
        scope: &Scope,
        ask: impl Future<Output = Result<Token, E>>,
    ) -> Result<Token, E> {
        if let Some(wider) = scope.wider()
            && let Some(slot) = self.existing(&(registry.to_owned(), service.clone(), wider))
            && let Ok(token) = slot.try_lock()
            && let Some(token) = token.as_ref().filter(|token| token.is_fresh())
        {
            return Ok(token.clone());
        }
        let slot = self.slot((registry.to_owned(), service.clone(), scope.clone()));
        let mut cached = slot.lock().await;
        if let Some(token) = cached.as_ref().filter(|token| token.is_fresh()) {
            return Ok(token.clone());
        }
        let token = ask.await?;
        *cached = Some(token.clone());
        Ok(token)
    }

    /// Forgets `rejected` wherever it is kept for this registry; a newer token of another caller stays.
    pub(super) fn forget(&self, registry: &str, rejected: &SecretString) {
        let slots: Vec<Slot> = {
            let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.iter().filter(|((key, ..), _)| key == registry).map(|(_, slot)| Arc::clone(slot)).collect()
        };
        for slot in slots {
            // Locked means that it is being replaced right now.
            if let Ok(mut cached) = slot.try_lock() {
                cached.take_if(|token| token.secret.expose_secret() == rejected.expose_secret());
            }
        }
    }

    fn existing(&self, key: &Key) -> Option<Slot> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).get(key).map(Arc::clone)
    }

    fn slot(&self, key: Key) -> Slot {
        Arc::clone(self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;

    use super::*;

    fn service() -> TokenService {
        TokenService { realm: "https://r.example.com/token".parse().unwrap(), service: None }
    }

    async fn ask(asked: &AtomicU32, life: u64) -> Result<Token, Infallible> {
        let n = asked.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(Token::new(format!("t{n}").into(), Duration::from_millis(life)))
    }

    #[tokio::test]
    async fn five_parallel_callers_cause_one_token_request() {
        let (cache, asked, service, scope) = (TokenCache::default(), AtomicU32::new(0), service(), Scope::pull("a"));
        let calls = (0..5).map(|_| cache.token("r", &service, &scope, ask(&asked, 60_000)));
        let tokens = join_all(calls).await;
        assert_eq!((asked.load(Ordering::SeqCst), tokens.len()), (1, 5));
    }

    #[tokio::test]
    async fn tokens_are_renewed_before_they_expire_and_when_rejected() {
        let (cache, asked, service, scope) = (TokenCache::default(), AtomicU32::new(0), service(), Scope::pull("a"));
        // So short a life is used for half of its time.
        let token = cache.token("r", &service, &scope, ask(&asked, 1000)).await.unwrap();
        cache.token("r", &service, &scope, ask(&asked, 1000)).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        tokio::time::sleep(Duration::from_millis(600)).await;
        let second = cache.token("r", &service, &scope, ask(&asked, 60_000)).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        cache.forget("r", &token.secret);
        cache.token("r", &service, &scope, ask(&asked, 60_000)).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2, "an old token's rejection must not cost the new one");
        cache.forget("r", &second.secret);
        cache.token("r", &service, &scope, ask(&asked, 60_000)).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_token_that_may_push_is_used_for_pulling() {
        let (cache, asked, service) = (TokenCache::default(), AtomicU32::new(0), service());
        cache.token("r", &service, &Scope::push("a"), ask(&asked, 60_000)).await.unwrap();
        cache.token("r", &service, &Scope::pull("a"), ask(&asked, 60_000)).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        cache.token("r", &service, &Scope::pull("b"), ask(&asked, 60_000)).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn both_spellings_of_a_token_are_read_and_nothing_else() {
        let secret = |body: &str| parse_token(body.as_bytes()).map(|t| t.secret.expose_secret().to_owned());
        assert_eq!(secret(r#"{"token":"a","expires_in":300}"#).as_deref(), Some("a"));
        assert_eq!(secret(r#"{"access_token":"b"}"#).as_deref(), Some("b"));
        for bad in ["", "{}", r#"{"token":""}"#, "<html>", r#"{"token":5}"#] {
            assert_eq!(secret(bad), None, "{bad}");
        }
    }

    #[test]
    fn scopes_are_spelled_as_token_services_expect() {
        assert_eq!(Scope::pull("a/b").to_string(), "repository:a/b:pull");
        assert_eq!(Scope::push("a/b").to_string(), "repository:a/b:pull,push");
    }
}
