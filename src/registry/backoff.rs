//! Growing pauses with jitter, so that clients that failed together do not come back together.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Each pause is drawn from the upper half of a range that doubles up to `cap`.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    range: Duration,
    cap: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, cap: Duration) -> Self {
        Self { range: first.min(cap), cap }
    }

    /// The next pause: between half and all of the present range.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.range.mul_f64(0.5 + 0.5 * fraction());
        self.range = (self.range * 2).min(self.cap);
        pause
    }
}

/// A number in [0, 1). Jitter needs no good randomness; each `RandomState` is keyed differently.
fn fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    bits as f64 / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_cap_and_differ() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
        let bounds = [(50, 100), (100, 200), (200, 400), (200, 400), (200, 400)];
        for (low, high) in bounds {
            let pause = backoff.pause();
            assert!(pause >= Duration::from_millis(low) && pause <= Duration::from_millis(high), "{pause:?}");
        }
        let mut drawn: Vec<u64> = (0..50).map(|_| fraction().to_bits()).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert!(drawn.len() > 40);
    }
}
