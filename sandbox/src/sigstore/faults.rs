//! The table of switches: which service misbehaves, at which request, and how. Chosen from outside by service and
//! request number, never by hooks in a client.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A server of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    Oidc,
    Fulcio,
    Rekor,
    Tsa,
}

/// Which requests of a service, counted from 1 since the start or the last [`Faults::renumber`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    Nth(u64),
    /// This one and all before it.
    First(u64),
    /// This one and all after it.
    From(u64),
}

/// What goes wrong. The second group is meaningful for one service only and ignored by the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Answer with this status; nothing else happens.
    Status(u16),
    /// Do the work (issue, log, sign), then answer with this status.
    StatusAfter(u16),
    /// 429 with `Retry-After` in seconds.
    TooManyRequests { retry_after: u64 },
    /// Wait before doing anything.
    Slow(Duration),
    /// Close the connection without an answer; nothing else happens.
    DropBefore,
    /// Do the work, then close the connection without an answer.
    DropAfter,

    /// Rekor signs checkpoints, the TSA tokens, and Fulcio's CT log timestamps with a key other than the published one.
    WrongKey,
    /// Fulcio: a chain with the right names under another root.
    OtherRoot,
    /// Fulcio: no signed certificate timestamp.
    NoSct,
    /// Fulcio: the certificate ended an hour ago.
    ExpiredCertificate,
    /// Fulcio: lifetime in seconds instead of ten minutes.
    Lifetime(i64),
    /// Fulcio, TSA, Rekor v1: a clock that is off by seconds.
    ClockOffset(i64),
    /// Rekor v1: a promise signed with a key other than the published one.
    WrongPromise,
    /// Rekor: a proof that does not lead to the root.
    WrongInclusionProof,
    /// Rekor: a checkpoint that names another log.
    WrongOrigin,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Fault {
    pub service: Service,
    pub when: When,
    pub effect: Effect,
}

/// The table with its request counters.
#[derive(Debug, Default)]
pub struct Faults {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    table: Vec<Fault>,
    seen: HashMap<Service, u64>,
}

impl Faults {
    /// Add a line; lines accumulate.
    pub fn add(&self, service: Service, when: When, effect: Effect) {
        self.lock().table.push(Fault { service, when, effect });
    }

    /// Remove every line; the counters go on.
    pub fn clear(&self) {
        self.lock().table.clear();
    }

    /// Start counting at 1 again.
    pub fn renumber(&self) {
        self.lock().seen.clear();
    }

    /// Count one request; its number and what shall happen to it.
    pub(super) fn next(&self, service: Service) -> (u64, Vec<Effect>) {
        let mut inner = self.lock();
        let number = inner.seen.entry(service).or_default();
        *number += 1;
        let number = *number;
        let effects = inner.table.iter().filter(|f| f.service == service && f.when.includes(number));
        (number, effects.map(|f| f.effect.clone()).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl When {
    fn includes(self, number: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Nth(n) => number == n,
            Self::First(n) => number <= n,
            Self::From(n) => number >= n,
        }
    }
}

/// The effects of the request at hand, for handlers that act on them.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects(pub Vec<Effect>);

impl Effects {
    pub(super) fn has(&self, effect: &Effect) -> bool {
        self.0.contains(effect)
    }

    /// The first offset of a clock, 0 without one.
    pub(super) fn clock_offset(&self) -> i64 {
        self.0.iter().find_map(|e| if let Effect::ClockOffset(s) = e { Some(*s) } else { None }).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_its_service_at_its_request_only() {
        let faults = Faults::default();
        faults.add(Service::Rekor, When::Nth(2), Effect::Status(409));
        faults.add(Service::Rekor, When::From(3), Effect::DropBefore);
        assert_eq!(faults.next(Service::Tsa), (1, vec![]));
        assert_eq!(faults.next(Service::Rekor), (1, vec![]));
        assert_eq!(faults.next(Service::Rekor), (2, vec![Effect::Status(409)]));
        assert_eq!(faults.next(Service::Rekor), (3, vec![Effect::DropBefore]));
        faults.renumber();
        assert_eq!(faults.next(Service::Rekor).0, 1);
    }
}
