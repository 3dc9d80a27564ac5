//! Who we are at a registry: an explicit token, Docker's `config.json` and its helpers, then `GITHUB_TOKEN` for ghcr.io.

use std::path::PathBuf;

use secrecy::SecretString;

/// Where credentials may come from, in this order. The caller reads flags, standard input and environment.
#[derive(Debug, Clone, Default)]
pub struct CredentialOptions {
    /// A token for exactly this registry (`--registry-token-stdin`).
    pub explicit: Option<ExplicitToken>,
    /// `config.json` of Docker (`$DOCKER_CONFIG` or `~/.docker`); a file that does not exist is no error.
    pub docker_config: Option<PathBuf>,
    /// `GITHUB_TOKEN`, used for ghcr.io only.
    pub github_token: Option<SecretString>,
}

#[derive(Debug, Clone)]
pub struct ExplicitToken {
    /// `host` or `host:port`.
    pub registry: String,
    pub token: SecretString,
}
