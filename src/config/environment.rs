//! The environment, read once. Options that clap reads as `COUNTERSIGN_…` are not repeated here.
//!
//! Secrets leave as [`SecretString`]; nothing here is ever printed.

use std::io::IsTerminal;
use std::path::PathBuf;

use secrecy::SecretString;

/// The volume path that cosign's filesystem provider reads.
const PROJECTED_TOKEN: &str = "/var/run/sigstore/cosign/oidc-token";

/// What we take from the environment, and nothing else.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Folders of `PATH`.
    pub path: Vec<PathBuf>,
    /// `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
    pub docker_config: Option<PathBuf>,
    /// `$XDG_CACHE_HOME/countersign`, else `~/.cache/countersign`.
    pub cache: Option<PathBuf>,
    /// `$XDG_STATE_HOME/countersign`, else `~/.local/state/countersign`.
    pub state: Option<PathBuf>,
    /// `GITHUB_TOKEN`: among registries for ghcr.io only.
    pub github_token: Option<SecretString>,
    /// `GH_TOKEN`, which `gh` prefers to `GITHUB_TOKEN`: for GitHub's API only.
    pub gh_token: Option<SecretString>,
    /// `GITHUB_API_URL` of a workflow run.
    pub github_api: Option<String>,
    /// `SIGSTORE_ID_TOKEN`.
    pub sigstore_id_token: Option<SecretString>,
    /// `ACTIONS_ID_TOKEN_REQUEST_URL` and `…_TOKEN`: GitHub's ambient identity.
    pub actions_token: Option<(String, SecretString)>,
    /// Where Kubernetes projects a token for Sigstore (the place that cosign reads), if there is one.
    pub projected_token: Option<PathBuf>,
    /// Is a person there to log in: input and messages on a terminal, and no CI?
    pub interactive: bool,
    /// `GITHUB_REF` and `GITHUB_SHA` of a workflow run.
    pub git_ref: Option<String>,
    pub git_sha: Option<String>,
    /// The workflow run's page.
    pub run_url: Option<String>,
    /// `SOURCE_DATE_EPOCH` (reproducible-builds.org/specs/source-date-epoch), as given.
    pub source_date_epoch: Option<String>,
}

impl Environment {
    #[must_use]
    pub fn read() -> Self {
        let home = text("HOME").map(PathBuf::from);
        let under_home = |folder: &str| home.as_ref().map(|home| home.join(folder));
        let cache = text("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| under_home(".cache"));
        let state = text("XDG_STATE_HOME").map(PathBuf::from).or_else(|| under_home(".local/state"));
        let docker = text("DOCKER_CONFIG").map(PathBuf::from).or_else(|| under_home(".docker"));
        Self {
            path: text("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default(),
            docker_config: docker.map(|folder| folder.join("config.json")),
            cache: cache.map(|folder| folder.join("countersign")),
            state: state.map(|folder| folder.join("countersign")),
            github_token: secret("GITHUB_TOKEN"),
            gh_token: secret("GH_TOKEN"),
            github_api: text("GITHUB_API_URL"),
            sigstore_id_token: secret("SIGSTORE_ID_TOKEN"),
            actions_token: text("ACTIONS_ID_TOKEN_REQUEST_URL").zip(secret("ACTIONS_ID_TOKEN_REQUEST_TOKEN")),
            projected_token: Some(PathBuf::from(PROJECTED_TOKEN)).filter(|path| path.is_file()),
            interactive: text("CI").is_none() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
            git_ref: text("GITHUB_REF"),
            git_sha: text("GITHUB_SHA"),
            run_url: run_url(),
            source_date_epoch: text("SOURCE_DATE_EPOCH"),
        }
    }
}

fn run_url() -> Option<String> {
    let (server, repository, run) = (text("GITHUB_SERVER_URL")?, text("GITHUB_REPOSITORY")?, text("GITHUB_RUN_ID")?);
    Some(format!("{server}/{repository}/actions/runs/{run}"))
}

/// `COUNTERSIGN_OUTPUT`, for a command line that could not be parsed.
#[must_use]
pub fn output() -> Option<String> {
    text("COUNTERSIGN_OUTPUT")
}

/// Unset and empty mean the same.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn secret(name: &str) -> Option<SecretString> {
    text(name).map(SecretString::from)
}
