//! How many requests are under way at once per host, and how long a host wants peace.
//!
//! GHCR answered 429 to twelve parallel index writes. A rate limit halves what is under way to that host and holds
//! everybody back for as long as it asked, not only the request that met it; a run of good answers brings places back
//! one by one (additive increase, multiplicative decrease, as regclient does it).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use url::{Origin, Url};

use crate::registry::http::limits::GOOD_ANSWERS_PER_PLACE;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    Read,
    Write,
}

#[derive(Debug)]
pub(super) struct Limiter {
    reads: usize,
    writes: usize,
    hosts: Mutex<HashMap<(Origin, Direction), Arc<Lane>>>,
}

/// The requests of one direction to one host.
#[derive(Debug)]
struct Lane {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    under_way: usize,
    allowed: usize,
    most: usize,
    /// Good answers since the last change of `allowed`.
    good: u32,
    not_before: Option<Instant>,
}

/// A place among the requests under way; dropping it frees the place.
#[derive(Debug)]
pub(super) struct Permit(Arc<Lane>);

/// Why there is no place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Other requests took all the time.
    Busy,
    /// The registry asked for a longer pause than the deadline allows.
    Limited,
}

impl Limiter {
    /// At least one request each way.
    pub(super) fn new(reads: usize, writes: usize) -> Self {
        Self { reads: reads.max(1), writes: writes.max(1), hosts: Mutex::new(HashMap::new()) }
    }

    /// Waits for a place, or tells at once that there will be none before `deadline`.
    pub(super) async fn enter(&self, url: &Url, direction: Direction, deadline: Instant) -> Result<Permit, NoPlace> {
        let lane = self.lane(url, direction);
        loop {
            // Registered before the look, so that a place freed in between is not missed.
            let freed = lane.freed.notified();
            let take = lane.state().take();
            match take {
                Take::Taken => return Ok(Permit(Arc::clone(&lane))),
                Take::Full => tokio::time::timeout_at(deadline, freed).await.map_err(|_| NoPlace::Busy)?,
                Take::NotBefore(at) if at >= deadline => return Err(NoPlace::Limited),
                Take::NotBefore(at) => tokio::time::sleep_until(at).await,
            }
        }
    }

    /// The host asked for peace: half as many at once from now on, and none at all for `pause`.
    pub(super) fn limited(&self, url: &Url, direction: Direction, pause: Duration) {
        let lane = self.lane(url, direction);
        let mut state = lane.state();
        let until = Instant::now() + pause;
        // Answers to requests that were under way together are one event.
        if state.not_before.is_none_or(|at| at <= Instant::now()) {
            state.allowed = (state.allowed / 2).max(1);
        }
        state.good = 0;
        state.not_before = Some(state.not_before.map_or(until, |at| at.max(until)));
    }

    /// The host answered as it should.
    pub(super) fn good(&self, url: &Url, direction: Direction) {
        let lane = self.lane(url, direction);
        let mut state = lane.state();
        if state.allowed == state.most {
            return;
        }
        state.good += 1;
        if state.good >= GOOD_ANSWERS_PER_PLACE {
            (state.good, state.allowed) = (0, state.allowed + 1);
            lane.freed.notify_one();
        }
    }

    fn lane(&self, url: &Url, direction: Direction) -> Arc<Lane> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let most = match direction {
            Direction::Read => self.reads,
            Direction::Write => self.writes,
        };
        let new = || Arc::new(Lane { state: Mutex::new(State::new(most)), freed: Notify::new() });
        Arc::clone(hosts.entry((url.origin(), direction)).or_insert_with(new))
    }
}

enum Take {
    Taken,
    Full,
    NotBefore(Instant),
}

impl State {
    fn new(most: usize) -> Self {
        Self { under_way: 0, allowed: most, most, good: 0, not_before: None }
    }

    fn take(&mut self) -> Take {
        match self.not_before {
            Some(at) if at > Instant::now() => Take::NotBefore(at),
            _ if self.under_way >= self.allowed => Take::Full,
            _ => {
                self.under_way += 1;
                Take::Taken
            }
        }
    }
}

impl Lane {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn host(name: &str) -> Url {
        format!("https://{name}.example.com/x").parse().unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn each_host_and_direction_has_its_own_places() {
        let limiter = Limiter::new(2, 1);
        let (a, b) = (host("a"), host("b"));
        let _write = limiter.enter(&a, Direction::Write, soon()).await;
        assert!(limiter.enter(&a, Direction::Write, soon()).now_or_never().is_none());
        assert!(limiter.enter(&b, Direction::Write, soon()).now_or_never().is_some());
        let first = limiter.enter(&a, Direction::Read, soon()).await;
        let _second = limiter.enter(&a, Direction::Read, soon()).await;
        assert!(limiter.enter(&a, Direction::Read, soon()).now_or_never().is_none());
        drop(first);
        assert!(limiter.enter(&a, Direction::Read, soon()).now_or_never().is_some());
    }

    #[tokio::test]
    async fn everybody_who_waits_gets_a_place_in_the_end() {
        let limiter = Limiter::new(1, 1);
        let a = host("a");
        let work = (0..50).map(|_| async {
            let _permit = limiter.enter(&a, Direction::Read, soon()).await;
            tokio::task::yield_now().await;
        });
        let all = futures_util::future::join_all(work);
        assert_eq!(tokio::time::timeout(Duration::from_secs(5), all).await.unwrap().len(), 50);
    }

    #[tokio::test]
    async fn a_rate_limit_holds_everybody_back_and_halves_what_is_under_way() {
        let limiter = Limiter::new(4, 4);
        let a = host("a");
        for _ in 0..3 {
            limiter.limited(&a, Direction::Read, Duration::from_millis(200));
        }
        let began = Instant::now();
        let first = limiter.enter(&a, Direction::Read, soon()).await;
        assert!(began.elapsed() >= Duration::from_millis(150));
        let _second = limiter.enter(&a, Direction::Read, soon()).await;
        assert!(limiter.enter(&a, Direction::Read, soon()).now_or_never().is_none(), "two of four places are left");
        assert!(limiter.enter(&a, Direction::Write, soon()).now_or_never().is_some(), "writes were not limited");
        for _ in 0..GOOD_ANSWERS_PER_PLACE {
            limiter.good(&a, Direction::Read);
        }
        assert!(limiter.enter(&a, Direction::Read, soon()).now_or_never().is_some(), "good answers bring a place back");
        drop(first);
        limiter.limited(&a, Direction::Read, Duration::from_secs(60));
        let told = limiter.enter(&a, Direction::Read, soon()).now_or_never();
        assert_eq!(
            told.map(|place| place.err()),
            Some(Some(NoPlace::Limited)),
            "a wait beyond the deadline is told at once"
        );
    }
}
