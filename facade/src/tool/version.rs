//! One offer in several versions: while an adapter is rolled out, its endpoints do not all speak the same.
//!
//! A client sees the listed version only. What it sends is encoded, and what it gets decoded, by the descriptors of the very endpoint
//! that answers: names mean the same in both, numbers of fields need not. An endpoint whose version contradicts the listed one, or
//! takes fewer precautions than its hints promise, is not asked.

use std::sync::Arc;

use bytes::Bytes;
use mcp_hub_chassis::Fault;
use serde_json::Value;

use super::Object;
use super::offer::Offer;
use crate::json::answer::Unreadable;
use crate::json::arguments;

/// What is asked of an upstream, and how its answer is read.
#[derive(Debug)]
pub(crate) struct Asked<'a, T> {
    /// The version that the client was shown.
    pub(crate) listed: &'a Arc<Offer>,
    pub(crate) message: Message<'a>,
    /// Reads the answer: from the upstream's key, the version that answered, and the encoded response. It must bound what it costs.
    pub(crate) read: fn(&str, &Offer, &[u8]) -> Result<T, Unreadable>,
}

/// The request.
#[derive(Clone, Debug)]
pub(crate) enum Message<'a> {
    /// What a client gave, for each version to encode.
    Arguments(&'a Object),
    /// A message of the contract, which is the same in all versions.
    Encoded(Bytes),
}

impl<T> Asked<'_, T> {
    /// The encoded request for an endpoint with this version.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID`: the version does not take the arguments. Another one may.
    pub(crate) fn encode(&self, version: &Offer) -> Result<Bytes, Fault> {
        match &self.message {
            Message::Arguments(given) => arguments::encode(&version.input, given).map(Bytes::from),
            Message::Encoded(message) => Ok(message.clone()),
        }
    }
}

impl Offer {
    /// Whether a call of `listed` may be answered by this version: it is the same RPC, at least as harmless as the client was told,
    /// and nothing that both declare is of two types.
    pub(crate) fn stands_for(&self, listed: &Self) -> bool {
        if self.path != listed.path || self.kind != listed.kind {
            return false;
        }
        // The digest is of all that is compared below, and more.
        self.digest == listed.digest
            || (self.read_only || !listed.read_only)
                && (self.idempotent || !listed.idempotent)
                && (listed.destructive || !self.destructive)
                && agree(&self.input_schema, &listed.input_schema)
                && match (&self.output_schema, &listed.output_schema) {
                    (Some(own), Some(listed)) => agree(own, listed),
                    // A client that was told of structured content misses it.
                    (None, Some(_)) => false,
                    (_, None) => true,
                }
    }
}

/// Whether two schemas of ours give what both declare the same types. A property that only one has is for the encoder to judge.
fn agree(one: &Object, other: &Object) -> bool {
    let same = |key: &str| one.get(key) == other.get(key);
    let inside = |key: &str| match (one.get(key), other.get(key)) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => agree(one, other),
        _ => true,
    };
    same("type")
        && same("contentEncoding")
        && inside("items")
        && inside("additionalProperties")
        && match (one.get("properties"), other.get("properties")) {
            (Some(Value::Object(one)), Some(Value::Object(other))) => {
                one.iter().all(|(name, one)| match (one, other.get(name)) {
                    (Value::Object(one), Some(Value::Object(other))) => agree(one, other),
                    _ => true,
                })
            }
            _ => true,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_both_declare_has_to_be_the_same() {
        let schema = |properties: Value| match json!({"type": "object", "properties": properties}) {
            Value::Object(schema) => schema,
            _ => Object::new(),
        };
        let string = json!({"type": "string"});
        let list = |item: &str| json!({"type": "array", "items": {"type": item}});
        let map = |value: &str| json!({"type": "object", "additionalProperties": {"type": value}});
        let nested = |inner: Value| json!({"type": "object", "properties": inner});
        for (one, other, expected) in [
            (json!({}), json!({"a": string}), true),
            (
                json!({"a": string}),
                json!({"a": {"type": "string", "description": "new"}}),
                true,
            ),
            (json!({"a": string}), json!({"a": {"type": "integer"}}), false),
            (
                json!({"a": string}),
                json!({"a": {"type": "string", "contentEncoding": "base64"}}),
                false,
            ),
            (json!({"a": string}), json!({"a": {}}), false),
            (json!({"a": list("string")}), json!({"a": list("integer")}), false),
            (json!({"a": map("string")}), json!({"a": map("string")}), true),
            (json!({"a": map("string")}), json!({"a": map("integer")}), false),
            (
                json!({"a": nested(json!({"b": string}))}),
                json!({"a": nested(json!({"c": string}))}),
                true,
            ),
            (
                json!({"a": nested(json!({"b": string}))}),
                json!({"a": nested(json!({"b": {}}))}),
                false,
            ),
        ] {
            assert_eq!(
                agree(&schema(one.clone()), &schema(other.clone())),
                expected,
                "{one} {other}"
            );
        }
    }
}
