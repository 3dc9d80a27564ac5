//! Manifests: raw bytes in and out, capped while reading, hashed before they are handed out (I7).

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;

use crate::oci::manifest::MAX_MANIFEST_BYTES;
use crate::oci::{Digest, RawManifest, Reference, media_type};
use crate::registry::http::exchange::{Answer, Call, Exchange, status_line};
use crate::registry::http::retry::{Failure, Retry};
use crate::registry::{ErrorKind, PutOutcome, RegistryError};

const CONTENT_DIGEST: &str = "docker-content-digest";

/// What a HEAD tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    Absent,
    Digest(Digest),
    /// No digest in the answer, or no HEAD at this registry.
    Silent,
}

pub(super) async fn head(exchange: &Exchange, call: Call<'_>) -> Result<Head, RegistryError> {
    let call = accepting(call, Method::HEAD);
    let mut answer = exchange.send(&call).await?;
    match answer.status {
        StatusCode::OK => match content_digest(&call, &answer)? {
            Some(digest) => Ok(Head::Digest(digest)),
            None => Ok(Head::Silent),
        },
        StatusCode::NOT_FOUND => Ok(Head::Absent),
        // No body to tell why; GET has one.
        status if status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED => Ok(Head::Silent),
        _ => Err(exchange.refusal(&call, &mut answer).await),
    }
}

pub(super) async fn get(
    exchange: &Exchange,
    call: Call<'_>,
    reference: &Reference,
) -> Result<Option<RawManifest>, RegistryError> {
    let call = accepting(call, Method::GET);
    let (answer, body) = exchange.fetch(&call, MAX_MANIFEST_BYTES).await?;
    if answer.status != StatusCode::OK {
        let said = crate::registry::http::error_body::ErrorBody::parse(&body, answer.is_html());
        if answer.status == StatusCode::NOT_FOUND || (answer.status == StatusCode::BAD_REQUEST && said.says_absent()) {
            return Ok(None);
        }
        return Err(exchange.rejection(&call, &answer, &body));
    }
    if answer.is_html() {
        // Some registries answer errors with 200 and a web page: that is not knowing, not a contradiction.
        return Err(call.error(ErrorKind::Malformed, "expected a manifest, found a web page"));
    }
    let expected = match reference {
        Reference::Digest(reference) => Some(reference.digest.clone()),
        Reference::Tag(_) => content_digest(&call, &answer)?,
    };
    if let Some(expected) = expected.filter(|expected| !expected.matches(&body)) {
        let message = format!("expected content of digest {expected}, found {}", Digest::of(&body));
        return Err(call.error(ErrorKind::Contradiction, message));
    }
    let media_type = manifest_media_type(&answer, &body)
        .ok_or_else(|| call.error(ErrorKind::Malformed, "neither answer nor manifest tell a media type"))?;
    Ok(Some(RawManifest::new(&media_type, body.into())))
}

/// A PUT that has not been sent yet.
pub(super) fn writing<'a>(mut call: Call<'a>, manifest: &RawManifest) -> Result<Call<'a>, RegistryError> {
    let size = manifest.bytes().len() as u64;
    if size > MAX_MANIFEST_BYTES {
        let message = format!("manifest of {size} bytes; registries take at most {MAX_MANIFEST_BYTES}");
        return Err(call.error(ErrorKind::Limit, message));
    }
    let content_type = HeaderValue::from_str(manifest.media_type())
        .map_err(|_| call.error(ErrorKind::Refused, "the manifest's media type cannot be sent"))?;
    call.method = Method::PUT;
    call.body = Bytes::copy_from_slice(manifest.bytes());
    Ok(call.header(CONTENT_TYPE, content_type))
}

/// A PUT that is only to happen while the tag shows `from` (RFC 9110, section 13.1). Most registries ignore conditions, so
/// a success proves nothing.
pub(super) fn while_it_shows<'a>(call: Call<'a>, from: Option<&Digest>) -> Call<'a> {
    let condition = match from {
        None => Ok((IF_NONE_MATCH, HeaderValue::from_static("*"))),
        // The entity tag of a manifest is its digest, in quotes.
        Some(digest) => HeaderValue::from_str(&format!("\"{digest}\"")).map(|value| (IF_MATCH, value)),
    };
    match condition {
        Ok((name, value)) => call.header(name, value),
        // Digests are plain ASCII; without a condition the looks before and after still stand.
        Err(_) => call,
    }
}

/// One PUT of [`writing`]. `None`: a condition of the request does not hold (412).
pub(super) async fn put(
    exchange: &Exchange,
    call: &Call<'_>,
    manifest: &RawManifest,
) -> Result<Option<PutOutcome>, Failure> {
    let Some(answer) = send_manifest(exchange, call).await? else { return Ok(None) };
    let stored = content_digest(call, &answer).map_err(Failure::fatal)?;
    if let Some(stored) = stored.filter(|stored| !stored.matches(manifest.bytes())) {
        let message = format!("sent {}, the registry says it stored {stored}", manifest.digest());
        return Err(Failure::fatal(call.error(ErrorKind::Contradiction, message)));
    }
    let tags = answer.headers.get_all("oci-tag").iter().filter_map(|value| value.to_str().ok()?.trim().parse().ok());
    Ok(Some(PutOutcome { subject_handled: answer.headers.contains_key("oci-subject"), tags: tags.collect() }))
}

/// `false`: there was nothing to delete.
pub(super) async fn delete(exchange: &Exchange, mut call: Call<'_>) -> Result<bool, RegistryError> {
    call.method = Method::DELETE;
    let mut answer = exchange.send(&call).await?;
    match answer.status.as_u16() {
        200..=204 => Ok(true),
        404 => Ok(false),
        _ => Err(exchange.refusal(&call, &mut answer).await),
    }
}

/// One PUT. "Blob unknown" may pass: docker-registry's file storage says so while another client uploads the same blob
/// (it rewrites a link in place), and stores behind hosted registries show what was uploaded a little later.
async fn send_manifest(exchange: &Exchange, call: &Call<'_>) -> Result<Option<Answer>, Failure> {
    let mut answer = exchange.attempt(call).await?;
    // The specification says 201; whether a `Location` comes with it does not matter to us.
    if matches!(answer.status.as_u16(), 200..=202 | 204) {
        return Ok(Some(answer));
    }
    if answer.status == StatusCode::PRECONDITION_FAILED && is_conditional(call) {
        return Ok(None);
    }
    let body = exchange.error_body(call, &mut answer).await;
    let mut failure = exchange.failure(call, &answer, &body);
    if failure.error.kind == ErrorKind::Refused && body.has_code("MANIFEST_BLOB_UNKNOWN") {
        failure.retry = Retry::Again { after: None };
    }
    Err(failure)
}

fn is_conditional(call: &Call<'_>) -> bool {
    call.headers.contains_key(IF_MATCH) || call.headers.contains_key(IF_NONE_MATCH)
}

fn accepting(mut call: Call<'_>, method: Method) -> Call<'_> {
    call.method = method;
    call.header(ACCEPT, HeaderValue::from_static(media_type::ACCEPT_MANIFESTS))
}

/// The registry's word for the digest, if it gives one.
fn content_digest(call: &Call<'_>, answer: &Answer) -> Result<Option<Digest>, RegistryError> {
    let Some(text) = answer.header(CONTENT_DIGEST) else { return Ok(None) };
    let digest = text.parse().map_err(|why: crate::oci::NameError| {
        call.error(ErrorKind::Malformed, format!("{} with {CONTENT_DIGEST}: {why}", status_line(answer.status)))
    })?;
    Ok(Some(digest))
}

/// From the answer, else from the document.
fn manifest_media_type(answer: &Answer, body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Peek {
        media_type: String,
    }
    let said = answer.media_type().filter(|media_type| {
        !matches!(media_type.as_str(), "" | "application/json" | "application/octet-stream" | "text/plain")
    });
    said.or_else(|| serde_json::from_slice::<Peek>(body).ok().map(|peek| peek.media_type))
}
