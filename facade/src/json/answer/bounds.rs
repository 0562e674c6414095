//! How much an answer may be, before memory is taken for it and after it was written.
//!
//! On the wire an empty row is two bytes; decoded it is dozens, and so is each value of the parsed answer. So the parts and texts of a
//! large message are added up before any is decoded, and what its text would be as a tree is weighed before anybody parses it.

use prost_reflect::{Kind, MessageDescriptor};

use super::Unreadable;
use crate::json::content::is_content;
use crate::json::wire::{Fields, Malformed, Raw};
use crate::json::{MAX_DEPTH, shared_type};

/// The most fields, items and entries of all messages of one answer. With the 60,000 characters that our adapters keep to, an answer
/// can't have more than as many.
const MAX_PARTS: usize = 128 * 1024;

/// The most bytes of an answer's text: a quarter of a megabyte is all that 60,000 characters can be, and models read less.
pub(crate) const MAX_TEXT: usize = 2 * 1024 * 1024;

/// The most bytes that the text may take when it is parsed.
const MAX_TREE: usize = 16 * 1024 * 1024;

/// About what is allocated for an object, for an array, and for each value in them.
const OBJECT: usize = 512;
const ARRAY: usize = 288;
const VALUE: usize = 80;

/// How deep values may lie in each other: prost decodes no more.
const MAX_VALUE_DEPTH: usize = 100;

/// Refuses a message of too many parts, or of too much text.
pub(super) fn check_parts(message: &MessageDescriptor, bytes: &[u8]) -> Result<(), Unreadable> {
    // A part has a byte at least.
    if bytes.len() <= MAX_PARTS {
        return Ok(());
    }
    Sum::default().count(message, bytes, 0)
}

/// Refuses a text that is too long, or too much when it is parsed.
pub(super) fn check_text(text: &str) -> Result<(), Unreadable> {
    if text.len() > MAX_TEXT || tree(text.as_bytes()) > MAX_TREE {
        return Err(Unreadable::TooLarge);
    }
    Ok(())
}

/// About how many bytes a JSON text takes when it is parsed, its strings left aside.
fn tree(text: &[u8]) -> usize {
    let mut weight = 0;
    let mut inside = false;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => inside = !inside,
            b'\\' => {
                bytes.next();
            }
            b'{' if !inside => weight += OBJECT + VALUE,
            b'[' if !inside => weight += ARRAY + VALUE,
            b',' if !inside => weight += VALUE,
            _ => {}
        }
    }
    weight
}

/// What there was until now.
#[derive(Default)]
struct Sum {
    parts: usize,
    /// Bytes of texts that are shown whole.
    text: usize,
    /// What the documents in it take when they are parsed.
    tree: usize,
}

impl Sum {
    fn add(&mut self, parts: usize) -> Result<(), Unreadable> {
        self.parts += parts;
        if self.parts > MAX_PARTS {
            return Err(Unreadable::TooLarge);
        }
        Ok(())
    }

    fn add_text(&mut self, text: &[u8]) -> Result<(), Unreadable> {
        self.text += text.len();
        if self.text > MAX_TEXT {
            return Err(Unreadable::TooLarge);
        }
        Ok(())
    }

    /// A document is parsed before it is embedded, level by level.
    fn add_document(&mut self, text: &[u8]) -> Result<(), Unreadable> {
        self.add_text(text)?;
        self.tree += tree(text);
        if self.tree > MAX_TREE {
            return Err(Unreadable::TooLarge);
        }
        Ok(())
    }

    fn count(&mut self, message: &MessageDescriptor, bytes: &[u8], depth: usize) -> Result<(), Unreadable> {
        // What an adapter reflects of the shared messages is not what they are decoded by.
        if let Some(shared) = shared_type(message).and_then(Shared::named) {
            return self.count_shared(shared, bytes, 0);
        }
        if depth > MAX_DEPTH {
            return Err(Malformed.into());
        }
        for field in Fields(bytes) {
            let (number, raw) = field?;
            self.add(1)?;
            let Raw::Bytes(inner) = raw else { continue };
            let field = message.get_field(number);
            if depth == 0 && field.as_ref().is_some_and(is_content) {
                // It is read apart, and bounded there.
                continue;
            }
            match field.map(|field| field.kind()) {
                Some(Kind::Message(of)) => self.count(&of, inner, depth + 1)?,
                None => {}
                Some(Kind::String | Kind::Bytes) => self.add_text(inner)?,
                Some(Kind::Double | Kind::Fixed64 | Kind::Sfixed64) => self.add(inner.len() / 8)?,
                Some(Kind::Float | Kind::Fixed32 | Kind::Sfixed32) => self.add(inner.len() / 4)?,
                Some(_) => self.add(inner.len())?,
            }
        }
        Ok(())
    }

    fn count_shared(&mut self, shared: Shared, bytes: &[u8], depth: usize) -> Result<(), Unreadable> {
        if depth > MAX_VALUE_DEPTH {
            return Err(Malformed.into());
        }
        for field in Fields(bytes) {
            let (number, raw) = field?;
            self.add(1)?;
            let Raw::Bytes(inner) = raw else { continue };
            match (shared, number) {
                (Shared::List, 2) => self.add(inner.len())?,
                (Shared::Vector, 1) => self.add(inner.len() / 4)?,
                (Shared::Value, 6 | 7) => self.add_text(inner)?,
                (Shared::Value, 10) => self.add_document(inner)?,
                _ => {
                    if let Some(inside) = shared.inner(number) {
                        self.count_shared(inside, inner, depth + 1)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The messages of `mcphub.data.v1` that have parts without a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shared {
    ResultSet,
    Row,
    Value,
    List,
    Map,
    Entry,
    Vector,
    Node,
    Relationship,
    Path,
    /// Any other: it has no messages inside.
    Leaf,
}

impl Shared {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "ResultSet" => Self::ResultSet,
            "Row" => Self::Row,
            "Value" => Self::Value,
            "List" => Self::List,
            "Map" => Self::Map,
            "Vector" => Self::Vector,
            "Node" => Self::Node,
            "Relationship" => Self::Relationship,
            "Path" => Self::Path,
            "Temporal" | "Bytes" | "Cut" => Self::Leaf,
            // `Column` and `Truncation` are plain objects, written by what is reflected of them.
            _ => return None,
        })
    }

    /// What a field is, by the numbers of `data.proto`.
    fn inner(self, number: u32) -> Option<Self> {
        Some(match (self, number) {
            (Self::ResultSet, 2) => Self::Row,
            (Self::ResultSet, 1 | 3) | (Self::Value, 8 | 9 | 17) => Self::Leaf,
            (Self::Row | Self::List, 1) | (Self::Entry, 2) => Self::Value,
            (Self::Value, 11) => Self::List,
            (Self::Value, 12) | (Self::Node, 3) | (Self::Relationship, 5) => Self::Map,
            (Self::Value, 13) => Self::Vector,
            (Self::Value, 14) | (Self::Path, 1) => Self::Node,
            (Self::Value, 15) | (Self::Path, 2) => Self::Relationship,
            (Self::Value, 16) => Self::Path,
            (Self::Map, 1) => Self::Entry,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use mcp_hub_proto::data::v1::value::Kind as Form;
    use mcp_hub_proto::data::v1::{Entry, List, Map, Path, Relationship, ResultSet, Row, Value};
    use prost::Message as _;
    use prost_reflect::DescriptorPool;

    use super::*;
    use crate::fixture;
    use crate::json::answer::write;

    fn message(name: &str) -> MessageDescriptor {
        let source = format!(
            "{}message Answer {{ mcphub.data.v1.ResultSet result = 1; repeated uint32 numbers = 2; repeated Answer answers = 3; \
             map<string, bool> map = 4; repeated double doubles = 5; mcphub.data.v1.Value value = 6; }}",
            fixture::HEAD
        );
        let pool = DescriptorPool::decode(fixture::compile(&source, &[]).as_slice()).expect("descriptors");
        pool.get_message_by_name(name).expect("the message")
    }

    /// A field of an answer with these bytes.
    fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![];
        prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut field);
        prost::encoding::encode_varint(bytes.len() as u64, &mut field);
        field.extend(bytes);
        field
    }

    fn counted(answer: &[u8]) -> usize {
        let mut sum = Sum::default();
        let counted = sum.count(&message("shop.v1.Answer"), answer, 0);
        counted.expect("not too many");
        sum.parts
    }

    #[test]
    fn parts_are_counted_wherever_they_are() {
        let int = Value {
            kind: Some(Form::Int(7)),
        };
        let list = |values| Value {
            kind: Some(Form::List(List {
                values,
                lower_bounds: vec![],
            })),
        };
        let entry = Entry {
            key: "a".to_owned(),
            value: Some(int.clone()),
        };
        let relationship = Relationship {
            properties: Some(Map { entries: vec![entry] }),
            ..Relationship::default()
        };
        let path = Path {
            nodes: vec![],
            relationships: vec![relationship],
        };
        let row = Row {
            values: vec![
                int.clone(),
                list(vec![int.clone(), int]),
                Value {
                    kind: Some(Form::Path(path)),
                },
            ],
        };
        let result = ResultSet {
            rows: vec![row, Row::default()],
            ..ResultSet::default()
        };
        // The field, two rows, three values; an integer, a list of two, a path with a map.
        let expected = 1 + 2 + 3 + 1 + (1 + 2 * 2) + (1 + 1 + 1 + 1 + 2 + 1);
        assert_eq!(counted(&field(1, &result.encode_to_vec())), expected);
        assert_eq!(counted(&field(2, &[0; 50])), 51, "packed");
        assert_eq!(counted(&field(5, &[0; 80])), 11, "packed, eight bytes each");
        assert_eq!(counted(&field(3, &field(3, &[]))), 2);
        assert_eq!(counted(&field(4, &field(1, b"key"))), 2);
    }

    #[test]
    fn what_expands_is_refused_before_it_does() {
        let empty = |tag: u8| [tag, 0].repeat(1024 * 1024);
        let rows = field(1, &empty(0x12));
        let values = field(1, &field(2, &empty(0x0a)));
        let columns = field(1, &empty(0x0a));
        let numbers = field(2, &vec![0; 2 * 1024 * 1024]);
        let list = field(6, &field(11, &empty(0x0a)));
        let bounds = field(6, &field(11, &field(2, &vec![0; 1024 * 1024])));
        let answers = empty(0x1a);
        let unknown = [0x78, 0].repeat(1024 * 1024);
        let cases = [rows, values, columns, numbers, list, bounds, answers, unknown];
        let answer = message("shop.v1.Answer");
        for (index, bytes) in cases.iter().enumerate() {
            assert_eq!(check_parts(&answer, bytes), Err(Unreadable::TooLarge), "{index}");
            assert_eq!(write(&answer, bytes), Err(Unreadable::TooLarge), "{index}");
        }
        // Few parts and a long text, whether it is long before or after it was written.
        let long = |form| field(6, &Value { kind: Some(form) }.encode_to_vec());
        let text = long(Form::Text("x".repeat(MAX_TEXT + 1)));
        let escaped = long(Form::Text("\u{1}".repeat(1024 * 1024)));
        // One part, and a great many values for whoever parses it.
        let document = long(Form::Json(format!("[{}0]", "{\"\":0},".repeat(100_000))));
        for (bytes, early) in [(text, true), (escaped, false), (document, true)] {
            assert_eq!(check_parts(&answer, &bytes).is_err(), early);
            assert_eq!(write(&answer, &bytes), Err(Unreadable::TooLarge));
        }
        let array = format!("[{}0]", "[],".repeat(50_000));
        assert_eq!(check_text(&array), Err(Unreadable::TooLarge));
    }

    #[test]
    fn nesting_without_end_is_no_answer() {
        // A text in a list in a value in a list, from the inside out.
        let mut value = field(6, &vec![b'x'; 2 * MAX_PARTS]);
        for _ in 0..MAX_VALUE_DEPTH {
            value = field(11, &field(1, &value));
        }
        let refused = check_parts(&message("shop.v1.Answer"), &field(6, &value));
        assert_eq!(refused, Err(Unreadable::Malformed(Malformed)));
    }

    #[test]
    fn sixty_thousand_characters_are_never_too_many() {
        let of = |row: Row| {
            let mut result = ResultSet::default();
            let characters = {
                let mut text = String::new();
                mcp_hub_proto::json::write_row(&mut text, &row);
                text.len() + 1
            };
            result.rows = vec![row; 60_000 / characters];
            field(1, &result.encode_to_vec())
        };
        let value = |kind| Row {
            values: vec![Value { kind: Some(kind) }],
        };
        let int = Value {
            kind: Some(Form::Int(1)),
        };
        let entry = Entry {
            key: String::new(),
            value: Some(int.clone()),
        };
        for row in [
            Row::default(),
            value(Form::Int(1)),
            value(Form::List(List::default())),
            value(Form::Map(Map::default())),
            value(Form::Map(Map { entries: vec![entry] })),
            value(Form::Json("{\"\":0}".to_owned())),
            value(Form::Text("{[,\"".repeat(50))),
            value(Form::Text("\u{1F980}".repeat(1000))),
            Row {
                values: vec![int; 29_000],
            },
        ] {
            let written = write(&message("shop.v1.Answer"), &of(row.clone()));
            assert!(written.is_ok(), "{row:?}: {written:?}");
        }
    }
}
