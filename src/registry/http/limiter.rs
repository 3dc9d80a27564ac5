//! How many requests are under way at once per host: GHCR answered 429 to twelve parallel index writes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::{Origin, Url};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    Read,
    Write,
}

#[derive(Debug)]
pub(super) struct Limiter {
    reads: usize,
    writes: usize,
    hosts: Mutex<HashMap<(Origin, Direction), Arc<Semaphore>>>,
}

impl Limiter {
    /// At least one request each way.
    pub(super) fn new(reads: usize, writes: usize) -> Self {
        Self { reads: reads.max(1), writes: writes.max(1), hosts: Mutex::new(HashMap::new()) }
    }

    /// Waits for a place; dropping the permit frees it.
    pub(super) async fn enter(&self, url: &Url, direction: Direction) -> Option<OwnedSemaphorePermit> {
        let semaphore = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let places = match direction {
                Direction::Read => self.reads,
                Direction::Write => self.writes,
            };
            let entry = hosts.entry((url.origin(), direction));
            Arc::clone(entry.or_insert_with(|| Arc::new(Semaphore::new(places))))
        };
        // `None` only for a closed semaphore, and nobody closes these.
        semaphore.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn each_host_and_direction_has_its_own_places() {
        let limiter = Limiter::new(2, 1);
        let (a, b): (Url, Url) =
            ("https://a.example.com/x".parse().unwrap(), "https://b.example.com/".parse().unwrap());
        let _write = limiter.enter(&a, Direction::Write).await;
        assert!(limiter.enter(&a, Direction::Write).now_or_never().is_none());
        assert!(limiter.enter(&b, Direction::Write).now_or_never().is_some());
        let first = limiter.enter(&a, Direction::Read).await;
        let _second = limiter.enter(&a, Direction::Read).await;
        assert!(limiter.enter(&a, Direction::Read).now_or_never().is_none());
        drop(first);
        assert!(limiter.enter(&a, Direction::Read).now_or_never().is_some());
    }
}
