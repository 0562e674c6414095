//! The texts of dates, times and durations, as a caller gives them.

use mcp_hub_proto::data::v1::TemporalKind;

use super::{DAY, NANOSECONDS, days, offset_in, offsets_at};
use crate::wire::packstream::Packed;

/// Reads the text of a kind; `None` when it is not of that kind.
pub(crate) fn parse(kind: TemporalKind, text: &str) -> Option<Packed> {
    let mut text = Text(text.trim());
    let (tag, fields) = match kind {
        TemporalKind::Unspecified => return None,
        TemporalKind::Date => (b'D', vec![text.date()?]),
        TemporalKind::Time => (b't', vec![text.time()?]),
        TemporalKind::ZonedTime => (b'T', vec![text.time()?, text.offset()?]),
        TemporalKind::DateTime => {
            let (seconds, nanoseconds) = text.date_time()?;
            (b'd', vec![seconds, nanoseconds])
        }
        TemporalKind::ZonedDateTime => return zoned_date_time(text),
        TemporalKind::Duration => (b'E', text.duration()?.to_vec()),
    };
    let fields = fields.into_iter().map(Packed::Int).collect();
    text.0.is_empty().then_some(Packed::Struct(tag, fields))
}

/// Either an offset or a zone must be there. With both, they must agree; with a zone alone, the time must be one that its clocks show
/// once.
fn zoned_date_time(mut text: Text<'_>) -> Option<Packed> {
    let (local, nanoseconds) = text.date_time()?;
    let offset = if text.0.starts_with('[') {
        None
    } else {
        Some(text.offset()?)
    };
    if text.0.is_empty() {
        let offset = offset?;
        let fields = [local.checked_sub(offset)?, nanoseconds, offset];
        return Some(Packed::Struct(b'I', fields.map(Packed::Int).to_vec()));
    }
    let zone = text.0.strip_prefix('[')?.strip_suffix(']')?;
    let seconds = match offset {
        Some(offset) => {
            let seconds = local.checked_sub(offset)?;
            // A zone that is not known here may be known to the server.
            if offset_in(zone, seconds).is_some_and(|known| known != offset) {
                return None;
            }
            seconds
        }
        None => match offsets_at(zone, local)?.as_slice() {
            [offset] => local.checked_sub(*offset)?,
            _ => return None,
        },
    };
    Some(Packed::Struct(
        b'i',
        vec![Packed::Int(seconds), Packed::Int(nanoseconds), zone.into()],
    ))
}

/// What is still to be read.
struct Text<'a>(&'a str);

impl Text<'_> {
    fn skip(&mut self, expected: char) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// A number of `least` to `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let digits = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        (digits >= least).then(|| number.parse().ok()).flatten()
    }

    fn below(&mut self, limit: i64) -> Option<i64> {
        self.number(2, 2).filter(|number| *number < limit)
    }

    /// A sign, if there is one.
    fn sign(&mut self) -> i64 {
        if self.skip('-').is_some() {
            return -1;
        }
        let _ = self.skip('+');
        1
    }

    fn date(&mut self) -> Option<i64> {
        let signed = self.0.starts_with(['+', '-']);
        let sign = self.sign();
        let year = sign * self.number(4, if signed { 9 } else { 4 })?;
        self.skip('-')?;
        let month = self.number(2, 2).filter(|month| (1..=12).contains(month))?;
        self.skip('-')?;
        days(year, month, self.number(2, 2)?)
    }

    /// Nanoseconds since midnight.
    fn time(&mut self) -> Option<i64> {
        let hours = self.below(24)?;
        self.skip(':')?;
        let minutes = self.below(60)?;
        let mut nanoseconds = (hours * 60 + minutes) * 60 * NANOSECONDS;
        if self.skip(':').is_some() {
            nanoseconds += self.below(60)? * NANOSECONDS + self.fraction()?;
        }
        Some(nanoseconds)
    }

    /// The nanoseconds behind a point, if there is one.
    fn fraction(&mut self) -> Option<i64> {
        if self.skip('.').or_else(|| self.skip(',')).is_none() {
            return Some(0);
        }
        let before = self.0.len();
        let number = self.number(1, 9)?;
        let digits = u32::try_from(before - self.0.len()).ok()?;
        Some(number * 10_i64.pow(9 - digits))
    }

    /// Seconds since 1970-01-01T00:00 and nanoseconds.
    fn date_time(&mut self) -> Option<(i64, i64)> {
        let date = self.date()?;
        self.skip('T').or_else(|| self.skip(' '))?;
        let time = self.time()?;
        Some((date * DAY + time / NANOSECONDS, time % NANOSECONDS))
    }

    /// Seconds east of Greenwich.
    fn offset(&mut self) -> Option<i64> {
        if self.skip('Z').is_some() {
            return Some(0);
        }
        if !self.0.starts_with(['+', '-']) {
            return None;
        }
        let sign = self.sign();
        let mut seconds = self.below(19)? * 3600;
        for unit in [60, 1] {
            if self.skip(':').is_some() {
                seconds += self.below(60)? * unit;
            }
        }
        (seconds <= 18 * 3600).then_some(sign * seconds)
    }

    /// Months, days, seconds and nanoseconds of `P1Y2M3W4DT5H6M7.8S`.
    fn duration(&mut self) -> Option<[i64; 4]> {
        const UNITS: [(char, usize, i64); 7] = [
            ('Y', 0, 12),
            ('M', 0, 1),
            ('W', 1, 7),
            ('D', 1, 1),
            ('H', 2, 3600),
            ('M', 2, 60),
            ('S', 2, 1),
        ];
        /// How many of them stand before the `T`.
        const DATES: usize = 4;
        let sign = self.sign();
        self.skip('P')?;
        let (mut sums, mut nanoseconds, mut next, mut any) = ([0_i64; 3], 0_i64, 0, false);
        while !self.0.is_empty() {
            if next <= DATES && self.skip('T').is_some() {
                next = DATES + 1;
                any = false;
                continue;
            }
            let own = sign * self.sign();
            let number = own * self.number(1, 18)?;
            let fraction = self.fraction()?;
            let unit = self.0.chars().next()?;
            let range = if next > DATES {
                next - 1..UNITS.len()
            } else {
                next..DATES
            };
            let index = range.clone().find(|index| UNITS[*index].0 == unit)?;
            // Only seconds have parts: half a month is no length.
            if fraction != 0 && unit != 'S' {
                return None;
            }
            self.skip(unit)?;
            let (_, sum, factor) = UNITS[index];
            sums[sum] = sums[sum].checked_add(number.checked_mul(factor)?)?;
            nanoseconds += own * fraction;
            next = if next > DATES { index + 2 } else { index + 1 };
            any = true;
        }
        let [months, days, seconds] = sums;
        let seconds = seconds.checked_add(nanoseconds.div_euclid(NANOSECONDS))?;
        any.then_some([months, days, seconds, nanoseconds.rem_euclid(NANOSECONDS)])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::temporal;

    fn print(value: &Packed) -> String {
        let Packed::Struct(tag, fields) = value else {
            panic!("{value:?}")
        };
        let int = |index: usize| fields[index].as_int().expect("an integer");
        match tag {
            b'D' => temporal::date(int(0)),
            b't' => temporal::time(int(0)),
            b'T' => temporal::zoned_time(int(0), int(1)),
            b'd' => temporal::date_time(int(0), int(1)),
            b'I' => temporal::offset_date_time(int(0), int(1), int(2)),
            b'i' => temporal::zoned_date_time(int(0), int(1), fields[2].as_str().expect("a zone")),
            _ => temporal::duration(int(0), int(1), int(2), int(3)),
        }
    }

    #[test]
    fn texts_are_read_and_printed() {
        use TemporalKind::{Date, DateTime, Duration, Time, ZonedDateTime, ZonedTime};
        for (kind, text, printed) in [
            (Date, "2024-02-29", "2024-02-29"),
            (Date, "-0044-03-15", "-0044-03-15"),
            (Date, "+999999999-12-31", "+999999999-12-31"),
            (Time, "10:00", "10:00:00"),
            (Time, "23:59:59.000000001", "23:59:59.000000001"),
            (Time, "23:59:59.12", "23:59:59.120"),
            (ZonedTime, "10:00:00Z", "10:00:00Z"),
            (ZonedTime, "10:00-18:00", "10:00:00-18:00"),
            (DateTime, "2024-01-01 10:00:00", "2024-01-01T10:00:00"),
            (DateTime, "1969-12-31T23:59:59.9", "1969-12-31T23:59:59.900"),
            (
                ZonedDateTime,
                "2024-01-01T10:00:00+01:00",
                "2024-01-01T10:00:00+01:00",
            ),
            (
                ZonedDateTime,
                "2024-01-01T10:00:00.123456789+01:00[Europe/Paris]",
                "2024-01-01T10:00:00.123456789+01:00[Europe/Paris]",
            ),
            (
                ZonedDateTime,
                "2024-07-01T10:00[Europe/Paris]",
                "2024-07-01T10:00:00+02:00[Europe/Paris]",
            ),
            // The hour that the clocks show twice.
            (
                ZonedDateTime,
                "2024-10-27T02:30:00+02:00[Europe/Paris]",
                "2024-10-27T02:30:00+02:00[Europe/Paris]",
            ),
            (
                ZonedDateTime,
                "2024-10-27T02:30:00+01:00[Europe/Paris]",
                "2024-10-27T02:30:00+01:00[Europe/Paris]",
            ),
            // Before the zone had rules, and beyond what libraries hold.
            (
                ZonedDateTime,
                "1800-01-01T00:00:00+00:09:21[Europe/Paris]",
                "1800-01-01T00:00:00+00:09:21[Europe/Paris]",
            ),
            (
                ZonedDateTime,
                "+12024-07-01T10:00:00+02:00[Europe/Paris]",
                "+12024-07-01T10:00:00+02:00[Europe/Paris]",
            ),
            (Duration, "P1Y2M3DT4H38M26.789S", "P14M3DT16706.789S"),
            (Duration, "P2W", "P14D"),
            (Duration, "PT0S", "PT0S"),
            (Duration, "PT-0.5S", "PT-0.5S"),
            (Duration, "-P1DT1.5S", "P-1DT-1.5S"),
            (Duration, "P1M", "P1M"),
            (Duration, "PT1M", "PT60S"),
        ] {
            let value = parse(kind, text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(print(&value), printed, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        use TemporalKind::{Date, DateTime, Duration, Time, ZonedDateTime, ZonedTime};
        for (kind, text) in [
            (Date, "2024-02-30"),
            (Date, "2023-02-29"),
            (Date, "2024-13-01"),
            (Date, "2024-1-1"),
            (Date, "2024-01-01T00:00"),
            (Date, "12024-01-01"),
            (Date, ""),
            (Time, "24:00"),
            (Time, "10:00:00+01:00"),
            (Time, "10:00:00.0000000001"),
            (ZonedTime, "10:00:00"),
            (ZonedTime, "10:00:00+18:01"),
            (DateTime, "2024-01-01T10:00:00Z"),
            (ZonedDateTime, "2024-01-01T10:00:00"),
            (ZonedDateTime, "2024-01-01T10:00:00+05:00[Europe/Paris]"),
            // The hour that the clocks show twice, and the one that they leave out.
            (ZonedDateTime, "2024-10-27T02:30:00[Europe/Paris]"),
            (ZonedDateTime, "2024-03-31T02:30:00[Europe/Paris]"),
            (Duration, "P"),
            (Duration, "PT"),
            (Duration, "P1DT"),
            (Duration, "P1S"),
            (Duration, "P0.5M"),
            (Duration, "PT1S1M"),
            (Duration, "P1M1Y"),
            (Duration, "PT99999999999999999999S"),
            (Duration, "1D"),
        ] {
            assert_eq!(parse(kind, text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_day_goes_there_and_back(day in -365_243_219_162_i64..=365_241_780_471) {
            let text = temporal::date(day);
            prop_assert_eq!(parse(TemporalKind::Date, &text), Some(Packed::Struct(b'D', vec![Packed::Int(day)])), "{}", text);
        }

        #[test]
        fn every_instant_goes_there_and_back(seconds in -100_000_000_000_000_i64..100_000_000_000_000, nanoseconds in 0..NANOSECONDS, offset in -64_800_i64..=64_800) {
            let text = temporal::offset_date_time(seconds, nanoseconds, offset);
            let expected = Packed::Struct(b'I', [seconds, nanoseconds, offset].map(Packed::Int).to_vec());
            prop_assert_eq!(parse(TemporalKind::ZonedDateTime, &text), Some(expected), "{}", text);
        }

        #[test]
        fn every_zoned_instant_goes_there_and_back(
            seconds in -100_000_000_000_000_i64..100_000_000_000_000,
            zone in prop_oneof![Just("Europe/Paris"), Just("America/New_York"), Just("Australia/Lord_Howe"), Just("Asia/Kathmandu")],
        ) {
            let text = temporal::zoned_date_time(seconds, 0, zone);
            let expected = Packed::Struct(b'i', vec![Packed::Int(seconds), Packed::Int(0), zone.into()]);
            prop_assert_eq!(parse(TemporalKind::ZonedDateTime, &text), Some(expected), "{}", text);
        }

        #[test]
        fn every_duration_goes_there_and_back(months: i32, days: i32, seconds: i32, nanoseconds in 0..NANOSECONDS) {
            let fields = [months.into(), days.into(), seconds.into(), nanoseconds];
            let text = temporal::duration(fields[0], fields[1], fields[2], fields[3]);
            let expected = Packed::Struct(b'E', fields.map(Packed::Int).to_vec());
            prop_assert_eq!(parse(TemporalKind::Duration, &text), Some(expected), "{}", text);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}", kind in 1..=6_i32) {
            let kind = TemporalKind::try_from(kind).expect("a kind");
            let _ = parse(kind, &text);
        }
    }
}
