//! Uncompressed bytes between the thread that inflates and the one that hashes and walks.
//!
//! Few pieces are on their way at once and their buffers are used again, so a layer costs the same memory whatever its
//! size. The reading end computes the `diff_id` of everything that passed.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use crate::image::layer::Fault;
use crate::image::limits::{INFLATED_PIECE_BYTES, INFLATED_PIECES};
use crate::oci::Digest;
use crate::oci::digest::{Algorithm, Hasher};

/// A buffer of [`INFLATED_PIECE_BYTES`], zeroed once and used again and again, of which the first `filled` bytes count.
#[derive(Default)]
struct Piece {
    buffer: Vec<u8>,
    filled: usize,
}

impl Piece {
    /// As much of `from` as there is room; less only where `from` ends or fails.
    fn fill(&mut self, from: &mut impl Read) -> io::Result<Filled> {
        self.buffer.resize(INFLATED_PIECE_BYTES, 0);
        self.filled = 0;
        while let Some(room) = self.buffer.get_mut(self.filled..).filter(|room| !room.is_empty()) {
            match from.read(room) {
                Ok(0) => return Ok(Filled::ToTheEnd),
                Ok(n) => self.filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Filled::Whole)
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }
}

enum Filled {
    Whole,
    ToTheEnd,
}

/// The writing end.
pub(super) struct Outlet {
    filled: SyncSender<Result<Piece, Fault>>,
    empty: Receiver<Piece>,
}

/// The reading end.
pub(super) struct Pieces {
    filled: Receiver<Result<Piece, Fault>>,
    empty: Sender<Piece>,
    piece: Piece,
    at: usize,
    hasher: Hasher,
}

pub(super) fn pieces() -> (Outlet, Pieces) {
    let (filled_sender, filled) = sync_channel(INFLATED_PIECES);
    let (empty, empty_receiver) = channel();
    let hasher = Hasher::new(Algorithm::Sha256);
    (
        Outlet { filled: filled_sender, empty: empty_receiver },
        Pieces { filled, empty, piece: Piece::default(), at: 0, hasher },
    )
}

impl Outlet {
    /// Everything in `from`, until its end, its failure, or until nobody reads any more.
    pub(super) fn send_all(&self, mut from: impl Read) {
        loop {
            let mut piece = self.empty.try_recv().unwrap_or_default();
            let read = piece.fill(&mut from);
            // What came before a failure is still read: the end may not matter.
            if piece.filled > 0 && self.filled.send(Ok(piece)).is_err() {
                return;
            }
            match read {
                Ok(Filled::Whole) => {}
                Ok(Filled::ToTheEnd) => return,
                Err(error) => return self.fail(Fault::from(error)),
            }
        }
    }

    pub(super) fn fail(&self, fault: Fault) {
        // Whoever stopped reading has a reason of its own.
        let _ = self.filled.send(Err(fault));
    }
}

impl Pieces {
    /// Reads what is left and gives the digest of everything.
    pub(super) fn finish(mut self) -> Result<Digest, Fault> {
        loop {
            let there = self.fill_buf()?.len();
            if there == 0 {
                return Ok(self.hasher.finish());
            }
            self.consume(there);
        }
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.piece.filled {
            let used = std::mem::take(&mut self.piece);
            self.at = 0;
            // The other side may have ended already; then the buffer is simply freed.
            let _ = self.empty.send(used);
            match self.filled.recv() {
                Ok(Ok(piece)) => {
                    self.hasher.update(piece.bytes());
                    self.piece = piece;
                }
                Ok(Err(fault)) => return Err(io::Error::other(fault)),
                Err(_) => {}
            }
        }
        Ok(self.piece.bytes().get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.piece.filled);
    }
}

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let there = self.fill_buf()?;
        let n = buf.len().min(there.len());
        buf[..n].copy_from_slice(&there[..n]);
        self.consume(n);
        Ok(n)
    }
}
