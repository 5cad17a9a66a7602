//! Time in UTC.

use chrono::{DateTime, NaiveDateTime, Utc};

/// Returns the seconds since 1970.
pub fn now() -> u64 {
    Utc::now().timestamp().try_into().unwrap_or(0)
}

/// Returns today's date: `2026-01-31`.
pub fn today() -> String {
    date_time().format("%F").to_string()
}

/// Returns the date and time.
pub(crate) fn date_time() -> NaiveDateTime {
    Utc::now().naive_utc()
}

/// Writes seconds since 1970 as `2026-01-31T08:30:00`.
pub fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.unwrap_or(DateTime::<Utc>::MAX_UTC).format("%FT%T").to_string()
}
