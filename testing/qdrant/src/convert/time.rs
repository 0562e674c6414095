//! Points in time.

use prost_types::Timestamp;
use qdrant_edge::DateTimeWrapper;

use crate::error::{Error, Result};

/// The engine counts microseconds.
pub(crate) fn from_api(time: Timestamp) -> Result<DateTimeWrapper> {
    let micros = time
        .seconds
        .checked_mul(1_000_000)
        .and_then(|micros| micros.checked_add(i64::from(time.nanos) / 1000));
    micros
        .and_then(DateTimeWrapper::from_timestamp)
        .ok_or_else(|| Error::malformed(format!("Unable to parse timestamp: {time}")))
}
