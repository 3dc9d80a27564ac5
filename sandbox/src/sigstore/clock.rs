//! The one place of the sandbox's Sigstore that reads the clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now, moved by `offset` seconds (negative = the past).
pub(super) fn now_with_offset(offset: i64) -> SystemTime {
    shift(SystemTime::now(), offset)
}

/// `time` moved by `offset` seconds.
pub(super) fn shift(time: SystemTime, offset: i64) -> SystemTime {
    let amount = Duration::from_secs(offset.unsigned_abs());
    if offset < 0 { time - amount } else { time + amount }
}

/// Seconds since 1970; before that, 0.
pub(super) fn unix_seconds(time: SystemTime) -> i64 {
    i64::try_from(since_epoch(time).as_secs()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970, the unit of certificate-transparency timestamps.
pub(super) fn unix_millis(time: SystemTime) -> u64 {
    u64::try_from(since_epoch(time).as_millis()).unwrap_or(u64::MAX)
}

/// RFC 3339 with seconds, as protobuf-JSON writes timestamps.
pub(super) fn rfc3339(time: SystemTime) -> String {
    jiff::Timestamp::from_second(unix_seconds(time)).unwrap_or(jiff::Timestamp::MAX).to_string()
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
