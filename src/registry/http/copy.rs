//! A blob from one repository to another, in chunks: never more than one of them in memory.
//!
//! Within one registry it is mounted where that is allowed. The digest is verified while reading, and again by the
//! registry at the end of the session; a session that breaks is begun again as a whole.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_RANGE, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use tokio::io::AsyncReadExt;
use url::Url;

use crate::oci::{Descriptor, Digest};
use crate::registry::http::exchange::{Answer, Call, Exchange};
use crate::registry::http::retry::{Failure, Retry};
use crate::registry::http::upload::next_url;
use crate::registry::{BlobStream, ErrorKind, RegistryError};

/// GHCR takes no larger chunk.
pub(super) const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// Sends `stream` through the session that `open` (the POST) opens.
pub(super) async fn upload_stream(
    exchange: &Exchange,
    open: &Call<'_>,
    descriptor: &Descriptor,
    stream: &mut BlobStream,
) -> Result<(), Failure> {
    let mut answer = exchange.attempt(open).await?;
    if answer.status == StatusCode::CREATED {
        return Ok(());
    }
    if answer.status != StatusCode::ACCEPTED {
        return Err(exchange.judge(open, &mut answer).await);
    }
    let mut url = next_url(open, &answer)?;
    drop(answer);
    let mut sent: u64 = 0;
    loop {
        let chunk = read_chunk(open, stream).await?;
        if chunk.is_empty() {
            break;
        }
        let last = sent + chunk.len() as u64 - 1;
        let length = chunk.len() as u64;
        url = patch(exchange, open, url, chunk, &format!("{sent}-{last}")).await?;
        sent += length;
    }
    finish(exchange, open, url, &descriptor.digest).await
}

/// A full chunk, or what is left; empty at the end, whose length and digest the stream has compared then.
async fn read_chunk(call: &Call<'_>, stream: &mut BlobStream) -> Result<Bytes, Failure> {
    let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
    while chunk.len() < CHUNK_BYTES {
        let mut rest = (&mut *stream).take((CHUNK_BYTES - chunk.len()) as u64);
        let read = rest.read_buf(&mut chunk).await.map_err(|e| {
            let error = RegistryError::of_io(&e).cloned();
            Failure::by_kind(error.unwrap_or_else(|| call.error(ErrorKind::Unavailable, e.to_string())))
        })?;
        if read == 0 {
            break;
        }
    }
    Ok(chunk.freeze())
}

async fn patch(exchange: &Exchange, open: &Call<'_>, url: Url, chunk: Bytes, range: &str) -> Result<Url, Failure> {
    let octets = HeaderValue::from_static("application/octet-stream");
    let range = HeaderValue::from_str(range).map_err(|_| Failure::fatal(open.error(ErrorKind::Refused, "range")))?;
    let call = Call { method: Method::PATCH, url, body: chunk, ..open.clone() };
    let call = call.header(CONTENT_TYPE, octets).header(CONTENT_RANGE, range);
    let mut answer = exchange.attempt(&call).await?;
    match answer.status.as_u16() {
        200..=204 => Ok(match answer.header(LOCATION.as_str()) {
            Some(_) => next_url(&call, &answer)?,
            None => call.url.clone(),
        }),
        404 | 416 => Err(lost(exchange, &call, &mut answer).await),
        _ => Err(exchange.judge(&call, &mut answer).await),
    }
}

async fn finish(exchange: &Exchange, open: &Call<'_>, mut url: Url, digest: &Digest) -> Result<(), Failure> {
    url.query_pairs_mut().append_pair("digest", &digest.to_string());
    let call = Call { method: Method::PUT, url, body: Bytes::new(), ..open.clone() };
    let mut answer = exchange.attempt(&call).await?;
    match answer.status.as_u16() {
        200 | 201 | 204 => Ok(()),
        404 | 416 => Err(lost(exchange, &call, &mut answer).await),
        _ => Err(exchange.judge(&call, &mut answer).await),
    }
}

/// The session is gone on the registry's side: begin again.
async fn lost(exchange: &Exchange, call: &Call<'_>, answer: &mut Answer) -> Failure {
    let error = exchange.refusal(call, answer).await;
    Failure { error, retry: Retry::Again { after: None } }
}
