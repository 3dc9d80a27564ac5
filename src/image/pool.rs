//! Memory for parsers, shared by all layers that are read at once, and the account of what is kept of them.
//!
//! What a file may hold depends on the file alone (`Candidate::memory`), so results never depend on what else is being
//! read; the pool only makes large ones wait for each other. Everything is taken at once and by no one who already
//! holds something, so nobody waits for himself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::image::layer::Fault;
use crate::image::limits::{MAX_KEPT_BYTES, MAX_PARSER_MEMORY};

#[derive(Debug, Clone)]
pub(super) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    free: Mutex<u64>,
    given_back: Condvar,
    kept: AtomicU64,
}

/// Bytes in use; given back when dropped.
pub(super) struct Share {
    pool: Pool,
    bytes: u64,
}

impl Default for Pool {
    fn default() -> Self {
        Self(Arc::new(Shared {
            free: Mutex::new(MAX_PARSER_MEMORY),
            given_back: Condvar::new(),
            kept: AtomicU64::new(0),
        }))
    }
}

impl Pool {
    /// Waits until `bytes` are free; more than all there is waits for all there is.
    pub(super) fn take(&self, bytes: u64) -> Share {
        let bytes = bytes.min(MAX_PARSER_MEMORY);
        let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free < bytes {
            free = self.0.given_back.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= bytes;
        Share { pool: self.clone(), bytes }
    }
}

impl Pool {
    /// Counts what is kept of layers until the end of the run.
    pub(super) fn keep(&self, bytes: u64) -> Result<(), Fault> {
        let kept = self.0.kept.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if kept > MAX_KEPT_BYTES {
            return Err(Fault::Limit { what: "bytes of names and packages in all layers", max: MAX_KEPT_BYTES });
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        *self.pool.0.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.pool.0.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_wants_more_than_is_free_waits_until_it_is_given_back() {
        let pool = Pool::default();
        let first = pool.take(MAX_PARSER_MEMORY);
        let waiting = thread::spawn({
            let pool = pool.clone();
            move || drop(pool.take(u64::MAX))
        });
        thread::sleep(Duration::from_millis(20));
        assert!(!waiting.is_finished());
        drop(first);
        waiting.join().unwrap();
    }
}
