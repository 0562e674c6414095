//! Times as Qdrant reads them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// An instant: RFC 3339, or a date, or a date and a time, both then in UTC.
pub(crate) fn timestamp(text: &str) -> Option<prost_types::Timestamp> {
    let text = text.trim();
    let instant = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let civil = text.parse::<DateTime>().ok();
        let civil = civil.or_else(|| text.parse::<Date>().ok().map(|date| date.at(0, 0, 0, 0)));
        Some(civil?.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })?;
    // A year and more: "2024" is a number, and not a time.
    if !text.starts_with(|digit: char| digit.is_ascii_digit()) || !text.contains('-') {
        return None;
    }
    // Before 1970 the nanoseconds of both count in different directions.
    let nanoseconds = instant.as_nanosecond();
    Some(prost_types::Timestamp {
        seconds: i64::try_from(nanoseconds.div_euclid(1_000_000_000)).ok()?,
        nanos: i32::try_from(nanoseconds.rem_euclid(1_000_000_000)).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_qdrant_reads_them() {
        for (text, seconds, nanos) in [
            ("2024-01-31T12:00:00Z", 1_706_702_400, 0),
            ("2024-01-31T13:00:00.5+01:00", 1_706_702_400, 500_000_000),
            ("2024-01-31T12:00:00", 1_706_702_400, 0),
            ("2024-01-31 12:00:00", 1_706_702_400, 0),
            ("2024-01-31", 1_706_659_200, 0),
            ("1969-12-31T23:59:59.25Z", -1, 250_000_000),
        ] {
            assert_eq!(
                timestamp(text),
                Some(prost_types::Timestamp { seconds, nanos }),
                "{text}"
            );
        }
        for text in ["2024", "today", "", "20240131", "12:00:00", "31.01.2024"] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }
}
