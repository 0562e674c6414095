//! Rows of our own statements, read as Rust types.
//!
//! Rows of a caller's statement are [`value`](crate::value)s; these are for what we ask ourselves, where we know what comes.

use crate::error::Error;
use crate::wire::packstream::Packed;

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(Vec<Packed>);

impl Row {
    pub(crate) fn new(values: Vec<Packed>) -> Self {
        Self(values)
    }

    /// The values, in the order of the columns.
    pub fn values(&self) -> &[Packed] {
        &self.0
    }

    /// The text of a column from 0; `None` for everything else.
    pub fn text(&self, column: usize) -> Option<&str> {
        self.0.get(column)?.as_str()
    }

    /// A column from 0 as a Rust type.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when the value is not of that type: the mistake is in our statement.
    pub fn get<T: FromPacked>(&self, column: usize) -> Result<T, Error> {
        let value = self.0.get(column).unwrap_or(&Packed::Null);
        T::from_packed(value).ok_or(Error::Unexpected {
            column,
            wanted: std::any::type_name::<T>(),
        })
    }
}

/// A Rust type that a value can be read as.
pub trait FromPacked: Sized {
    /// Reads the value; `None` when it is not of this type.
    fn from_packed(value: &Packed) -> Option<Self>;
}

impl<T: FromPacked> FromPacked for Option<T> {
    fn from_packed(value: &Packed) -> Option<Self> {
        match value {
            Packed::Null => Some(None),
            value => T::from_packed(value).map(Some),
        }
    }
}

impl FromPacked for String {
    fn from_packed(value: &Packed) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl FromPacked for bool {
    fn from_packed(value: &Packed) -> Option<Self> {
        value.as_bool()
    }
}

impl FromPacked for f64 {
    fn from_packed(value: &Packed) -> Option<Self> {
        value.as_float()
    }
}

impl FromPacked for Packed {
    fn from_packed(value: &Packed) -> Option<Self> {
        Some(value.clone())
    }
}

/// The items of a list; `null` is no items.
impl<T: FromPacked> FromPacked for Vec<T> {
    fn from_packed(value: &Packed) -> Option<Self> {
        match value {
            Packed::Null => Some(vec![]),
            Packed::List(items) => items.iter().map(T::from_packed).collect(),
            _ => None,
        }
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {
        $(impl FromPacked for $integer {
            fn from_packed(value: &Packed) -> Option<Self> {
                value.as_int()?.try_into().ok()
            }
        })*
    };
}

integers!(i64, u64, u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_as_types() {
        let row = Row::new(vec![
            Packed::Int(-5),
            Packed::Null,
            vec!["a", "b"].into(),
            Packed::Float(0.5),
        ]);
        assert_eq!(row.get::<i64>(0).expect("an integer"), -5);
        assert!(row.get::<u64>(0).is_err());
        assert_eq!(row.get::<Option<String>>(1).expect("null"), None);
        assert_eq!(row.get::<Vec<String>>(1).expect("null"), Vec::<String>::new());
        assert_eq!(row.get::<Vec<String>>(2).expect("a list"), ["a", "b"]);
        assert!((row.get::<f64>(3).expect("a float") - 0.5).abs() < f64::EPSILON);
        assert!(row.get::<String>(9).is_err(), "a column that is not there");
    }
}
