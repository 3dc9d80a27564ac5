//! Blob downloads: redirects by hand, and a stream that verifies length and digest while it is read (I7).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::Stream;
use http::header::LOCATION;
use http::{StatusCode, Version};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::causes::innermost;
use crate::oci::digest::Hasher;
use crate::oci::{Descriptor, Digest};
use crate::registry::http::exchange::{Answer, Call, Exchange};
use crate::registry::http::limits::MAX_REDIRECTS;
use crate::registry::http::redirect::{is_redirect, next_hop};
use crate::registry::{BlobStream, ErrorKind, RegistryError};

/// Opens the blob that `call` asks for. `Ok(None)`: the registry has no such blob.
pub(super) async fn download(
    exchange: &Exchange,
    mut call: Call<'_>,
    descriptor: &Descriptor,
) -> Result<Option<BlobStream>, RegistryError> {
    for _ in 0..=MAX_REDIRECTS {
        let mut answer = exchange.send(&call).await?;
        match answer.status {
            StatusCode::OK => return open(&call, answer, descriptor, exchange.request_timeout).map(Some),
            StatusCode::NOT_FOUND if call.endpoint.owns(&call.url) => return Ok(None),
            status if is_redirect(status) => {
                let next = next_hop(&call.url, answer.header(LOCATION.as_str()));
                call.url = next.map_err(|why| call.error(ErrorKind::Malformed, why.to_string()))?;
            }
            StatusCode::NOT_FOUND => {
                // The registry has it, its storage has not: nobody knows what was in it.
                let mut error = exchange.refusal(&call, &mut answer).await;
                error.kind = ErrorKind::Unavailable;
                return Err(error);
            }
            _ => return Err(exchange.refusal(&call, &mut answer).await),
        }
    }
    Err(call.error(ErrorKind::Limit, format!("more than {MAX_REDIRECTS} redirects")))
}

fn open(
    call: &Call<'_>,
    answer: Answer,
    descriptor: &Descriptor,
    stall: Duration,
) -> Result<BlobStream, RegistryError> {
    let length = answer.response.content_length();
    if let Some(length) = length.filter(|length| *length != descriptor.size) {
        // A web page with status 200 is some proxy talking, not the blob lying.
        let kind = if answer.is_html() { ErrorKind::Malformed } else { ErrorKind::Contradiction };
        return Err(call.error(kind, format!("expected {} bytes, found {length}", descriptor.size)));
    }
    let chunked = answer.headers.contains_key(http::header::TRANSFER_ENCODING);
    let framed = length.is_some() || chunked || answer.response.version() >= Version::HTTP_2;
    Ok(Box::pin(VerifiedBlob {
        body: Box::pin(answer.response.bytes_stream()),
        chunk: Bytes::new(),
        check: Check {
            subject: call.subject.to_owned(),
            size: descriptor.size,
            digest: descriptor.digest.clone(),
            read: 0,
            hasher: Some(Hasher::new(descriptor.digest.algorithm())),
            framed,
        },
        stall,
        alarm: Box::pin(tokio::time::sleep(stall)),
    }))
}

/// Counts and hashes; the end of the stream is an error unless both are as promised.
struct Check {
    subject: String,
    size: u64,
    digest: Digest,
    read: u64,
    /// `None` after the end was reached and found good.
    hasher: Option<Hasher>,
    /// Would a connection cut short be noticed below us? Without length or chunks it looks like the end.
    framed: bool,
}

impl Check {
    fn error(&self, kind: ErrorKind, message: impl Into<String>) -> io::Error {
        io::Error::other(RegistryError::new(kind, "GET blob", &self.subject, message))
    }

    fn take(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.read += chunk.len() as u64;
        if self.read > self.size {
            return Err(self.error(ErrorKind::Contradiction, format!("longer than the expected {} bytes", self.size)));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(chunk);
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if self.read < self.size {
            let kind = if self.framed { ErrorKind::Contradiction } else { ErrorKind::Unavailable };
            return Err(self.error(kind, format!("expected {} bytes, found {}", self.size, self.read)));
        }
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        let found = hasher.finish();
        if found == self.digest {
            return Ok(());
        }
        Err(self.error(ErrorKind::Contradiction, format!("content has digest {found}")))
    }
}

struct VerifiedBlob<S> {
    body: Pin<Box<S>>,
    chunk: Bytes,
    check: Check,
    stall: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl<S> VerifiedBlob<S>
where
    S: Stream<Item = reqwest::Result<Bytes>>,
{
    /// The next chunk, checked; `None` at a good end.
    fn poll_chunk(&mut self, ctx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let Poll::Ready(next) = self.body.as_mut().poll_next(ctx) else {
            ready!(self.alarm.as_mut().poll(ctx));
            let message = format!("no byte for {:?} after {} bytes", self.stall, self.check.read);
            return Poll::Ready(Err(self.check.error(ErrorKind::Unavailable, message)));
        };
        self.alarm.as_mut().reset(Instant::now() + self.stall);
        Poll::Ready(match next {
            None => self.check.end().map(|()| None),
            Some(Ok(chunk)) => self.check.take(&chunk).map(|()| Some(chunk)),
            Some(Err(why)) => {
                let message = format!("cut short after {} bytes: {}", self.check.read, innermost(&why));
                Err(self.check.error(ErrorKind::Unavailable, message))
            }
        })
    }
}

impl<S> AsyncRead for VerifiedBlob<S>
where
    S: Stream<Item = reqwest::Result<Bytes>>,
{
    fn poll_read(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.chunk.is_empty() {
            match ready!(self.poll_chunk(ctx))? {
                Some(chunk) => self.chunk = chunk,
                None => return Poll::Ready(Ok(())),
            }
        }
        let n = self.chunk.len().min(buf.remaining());
        buf.put_slice(&self.chunk[..n]);
        self.chunk.advance(n);
        Poll::Ready(Ok(()))
    }
}
