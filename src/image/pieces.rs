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

/// The writing end.
pub(super) struct Outlet {
    filled: SyncSender<Result<Vec<u8>, Fault>>,
    empty: Receiver<Vec<u8>>,
}

/// The reading end.
pub(super) struct Pieces {
    filled: Receiver<Result<Vec<u8>, Fault>>,
    empty: Sender<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    hasher: Hasher,
}

pub(super) fn pieces() -> (Outlet, Pieces) {
    let (filled_sender, filled) = sync_channel(INFLATED_PIECES);
    let (empty, empty_receiver) = channel();
    let hasher = Hasher::new(Algorithm::Sha256);
    (
        Outlet { filled: filled_sender, empty: empty_receiver },
        Pieces { filled, empty, piece: Vec::new(), at: 0, hasher },
    )
}

impl Outlet {
    /// Everything in `from`, until its end, its failure, or until nobody reads any more.
    pub(super) fn send_all(&self, mut from: impl Read) {
        loop {
            let mut piece = self.empty.try_recv().unwrap_or_default();
            piece.clear();
            let read = (&mut from).take(INFLATED_PIECE_BYTES as u64).read_to_end(&mut piece);
            let ended = matches!(read, Ok(0));
            // What came before a failure is still read: the end may not matter.
            if !piece.is_empty() && self.filled.send(Ok(piece)).is_err() {
                return;
            }
            match read {
                Ok(_) if !ended => {}
                Ok(_) => return,
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
        if self.at == self.piece.len() {
            let used = std::mem::take(&mut self.piece);
            self.at = 0;
            // The other side may have ended already; then the buffer is simply freed.
            let _ = self.empty.send(used);
            match self.filled.recv() {
                Ok(Ok(piece)) => {
                    self.hasher.update(&piece);
                    self.piece = piece;
                }
                Ok(Err(fault)) => return Err(io::Error::other(fault)),
                Err(_) => {}
            }
        }
        Ok(self.piece.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.piece.len());
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
