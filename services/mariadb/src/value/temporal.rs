//! Dates and times of the binary protocol, as texts. Zero and partial dates stay what they are.

use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::data::v1::{Temporal, TemporalKind};

/// A temporal value.
pub(super) fn form(kind: TemporalKind, text: String) -> Form {
    Form::Temporal(Temporal {
        kind: kind.into(),
        text,
    })
}

/// The parts of a date with a time. What the server leaves out is zero.
#[derive(Default)]
struct Parts {
    year: u16,
    month: u8,
    day: u8,
    time: Clock,
}

#[derive(Default)]
struct Clock {
    hours: u32,
    minutes: u8,
    seconds: u8,
    microseconds: u32,
}

impl Clock {
    fn text(&self, digits: usize) -> String {
        let Self {
            hours,
            minutes,
            seconds,
            microseconds,
        } = self;
        let mut text = format!("{hours:02}:{minutes:02}:{seconds:02}");
        // A fraction that the declared width does not know is shown nevertheless.
        let digits = if digits == 0 && *microseconds > 0 {
            6
        } else {
            digits
        };
        if digits > 0 {
            let fraction = format!("{microseconds:06}");
            text.push('.');
            text.push_str(&fraction[..digits.min(6)]);
        }
        text
    }
}

impl Parts {
    /// Reads the value behind its length.
    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = body(bytes)?;
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let (&[low, high, month, day], rest) = bytes.split_first_chunk()?;
        let mut parts = Self {
            year: u16::from_le_bytes([low, high]),
            month,
            day,
            time: Clock::default(),
        };
        if let Some((&[hours, minutes, seconds], rest)) = rest.split_first_chunk() {
            parts.time = Clock {
                hours: hours.into(),
                minutes,
                seconds,
                microseconds: microseconds(rest)?,
            };
        }
        Some(parts)
    }

    fn is_zero(&self) -> bool {
        (self.year, self.month, self.day) == (0, 0, 0)
    }

    fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// What stands behind the length, if it is as long as it says.
fn body(bytes: &[u8]) -> Option<&[u8]> {
    let (length, body) = bytes.split_first()?;
    (body.len() == usize::from(*length)).then_some(body)
}

fn microseconds(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() {
        return Some(0);
    }
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// `2024-02-29`, `2024-02-00`, `0000-00-00`.
pub(super) fn date(bytes: &[u8]) -> Option<String> {
    Parts::read(bytes).map(|parts| parts.date())
}

/// `2024-02-29T12:34:56.789`
pub(super) fn date_time(bytes: &[u8], digits: usize) -> Option<String> {
    let parts = Parts::read(bytes)?;
    Some(format!("{}T{}", parts.date(), parts.time.text(digits)))
}

/// `2024-02-29T12:34:56.789Z`. The zero timestamp is no instant, so it has no zone.
pub(super) fn timestamp(bytes: &[u8], digits: usize) -> Option<Form> {
    let text = date_time(bytes, digits)?;
    Some(if Parts::read(bytes)?.is_zero() {
        form(TemporalKind::DateTime, text)
    } else {
        form(TemporalKind::ZonedDateTime, text + "Z")
    })
}

/// `12:34:56.789`, `-838:59:59`.
pub(super) fn time(bytes: &[u8], digits: usize) -> Option<String> {
    let bytes = body(bytes)?;
    if bytes.is_empty() {
        return Some(Clock::default().text(digits));
    }
    let (&[negative, d0, d1, d2, d3, hours, minutes, seconds], rest) = bytes.split_first_chunk()?;
    let days = u32::from_le_bytes([d0, d1, d2, d3]);
    let clock = Clock {
        hours: days.checked_mul(24)?.checked_add(hours.into())?,
        minutes,
        seconds,
        microseconds: microseconds(rest)?,
    };
    let sign = if negative == 0 { "" } else { "-" };
    Some(format!("{sign}{}", clock.text(digits)))
}
