//! Who we are at a registry: an explicit token, Docker's `config.json` and its helpers, then `GITHUB_TOKEN` for ghcr.io.
//!
//! The first source that knows the registry wins. Nothing is looked up before a registry asks for authorisation.

use std::collections::HashMap;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use crate::registry::http::docker_config::{self, DockerConfigError};

/// Where credentials may come from, in this order. The caller reads flags, standard input and environment.
#[derive(Debug, Clone, Default)]
pub struct CredentialOptions {
    /// For exactly one registry (`--registry-token-stdin`).
    pub explicit: Option<ExplicitToken>,
    /// `config.json` of Docker (`$DOCKER_CONFIG` or `~/.docker`); a file that does not exist is no error.
    pub docker_config: Option<PathBuf>,
    /// `GITHUB_TOKEN`, used for ghcr.io only.
    pub github_token: Option<SecretString>,
}

/// `USER:PASSWORD`, or a token without a colon. A token is exchanged at the registry's token service like a password;
/// if that does not take it, it is presented to the registry itself as a bearer token.
#[derive(Debug, Clone)]
pub struct ExplicitToken {
    /// `host` or `host:port`, as in a repository.
    pub registry: String,
    pub token: SecretString,
}

#[derive(Debug, Clone)]
pub(super) enum Credential {
    Password {
        user: String,
        password: SecretString,
    },
    /// A refresh token of the OAuth 2 flow.
    Identity(SecretString),
    /// Whether it is a password or a bearer token, only the registry knows.
    Token(SecretString),
}

/// The user name for tokens whose owner is in the token; GitHub's convention, ignored by others.
const TOKEN_USER: &str = "x-access-token";

impl Credential {
    pub(super) fn secret(&self) -> &SecretString {
        match self {
            Self::Password { password: secret, .. } | Self::Identity(secret) | Self::Token(secret) => secret,
        }
    }

    /// The value of an `Authorization: Basic` header.
    pub(super) fn basic(&self) -> SecretString {
        let user = match self {
            Self::Password { user, .. } => user,
            // As Docker does it for registries without a token service.
            Self::Identity(_) => "<token>",
            Self::Token(_) => TOKEN_USER,
        };
        let pair = zeroize::Zeroizing::new(format!("{user}:{}", self.secret().expose_secret()));
        SecretString::from(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())))
    }
}

/// The chain of sources, each registry looked up once.
#[derive(Debug)]
pub(super) struct Credentials {
    options: CredentialOptions,
    known: Mutex<HashMap<String, Option<Credential>>>,
}

impl Credentials {
    pub(super) fn new(options: CredentialOptions) -> Self {
        Self { options, known: Mutex::new(HashMap::new()) }
    }

    /// Our credential for this registry; `Ok(None)`: we are anonymous there.
    pub(super) async fn of(&self, registry: &str) -> Result<Option<Credential>, DockerConfigError> {
        let mut known = self.known.lock().await;
        if let Some(credential) = known.get(registry) {
            return Ok(credential.clone());
        }
        let credential = self.look_up(registry).await?;
        known.insert(registry.to_owned(), credential.clone());
        Ok(credential)
    }

    /// A helper may hand out a newer one next time (ECR's expire after twelve hours).
    pub(super) async fn forget(&self, registry: &str) {
        self.known.lock().await.remove(registry);
    }

    async fn look_up(&self, registry: &str) -> Result<Option<Credential>, DockerConfigError> {
        if let Some(explicit) = &self.options.explicit
            && explicit.registry.eq_ignore_ascii_case(registry)
        {
            return Ok(Some(parse_explicit(&explicit.token)));
        }
        if let Some(path) = &self.options.docker_config
            && let Some(credential) = docker_config::look_up(path.clone(), registry).await?
        {
            return Ok(Some(credential));
        }
        let github = self.options.github_token.as_ref().filter(|_| registry == "ghcr.io");
        Ok(github.map(|token| Credential::Password { user: TOKEN_USER.to_owned(), password: token.clone() }))
    }
}

fn parse_explicit(token: &SecretString) -> Credential {
    let text = token.expose_secret().trim();
    match text.split_once(':') {
        Some((user, password)) => Credential::Password { user: user.to_owned(), password: password.into() },
        None => Credential::Token(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> CredentialOptions {
        CredentialOptions {
            explicit: Some(ExplicitToken { registry: "r.example.com".to_owned(), token: "abc\n".into() }),
            docker_config: None,
            github_token: Some("ghs_1".into()),
        }
    }

    #[tokio::test]
    async fn the_explicit_token_and_the_github_token_have_one_registry_each() {
        let credentials = Credentials::new(options());
        let secret = async |registry: &str| {
            credentials.of(registry).await.unwrap().map(|c| c.secret().expose_secret().to_owned())
        };
        assert_eq!(secret("r.example.com").await.as_deref(), Some("abc"));
        assert_eq!(secret("ghcr.io").await.as_deref(), Some("ghs_1"));
        for other in ["r.example.com:5000", "ghcr.io.example.com", "docker.pkg.github.com", "example.com"] {
            assert_eq!(secret(other).await, None, "{other}");
        }
    }

    #[tokio::test]
    async fn docker_config_goes_before_the_github_token() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"auths":{"ghcr.io":{"auth":"dTpw"}}}"#).unwrap();
        let options = CredentialOptions { docker_config: Some(file.path().to_owned()), ..options() };
        let credential = Credentials::new(options).of("ghcr.io").await.unwrap().unwrap();
        assert!(matches!(&credential, Credential::Password { user, .. } if user == "u"));
        assert_eq!(credential.basic().expose_secret(), "Basic dTpw");
    }

    #[test]
    fn credentials_do_not_show_in_debug_output() {
        let credential = parse_explicit(&"user:hunter22".into());
        assert!(!format!("{credential:?} {:?}", options()).contains("hunter22"));
        assert!(!format!("{:?}", options()).contains("ghs_1"));
    }
}
