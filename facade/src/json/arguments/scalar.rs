//! JSON values as scalars of protobuf, in any spelling that is exact.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::similar;
use prost_reflect::EnumDescriptor;
use serde_json::Value as Json;

use super::{At, wrong};
use crate::json::{MAX_SAFE_DOUBLE, enum_labels};

/// The bytes of base64 text, of either alphabet.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

/// A truth value.
pub(super) fn boolean(value: &Json, at: At<'_>) -> Result<bool, Fault> {
    match value {
        Json::Bool(value) => Ok(*value),
        Json::String(text) if text == "true" => Ok(true),
        Json::String(text) if text == "false" => Ok(false),
        _ => Err(wrong(at, "must be true or false", value)),
    }
}

/// The number of an enum's value, by either form of its name.
pub(super) fn choice(descriptor: &EnumDescriptor, value: &Json, at: At<'_>) -> Result<i32, Fault> {
    let labels: Vec<(i32, String)> = enum_labels(descriptor).collect();
    let known = || labels.iter().map(|(_, label)| label.as_str());
    if let Json::String(text) = value {
        let lower = text.to_lowercase();
        if let Some((number, _)) = labels.iter().find(|(_, label)| *label == lower) {
            return Ok(*number);
        }
        if let Some(value) = descriptor.get_value_by_name(text)
            && labels.iter().any(|(number, _)| *number == value.number())
        {
            return Ok(value.number());
        }
    }
    let must = format!("must be one of {}", known().collect::<Vec<_>>().join(", "));
    let similar = similar(value.as_str().unwrap_or_default(), known()).join(", ");
    Err(wrong(at, &must, value).with("did_you_mean", similar))
}

/// A number.
pub(super) fn real(value: &Json, at: At<'_>) -> Result<f64, Fault> {
    let real = match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    real.ok_or_else(|| wrong(at, "must be a number", value))
}

/// The nearest number of single precision; `None` when there is none because it would be infinite.
pub(super) fn single(value: f64) -> Option<f32> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding is what single precision means"
    )]
    let single = value as f32;
    (single.is_finite() || !value.is_finite()).then_some(single)
}

/// An integer in the range of its type, in any spelling that is exact.
pub(super) fn whole<T: TryFrom<i128> + Bounded>(value: &Json, at: At<'_>) -> Result<T, Fault> {
    let whole: Option<i128> = match value {
        Json::Number(number) => number
            .as_i64()
            .map(i128::from)
            .or_else(|| number.as_u64().map(i128::from))
            .or_else(|| number.as_f64().and_then(integral)),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    whole.and_then(|whole| T::try_from(whole).ok()).ok_or_else(|| {
        let (least, most) = (T::LEAST, T::MOST);
        wrong(
            at,
            &format!("must be a whole number from {least} to {most}"),
            value,
        )
    })
}

/// A double that is an integer and small enough to be exactly that one.
fn integral(value: f64) -> Option<i128> {
    let exact = value.fract() == 0.0 && value.abs() <= MAX_SAFE_DOUBLE;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    exact.then_some(value as i128)
}

/// The range of an integer type, for the sentence.
pub(super) trait Bounded {
    const LEAST: i128;
    const MOST: i128;
}

macro_rules! bounded {
    ($($type:ty)*) => {
        $(impl Bounded for $type {
            const LEAST: i128 = <$type>::MIN as i128;
            const MOST: i128 = <$type>::MAX as i128;
        })*
    };
}

bounded!(i32 i64 u32 u64);
