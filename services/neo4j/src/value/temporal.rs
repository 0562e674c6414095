//! Cypher's dates, times and durations as ISO 8601 text, and back, to the nanosecond.
//!
//! Instants come as seconds since 1970 in UTC and an offset or a zone. The years go far beyond what date libraries hold, so the
//! calendar is here; only the zones' offsets are looked up.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

mod parse;

pub(crate) use parse::parse;

const NANOSECONDS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// The Gregorian calendar repeats itself after so many days, weekdays included.
const CYCLE: i64 = 146_097;

/// Days since 1970-01-01.
pub(crate) fn date(days: i64) -> String {
    let (year, month, day) = civil(days);
    match year {
        0..=9999 => format!("{year:04}-{month:02}-{day:02}"),
        10_000.. => format!("+{year}-{month:02}-{day:02}"),
        _ => format!("-{:04}-{month:02}-{day:02}", year.unsigned_abs()),
    }
}

/// Nanoseconds since midnight.
pub(crate) fn time(nanoseconds: i64) -> String {
    let seconds = nanoseconds.div_euclid(NANOSECONDS);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let fraction = fraction(nanoseconds.rem_euclid(NANOSECONDS));
    format!("{hours:02}:{minutes:02}:{:02}{fraction}", seconds % 60)
}

/// Nanoseconds since midnight, and seconds east of Greenwich.
pub(crate) fn zoned_time(nanoseconds: i64, offset: i64) -> String {
    format!("{}{}", time(nanoseconds), self::offset(offset))
}

/// Seconds since 1970-01-01T00:00, without a zone.
pub(crate) fn date_time(seconds: i64, nanoseconds: i64) -> String {
    let time = time(seconds.rem_euclid(DAY) * NANOSECONDS + nanoseconds);
    format!("{}T{time}", date(seconds.div_euclid(DAY)))
}

/// Seconds since 1970-01-01T00:00Z, and seconds east of Greenwich.
pub(crate) fn offset_date_time(seconds: i64, nanoseconds: i64, offset: i64) -> String {
    let local = date_time(seconds.saturating_add(offset), nanoseconds);
    format!("{local}{}", self::offset(offset))
}

/// Seconds since 1970-01-01T00:00Z, and a zone. In a zone that is not known here, the instant is told in UTC.
pub(crate) fn zoned_date_time(seconds: i64, nanoseconds: i64, zone: &str) -> String {
    let offset = offset_in(zone, seconds).unwrap_or_default();
    format!("{}[{zone}]", offset_date_time(seconds, nanoseconds, offset))
}

/// Months, days and seconds, which are never turned into each other: a month has no fixed length, and neither has a day.
pub(crate) fn duration(months: i64, days: i64, seconds: i64, nanoseconds: i64) -> String {
    let mut text = "P".to_owned();
    for (number, unit) in [(months, 'M'), (days, 'D')] {
        if number != 0 {
            text.push_str(&number.to_string());
            text.push(unit);
        }
    }
    let total = i128::from(seconds) * i128::from(NANOSECONDS) + i128::from(nanoseconds);
    if total != 0 || text.len() == 1 {
        let sign = if total < 0 { "-" } else { "" };
        let total = total.unsigned_abs();
        let whole = total / u128::from(NANOSECONDS.unsigned_abs());
        // Below a second, so it fits.
        let rest = i64::try_from(total % u128::from(NANOSECONDS.unsigned_abs())).unwrap_or_default();
        let digits = format!("{rest:09}");
        let digits = digits.trim_end_matches('0');
        let point = if digits.is_empty() { "" } else { "." };
        // Writing into a `String` can't fail.
        let _ = write!(text, "T{sign}{whole}{point}{digits}S");
    }
    text
}

/// The offset of a zone at an instant, in seconds east of Greenwich; `None` for a zone that is not known here.
fn offset_in(zone: &str, seconds: i64) -> Option<i64> {
    let zone = TimeZone::get(zone).ok()?;
    let (from, to) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    let known = if seconds > to {
        // The same day of the same week of the calendar, in a year that the library holds.
        seconds - ((seconds - to).div_euclid(CYCLE * DAY) + 1) * CYCLE * DAY
    } else {
        // Before a zone's first rule it has its sun's time.
        seconds.max(from)
    };
    let timestamp = Timestamp::from_second(known).ok()?;
    Some(zone.to_offset(timestamp).seconds().into())
}

/// The offsets with which a zone's clocks show a local time: mostly one; two when they were put back, none when they were put forward.
fn offsets_at(zone: &str, local: i64) -> Option<Vec<i64>> {
    // The zone's offsets a day before and a day after are all that can be meant.
    let around = [local.saturating_sub(DAY), local.saturating_add(DAY)];
    let mut offsets = Vec::new();
    for seconds in around {
        let offset = offset_in(zone, seconds)?;
        let fits = offset_in(zone, local.checked_sub(offset)?) == Some(offset);
        if fits && !offsets.contains(&offset) {
            offsets.push(offset);
        }
    }
    Some(offsets)
}

fn offset(seconds: i64) -> String {
    if seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest == 0 {
        format!("{sign}{hours:02}:{minutes:02}")
    } else {
        format!("{sign}{hours:02}:{minutes:02}:{rest:02}")
    }
}

/// Three, six or nine digits, as many as are needed.
fn fraction(nanoseconds: i64) -> String {
    match nanoseconds {
        0 => String::new(),
        n if n % 1_000_000 == 0 => format!(".{:03}", n / 1_000_000),
        n if n % 1_000 == 0 => format!(".{:06}", n / 1_000),
        n => format!(".{n:09}"),
    }
}

/// The day since 1970-01-01 of a year, a month and a day, which must be one of the calendar's: the inverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let (shifted, month_from_march) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * CYCLE + day_of_era - 719_468;
    // The 31st of February is another day.
    (civil(days) == (year, month, day)).then_some(days)
}

/// Year, month and day of a day since 1970-01-01, after Howard Hinnant's `civil_from_days`: years begin in March, so that the leap day
/// is the last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(CYCLE);
    let day = days.rem_euclid(CYCLE);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}
