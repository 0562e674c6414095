//! Rows of our own statements, read as Rust types.
//!
//! Rows of a caller's statement are [`value`](crate::value)s as well; these are for the catalogue, where we know what we asked for.

use mcp_hub_proto::data::v1::Value;
use mcp_hub_proto::data::v1::value::Kind;

use crate::error::Error;

/// One row.
#[derive(Clone, Debug)]
pub struct Row(Vec<Value>);

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values)
    }

    /// The text of a column from 0, `None` for NULL, for a column that is not there, and for what is no text.
    pub fn text(&self, column: usize) -> Option<&str> {
        text(self.0.get(column)?)
    }

    /// A column from 0 as a Rust type.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when the value is not of that type: the mistake is in our statement.
    pub fn get<T: FromValue>(&self, column: usize) -> Result<T, Error> {
        let value = self.0.get(column).unwrap_or(&Value { kind: None });
        T::from_value(value).ok_or(Error::Unexpected {
            column,
            wanted: std::any::type_name::<T>(),
        })
    }
}

/// A Rust type that a column can be read as.
pub trait FromValue: Sized {
    /// Reads the value; `None` when it is not of this type.
    fn from_value(value: &Value) -> Option<Self>;
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value.kind {
            None | Some(Kind::Null(_)) => Some(None),
            _ => T::from_value(value).map(Some),
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        text(value).map(str::to_owned)
    }
}

/// Comparisons are numbers here.
impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        match value.kind.as_ref()? {
            Kind::Bool(value) => Some(*value),
            _ => i64::from_value(value).map(|number| number != 0),
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value.kind.as_ref()? {
            Kind::Double(number) => Some(*number),
            Kind::Number(text) | Kind::Text(text) => text.parse().ok(),
            // Estimates and times: beyond 2^53 nobody counts.
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            Kind::Int(number) => Some(*number as Self),
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            Kind::Uint(number) => Some(*number as Self),
            _ => None,
        }
    }
}

macro_rules! integers {
    ($($number:ty),*) => {
        $(impl FromValue for $number {
            fn from_value(value: &Value) -> Option<Self> {
                match value.kind.as_ref()? {
                    Kind::Int(number) => Self::try_from(*number).ok(),
                    Kind::Uint(number) => Self::try_from(*number).ok(),
                    Kind::Bool(value) => Some(Self::from(*value)),
                    // A sum is a decimal, some columns of the catalogue are texts.
                    Kind::Number(text) | Kind::Text(text) => text.parse().ok(),
                    _ => None,
                }
            }
        })*
    };
}

integers!(i16, i32, i64, u16, u32, u64);

fn text(value: &Value) -> Option<&str> {
    match value.kind.as_ref()? {
        Kind::Text(text) | Kind::Number(text) | Kind::Json(text) => Some(text),
        Kind::Temporal(temporal) => Some(&temporal.text),
        // Some servers declare names in their catalogue as binary.
        Kind::Bytes(bytes) => std::str::from_utf8(&bytes.data).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: Kind) -> Row {
        Row::new(vec![Value { kind: Some(kind) }])
    }

    #[test]
    fn columns_are_read_as_types() {
        assert_eq!(row(Kind::Int(-5)).get::<i64>(0).ok(), Some(-5));
        assert_eq!(row(Kind::Int(-5)).get::<u64>(0).ok(), None);
        assert_eq!(row(Kind::Number("7".to_owned())).get::<u32>(0).ok(), Some(7));
        assert_eq!(row(Kind::Null(0)).get::<Option<i64>>(0).ok(), Some(None));
        assert_eq!(row(Kind::Null(0)).get::<i64>(0).ok(), None);
        assert_eq!(row(Kind::Int(1)).get::<bool>(0).ok(), Some(true));
        assert_eq!(row(Kind::Text("x".to_owned())).text(0), Some("x"));
        assert_eq!(row(Kind::Null(0)).text(1), None);
    }
}
