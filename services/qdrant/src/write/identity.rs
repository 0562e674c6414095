//! The id of a point that brings none: a UUID made from what is stored, so that the same point is written once.
//!
//! The same payload and the same given vectors make the same id, in each process and each version: it must never change, or what is
//! written again would be doubled. RFC 9562 calls it a UUID of version 8, made from a SHA-256 digest. Vectors that are embedded are no
//! part of it: a model may answer with other digits tomorrow, and the text that they come from is in the payload.

use std::collections::{BTreeMap, HashMap};

use prost::Message as _;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::{Value, Vector};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// What is digested, and its version.
const DOMAIN: &[u8] = b"mcp-hub qdrant point 1\0";

/// The id of a point with this payload and these given vectors, by their names.
pub(super) fn of(payload: &HashMap<String, Value>, vectors: &BTreeMap<String, Vector>) -> Uuid {
    let mut digest = Sha256::new();
    digest.update(DOMAIN);
    add_object(&mut digest, payload);
    add_length(&mut digest, vectors.len());
    for (name, vector) in vectors {
        add_bytes(&mut digest, name.as_bytes());
        add_bytes(&mut digest, &vector.encode_to_vec());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    Uuid::new_v8(bytes)
}

/// Each value begins with a letter for its type, and each text, list and object with its length, so that no two values digest alike.
fn add_value(digest: &mut Sha256, value: &Value) {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => digest.update(b"n"),
        Some(Kind::BoolValue(value)) => digest.update(if *value { b"t" } else { b"f" }),
        Some(Kind::IntegerValue(value)) => {
            digest.update(b"i");
            digest.update(value.to_be_bytes());
        }
        Some(Kind::DoubleValue(value)) => {
            digest.update(b"d");
            digest.update(value.to_bits().to_be_bytes());
        }
        Some(Kind::StringValue(text)) => {
            digest.update(b"s");
            add_bytes(digest, text.as_bytes());
        }
        Some(Kind::ListValue(list)) => {
            digest.update(b"l");
            add_length(digest, list.values.len());
            for value in &list.values {
                add_value(digest, value);
            }
        }
        Some(Kind::StructValue(object)) => {
            digest.update(b"o");
            add_object(digest, &object.fields);
        }
    }
}

/// An object by its keys: a map has another order in each process.
fn add_object(digest: &mut Sha256, object: &HashMap<String, Value>) {
    add_length(digest, object.len());
    for (key, value) in object.iter().collect::<BTreeMap<_, _>>() {
        add_bytes(digest, key.as_bytes());
        add_value(digest, value);
    }
}

fn add_bytes(digest: &mut Sha256, bytes: &[u8]) {
    add_length(digest, bytes.len());
    digest.update(bytes);
}

fn add_length(digest: &mut Sha256, length: usize) {
    digest.update((length as u64).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use mcp_hub_proto::data::v1::value::Kind as Form;
    use serde_json::json;

    use super::*;
    use crate::value;

    fn payload(json: &serde_json::Value) -> HashMap<String, Value> {
        let json = value::of(Form::Json(json.to_string()));
        value::value_to_payload(&json).expect("a payload")
    }

    fn id(json: &serde_json::Value) -> Uuid {
        of(&payload(json), &BTreeMap::new())
    }

    #[test]
    fn an_id_is_the_same_for_good() {
        let json = json!({
            "text": "a warm tent", "price": 12.5, "stock": 3, "sold": false, "gone": null,
            "tags": ["a", "b"], "place": {"lon": 7.1, "lat": 50.7},
        });
        let id = id(&json);
        assert_eq!(id.get_version_num(), 8);
        assert_eq!(id.to_string(), "ecd5883e-ec4c-8842-bb0c-e0f29cc7d16c");
    }

    #[test]
    fn the_order_of_keys_does_not_count() {
        assert_eq!(
            id(&json!({"a": 1, "b": {"c": 2, "d": 3}})),
            id(&json!({"b": {"d": 3, "c": 2}, "a": 1}))
        );
    }

    #[test]
    fn whatever_differs_has_another_id() {
        let different = [
            json!({}),
            json!({"a": null}),
            json!({"a": []}),
            json!({"a": {}}),
            json!({"a": [[]]}),
            json!({"a": ""}),
            json!({"a": "1"}),
            json!({"a": 1}),
            json!({"a": 1.5}),
            json!({"a": true}),
            json!({"a": false}),
            json!({"a": [1, 2]}),
            json!({"a": [2, 1]}),
            json!({"a": [1], "b": [2]}),
            json!({"a": "bs", "c": ""}),
            json!({"a": "b", "sc": ""}),
            json!({"b": 1}),
        ];
        let ids: std::collections::HashSet<Uuid> = different.iter().map(id).collect();
        assert_eq!(ids.len(), different.len());
    }

    #[test]
    fn given_vectors_count() {
        let payload = payload(&json!({"a": 1}));
        let with = |name: &str, vector: Vec<f32>| {
            of(
                &payload,
                &BTreeMap::from([(name.to_owned(), Vector::from(vector))]),
            )
        };
        let ids = [
            of(&payload, &BTreeMap::new()),
            with("", vec![1.0, 2.0]),
            with("", vec![2.0, 1.0]),
            with("a", vec![1.0, 2.0]),
        ];
        assert_eq!(
            ids.iter().collect::<std::collections::HashSet<_>>().len(),
            ids.len()
        );
    }
}
