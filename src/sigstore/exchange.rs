//! One POST to a Sigstore service: answer capped while it is read, redirects not followed, failures sorted.
//!
//! The crates' own clients read answers without a limit and give the timestamp authority's status only as text.

use crate::causes::innermost;
use crate::sigstore::retry::{Attempt, excerpt, is_transient};
use crate::sigstore::{Service, SigstoreError};

/// Largest answer we read. A log entry with its proof has about 3 kB, Rekor v1 repeats nothing of the payload but hashes.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Why there is no answer to use.
pub(super) enum Trouble {
    Status { status: u16, why: String },
    Transport { why: String },
}

/// Posts `body`; `secret` is kept out of whatever is said about a failure.
pub(super) async fn post(
    http: &reqwest::Client,
    url: &str,
    content_type: &str,
    body: Vec<u8>,
    secret: &str,
) -> Result<Vec<u8>, Trouble> {
    let lost = |e: reqwest::Error| Trouble::Transport { why: excerpt(&innermost(&e), secret) };
    let request = http.post(url).header("content-type", content_type).body(body);
    let mut response = request.send().await.map_err(lost)?;
    let status = response.status();
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if answer.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Trouble::Transport { why: format!("an answer of more than {MAX_ANSWER_BYTES} bytes") });
        }
        answer.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(answer);
    }
    let text = String::from_utf8_lossy(&answer);
    Err(Trouble::Status { status: status.as_u16(), why: excerpt(&text, secret) })
}

impl Trouble {
    /// Transient failures may be tried again, anything else is final.
    pub(super) fn attempt<T>(self, service: Service) -> Attempt<T> {
        match self {
            Self::Transport { why } => Attempt::Again(SigstoreError::Unavailable { service, why }),
            Self::Status { status, why } if is_transient(status) => {
                Attempt::Again(SigstoreError::Unavailable { service, why: format!("HTTP {status} {why}") })
            }
            Self::Status { status, why } => Attempt::Failed(SigstoreError::Rejected { service, status, why }),
        }
    }
}

/// An answer that came but makes no sense.
pub(super) fn nonsense<T>(service: Service, why: impl std::fmt::Display) -> Attempt<T> {
    Attempt::Again(SigstoreError::Unavailable { service, why: excerpt(&why.to_string(), "") })
}
