//! The time of day, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Today: `2026-01-31`.
pub fn today() -> String {
    time(now())[..10].to_owned()
}

/// Seconds since 1970 as `2026-01-31T08:30:00`.
pub fn time(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days from the civil calendar, after H. Hinnant: years begin in March.
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(time(0), "1970-01-01T00:00:00");
        assert_eq!(time(951_782_400), "2000-02-29T00:00:00");
        assert_eq!(time(951_868_800), "2000-03-01T00:00:00");
        assert_eq!(time(1_795_336_245), "2026-11-22T08:30:45");
    }
}
