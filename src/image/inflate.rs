//! Compressed bytes in, uncompressed bytes out: counted, and bounded against bombs.
//!
//! Decoders: zlib-rs and zstd. zlib-ng would be about a fifth faster (docs/performance.md), but zlib-rs is memory-safe on
//! bytes that anybody may have written.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::image::layer::Fault;
use crate::image::limits::{MAX_LAYER_BYTES, MAX_RATIO, MAX_ZSTD_WINDOW_LOG, PIPE_PIECE_BYTES, RATIO_FREE_BYTES};
use crate::oci::media_type;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Gzip,
    Zstd,
}

impl Encoding {
    /// What the layer's media type declares; `None` for a kind of layer that we do not read.
    pub(super) fn declared(layer: &str) -> Option<Self> {
        match layer {
            media_type::OCI_LAYER => Some(Self::Plain),
            media_type::OCI_LAYER_GZIP | media_type::DOCKER_LAYER_GZIP => Some(Self::Gzip),
            media_type::OCI_LAYER_ZSTD => Some(Self::Zstd),
            _ => match layer {
                "application/vnd.docker.image.rootfs.diff.tar" => Some(Self::Plain),
                "application/vnd.docker.image.rootfs.diff.tar.zstd" => Some(Self::Zstd),
                _ => None,
            },
        }
    }

    fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain tar",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// What all layers of one image may become together: each may be within its own limits, and there may be hundreds.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    left: Arc<AtomicU64>,
    max: u64,
}

impl Budget {
    pub(super) fn new(max: u64) -> Self {
        Self { left: Arc::new(AtomicU64::new(max)), max }
    }

    fn spend(&self, bytes: u64) -> Result<(), Fault> {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        let what = "uncompressed bytes in all layers of an image";
        taken.map(|_| ()).map_err(|_| Fault::Limit { what, max: self.max })
    }
}

/// The uncompressed layer.
pub(super) struct Inflated<R: Read> {
    budget: Budget,
    decoder: Decoder<R>,
    compressed: Rc<Cell<u64>>,
    uncompressed: u64,
}

enum Decoder<R: Read> {
    Plain(BufReader<Counted<R>>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<BufReader<Counted<R>>>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Counted<R>>>),
}

struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.count.set(self.count.get() + n as u64);
        Ok(n)
    }
}

impl<R: Read> Inflated<R> {
    /// The first bytes must be what the media type declares.
    pub(super) fn new(reader: R, declared: Encoding, budget: Budget) -> Result<Self, Fault> {
        let compressed = Rc::new(Cell::new(0));
        let counted = Counted { inner: reader, count: Rc::clone(&compressed) };
        let mut buffered = BufReader::with_capacity(PIPE_PIECE_BYTES, counted);
        let found = Encoding::of(buffered.fill_buf()?);
        if found != declared {
            return Err(Fault::Encoding { declared: declared.name(), found: found.name() });
        }
        let decoder = match declared {
            Encoding::Plain => Decoder::Plain(buffered),
            Encoding::Gzip => Decoder::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(buffered))),
            Encoding::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(buffered)?;
                decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
                Decoder::Zstd(decoder)
            }
        };
        Ok(Self { budget, decoder, compressed, uncompressed: 0 })
    }

    fn check_limits(&self) -> io::Result<()> {
        let limit = |what, max| Err(io::Error::other(Fault::Limit { what, max }));
        if self.uncompressed > MAX_LAYER_BYTES {
            return limit("uncompressed bytes", MAX_LAYER_BYTES);
        }
        if self.uncompressed > RATIO_FREE_BYTES && self.uncompressed / MAX_RATIO > self.compressed.get() {
            return limit("times its compressed size", MAX_RATIO);
        }
        Ok(())
    }
}

impl<R: Read> Read for Inflated<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = match &mut self.decoder {
            Decoder::Plain(reader) => reader.read(buf)?,
            Decoder::Gzip(reader) => reader.read(buf)?,
            Decoder::Zstd(reader) => reader.read(buf).map_err(window_limit)?,
        };
        self.uncompressed += n as u64;
        self.budget.spend(n as u64).map_err(io::Error::other)?;
        self.check_limits()?;
        Ok(n)
    }
}

/// A window beyond ours is a limit, not a broken frame: nobody knows what is inside. The crate passes on zstd's own text
/// (`ZSTD_getErrorString`) and nothing else.
fn window_limit(error: io::Error) -> io::Error {
    if error.to_string().contains("too much memory") {
        return io::Error::other(Fault::Limit { what: "bytes of a zstd window", max: 1 << MAX_ZSTD_WINDOW_LOG });
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_layers_of_an_image_share_one_limit_of_uncompressed_bytes() {
        let budget = Budget::new(1000);
        let read = |bytes: &[u8]| {
            let mut all = Vec::new();
            Inflated::new(bytes, Encoding::Plain, budget.clone()).unwrap().read_to_end(&mut all).map_err(Fault::from)
        };
        assert_eq!(read(&[7; 600]).unwrap(), 600);
        let refused = read(&[7; 401]).unwrap_err().to_string();
        assert_eq!(refused, "more than 1000 uncompressed bytes in all layers of an image");
    }
}
