//! The one table of faults for single requests, chosen by request number, method and path; changed while the registry runs.
//!
//! The product has no hooks for tests: "kill it after the third tag" is "stop the client at the third matching PUT" here.

use std::mem::discriminant;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use regex::Regex;
use tokio::sync::watch;

use super::log::Request;
use super::switches::Switch;

/// What happens to a chosen request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This status with a distribution error envelope (401 has no challenge; 500, 503 …).
    Status(u16),
    /// 429 `TOOMANYREQUESTS`.
    RateLimited(RetryAfter),
    /// 403 with GitHub's "secondary rate limit" text: not a refusal, though it looks like one.
    SecondaryRateLimit,
    /// This status with `Location`.
    Redirect(u16, String),
    /// This status, these headers and this body, whatever they are.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The right length, but one byte of the body changed. Always after handling.
    WrongBytes,
    /// The right `Content-Length`, half of the body, then the connection ends. Always after handling.
    TruncatedBody,
    /// A body that never ends, without `Content-Length`. Always after handling.
    EndlessBody,
    /// Waits before going on.
    Delay(Duration),
    /// The connection is reset without an answer.
    Reset,
    /// The connection is closed in order, without an answer.
    Close,
}

/// How a 429 says when to come back.
#[derive(Debug, Clone)]
pub enum RetryAfter {
    /// Not at all.
    Silent,
    /// `Retry-After: 2`
    Seconds(u64),
    /// `Retry-After: Sat, 21 Nov 2026 14:00:00 GMT`; the text is sent as it is.
    Date(String),
    /// GHCR: no header, but `retry-after: 12.5ms, allowed: 2000/minute` in the message.
    Milliseconds(f64),
}

/// Where in the life of a request the fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before forwarding: the request has no effect.
    Before,
    /// After: the effect happened, the answer is lost.
    After,
}

/// Which requests a fault is for.
#[derive(Debug, Clone)]
pub struct When {
    method: Option<String>,
    target: Option<Regex>,
    overall: Option<u64>,
    numbers: Numbers,
}

#[derive(Debug, Clone, Copy)]
enum Numbers {
    Every,
    Nth(u64),
    First(u64),
    From(u64),
}

impl When {
    /// Every request.
    #[must_use]
    pub fn any() -> Self {
        Self { method: None, target: None, overall: None, numbers: Numbers::Every }
    }

    /// The request of this number in the log, counted from 1.
    #[must_use]
    pub fn request(number: u64) -> Self {
        Self { overall: Some(number), ..Self::any() }
    }

    /// Requests of this method.
    #[must_use]
    pub fn method(method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..Self::any() }
    }

    /// Of these, only those whose path and query match the regular expression (anywhere).
    ///
    /// # Panics
    /// When the expression is malformed: the test is wrong.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a malformed expression is a mistake in the test that wrote it")]
    pub fn matching(self, target: &str) -> Self {
        Self { target: Some(Regex::new(target).expect("a well-formed regular expression")), ..self }
    }

    /// Of these, only the nth, counted from 1 since the rule was set.
    #[must_use]
    pub fn nth(self, n: u64) -> Self {
        Self { numbers: Numbers::Nth(n), ..self }
    }

    /// Of these, only the first n.
    #[must_use]
    pub fn first(self, n: u64) -> Self {
        Self { numbers: Numbers::First(n), ..self }
    }

    /// Of these, the nth and all later ones.
    #[must_use]
    pub fn from(self, n: u64) -> Self {
        Self { numbers: Numbers::From(n), ..self }
    }

    fn fits(&self, request: &Request) -> bool {
        self.method.as_ref().is_none_or(|m| *m == request.method)
            && self.target.as_ref().is_none_or(|t| t.is_match(&request.target))
            && self.overall.is_none_or(|n| n == request.number)
    }
}

impl Numbers {
    fn fits(self, count: u64) -> bool {
        match self {
            Self::Every => true,
            Self::Nth(n) => count == n,
            Self::First(n) => count <= n,
            Self::From(n) => count >= n,
        }
    }
}

/// The table of switches and faults. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    switches: Vec<Switch>,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    when: When,
    place: Place,
    effect: Effect,
    seen: u64,
}

#[derive(Debug, Clone)]
pub(super) enum Effect {
    Fault(Fault),
    Stop(StopPoint),
}

impl Faults {
    /// Turns a switch on, replacing an earlier setting of the same one.
    pub fn on(&self, switch: Switch) {
        self.off(&switch);
        self.table().switches.push(switch);
    }

    /// Turns a switch off; its value does not matter.
    pub fn off(&self, switch: &Switch) {
        self.table().switches.retain(|s| discriminant(s) != discriminant(switch));
    }

    /// The fault strikes the chosen requests, until [`clear`](Self::clear).
    pub fn add(&self, when: When, place: Place, fault: Fault) {
        self.table().rules.push(Rule { when, place, effect: Effect::Fault(fault), seen: 0 });
    }

    /// Holds the chosen requests until the returned [`Stop`] is released or dropped; then their connections are closed
    /// without an answer. A test can kill the client while it is held.
    #[must_use]
    pub fn stop(&self, when: When, place: Place) -> Stop {
        let (hit, hits) = watch::channel(None);
        let (release, released) = watch::channel(false);
        let point = StopPoint { hit: Arc::new(hit), released };
        self.table().rules.push(Rule { when, place, effect: Effect::Stop(point), seen: 0 });
        Stop { hits, release }
    }

    /// Forgets all switches and faults.
    pub fn clear(&self) {
        *self.table() = Table::default();
    }

    /// Forgets all switches; faults stay.
    pub fn clear_switches(&self) {
        self.table().switches.clear();
    }

    /// Forgets all faults; switches stay.
    pub fn clear_faults(&self) {
        self.table().rules.clear();
    }

    pub(super) fn switch<T>(&self, pick: impl Fn(&Switch) -> Option<T>) -> Option<T> {
        self.table().switches.iter().find_map(pick)
    }

    pub(super) fn is_on(&self, pick: impl Fn(&Switch) -> bool) -> bool {
        self.table().switches.iter().any(pick)
    }

    /// What strikes this request. Counts it, so it must be asked once a request.
    pub(super) fn strike(&self, request: &Request) -> Vec<(Place, Effect)> {
        let mut effects = Vec::new();
        for rule in &mut self.table().rules {
            if rule.when.fits(request) {
                rule.seen += 1;
                if rule.when.numbers.fits(rule.seen) {
                    effects.push((rule.place, rule.effect.clone()));
                }
            }
        }
        effects
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The test's end of a stop: tells when a request arrived there, and lets it go.
#[derive(Debug)]
pub struct Stop {
    hits: watch::Receiver<Option<Request>>,
    release: watch::Sender<bool>,
}

/// The registry's end of a stop.
#[derive(Debug, Clone)]
pub(super) struct StopPoint {
    hit: Arc<watch::Sender<Option<Request>>>,
    released: watch::Receiver<bool>,
}

/// Longer than any client takes to its next request, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

impl Stop {
    /// Waits until a request is held here. `None` when the rule was cleared before one came, or when none came for
    /// two minutes: a client that ended early must fail a test, not hang it.
    pub async fn wait_for_stop(&mut self) -> Option<Request> {
        let hit = tokio::time::timeout(PATIENCE, self.hits.wait_for(Option::is_some)).await.ok()?;
        hit.ok()?.clone()
    }

    /// Closes the held connection without an answer. Later requests that match are closed at once.
    pub fn release(&self) {
        self.release.send_replace(true);
    }
}

impl StopPoint {
    pub(super) async fn hold(mut self, request: Request) {
        self.hit.send_replace(Some(request));
        // An error means that the `Stop` was dropped, which also releases.
        let _ = self.released.wait_for(|released| *released).await;
    }
}
