//! Dates and instants in the writings that the formats use. Civil dates are Europe/Copenhagen.

use std::sync::LazyLock;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

#[expect(clippy::expect_used, reason = "the time zone database is compiled in, and a test reads it")]
static COPENHAGEN: LazyLock<TimeZone> = LazyLock::new(|| {
    TimeZone::get("Europe/Copenhagen").expect("the compiled-in database knows Europe/Copenhagen")
});

/// A number of exactly as many digits as the bytes.
fn number<T: TryFrom<u32>>(digits: &[u8]) -> Option<T> {
    let mut value = 0u32;
    for digit in digits {
        value = value.checked_mul(10)?.checked_add(char::from(*digit).to_digit(10)?)?;
    }
    T::try_from(value).ok()
}

fn ymd(year: &[u8], month: &[u8], day: &[u8]) -> Option<Date> {
    Date::new(number(year)?, number(month)?, number(day)?).ok()
}

/// The contract's date, `YYYY-MM-DD` and nothing else.
pub(crate) fn date(text: &str) -> Option<Date> {
    match text.as_bytes() {
        [year @ .., b'-', m1, m2, b'-', d1, d2] if year.len() == 4 => ymd(year, &[*m1, *m2], &[*d1, *d2]),
        _ => None,
    }
}

/// G69's date, `YYYYMMDD`.
pub(crate) fn compact_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    (bytes.len() == 8).then(|| ymd(&bytes[..4], &bytes[4..6], &bytes[6..]))?
}

/// An `xsd:dateTime`: a civil time, with the offset that it names if it names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    civil: DateTime,
    offset: Option<Offset>,
}

impl Moment {
    /// Reads `YYYY-MM-DDThh:mm:ss`, with decimals of a second and with `Z` or `±hh:mm` if they are there.
    ///
    /// What is finer than a nanosecond is dropped, and `24:00:00` is the next day's first instant (XML Schema part 2,
    /// 3.2.7). Years have four digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (day, rest) = text.split_once('T')?;
        let mut day = date(day)?;
        let bytes = rest.as_bytes();
        let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = bytes else { return None };
        let (mut hour, minute, second) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
        let (nanosecond, zone) = fraction(rest)?;
        if (hour, minute, second, nanosecond) == (24, 0, 0, 0) {
            hour = 0;
            day = day.tomorrow().ok()?;
        }
        let time = Time::new(hour, minute, second, nanosecond).ok()?;
        Some(Self { civil: DateTime::from_parts(day, time), offset: offset(zone)? })
    }

    /// The instant; a time without an offset is Europe/Copenhagen, the earlier where the clocks go back.
    pub(crate) fn instant(self) -> Option<Timestamp> {
        match self.offset {
            Some(offset) => offset.to_timestamp(self.civil).ok(),
            None => COPENHAGEN.to_timestamp(self.civil).ok(),
        }
    }

    /// The day on which it falls in Europe/Copenhagen.
    pub(crate) fn day(self) -> Date {
        let instant = self.offset.and_then(|offset| offset.to_timestamp(self.civil).ok());
        // Only the ends of the calendar have no instant; there the day as written is as good as any.
        instant.map_or(self.civil.date(), day_of)
    }
}

/// The day on which an instant falls in Europe/Copenhagen.
pub(crate) fn day_of(instant: Timestamp) -> Date {
    COPENHAGEN.to_datetime(instant).date()
}

/// The instant of a civil time in Europe/Copenhagen, the earlier where the clocks go back.
pub(crate) fn instant_of(civil: DateTime) -> Option<Timestamp> {
    COPENHAGEN.to_timestamp(civil).ok()
}

/// A civil time in Europe/Copenhagen; one at the ends of the calendar, the beginning of 1970.
pub(crate) fn in_copenhagen(civil: DateTime) -> Zoned {
    instant_of(civil).unwrap_or_default().to_zoned(COPENHAGEN.clone())
}

/// The decimals of a second as nanoseconds, and what follows them.
fn fraction(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let Some(rest) = bytes.strip_prefix(b".") else { return Some((0, bytes)) };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (decimals, zone) = rest.split_at(digits);
    if decimals.is_empty() {
        return None;
    }
    let mut padded = [b'0'; 9];
    for (to, from) in padded.iter_mut().zip(decimals) {
        *to = *from;
    }
    Some((number(&padded)?, zone))
}

fn offset(zone: &[u8]) -> Option<Option<Offset>> {
    match zone {
        [] => Some(None),
        b"Z" => Some(Some(Offset::UTC)),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes): (i32, i32) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            if minutes > 59 || hours * 60 + minutes > 14 * 60 {
                return None;
            }
            let seconds = (hours * 60 + minutes) * 60;
            Offset::from_seconds(if *sign == b'-' { -seconds } else { seconds }).ok().map(Some)
        }
        _ => None,
    }
}

/// The day of an `xsd:dateTime` or of an `xsd:date` without a zone.
pub(crate) fn day(text: &str) -> Option<Date> {
    date(text).or_else(|| Moment::parse(text).map(Moment::day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_one_writing() {
        assert_eq!(date("2026-03-14"), Some(jiff::civil::date(2026, 3, 14)));
        assert_eq!(date("2024-02-29"), Some(jiff::civil::date(2024, 2, 29)));
        for text in [
            "",
            "2026-3-14",
            "2026-03-14 ",
            "20260314",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "+026-03-14",
            "-026-03-14",
            "2026-03-14T00:00:00",
            "2026/03/14",
            "٢٠٢٦-03-14",
            "12026-03-14",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
        assert_eq!(compact_date("20220311"), Some(jiff::civil::date(2022, 3, 11)));
        for text in ["2022-03-11", "20220229", "220311", "2022031 ", "２０２２"] {
            assert_eq!(compact_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_without_offset_is_copenhagens() {
        let instant = |text| Moment::parse(text).and_then(Moment::instant).map(|i| i.to_string());
        for (text, utc) in [
            ("2026-01-05T08:30:00", "2026-01-05T07:30:00Z"),
            ("2026-07-05T08:30:00", "2026-07-05T06:30:00Z"),
            ("2026-07-05T08:30:00Z", "2026-07-05T08:30:00Z"),
            ("2026-07-05T08:30:00.123456789123+02:00", "2026-07-05T06:30:00.123456789Z"),
            ("2026-07-05T24:00:00Z", "2026-07-06T00:00:00Z"),
            // The hour that comes twice: the first of them.
            ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
            // The hour that is not there: the clock as it would have gone on.
            ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
        ] {
            assert_eq!(instant(text).as_deref(), Some(utc), "{text}");
        }
        for text in [
            "",
            "2026-01-05",
            "2026-01-05T08:30",
            "2026-01-05 08:30:00",
            "2026-01-05T08:30:00.",
            "2026-01-05T25:00:00",
            "2026-01-05T24:00:01",
            "2026-01-05T08:60:00",
            "2026-01-05T08:30:00z",
            "2026-01-05T08:30:00+0200",
            "2026-01-05T08:30:00+14:30",
            "2026-01-05T08:30:00+01:60",
            "2026-01-05T08:30:00Z ",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn days_are_copenhagens_to_the_ends_of_the_calendar() {
        for (text, expected) in [
            ("2026-01-04T23:00:00Z", "2026-01-05"),
            ("2026-01-04T23:00:00", "2026-01-04"),
            ("9999-12-31T23:59:59Z", "9999-12-31"),
            ("9999-12-31T00:00:00", "9999-12-31"),
            ("2026-01-04", "2026-01-04"),
        ] {
            assert_eq!(day(text).map(|d| d.to_string()).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(Moment::parse("9999-12-31T23:59:59Z").and_then(Moment::instant), None);
        assert_eq!(Moment::parse("9999-12-31T24:00:00"), None);
    }
}
