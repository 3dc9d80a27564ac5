//! One compressed layer: blob stream (hashed) → bounded pipe → thread that inflates → bounded pieces → thread that hashes
//! and walks.
//!
//! Nothing read from a layer leaves this file before both digests matched: the blob's, which the source checks when the
//! stream ends, and the `diff_id`, which the caller compares with the configuration's (I7).

use std::io::{self, Read};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use crate::image::inflate::{Budget, Encoding, Inflated};
use crate::image::layer_scan::{self, Aliases, LayerFacts};
use crate::image::limits::{PIPE_PIECE_BYTES, PIPE_PIECES};
use crate::image::pieces::{Pieces, pieces};
use crate::image::pool::Pool;
use crate::image::tar_walk::TarWalk;
use crate::image::{BlobStream, ImageError, ImageSource};
use crate::oci::{Descriptor, Digest};

/// What is wrong with a layer's bytes; becomes an [`ImageError`] with the layer's name.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("more than {max} {what}")]
    Limit { what: &'static str, max: u64 },
    #[error("{why}")]
    Malformed { why: String },
    #[error("declared {declared}, found {found}")]
    Encoding { declared: &'static str, found: &'static str },
    /// The stream itself failed: transport, or digest and length at its end.
    #[error("stream")]
    Stream(ImageError),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        let text = error.to_string();
        match error.into_inner().map(|inner| inner.downcast::<Self>()) {
            Some(Ok(fault)) => *fault,
            // gzip, zstd: truncated or corrupt.
            Some(Err(_)) | None => Self::Malformed { why: text },
        }
    }
}

/// A layer that was read to its end and whose blob digest matched.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReadLayer {
    pub(super) facts: LayerFacts,
    /// Of the uncompressed bytes, computed.
    pub(super) diff_id: Digest,
}

impl ReadLayer {
    /// A layer that nobody read.
    pub(super) fn nothing(diff_id: &Digest) -> Self {
        Self { facts: LayerFacts::default(), diff_id: diff_id.clone() }
    }
}

/// Where a layer comes from and how it is read.
pub(super) struct Reading<'a> {
    pub(super) source: &'a dyn ImageSource,
    pub(super) layer: &'a Descriptor,
    pub(super) encoding: Encoding,
    pub(super) aliases: Arc<Aliases>,
    pub(super) pool: Pool,
    /// Of the image.
    pub(super) budget: Budget,
    /// The image, for errors.
    pub(super) parent: &'a str,
}

/// Reads one layer to its end.
pub(super) async fn read(reading: Reading<'_>) -> Result<ReadLayer, ImageError> {
    let Reading { source, layer, encoding, aliases, pool, budget, parent } = reading;
    let Some(stream) = source.blob(layer).await? else {
        return Err(ImageError::BlobMissing { parent: parent.to_owned(), blob: layer.digest.clone() });
    };
    let (sender, receiver) = mpsc::channel(PIPE_PIECES);
    let subject = format!("layer {}", layer.digest);
    let pump = tokio::spawn(pump(stream, sender, subject.clone()));
    let work = tokio::task::spawn_blocking(move || {
        digest_and_scan(Pipe::new(receiver), |pipe| Inflated::new(pipe, encoding, budget), &aliases, &pool)
    });
    let outcome = work.await;
    pump.abort();
    match outcome {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(fault)) => Err(named(fault, layer)),
        Err(_) => Err(ImageError::Stopped { subject }),
    }
}

pub(super) fn named(fault: Fault, layer: &Descriptor) -> ImageError {
    let digest = layer.digest.clone();
    match fault {
        Fault::Limit { what, max } => ImageError::Limit { subject: format!("layer {digest}"), what, max },
        Fault::Malformed { why } => ImageError::LayerMalformed { layer: digest, why },
        Fault::Encoding { declared, found } => ImageError::LayerEncoding { layer: digest, declared, found },
        Fault::Stream(error) => error,
    }
}

/// Two threads: one inflates, this one hashes and walks; the blob's own digest is computed by whoever streams it.
fn digest_and_scan(
    mut pipe: Pipe,
    inflate: impl FnOnce(&mut Pipe) -> Result<Inflated<&mut Pipe>, Fault> + Send,
    aliases: &Aliases,
    pool: &Pool,
) -> Result<ReadLayer, Fault> {
    let scanned = thread::scope(|scope| {
        let (outlet, pieces) = pieces();
        let pipe = &mut pipe;
        scope.spawn(move || match inflate(pipe) {
            Ok(inflated) => outlet.send_all(inflated),
            Err(fault) => outlet.fail(fault),
        });
        scan(pieces, aliases, pool)
    });
    // Bytes that cannot be read are first of all bytes that may not be the right ones: the end of the stream says.
    match scanned {
        Err(Fault::Malformed { .. } | Fault::Encoding { .. }) | Ok(_) => pipe.drain()?,
        Err(Fault::Limit { .. } | Fault::Stream(_)) => {}
    }
    scanned
}

fn scan(pieces: Pieces, aliases: &Aliases, pool: &Pool) -> Result<ReadLayer, Fault> {
    let mut tar = TarWalk::new(pieces);
    let facts = layer_scan::scan(&mut tar, aliases, pool)?;
    let diff_id = tar.into_inner().finish()?;
    Ok(ReadLayer { facts, diff_id })
}

async fn pump(mut stream: BlobStream, sender: mpsc::Sender<Result<Bytes, ImageError>>, subject: String) {
    loop {
        let mut piece = Vec::with_capacity(PIPE_PIECE_BYTES);
        // Fill pieces, so that small network reads do not become many messages.
        let mut limited = (&mut stream).take(PIPE_PIECE_BYTES as u64);
        let item = match limited.read_to_end(&mut piece).await {
            Ok(0) => return,
            Ok(_) => Ok(Bytes::from(piece)),
            Err(e) => Err(ImageError::of_io(&subject, &e)),
        };
        let last = item.is_err();
        if sender.send(item).await.is_err() || last {
            return;
        }
    }
}

/// The blocking end of the pipe.
struct Pipe {
    receiver: mpsc::Receiver<Result<Bytes, ImageError>>,
    piece: Bytes,
}

impl Pipe {
    fn new(receiver: mpsc::Receiver<Result<Bytes, ImageError>>) -> Self {
        Self { receiver, piece: Bytes::new() }
    }

    /// Reads to the end of the stream, where its digest is checked.
    fn drain(&mut self) -> Result<(), Fault> {
        self.piece.clear();
        while let Some(piece) = self.receiver.blocking_recv() {
            piece.map_err(Fault::Stream)?;
        }
        Ok(())
    }
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => return Err(io::Error::other(Fault::Stream(error))),
                None => return Ok(0),
            }
        }
        let n = buf.len().min(self.piece.len());
        buf[..n].copy_from_slice(&self.piece.split_to(n));
        Ok(n)
    }
}
