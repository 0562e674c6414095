//! `PackStream`, the encoding of everything that Bolt says: values, and messages, which are structures.
//!
//! The decoder trusts nobody: a length may lie, and a value may be deeper than a stack or bigger than memory (a caller's own statement
//! can make such a value).

use bytes::{BufMut as _, Bytes, BytesMut};

/// How deep a value may be nested. Readers of JSON commonly end at 128 levels.
pub(crate) const MAX_DEPTH: usize = 100;

/// How many values one message may hold: each takes far more room here than the byte that it may take on the wire.
pub(crate) const MAX_VALUES: usize = 1 << 20;

/// A value as it travels.
#[derive(Clone, Debug, PartialEq)]
pub enum Packed {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A double.
    Float(f64),
    /// A byte array.
    Bytes(Bytes),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Packed>),
    /// A map, in the order of the wire.
    Map(Entries),
    /// A structure: nodes, dates and so on, and messages.
    Struct(u8, Vec<Packed>),
}

/// The entries of a map, in their order.
pub type Entries = Vec<(String, Packed)>;

/// Why bytes are no value that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a value ends too early")]
    Truncated,
    #[error("bytes follow the value")]
    Trailing,
    #[error("unknown marker {0:#04x}")]
    Marker(u8),
    #[error("a text is not UTF-8")]
    Text,
    #[error("the key of a map is no text")]
    Key,
    #[error("a value is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    #[error("a message has more than {MAX_VALUES} values")]
    TooMany,
}

impl Packed {
    /// The entry of a map; `None` for everything else.
    pub fn get(&self, key: &str) -> Option<&Packed> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find_map(|(name, value)| (name == key).then_some(value)),
            _ => None,
        }
    }

    /// The text of a text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number of an integer.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The number of an integer or a float.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "asked for as a float")]
            Self::Int(number) => Some(*number as f64),
            _ => None,
        }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The items of a list; none for everything else.
    pub fn items(&self) -> &[Packed] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The entries of a map; none for everything else.
    pub fn entries(&self) -> &[(String, Packed)] {
        match self {
            Self::Map(entries) => entries,
            _ => &[],
        }
    }
}

impl From<&str> for Packed {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Packed {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Packed {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for Packed {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for Packed {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<T: Into<Packed>> From<Vec<T>> for Packed {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

/// The kinds of values whose length comes with them, as the highest four bits of their short marker and their long markers.
#[derive(Clone, Copy)]
struct Sized {
    tiny: u8,
    long: [u8; 3],
}

const TEXT: Sized = Sized {
    tiny: 0x80,
    long: [0xD0, 0xD1, 0xD2],
};
const LIST: Sized = Sized {
    tiny: 0x90,
    long: [0xD4, 0xD5, 0xD6],
};
const MAP: Sized = Sized {
    tiny: 0xA0,
    long: [0xD8, 0xD9, 0xDA],
};
const BYTES: [u8; 3] = [0xCC, 0xCD, 0xCE];
const STRUCT: u8 = 0xB0;

/// Appends a value.
#[expect(
    clippy::cast_possible_truncation,
    reason = "each cast stands under the range that it needs"
)]
pub(crate) fn encode(out: &mut BytesMut, value: &Packed) {
    match value {
        Packed::Null => out.put_u8(0xC0),
        Packed::Float(number) => {
            out.put_u8(0xC1);
            out.put_f64(*number);
        }
        Packed::Bool(value) => out.put_u8(if *value { 0xC3 } else { 0xC2 }),
        Packed::Int(number) => match *number {
            number @ -16..=127 => out.put_i8(number as i8),
            number @ -128..=-17 => {
                out.put_u8(0xC8);
                out.put_i8(number as i8);
            }
            number @ -32_768..=32_767 => {
                out.put_u8(0xC9);
                out.put_i16(number as i16);
            }
            number @ -2_147_483_648..=2_147_483_647 => {
                out.put_u8(0xCA);
                out.put_i32(number as i32);
            }
            number => {
                out.put_u8(0xCB);
                out.put_i64(number);
            }
        },
        Packed::Bytes(bytes) => {
            encode_long(out, BYTES, bytes.len());
            out.put_slice(bytes);
        }
        Packed::Text(text) => encode_text(out, text),
        Packed::List(items) => {
            encode_length(out, LIST, items.len());
            for item in items {
                encode(out, item);
            }
        }
        Packed::Map(entries) => {
            encode_length(out, MAP, entries.len());
            for (key, value) in entries {
                encode_text(out, key);
                encode(out, value);
            }
        }
        // A structure of the protocol has five fields at most, and the nibble takes fifteen.
        Packed::Struct(tag, fields) => {
            out.put_u8(STRUCT | (fields.len() as u8 & 0x0F));
            out.put_u8(*tag);
            for field in fields {
                encode(out, field);
            }
        }
    }
}

fn encode_text(out: &mut BytesMut, text: &str) {
    encode_length(out, TEXT, text.len());
    out.put_slice(text.as_bytes());
}

fn encode_length(out: &mut BytesMut, kind: Sized, length: usize) {
    match u8::try_from(length) {
        Ok(length @ 0..=15) => out.put_u8(kind.tiny | length),
        _ => encode_long(out, kind.long, length),
    }
}

fn encode_long(out: &mut BytesMut, [short, medium, long]: [u8; 3], length: usize) {
    if let Ok(length) = u8::try_from(length) {
        out.put_u8(short);
        out.put_u8(length);
    } else if let Ok(length) = u16::try_from(length) {
        out.put_u8(medium);
        out.put_u16(length);
    } else {
        // More than 4 GB can't be here: a request is bounded by the size of a gRPC message.
        out.put_u8(long);
        out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    }
}

/// Reads the one value that `input` is.
pub(crate) fn decode(input: &[u8]) -> Result<Packed, Malformed> {
    let mut decoder = Decoder {
        input,
        room: MAX_VALUES,
    };
    let value = decoder.value(MAX_DEPTH)?;
    if decoder.input.is_empty() {
        Ok(value)
    } else {
        Err(Malformed::Trailing)
    }
}

struct Decoder<'a> {
    input: &'a [u8],
    /// How many more values the message may hold.
    room: usize,
}

impl Decoder<'_> {
    fn value(&mut self, depth: usize) -> Result<Packed, Malformed> {
        self.room = self.room.checked_sub(1).ok_or(Malformed::TooMany)?;
        let [marker] = self.array()?;
        let nibble = usize::from(marker & 0x0F);
        Ok(match marker {
            0x00..=0x7F | 0xF0..=0xFF => Packed::Int(i64::from(marker.cast_signed())),
            0x80..=0x8F => Packed::Text(self.text(nibble)?),
            0x90..=0x9F => self.list(nibble, depth)?,
            0xA0..=0xAF => self.map(nibble, depth)?,
            0xB0..=0xBF => {
                let [tag] = self.array()?;
                Packed::Struct(tag, self.values(nibble, depth)?)
            }
            0xC0 => Packed::Null,
            0xC1 => Packed::Float(f64::from_be_bytes(self.array()?)),
            0xC2 => Packed::Bool(false),
            0xC3 => Packed::Bool(true),
            0xC8 => Packed::Int(i8::from_be_bytes(self.array()?).into()),
            0xC9 => Packed::Int(i16::from_be_bytes(self.array()?).into()),
            0xCA => Packed::Int(i32::from_be_bytes(self.array()?).into()),
            0xCB => Packed::Int(i64::from_be_bytes(self.array()?)),
            0xCC..=0xCE => {
                let length = self.length(marker - 0xCC)?;
                Packed::Bytes(Bytes::copy_from_slice(self.take(length)?))
            }
            0xD0..=0xD2 => {
                let length = self.length(marker - 0xD0)?;
                Packed::Text(self.text(length)?)
            }
            0xD4..=0xD6 => {
                let length = self.length(marker - 0xD4)?;
                self.list(length, depth)?
            }
            0xD8..=0xDA => {
                let length = self.length(marker - 0xD8)?;
                self.map(length, depth)?
            }
            _ => return Err(Malformed::Marker(marker)),
        })
    }

    fn list(&mut self, length: usize, depth: usize) -> Result<Packed, Malformed> {
        Ok(Packed::List(self.values(length, depth)?))
    }

    fn values(&mut self, length: usize, depth: usize) -> Result<Vec<Packed>, Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed::TooDeep)?;
        let mut values = Vec::with_capacity(self.claimed(length)?);
        for _ in 0..length {
            values.push(self.value(depth)?);
        }
        Ok(values)
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Packed, Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed::TooDeep)?;
        let mut entries = Vec::with_capacity(self.claimed(length)?);
        for _ in 0..length {
            let Packed::Text(key) = self.value(depth)? else {
                return Err(Malformed::Key);
            };
            entries.push((key, self.value(depth)?));
        }
        Ok(Packed::Map(entries))
    }

    /// A claimed number of values, if that many can follow at all: nothing is reserved for a lie.
    fn claimed(&self, length: usize) -> Result<usize, Malformed> {
        if length > self.input.len() {
            Err(Malformed::Truncated)
        } else if length > self.room {
            Err(Malformed::TooMany)
        } else {
            Ok(length)
        }
    }

    fn text(&mut self, length: usize) -> Result<String, Malformed> {
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed::Text)?;
        Ok(text.to_owned())
    }

    /// The length that follows a marker, in 1, 2 or 4 bytes.
    fn length(&mut self, size: u8) -> Result<usize, Malformed> {
        let length = match size {
            0 => u8::from_be_bytes(self.array()?).into(),
            1 => u16::from_be_bytes(self.array()?).into(),
            _ => u32::from_be_bytes(self.array()?),
        };
        usize::try_from(length).map_err(|_| Malformed::Truncated)
    }

    fn take(&mut self, length: usize) -> Result<&[u8], Malformed> {
        let (taken, rest) = self.input.split_at_checked(length).ok_or(Malformed::Truncated)?;
        self.input = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.input.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.input = rest;
        Ok(*taken)
    }
}

#[cfg(test)]
mod tests;
