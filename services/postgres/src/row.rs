//! Rows of our own statements: text columns, read as Rust types.
//!
//! Rows of a caller's statement are [`value`](crate::value)s; these are for the catalogue, where we know what we asked for.

use std::ops::Range;

use bytes::Bytes;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::DataRowBody;

use crate::error::Error;
use crate::value::array;

/// One row, as the server sent it.
#[derive(Clone, Debug)]
pub struct Row {
    data: Bytes,
    columns: Vec<Option<Range<usize>>>,
}

impl Row {
    pub(crate) fn read(body: &DataRowBody) -> Result<Self, Error> {
        let columns = body.ranges().collect().map_err(Error::Lost)?;
        Ok(Self {
            data: body.buffer_bytes().clone(),
            columns,
        })
    }

    /// How many bytes the row holds.
    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }

    /// The bytes of each column; `None` is NULL.
    pub(crate) fn columns(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.columns
            .iter()
            .map(|range| range.as_ref().map(|range| &self.data[range.clone()]))
    }

    /// The text of a column from 0, `None` for NULL, for a column that is not there, and for what is not UTF-8.
    pub fn text(&self, column: usize) -> Option<&str> {
        let range = self.columns.get(column)?.clone()?;
        std::str::from_utf8(&self.data[range]).ok()
    }

    /// A column from 0 as a Rust type.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when the value is not of that type: the mistake is in our statement.
    pub fn get<T: FromText>(&self, column: usize) -> Result<T, Error> {
        T::from_text(self.text(column)).ok_or(Error::Unexpected {
            column,
            wanted: std::any::type_name::<T>(),
        })
    }
}

/// A Rust type that a column can be read as.
pub trait FromText: Sized {
    /// Reads the text form; `None` when it is not of this type.
    fn from_text(text: Option<&str>) -> Option<Self>;
}

impl<T: FromText> FromText for Option<T> {
    fn from_text(text: Option<&str>) -> Option<Self> {
        match text {
            None => Some(None),
            text => T::from_text(text).map(Some),
        }
    }
}

impl FromText for String {
    fn from_text(text: Option<&str>) -> Option<Self> {
        text.map(str::to_owned)
    }
}

impl FromText for bool {
    fn from_text(text: Option<&str>) -> Option<Self> {
        match text? {
            "t" => Some(true),
            "f" => Some(false),
            _ => None,
        }
    }
}

/// The elements of a one-dimensional `text[]`; NULLs are left out, and a NULL array is empty.
impl FromText for Vec<String> {
    fn from_text(text: Option<&str>) -> Option<Self> {
        let Some(text) = text else { return Some(vec![]) };
        let parsed = array::parse(text, ',')?;
        Some(
            parsed
                .items
                .into_iter()
                .filter_map(array::Item::into_text)
                .collect(),
        )
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl FromText for $number {
            fn from_text(text: Option<&str>) -> Option<Self> {
                text?.parse().ok()
            }
        })*
    };
}

numbers!(i16, i32, i64, u16, u32, u64, f64);

/// A `text[]` parameter of one of our own statements.
pub fn text_array<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items: Vec<String> = items.into_iter().map(array::quote).collect();
    format!("{{{}}}", items.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_as_types() {
        assert_eq!(i64::from_text(Some("-5")), Some(-5));
        assert_eq!(i64::from_text(None), None);
        assert_eq!(Option::<i64>::from_text(None), Some(None));
        assert_eq!(Option::<i64>::from_text(Some("x")), None);
        assert_eq!(bool::from_text(Some("t")), Some(true));
    }

    #[test]
    fn a_text_array_goes_there_and_back() {
        let items = ["a", "b c", "", "q\"\\", "NULL", "{,}"];
        let text = text_array(items);
        assert_eq!(
            Vec::<String>::from_text(Some(&text)),
            Some(items.map(str::to_owned).to_vec())
        );
    }
}
