//! Repeats what is safe to repeat, until a deadline.
//!
//! Owns the loop and its pauses; each [`Failure`] says whether it may be repeated. All that goes through here is safe to
//! replay: reads, manifest writes (same bytes, same digest; a tag is looked at again first), and upload sessions, which
//! begin again as a whole.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::registry::RegistryError;
use crate::registry::backoff::Backoff;
use crate::registry::http::limits::{FIRST_PAUSE, MAX_ATTEMPTS, MAX_PAUSE, MAX_RETRY_AFTER};

/// May this failure be tried again?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    Never,
    /// It may have had its effect, which does no harm; `after` is what the registry asked for.
    Again {
        after: Option<Duration>,
    },
}

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: RegistryError,
    pub(super) retry: Retry,
}

impl Failure {
    pub(super) fn fatal(error: RegistryError) -> Self {
        Self { error, retry: Retry::Never }
    }

    /// Repeated if its kind is one that may pass by itself.
    pub(super) fn by_kind(error: RegistryError) -> Self {
        let retry = if error.kind.may_pass() { Retry::Again { after: None } } else { Retry::Never };
        Self { error, retry }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::fatal(error)
    }
}

/// How many repetitions one client may still make.
#[derive(Debug)]
pub(super) struct Budget(AtomicU32);

impl Budget {
    pub(super) fn new(repetitions: u32) -> Self {
        Self(AtomicU32::new(repetitions))
    }

    /// Takes one, if one is left.
    fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// Calls `attempt` until it succeeds, fails for good, the next pause would pass `deadline`, or `budget` is used up.
pub(super) async fn retrying<T, A>(
    deadline: Instant,
    budget: &Budget,
    attempt: impl Fn() -> A,
) -> Result<T, RegistryError>
where
    A: Future<Output = Result<T, Failure>>,
{
    let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
    let mut attempts = 1;
    loop {
        let failure = match attempt().await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let Retry::Again { after } = failure.retry else { return Err(failure.error) };
        let asked = after.unwrap_or(Duration::ZERO);
        let pause = backoff.pause().max(asked);
        let hopeless = attempts >= MAX_ATTEMPTS || asked > MAX_RETRY_AFTER || Instant::now() + pause >= deadline;
        if hopeless || !budget.spend() {
            return Err(given_up(failure.error, attempts, asked));
        }
        tracing::debug!(error = %failure.error, attempts, ?pause, "registry request is tried again");
        tokio::time::sleep(pause).await;
        attempts += 1;
    }
}

/// The last error, with how often we tried and what the registry asked for.
fn given_up(error: RegistryError, attempts: u32, asked: Duration) -> RegistryError {
    let mut message = error.message;
    if attempts > 1 {
        message = format!("{message} ({attempts} attempts)");
    }
    if !asked.is_zero() {
        message = format!("{message}; the registry asks to wait {asked:?}");
    }
    RegistryError { message, ..error }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::registry::ErrorKind;
    use crate::registry::http::limits::RETRY_BUDGET;

    fn failure(retry: Retry) -> Failure {
        Failure { error: RegistryError::new(ErrorKind::RateLimited, "GET", "x", "429"), retry }
    }

    async fn run(retry: Retry, fails: u32, deadline: Duration) -> (bool, u32) {
        let calls = Cell::new(0);
        let budget = Budget::new(RETRY_BUDGET);
        let answer = retrying(Instant::now() + deadline, &budget, || async {
            calls.set(calls.get() + 1);
            if calls.get() <= fails { Err(failure(retry)) } else { Ok(()) }
        });
        (answer.await.is_ok(), calls.get())
    }

    #[tokio::test]
    async fn failures_that_may_pass_are_tried_again_a_few_times() {
        let (minute, again) = (Duration::from_secs(60), Retry::Again { after: None });
        assert_eq!(run(again, 2, minute).await, (true, 3));
        assert_eq!(run(again, 99, minute).await, (false, MAX_ATTEMPTS));
        assert_eq!(run(Retry::Never, 2, minute).await, (false, 1));
    }

    #[tokio::test]
    async fn repetitions_end_when_the_budget_of_the_run_is_used_up() {
        let (budget, calls) = (Budget::new(1), Cell::new(0));
        for (expected, why) in [(2, "the first request may be repeated once"), (3, "the next not at all")] {
            let answer = retrying(Instant::now() + Duration::from_secs(60), &budget, || async {
                calls.set(calls.get() + 1);
                Err::<(), _>(failure(Retry::Again { after: None }))
            });
            assert!(answer.await.is_err());
            assert_eq!(calls.get(), expected, "{why}");
        }
    }

    #[tokio::test]
    async fn a_wait_beyond_the_deadline_is_reported_at_once() {
        let started = Instant::now();
        let retry = Retry::Again { after: Some(Duration::from_secs(90)) };
        assert_eq!(run(retry, 1, Duration::from_secs(60)).await, (false, 1));
        assert!(started.elapsed() < Duration::from_millis(100));
        let retry = Retry::Again { after: Some(Duration::from_millis(400)) };
        assert_eq!(run(retry, 1, Duration::from_secs(60)).await, (true, 2));
        assert!(started.elapsed() >= Duration::from_millis(400));
    }
}
