//! The two clocks, read here and nowhere else, and the date of a log line.
//!
//! A turn of the loop has one moment, as a message has one date: reading both clocks for each of
//! the ten things that one call makes happen would cost more than some of them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use onemcp::now::{Now, Tick, UnixSeconds};

/// Counts from its creation; shows the moment at which it was read last.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    read: Now,
}

impl Clock {
    /// A clock that shows tick 0 now.
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            read: Now {
                tick: Tick(0),
                wall: UnixSeconds(unix_ms() / 1000),
            },
        }
    }

    /// Reads both clocks: after every wait, and after whatever may have taken long.
    pub(crate) fn read(&mut self) {
        let past = self.start.elapsed();
        let tick = Tick(
            past.as_secs()
                .saturating_mul(1000)
                .saturating_add(u64::from(past.subsec_millis())),
        );
        // Somebody may set the machine's clock at any time; that is seen a millisecond later.
        if tick != self.read.tick {
            self.read = Now {
                tick,
                wall: UnixSeconds(unix_ms() / 1000),
            };
        }
    }

    /// When it was created, on the machine's clock as it is set now.
    pub(crate) fn started_unix_ms(&self) -> u64 {
        let past = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        unix_ms().saturating_sub(past)
    }

    /// The moment of the last reading, on both clocks.
    pub(crate) const fn now(&self) -> Now {
        self.read
    }

    /// The same on the clock that drives timeouts.
    pub(crate) const fn tick(&self) -> Tick {
        self.read.tick
    }
}

/// Milliseconds since 1970; 0 if the machine's clock stands before that.
pub(crate) fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|age| u64::try_from(age.as_millis()).ok())
        .unwrap_or(0)
}

/// `2026-11-22T14:00:00.000Z`.
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    let (seconds, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (days, in_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Year, month and day of a day counted from 1970-01-01. Years are counted from 1 March, so that
/// the leap day is the last of its year and months have a simple rhythm of 153 days in five.
fn date(days: u64) -> (u64, u64, u64) {
    let from_0000_march = days + 719_468;
    let era = from_0000_march / 146_097;
    let in_era = from_0000_march % 146_097;
    let year_of_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_at_leap_days_and_centuries() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_795_356_000, "2026-11-22T14:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(seconds * 1000), text);
        }
        assert_eq!(rfc3339(1234), "1970-01-01T00:00:01.234Z");
    }

    #[test]
    fn the_tick_never_goes_back() {
        let mut clock = Clock::new();
        let first = clock.tick();
        clock.read();
        assert!(clock.now().tick >= first);
    }
}
