//! `CreatePayloadIndex`, and the indexes that a new collection gets.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::qdrant::v1 as pb;
use mcp_hub_proto::qdrant::v1::PayloadType;
use qdrant_client::qdrant::{CreateFieldIndexCollection, FieldType};

use super::{applied, failed, limit};
use crate::collection::IndexKind;
use crate::database::{Database, Name, Session};
use crate::filter;
use crate::guard::guard;

/// What a caller wants to have indexed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The key, as Qdrant writes it.
    pub(super) key: String,
    kind: IndexKind,
}

impl Wanted {
    /// Reads a key and its type; `field` is before their names.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` for what is no key, or no type.
    pub(super) fn read(field: &str, key: &str, kind: PayloadType) -> Result<Self, Fault> {
        let key_field = format!("{field}key");
        let wrong = |why| Fault::argument(&key_field, format!("{key_field}: {key:?}: {why}"));
        Ok(Self {
            key: filter::key(key).map_err(wrong)?,
            kind: read_kind(&format!("{field}type"), kind)?,
        })
    }

    /// Creates the index.
    ///
    /// # Errors
    /// The server's, time-outs.
    pub(super) async fn create(&self, session: &Session, collection: &Name) -> Result<(), Fault> {
        let create = CreateFieldIndexCollection {
            wait: Some(true),
            field_name: self.key.clone(),
            field_type: Some(field_type(self.kind).into()),
            ..CreateFieldIndexCollection::default()
        };
        let unclear = |fault: Fault| fault.unclear("the index was created");
        let answer = session.ask(collection, create).await;
        let answer = answer.map_err(|error| failed(error, unclear))?;
        applied(answer.result, session.timeout(), unclear)
    }
}

/// Creates an index on a payload key. One that is there already stays as it is.
///
/// # Errors
/// Wrong arguments, an index of another type, the server's error, time-outs.
pub(crate) async fn create_payload_index(
    database: &Database,
    request: &pb::CreatePayloadIndexRequest,
    remaining: Option<Duration>,
) -> Result<pb::CreatePayloadIndexResponse, Fault> {
    let wanted = guard(|| Wanted::read("", &request.key, request.r#type()))?;
    let session = database.write(limit(remaining));
    let shape = session.shape(&request.collection).await?;
    let key = wanted.key.as_str();
    let mut index = shape.indexes.get(key).cloned();
    match &index {
        Some(index) if index.kind == wanted.kind => {}
        // The server would put the new one in its place without a word.
        Some(index) => {
            let message = format!(
                "`{key}` of `{}` has an index of type {} already, and another type would replace it: who needs that \
                 deletes the index first, with Qdrant's own tools",
                shape.name(),
                index.kind.as_str()
            );
            return Err(Fault::new(Reason::StatementInvalid, message));
        }
        None => {
            wanted.create(&session, &shape.collection).await?;
            let shape = session.shape(&request.collection).await;
            let shape = shape.map_err(|error| {
                let mut fault = Fault::from(error);
                fault.message = format!("the index was created, but can't be shown: {}", fault.message);
                fault
            })?;
            index = shape.indexes.get(key).cloned();
        }
    }
    Ok(pb::CreatePayloadIndexResponse {
        key: key.to_owned(),
        points: index.and_then(|index| index.points),
    })
}

fn read_kind(field: &str, kind: PayloadType) -> Result<IndexKind, Fault> {
    Ok(match kind {
        PayloadType::Unspecified => {
            let message =
                format!("{field} is missing: keyword, integer, float, bool, datetime, geo, text or uuid");
            return Err(Fault::argument(field, message));
        }
        PayloadType::Keyword => IndexKind::Keyword,
        PayloadType::Integer => IndexKind::Integer,
        PayloadType::Float => IndexKind::Float,
        PayloadType::Bool => IndexKind::Bool,
        PayloadType::Datetime => IndexKind::Datetime,
        PayloadType::Geo => IndexKind::Geo,
        PayloadType::Text => IndexKind::Text,
        PayloadType::Uuid => IndexKind::Uuid,
    })
}

fn field_type(kind: IndexKind) -> FieldType {
    match kind {
        IndexKind::Keyword => FieldType::Keyword,
        IndexKind::Integer => FieldType::Integer,
        IndexKind::Float => FieldType::Float,
        IndexKind::Bool => FieldType::Bool,
        IndexKind::Datetime => FieldType::Datetime,
        IndexKind::Geo => FieldType::Geo,
        IndexKind::Text => FieldType::Text,
        IndexKind::Uuid => FieldType::Uuid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_the_servers_of_the_same_name() {
        for number in 1..=8 {
            let kind = PayloadType::try_from(number).expect("a type");
            let wanted = Wanted::read("", "a.b", kind).expect("fine");
            let ours = kind
                .as_str_name()
                .trim_start_matches("PAYLOAD_TYPE_")
                .to_lowercase();
            let theirs = field_type(wanted.kind)
                .as_str_name()
                .trim_start_matches("FieldType");
            assert_eq!(ours, theirs.to_lowercase());
            assert_eq!(ours, wanted.kind.as_str());
        }
        assert!(PayloadType::try_from(9).is_err(), "a type that is not tested");
        let fault = Wanted::read("payload_indexes[0].", "a", PayloadType::Unspecified).expect_err("no type");
        assert_eq!(fault.metadata["field"], "payload_indexes[0].type");
    }
}
