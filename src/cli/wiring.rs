//! From command-line options to a wired [`App`], and from its errors to failures.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::app::{App, Wiring, WiringError};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::options::Shared;
use crate::cli::person::Terminal;
use crate::evidence::verdict::Verdict;
use crate::identity::ExpectedIdentities;
use crate::oci::Repository;
use crate::policy::{Reason, ReasonCode};

/// A registry token longer than this is a mistake; GHCR's and ECR's are under 4 kB.
const MAX_TOKEN_BYTES: u64 = 64 * 1024;

impl From<WiringError> for Failure {
    fn from(error: WiringError) -> Self {
        Self::new(Exit::Usage, error.code, error.message).help(error.help)
    }
}

/// Builds the app for a command that talks to `repositories`.
pub(crate) fn app(shared: &Shared, repositories: &[&Repository]) -> Result<Arc<App>, Failure> {
    let wiring = Wiring {
        config: shared.config.clone(),
        sigstore: shared.sigstore.clone(),
        trust_root: shared.trust_root.clone(),
        signing_config: shared.signing_config.clone(),
        identity_token_file: shared.identity_token_file.clone(),
        trivy: shared.trivy.clone(),
        trivy_db: shared.trivy_db.clone(),
        policy: shared.policy.clone(),
        github_api: shared.github_api.clone(),
        plain_http: shared.plain_http.clone(),
        registry_token: if shared.registry_token_stdin { Some(token_from_stdin(repositories)?) } else { None },
        timeout: shared.timeout.map(|timeout| timeout.0),
    };
    Ok(Arc::new(App::new(wiring, Arc::new(Terminal))?))
}

fn token_from_stdin(repositories: &[&Repository]) -> Result<(String, SecretString), Failure> {
    let mut registries: Vec<&str> = repositories.iter().map(|r| r.registry()).collect();
    registries.sort_unstable();
    registries.dedup();
    let [registry] = registries.as_slice() else {
        let found = registries.len();
        return Err(Failure::usage(format!("--registry-token-stdin is for exactly one registry, found {found}")));
    };
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_TOKEN_BYTES).read_to_string(&mut text);
    read.map_err(|e| Failure::usage(format!("cannot read the registry token from standard input: {e}")))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(Failure::usage("--registry-token-stdin: standard input is empty"));
    }
    Ok(((*registry).to_owned(), SecretString::from(token.to_owned())))
}

/// Flags win over the configuration; without either nobody can be expected.
pub(crate) fn expected(app: &App, flags: Option<ExpectedIdentities>) -> Result<ExpectedIdentities, Failure> {
    flags.or_else(|| app.config.identities.clone()).ok_or_else(|| {
        Failure::new(Exit::Usage, "no-expected-identity", "no expected identity: whose signature would be good?")
            .help("pass --issuer with --identity or --identity-regexp, --github-repository, or set identity in countersign.yaml")
    })
}

/// The answer for `subject`, or why there is none in time.
pub(crate) async fn in_time<T>(limit: Duration, subject: &str, work: impl Future<Output = T>) -> Result<T, Reason> {
    tokio::time::timeout(limit, work).await.map_err(|_| {
        let message = format!("{subject}: no answer within {} s", limit.as_secs());
        Reason::new(ReasonCode::Unreachable, message).with_help("try again, or allow more time with --timeout")
    })
}

/// The exit code for a verdict with its reasons.
pub(crate) fn exit_of(verdict: Verdict, reasons: &[Reason]) -> Exit {
    match verdict {
        Verdict::Verified => Exit::Ok,
        Verdict::Refuted => Exit::Refuted,
        Verdict::Unknown => unknown_exit(reasons),
    }
}

/// *Unknown* has three codes: not authorised, not found, and everything else.
pub(crate) fn unknown_exit(reasons: &[Reason]) -> Exit {
    let has = |codes: &[ReasonCode]| reasons.iter().any(|reason| codes.contains(&reason.code));
    if has(&[ReasonCode::Unauthenticated, ReasonCode::Forbidden, ReasonCode::IdentityTokenRefused]) {
        Exit::Unauthorised
    } else if !reasons.is_empty() && reasons.iter().all(|reason| reason.code == ReasonCode::NotFound) {
        Exit::NotFound
    } else {
        Exit::Unknown
    }
}

/// The exit code of a run that stopped after its first write. Whatever is not found then was there before.
pub(crate) fn incomplete_exit(reasons: &[Reason]) -> Exit {
    match unknown_exit(reasons) {
        Exit::NotFound => Exit::Unknown,
        exit => exit,
    }
}
