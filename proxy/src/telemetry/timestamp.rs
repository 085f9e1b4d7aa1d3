//! Points in time as people and log collectors read them.

use std::time::SystemTime;

const SECONDS_PER_DAY: u64 = 86_400;

/// Writes points in time, of which many are in the same second.
#[derive(Debug, Default)]
pub struct Clock {
    /// The second of which `text` is the beginning, as far as its point.
    second: u64,
    text: String,
}

// === impl Clock ===

impl Clock {
    /// Writes what [`rfc3339`] says.
    pub fn write(&mut self, time: SystemTime, out: &mut Vec<u8>) {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if self.second != since.as_secs() || self.text.is_empty() {
            self.second = since.as_secs();
            self.text = rfc3339(time);
            self.text.truncate(self.text.len() - "000Z".len());
        }
        out.extend_from_slice(self.text.as_bytes());
        let millis = since.subsec_millis();
        let digit = |value: u32| b'0' + (value % 10) as u8;
        out.extend([digit(millis / 100), digit(millis / 10), digit(millis), b'Z']);
    }
}

/// RFC 3339 in UTC with milliseconds, as in `2026-11-25T21:43:40.123Z`. Times before 1970 are 1970.
pub fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / SECONDS_PER_DAY, since.as_secs() % SECONDS_PER_DAY);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

/// Year, month and day of a day counted from 1970-01-01: `civil_from_days` of Howard Hinnant's "chrono-Compatible
/// Low-Level Date Algorithms", for days from 1970 on.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn leap_days_and_ends_of_years_are_right() {
        for (seconds, millis, expected) in [
            (0, 0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, 999, "2000-02-28T23:59:59.999Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, 1, "2024-02-29T23:59:59.001Z"),
            (1_798_761_599, 0, "2026-12-31T23:59:59.000Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000Z"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(seconds * 1000 + millis);
            assert_eq!(rfc3339(time), expected);
        }
    }

    #[test]
    fn a_clock_says_the_same_whatever_it_said_before() {
        let mut clock = Clock::default();
        for millis in [0, 999, 1000, 1001, 951_782_399_099, 951_782_399_100, 1000, 1_798_761_599_007] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
            let mut out = Vec::new();
            clock.write(time, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), rfc3339(time));
        }
    }
}
