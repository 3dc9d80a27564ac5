//! Trying again, until a deadline, for failures that trying again may mend.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::sigstore::{Service, SigstoreError};

/// Pauses between attempts start here and double.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// More attempts than this only add load to a service that is down.
const MAX_ATTEMPTS: u32 = 8;
/// Longest excerpt of a foreign message in an error.
const MAX_EXCERPT: usize = 300;

/// What one attempt came to.
pub(super) enum Attempt<T> {
    Done(T),
    /// Rate limited, failing, or not reached.
    Again(SigstoreError),
    Failed(SigstoreError),
}

/// Runs `attempt` until it is done, fails for good, or `deadline` has passed; then the last error is returned.
pub(super) async fn until<T, F, Fut>(deadline: Instant, service: Service, mut attempt: F) -> Result<T, SigstoreError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Attempt<T>>,
{
    let mut pause = FIRST_PAUSE;
    let mut last = SigstoreError::Unavailable { service, why: "out of time".to_owned() };
    for _ in 0..MAX_ATTEMPTS {
        match timeout_at(deadline, attempt()).await {
            Ok(Attempt::Done(done)) => return Ok(done),
            Ok(Attempt::Failed(error)) => return Err(error),
            Ok(Attempt::Again(error)) => last = error,
            Err(_) => return Err(last),
        }
        if Instant::now() + pause >= deadline {
            break;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Err(last)
}

/// Is a status one that may be gone a moment later?
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// A foreign message made fit for an error: one line, short, without `secret`.
pub(super) fn excerpt(message: &str, secret: &str) -> String {
    let message = if secret.is_empty() { message.to_owned() } else { message.replace(secret, "[token]") };
    let printable = message.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(MAX_EXCERPT).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn down() -> SigstoreError {
        SigstoreError::Unavailable { service: Service::Rekor, why: "503".to_owned() }
    }

    #[tokio::test]
    async fn what_may_mend_is_tried_again_until_it_is_done() {
        let calls = AtomicU32::new(0);
        let deadline = Instant::now() + Duration::from_secs(30);
        let done = until(deadline, Service::Rekor, || async {
            match calls.fetch_add(1, Ordering::SeqCst) {
                0 => Attempt::Again(down()),
                n => Attempt::Done(n),
            }
        });
        assert_eq!(done.await, Ok(1));
    }

    #[tokio::test]
    async fn the_deadline_ends_it_with_the_last_error() {
        let deadline = Instant::now() + Duration::from_millis(50);
        let failed = until::<(), _, _>(deadline, Service::Rekor, || async { Attempt::Again(down()) });
        assert_eq!(failed.await, Err(down()));
        let deadline = Instant::now() + Duration::from_millis(50);
        let slow = until::<(), _, _>(deadline, Service::Rekor, || async {
            sleep(Duration::from_secs(60)).await;
            Attempt::Done(())
        });
        assert!(matches!(slow.await, Err(SigstoreError::Unavailable { .. })));
    }

    #[test]
    fn an_excerpt_is_short_one_line_and_without_the_token() {
        let text = excerpt(&format!("bad token secret\n{}", "x".repeat(1000)), "secret");
        assert!(text.starts_with("bad token [token] x") && text.len() <= MAX_EXCERPT);
    }
}
