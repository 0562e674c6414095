//! Arguments that callers give. Limits are clamped when they are too high, and said so; anything else out of range is an error. An empty
//! text counts as none.

use std::time::Duration;

use crate::fault::Fault;

/// The usual bounds of `timeout_ms`: clients give up after 60 s, so a statement must end before.
pub const TIMEOUT_MS: Bounds = Bounds {
    field: "timeout_ms",
    default: 30_000,
    maximum: 55_000,
};

/// The bounds of `timeout_ms` for a call that tells its progress, so that its client goes on waiting: see [`crate::progress::follow`]. It
/// ends before the five minutes that a call may take at most.
pub const FOLLOWED_TIMEOUT_MS: Bounds = Bounds {
    maximum: 290_000,
    ..TIMEOUT_MS
};

/// The bounds of one limit.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The argument's name.
    pub field: &'static str,
    /// What an absent one means.
    pub default: u32,
    /// The most that is granted.
    pub maximum: u32,
}

impl Bounds {
    /// The limit to use.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` for 0.
    pub fn apply(self, given: Option<u32>, notices: &mut Vec<String>) -> Result<u32, Fault> {
        match given {
            None => Ok(self.default),
            Some(0) => Err(Fault::argument(
                self.field,
                format!("{} must be at least 1", self.field),
            )),
            Some(given) if given > self.maximum => {
                notices.push(format!(
                    "{} was lowered from {given} to {}",
                    self.field, self.maximum
                ));
                Ok(self.maximum)
            }
            Some(given) => Ok(given),
        }
    }

    /// The limit to use, as milliseconds.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` for 0.
    pub fn apply_ms(self, given: Option<u32>, notices: &mut Vec<String>) -> Result<Duration, Fault> {
        Ok(Duration::from_millis(self.apply(given, notices)?.into()))
    }

    /// The time limit of a call: what is asked for within these bounds, but no longer than the caller waits.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` for 0.
    pub fn timeout(
        self,
        given: Option<u32>,
        remaining: Option<Duration>,
        notices: &mut Vec<String>,
    ) -> Result<Duration, Fault> {
        let timeout = self.apply_ms(given, notices)?;
        Ok(remaining.map_or(timeout, |remaining| remaining.min(timeout)))
    }
}

/// The limits of one query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// The most rows of a page.
    pub rows: u32,
    /// How long it may take.
    pub timeout: Duration,
    /// What was lowered.
    pub notices: Vec<String>,
}

impl QueryLimits {
    /// The usual bounds of the rows of a page.
    const ROWS: Bounds = Bounds {
        field: "limit",
        default: 100,
        maximum: 10_000,
    };

    /// The limits that a query asks for by its `limit` and its `timeout_ms`: within `bounds`, which depend on whether its caller is told
    /// the progress, and no longer than the caller waits.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` for 0.
    pub fn of(
        limit: Option<u32>,
        timeout_ms: Option<u32>,
        bounds: Bounds,
        remaining: Option<Duration>,
    ) -> Result<Self, Fault> {
        let mut notices = Vec::new();
        Ok(Self {
            rows: Self::ROWS.apply(limit, &mut notices)?,
            timeout: bounds.timeout(timeout_ms, remaining, &mut notices)?,
            notices,
        })
    }
}

/// The time limit of a call that nobody follows: what `timeout_ms` asks for within [`TIMEOUT_MS`], but no longer than the caller waits.
///
/// # Errors
/// `ARGUMENT_INVALID` for 0.
pub fn timeout(
    timeout_ms: Option<u32>,
    remaining: Option<Duration>,
    notices: &mut Vec<String>,
) -> Result<Duration, Fault> {
    TIMEOUT_MS.timeout(timeout_ms, remaining, notices)
}

/// An optional text, trimmed. An empty one is none: that is what clients send for what was left out.
pub fn given(argument: Option<&str>) -> Option<&str> {
    argument.map(str::trim).filter(|text| !text.is_empty())
}

/// Up to three of `names` that are most like `wanted`, best first, for `did_you_mean`.
pub fn similar<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let furthest = (wanted.chars().count() / 3).max(2);
    let mut ranked: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let contains = lower.contains(&wanted) || (lower.len() > 3 && wanted.contains(&lower));
            let distance = crate::config::distance(&lower, &wanted);
            (distance <= furthest || contains).then_some((distance, name))
        })
        .collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_clamped_and_said() {
        let mut notices = Vec::new();
        assert_eq!(TIMEOUT_MS.apply(None, &mut notices), Ok(30_000));
        assert_eq!(TIMEOUT_MS.apply(Some(60_000), &mut notices), Ok(55_000));
        assert_eq!(notices, ["timeout_ms was lowered from 60000 to 55000"]);
        assert!(TIMEOUT_MS.apply(Some(0), &mut notices).is_err());
        let waits = Duration::from_secs(2);
        assert_eq!(timeout(Some(5_000), Some(waits), &mut notices), Ok(waits));
        assert_eq!(
            timeout(Some(500), Some(waits), &mut notices),
            Ok(Duration::from_millis(500))
        );
        assert_eq!(timeout(None, None, &mut notices), Ok(Duration::from_secs(30)));
        let mut followed = |given| FOLLOWED_TIMEOUT_MS.timeout(given, None, &mut notices);
        assert_eq!(followed(Some(120_000)), Ok(Duration::from_mins(2)));
        assert_eq!(followed(None), Ok(Duration::from_secs(30)));
        assert_eq!(followed(Some(300_000)), Ok(Duration::from_secs(290)));
    }

    #[test]
    fn a_query_has_limits_of_rows_and_of_time() {
        let of =
            |limit, timeout_ms| QueryLimits::of(limit, timeout_ms, TIMEOUT_MS, Some(Duration::from_secs(40)));
        let usual = of(None, None).expect("limits");
        assert_eq!((usual.rows, usual.timeout), (100, Duration::from_secs(30)));
        assert!(usual.notices.is_empty());
        let lowered = of(Some(10_001), Some(60_000)).expect("limits");
        assert_eq!((lowered.rows, lowered.timeout), (10_000, Duration::from_secs(40)));
        let said = [
            "limit was lowered from 10001 to 10000",
            "timeout_ms was lowered from 60000 to 55000",
        ];
        assert_eq!(lowered.notices, said);
        assert!(of(Some(0), None).is_err() && of(None, Some(0)).is_err());
    }

    #[test]
    fn an_empty_text_is_none() {
        assert_eq!(given(Some(" a b\n")), Some("a b"));
        assert_eq!(given(Some(" \n")), None);
        assert_eq!(given(None), None);
    }

    #[test]
    fn similar_names_are_found() {
        assert_eq!(
            similar("cusomers", ["orders", "customers", "customer"]),
            ["customers", "customer"]
        );
        assert_eq!(
            similar("order", ["order_items", "orders", "people"]),
            ["orders", "order_items"]
        );
        assert!(similar("zzz", ["orders"]).is_empty());
    }
}
