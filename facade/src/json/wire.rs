//! Protobuf's wire format, read without a schema.
//!
//! Varints and keys come from `prost::encoding`, which is hidden from prost's documentation but is what all generated code calls.

use prost::encoding::{WireType, decode_key, decode_varint};

/// Bytes that are no protobuf message, or not the one that the descriptor describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes do not match their descriptor")]
pub(crate) struct Malformed;

/// One occurrence of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Raw<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

impl<'a> Raw<'a> {
    pub(crate) fn varint(self) -> Result<u64, Malformed> {
        match self {
            Self::Varint(value) => Ok(value),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn fixed64(self) -> Result<u64, Malformed> {
        match self {
            Self::Fixed64(value) => Ok(value),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn fixed32(self) -> Result<u32, Malformed> {
        match self {
            Self::Fixed32(value) => Ok(value),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(value) => Ok(value),
            _ => Err(Malformed),
        }
    }
}

/// The fields of a message in the order of the bytes.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    fn read(&mut self) -> Result<(u32, Raw<'a>), Malformed> {
        let (number, wire_type) = decode_key(&mut self.0).map_err(|_| Malformed)?;
        let raw = match wire_type {
            WireType::Varint => Raw::Varint(varint(&mut self.0)?),
            WireType::SixtyFourBit => Raw::Fixed64(u64::from_le_bytes(array(&mut self.0)?)),
            WireType::ThirtyTwoBit => Raw::Fixed32(u32::from_le_bytes(array(&mut self.0)?)),
            WireType::LengthDelimited => {
                let length = usize::try_from(varint(&mut self.0)?).map_err(|_| Malformed)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
                self.0 = rest;
                Raw::Bytes(bytes)
            }
            // proto3 has no groups.
            WireType::StartGroup | WireType::EndGroup => return Err(Malformed),
        };
        Ok((number, raw))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Raw<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Reads one varint from the beginning of `bytes`.
pub(crate) fn varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    decode_varint(bytes).map_err(|_| Malformed)
}

/// Reads `N` bytes from the beginning of `bytes`.
pub(crate) fn array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (array, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
    *bytes = rest;
    Ok(*array)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_order() {
        let bytes = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 1, 0, 0, 0];
        let fields: Result<Vec<_>, _> = Fields(&bytes).collect();
        let expected = vec![
            (1, Raw::Varint(150)),
            (2, Raw::Bytes(b"hi")),
            (3, Raw::Fixed32(1)),
        ];
        assert_eq!(fields, Ok(expected));
    }

    #[test]
    fn broken_bytes_end_the_reading() {
        for bytes in [
            &[0x12, 0x05, b'x'][..],
            &[0x0b],
            &[0x08],
            &[0x0d, 1],
            &[0x00, 0x00],
        ] {
            let mut fields = Fields(bytes);
            assert_eq!(fields.next(), Some(Err(Malformed)), "{bytes:?}");
            assert_eq!(fields.next(), None, "{bytes:?}");
        }
    }
}
