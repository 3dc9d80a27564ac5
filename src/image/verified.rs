//! A reader that ends in an error unless exactly the described bytes passed through it (I7).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::image::{BlobStream, ImageError};
use crate::oci::Descriptor;
use crate::oci::digest::Hasher;

pub(super) struct Verified<R> {
    inner: R,
    descriptor: Descriptor,
    seen: u64,
    hasher: Option<Hasher>,
}

impl<R> Verified<R> {
    pub(super) fn new(inner: R, descriptor: &Descriptor) -> Self {
        let hasher = Some(Hasher::new(descriptor.digest.algorithm()));
        Self { inner, descriptor: descriptor.clone(), seen: 0, hasher }
    }

    fn size_error(&self, found: String) -> io::Error {
        let subject = format!("blob {}", self.descriptor.digest);
        let expected = format!("{} bytes", self.descriptor.size);
        io::Error::new(io::ErrorKind::InvalidData, ImageError::Contradiction { subject, expected, found })
    }

    fn at_end(&mut self) -> io::Result<()> {
        if self.seen != self.descriptor.size {
            return Err(self.size_error(format!("{} bytes", self.seen)));
        }
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        let found = hasher.finish();
        if found == self.descriptor.digest {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            ImageError::Contradiction {
                subject: format!("blob {}", self.descriptor.digest),
                expected: self.descriptor.digest.to_string(),
                found: found.to_string(),
            },
        ))
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Verified<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        let fresh = &buf.filled()[before..];
        if fresh.is_empty() {
            return Poll::Ready(this.at_end());
        }
        this.seen += fresh.len() as u64;
        if this.seen <= this.descriptor.size {
            if let Some(hasher) = &mut this.hasher {
                hasher.update(fresh);
            }
        } else {
            // Who reads gets an error or bytes, never both.
            buf.set_filled(before);
            return Poll::Ready(Err(this.size_error("more".to_owned())));
        }
        Poll::Ready(Ok(()))
    }
}

/// The whole of a small blob, verified. `max` bounds what is read before the descriptor's size is believed.
pub(super) async fn read_small(
    mut stream: BlobStream,
    descriptor: &Descriptor,
    what: &'static str,
    max: u64,
) -> Result<Vec<u8>, ImageError> {
    let subject = format!("blob {}", descriptor.digest);
    if descriptor.size > max {
        return Err(ImageError::Limit { subject, what, max });
    }
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.map_err(|e| ImageError::of_io(&subject, &e))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    async fn read(bytes: &'static [u8], digest: Digest, size: u64) -> Result<Vec<u8>, ImageError> {
        let descriptor = Descriptor::new("x", digest, size);
        let stream: BlobStream = Box::pin(Verified::new(bytes, &descriptor));
        read_small(stream, &descriptor, "bytes", 100).await
    }

    #[tokio::test]
    async fn i7_a_blob_that_differs_from_its_descriptor_ends_in_an_error() {
        let good = Digest::of(b"hello");
        assert_eq!(read(b"hello", good.clone(), 5).await.unwrap(), b"hello");
        for (bytes, digest, size) in
            [(&b"hello!"[..], good.clone(), 5), (b"hell", good.clone(), 5), (b"hallo", good.clone(), 5)]
        {
            let error = read(bytes, digest, size).await.unwrap_err();
            assert!(matches!(error, ImageError::Contradiction { .. }), "{error}");
        }
        assert!(matches!(read(b"x", good, 101).await, Err(ImageError::Limit { .. })));
    }
}
