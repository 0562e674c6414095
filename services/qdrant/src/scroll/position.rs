//! Where a page begins: at a point, in the order of the pages.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::cursor::damaged;
use prost::Message as _;
use qdrant_client::qdrant::PointId;

/// A value by which points are sorted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    /// Of an index of integers, or of times in microseconds.
    Integer(i64),
    Float(f64),
}

/// A point, or the place before the first one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Position {
    Start,
    /// In the order of ids.
    At(PointId),
    /// In the order of values, and of ids among those with the same value.
    Among(Value, PointId),
}

const AT: u8 = 0;
const INTEGER: u8 = 1;
const FLOAT: u8 = 2;

impl Position {
    /// As a cursor keeps it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (mut bytes, id) = match self {
            Self::Start => return vec![],
            Self::At(id) => (vec![AT], id),
            Self::Among(Value::Integer(number), id) => {
                ([[INTEGER].as_slice(), &number.to_be_bytes()].concat(), id)
            }
            Self::Among(Value::Float(number), id) => {
                ([[FLOAT].as_slice(), &number.to_be_bytes()].concat(), id)
            }
        };
        bytes.extend(id.encode_to_vec());
        bytes
    }

    /// Reads what a cursor keeps.
    pub(crate) fn decode(bytes: &[u8], sorted: bool) -> Result<Self, Fault> {
        let read = || {
            let (tag, rest) = bytes.split_first()?;
            let (value, id) = match *tag {
                AT => (None, rest),
                INTEGER => {
                    let (number, id) = rest.split_first_chunk()?;
                    (Some(Value::Integer(i64::from_be_bytes(*number))), id)
                }
                FLOAT => {
                    let (number, id) = rest.split_first_chunk()?;
                    (Some(Value::Float(f64::from_be_bytes(*number))), id)
                }
                _ => return None,
            };
            let id = PointId::decode(id).ok()?;
            id.point_id_options.as_ref()?;
            match value {
                None if !sorted => Some(Self::At(id)),
                Some(value) if sorted => Some(Self::Among(value, id)),
                _ => None,
            }
        };
        read().ok_or_else(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_a_cursor() {
        let uuid = PointId::from("f47ac10b-58cc-4372-a567-0e02b2c3d479");
        for position in [
            Position::At(7.into()),
            Position::At(uuid.clone()),
            Position::Among(Value::Integer(i64::MIN), 0.into()),
            Position::Among(Value::Float(-0.5), uuid),
        ] {
            let sorted = matches!(position, Position::Among(..));
            let bytes = position.encode();
            assert_eq!(Position::decode(&bytes, sorted), Ok(position));
            assert!(Position::decode(&bytes, !sorted).is_err());
            assert!(Position::decode(&bytes[..1], sorted).is_err());
        }
        assert!(Position::decode(&[], false).is_err());
        assert!(Position::decode(&[9, 9], false).is_err());
    }
}
