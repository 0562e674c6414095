//! A date and time with a zone, in UTC.

/// `2024-01-31T12:00:00.5+02:00` -> `2024-01-31 10:00:00.5`; `None` for what is not of this form.
pub(super) fn in_utc(text: &str) -> Option<String> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-');
    let mut number = || parts.next()?.parse::<i64>().ok();
    let (year, month, day) = (number()?, number()?, number()?);
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at(zone);
    let (clock, fraction) = time
        .split_once('.')
        .map_or((time, None), |(clock, fraction)| (clock, Some(fraction)));
    let mut parts = clock.splitn(3, ':');
    let mut number = || parts.next()?.parse::<i64>().ok();
    let (hours, minutes, seconds) = (number()?, number()?, number()?);
    let is_valid = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hours)
        && (0..60).contains(&minutes)
        && (0..=60).contains(&seconds)
        && fraction
            .is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_valid {
        return None;
    }
    let minutes = (days(year, month, day) * 24 + hours) * 60 + minutes - offset(zone)?;
    let (year, month, day) = date_of(minutes.div_euclid(24 * 60));
    let minutes = minutes.rem_euclid(24 * 60);
    let fraction = fraction.map(|digits| format!(".{digits}")).unwrap_or_default();
    Some(format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{seconds:02}{fraction}",
        minutes / 60,
        minutes % 60
    ))
}

/// The zone's distance from UTC, in minutes.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone[1..].split_once(':').unwrap_or((&zone[1..], "0"));
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..24).contains(&hours) && (0..60).contains(&minutes)).then_some(sign * (hours * 60 + minutes))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar. A year begins in March here, so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day: the reverse of [`days`].
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_taken_away() {
        for (text, utc) in [
            ("2024-01-31T12:00:00Z", Some("2024-01-31 12:00:00")),
            (
                "2024-01-31T12:00:00.123456+02:00",
                Some("2024-01-31 10:00:00.123456"),
            ),
            ("2024-02-29T23:30:00-01:00", Some("2024-03-01 00:30:00")),
            ("2024-01-01 00:15:00+05:30", Some("2023-12-31 18:45:00")),
            ("1970-01-01T00:00:00z", Some("1970-01-01 00:00:00")),
            ("2024-01-31T12:00:00", None),
            ("2024-13-31T12:00:00Z", None),
            ("infinity", None),
            ("2024-01-31T12:00:00+ä", None),
        ] {
            assert_eq!(in_utc(text).as_deref(), utc, "{text}");
        }
    }

    #[test]
    fn days_and_dates_are_the_reverse_of_each_other() {
        for day in (-800_000..3_000_000).step_by(97) {
            let (year, month, date) = date_of(day);
            assert_eq!(days(year, month, date), day);
        }
        assert_eq!(days(2000, 3, 1), 11_017);
    }
}
