//! Blob uploads: one POST with the content where the registry takes that (distribution spec, "Single POST"), else one
//! session of POST and PUT, begun again as a whole when it breaks.
//!
//! The session's address comes from the registry; it must be the registry's own, because our credential and content go
//! there (I11). docker-registry 2.8 ignores the content of a POST and opens a session, which then goes on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use tokio::time::Instant;
use url::Url;

use crate::oci::{Digest, Repository};
use crate::registry::http::capability::SinglePost;
use crate::registry::http::exchange::{Answer, Call, Exchange};
use crate::registry::http::limits::{MAX_REMEMBERED_UPLOADS, MAX_TRIAL_BYTES, UPLOADED_TTL};
use crate::registry::http::redirect::is_redirect;
use crate::registry::http::retry::{Failure, Retry, retrying};
use crate::registry::{ErrorKind, RegistryError};

const OCTETS: &str = "application/octet-stream";

/// What this client uploaded a short while ago. Parallel callers with the same blob (the empty configuration of every
/// artifact) upload it once: docker-registry's file storage loses sight of a blob while it is uploaded again.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    slots: Mutex<HashMap<(Repository, Digest), Slot>>,
}

/// When the upload ended; locked while it is under way.
type Slot = Arc<tokio::sync::Mutex<Option<Instant>>>;

impl Uploads {
    /// Runs `work` unless it succeeded for this blob within [`UPLOADED_TTL`].
    pub(super) async fn once<E>(
        &self,
        repository: &Repository,
        digest: &Digest,
        work: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            if slots.len() >= MAX_REMEMBERED_UPLOADS {
                slots.clear();
            }
            Arc::clone(slots.entry((repository.clone(), digest.clone())).or_default())
        };
        let mut uploaded = slot.lock().await;
        if uploaded.is_none_or(|at| at.elapsed() >= UPLOADED_TTL) {
            work.await?;
            *uploaded = Some(Instant::now());
        }
        Ok(())
    }
}

/// Is the blob there already? Anything but a plain yes is a no: the upload itself will tell what is wrong.
pub(super) async fn exists(exchange: &Exchange, mut call: Call<'_>) -> Result<bool, RegistryError> {
    call.method = Method::HEAD;
    let answer = exchange.send(&call).await?;
    // A redirect leads to where the registry keeps it.
    Ok(answer.status == StatusCode::OK || is_redirect(answer.status))
}

/// Uploads `bytes` by way of `call` (the POST that opens an upload), in one request where `known` says so. A small blob
/// finds out what is not known yet, and others wait for the answer to its first request.
pub(super) async fn upload(
    exchange: &Exchange,
    mut call: Call<'_>,
    known: &tokio::sync::Mutex<SinglePost>,
    digest: &Digest,
    bytes: Bytes,
) -> Result<(), RegistryError> {
    call.method = Method::POST;
    let mut known = known.lock().await;
    if known.is_unknown() && bytes.len() <= MAX_TRIAL_BYTES {
        let opened = single(exchange, &call, digest, bytes.clone()).await;
        match &opened {
            Ok(Opened::Stored) => *known = SinglePost::Taken,
            Ok(Opened::Session(_) | Opened::Refused) => *known = SinglePost::IgnoredSince(Instant::now()),
            Err(_) => {}
        }
        drop(known);
        match opened {
            Ok(Opened::Stored) => return Ok(()),
            Ok(Opened::Session(answer)) => {
                if fill(exchange, &call, *answer, digest, bytes.clone()).await.is_ok() {
                    return Ok(());
                }
            }
            // An ordinary upload has the retries, and says what is wrong.
            Ok(Opened::Refused) | Err(_) => {}
        }
        return retrying(call.deadline, &exchange.budget, || session(exchange, &call, digest, bytes.clone())).await;
    }
    let at_once = known.is_taken();
    drop(known);
    retrying(call.deadline, &exchange.budget, || async {
        if !at_once {
            return session(exchange, &call, digest, bytes.clone()).await;
        }
        match single(exchange, &call, digest, bytes.clone()).await? {
            Opened::Stored => Ok(()),
            Opened::Session(answer) => fill(exchange, &call, *answer, digest, bytes.clone()).await,
            Opened::Refused => session(exchange, &call, digest, bytes.clone()).await,
        }
    })
    .await
}

/// What a POST with content came to.
enum Opened {
    Stored,
    /// The content was ignored, and a session opened.
    Session(Box<Answer>),
    Refused,
}

async fn single(exchange: &Exchange, open: &Call<'_>, digest: &Digest, bytes: Bytes) -> Result<Opened, Failure> {
    let mut url = open.url.clone();
    url.query_pairs_mut().append_pair("digest", &digest.to_string());
    let post = Call { url, body: bytes, ..open.clone() }.header(CONTENT_TYPE, HeaderValue::from_static(OCTETS));
    let answer = exchange.attempt(&post).await?;
    Ok(match answer.status {
        StatusCode::CREATED => Opened::Stored,
        StatusCode::ACCEPTED => Opened::Session(Box::new(answer)),
        _ => Opened::Refused,
    })
}

async fn session(exchange: &Exchange, open: &Call<'_>, digest: &Digest, bytes: Bytes) -> Result<(), Failure> {
    let mut answer = exchange.attempt(open).await?;
    if answer.status != StatusCode::ACCEPTED {
        return Err(exchange.judge(open, &mut answer).await);
    }
    fill(exchange, open, answer, digest, bytes).await
}

/// The PUT of the session that `answer` opened.
async fn fill(
    exchange: &Exchange,
    open: &Call<'_>,
    answer: Answer,
    digest: &Digest,
    bytes: Bytes,
) -> Result<(), Failure> {
    let url = session_url(open, &answer, digest)?;
    drop(answer);
    let octets = HeaderValue::from_static(OCTETS);
    let put = Call { method: Method::PUT, url, body: bytes, ..open.clone() }.header(CONTENT_TYPE, octets);
    let mut answer = exchange.attempt(&put).await?;
    match answer.status.as_u16() {
        200 | 201 | 204 => Ok(()),
        // The session was lost on the registry's side: begin again.
        404 | 416 => {
            let error = exchange.refusal(&put, &mut answer).await;
            Err(Failure { error, retry: Retry::Again { after: None } })
        }
        _ => Err(exchange.judge(&put, &mut answer).await),
    }
}

/// The session's address with our digest added to whatever query it has.
fn session_url(open: &Call<'_>, answer: &Answer, digest: &Digest) -> Result<Url, RegistryError> {
    let mut url = next_url(open, answer)?;
    url.query_pairs_mut().append_pair("digest", &digest.to_string());
    Ok(url)
}

/// Where the session goes on, which must be at the registry itself.
pub(super) fn next_url(open: &Call<'_>, answer: &Answer) -> Result<Url, RegistryError> {
    let malformed = |message: String| open.error(ErrorKind::Malformed, message);
    let location = answer.header(LOCATION.as_str());
    let location = location.ok_or_else(|| malformed("the upload session has no address".to_owned()))?;
    let url = open.url.join(location).map_err(|_| malformed("the upload session's address is none".to_owned()))?;
    if !open.endpoint.owns(&url) {
        let origin = url.origin().ascii_serialization();
        return Err(malformed(format!("the upload session is on another host: {origin}")));
    }
    Ok(url)
}
