//! `Retry-After` (RFC 9110 section 10.2.3): how long a server that answered 429 or 503 wants to be
//! left alone. Dates (section 5.6.7) are read in the one form that servers must write.

use crate::http1::syntax::{BadNumber, decimal};
use crate::limits::RETRY_AFTER_MS_MAX;
use crate::now::UnixSeconds;

/// Milliseconds until we may ask again, at most [`RETRY_AFTER_MS_MAX`]; `None` for a value that
/// says nothing. A date in the past is now.
#[must_use]
pub fn retry_after_ms(value: &str, now: UnixSeconds) -> Option<u64> {
    let seconds = match decimal(value.as_bytes()) {
        Ok(seconds) => seconds,
        Err(BadNumber::TooLarge) => u64::MAX,
        Err(BadNumber::Malformed) => imf_fixdate(value)?.0.saturating_sub(now.0),
    };
    Some(seconds.saturating_mul(1000).min(RETRY_AFTER_MS_MAX))
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `Sun, 06 Nov 1994 08:49:37 GMT`; the name of the day is not checked.
fn imf_fixdate(text: &str) -> Option<UnixSeconds> {
    let (_, date) = text.split_once(", ")?;
    let mut words = date.split(' ');
    let day = number(words.next()?, 2)?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let year = number(words.next()?, 4)?;
    let mut clock = words.next()?.split(':');
    let mut part = |most: u64| number(clock.next()?, 2).filter(|part| *part <= most);
    // A leap second is the first of the next minute.
    let (hours, minutes, seconds) = (part(23)?, part(59)?, part(60)?);
    if clock.next().is_some() || words.next() != Some("GMT") || words.next().is_some() {
        return None;
    }
    if year < 1970 || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_before(year, month) + day - 1;
    let of_day = (hours * 60 + minutes) * 60 + seconds;
    Some(UnixSeconds(days * 86_400 + of_day))
}

/// Exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    decimal(text.as_bytes())
        .ok()
        .filter(|_| text.len() == digits)
}

/// Days from 1970 to the first of a month (from 0) of a year of four digits.
fn days_before(year: u64, month: usize) -> u64 {
    const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    years + BEFORE.get(month).copied().unwrap_or_default() + u64::from(is_leap && month > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_10_2_3_seconds() {
        let now = UnixSeconds(1_000_000_000);
        for (value, ms) in [
            ("0", Some(0)),
            ("120", Some(120_000)),
            ("99999999999", Some(RETRY_AFTER_MS_MAX)),
            ("99999999999999999999999", Some(RETRY_AFTER_MS_MAX)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after_ms(value, now), ms, "{value}");
        }
    }

    #[test]
    fn rfc9110_5_6_7_dates() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
            ("Fri, 01 Jan 2100 00:00:00 GMT", 4_102_444_800),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
        ] {
            assert_eq!(imf_fixdate(text), Some(UnixSeconds(seconds)), "{text}");
        }
        for bad in [
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 08:49:37:00 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(imf_fixdate(bad), None, "{bad}");
        }
    }

    #[test]
    fn retry_after_ms_max_and_dates_from_now() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let at = |seconds| retry_after_ms(date, UnixSeconds(seconds));
        assert_eq!(at(784_111_770), Some(7000));
        assert_eq!(at(784_111_777), Some(0));
        assert_eq!(at(784_111_778), Some(0));
        assert_eq!(at(0), Some(RETRY_AFTER_MS_MAX));
    }
}
