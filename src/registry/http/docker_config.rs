//! Docker's `config.json` and its credential helpers, through `docker_credential`.
//!
//! The crate blocks and puts a helper's output into its errors, so it runs on a blocking thread with a time limit, and
//! of its errors only the kind goes on: a helper may print secrets (I10). Keys with a path (`ghcr.io/org`) and
//! `registrytoken` are not supported by the crate.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential};

use crate::registry::http::credentials::Credential;
use crate::registry::http::endpoint::is_docker_hub;
use crate::registry::http::limits::HELPER_TIMEOUT;

/// Why it is not known whether there is a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DockerConfigError {
    #[error("cannot read {path}: {why}")]
    Unreadable { path: PathBuf, why: String },
    #[error("credentials for {registry} in {path} are malformed")]
    Malformed { path: PathBuf, registry: String },
    #[error("credential helper {helper} failed for {registry} (what it printed is not shown); try: {helper} get")]
    Helper { helper: String, registry: String },
    #[error("the credential helper for {registry} in {path} cannot be run")]
    HelperUnusable { path: PathBuf, registry: String },
    #[error("the credential helper for {registry} did not answer within {} seconds", HELPER_TIMEOUT.as_secs())]
    HelperTimeout { registry: String },
}

/// The credential for `registry`; `Ok(None)`: no file, or nothing in it for this registry.
pub(super) async fn look_up(path: PathBuf, registry: &str) -> Result<Option<Credential>, DockerConfigError> {
    let registry = registry.to_owned();
    let timed_out = DockerConfigError::HelperTimeout { registry: registry.clone() };
    let work = tokio::task::spawn_blocking(move || look_up_blocking(&path, &registry));
    match tokio::time::timeout(HELPER_TIMEOUT, work).await {
        Ok(Ok(answer)) => answer,
        // Panicked or cancelled: as good as no answer.
        Ok(Err(_)) | Err(_) => Err(timed_out),
    }
}

fn look_up_blocking(path: &Path, registry: &str) -> Result<Option<Credential>, DockerConfigError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DockerConfigError::Unreadable { path: path.to_owned(), why: error.to_string() }),
    };
    // The name under which `docker login` files Docker Hub.
    let key = if is_docker_hub(registry) { "https://index.docker.io/v1/" } else { registry };
    match docker_credential::get_credential_from_reader(BufReader::new(file), key) {
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Credential::Identity(token.into()))),
        Ok(DockerCredential::UsernamePassword(user, password)) if user.is_empty() && password.is_empty() => Ok(None),
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(Some(Credential::Password { user, password: password.into() }))
        }
        Err(error) => judge(error, path, registry),
    }
}

/// "Not found" is an answer, all else is not knowing.
fn judge(
    error: CredentialRetrievalError,
    path: &Path,
    registry: &str,
) -> Result<Option<Credential>, DockerConfigError> {
    let (path, registry) = (path.to_owned(), registry.to_owned());
    match error {
        CredentialRetrievalError::NoCredentialConfigured | CredentialRetrievalError::ConfigNotFound => Ok(None),
        CredentialRetrievalError::HelperFailure { helper, stdout, stderr } => {
            if says_not_found(&stdout) || says_not_found(&stderr) {
                return Ok(None);
            }
            Err(DockerConfigError::Helper { helper, registry })
        }
        CredentialRetrievalError::HelperCommunicationError | CredentialRetrievalError::MalformedHelperResponse => {
            Err(DockerConfigError::HelperUnusable { path, registry })
        }
        CredentialRetrievalError::CredentialDecodingError | CredentialRetrievalError::CredentialMismatchError => {
            Err(DockerConfigError::Malformed { path, registry })
        }
        CredentialRetrievalError::ConfigReadError => {
            Err(DockerConfigError::Unreadable { path, why: "not a Docker configuration in JSON".to_owned() })
        }
    }
}

/// The sentences of docker-credential-helpers for "I have none for this server".
fn says_not_found(output: &str) -> bool {
    let output = output.to_ascii_lowercase();
    ["credentials not found", "could not be found in the keychain", "no credentials server url"]
        .iter()
        .any(|sentence| output.contains(sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn helper_failure(stdout: &str) -> Result<Option<Credential>, DockerConfigError> {
        let (helper, stdout, stderr) = ("docker-credential-x".to_owned(), stdout.to_owned(), String::new());
        judge(CredentialRetrievalError::HelperFailure { helper, stdout, stderr }, Path::new("c.json"), "r.example.com")
    }

    #[test]
    fn a_helper_that_knows_nothing_is_anonymous_and_one_that_fails_is_an_error_without_its_output() {
        assert!(matches!(helper_failure("credentials not found in native keychain\n"), Ok(None)));
        let error = helper_failure("locked; password was hunter22").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter22"));
    }

    #[tokio::test]
    async fn config_files_are_read_and_broken_ones_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        assert!(matches!(look_up(path.clone(), "r.example.com").await, Ok(None)));
        std::fs::write(
            &path,
            r#"{"auths":{"r.example.com":{"identitytoken":"x"},"https://index.docker.io/v1/":{"auth":"dTpw"}}}"#,
        )
        .unwrap();
        assert!(matches!(look_up(path.clone(), "r.example.com").await, Ok(Some(Credential::Identity(_)))));
        assert!(matches!(look_up(path.clone(), "docker.io").await, Ok(Some(Credential::Password { .. }))));
        assert!(matches!(look_up(path.clone(), "other.example.com").await, Ok(None)));
        std::fs::write(&path, r#"{"auths":{"r.example.com":{"auth":"!!"}}}"#).unwrap();
        assert!(matches!(look_up(path.clone(), "r.example.com").await, Err(DockerConfigError::Malformed { .. })));
        std::fs::write(&path, "no json").unwrap();
        assert!(matches!(look_up(path.clone(), "r.example.com").await, Err(DockerConfigError::Unreadable { .. })));
        std::fs::write(&path, r#"{"credsStore":"countersign-test-absent"}"#).unwrap();
        assert!(matches!(look_up(path, "r.example.com").await, Err(DockerConfigError::HelperUnusable { .. })));
    }
}
