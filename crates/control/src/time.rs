//! Instants as integers, for atomics and cursors.

use types::Timestamp;

/// Nanoseconds since 1970; instants outside 1677–2262 are moved to that range's ends.
pub(crate) fn to_ns(at: Timestamp) -> i64 {
    let ns = at.as_nanosecond();
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

/// The instant that [`to_ns`] gave.
pub(crate) fn from_ns(ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(ns.into()).expect("every i64 of nanoseconds lies within jiff's range of years -9999 to 9999")
}

/// From `a` to `b`; zero when `b` is earlier.
pub(crate) fn between(a: Timestamp, b: Timestamp) -> std::time::Duration {
    b.duration_since(a).try_into().unwrap_or_default()
}

/// `at` plus `duration`, or the end of time.
pub(crate) fn after(at: Timestamp, duration: std::time::Duration) -> Timestamp {
    at.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

/// `at` minus `duration`, or the beginning of time.
pub(crate) fn before(at: Timestamp, duration: std::time::Duration) -> Timestamp {
    at.saturating_sub(duration).unwrap_or(Timestamp::MIN)
}
