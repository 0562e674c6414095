//! Collections with payloads for tests of what is not search: their vectors have two dimensions, and mean nothing.

use qdrant_client::qdrant as q;
use serde_json::Value as Json;

use crate::adapter::Server;

/// How many points are written at once.
const BATCH: usize = 10_000;

/// A value of a payload.
pub(crate) fn payload_value(json: &Json) -> q::Value {
    use q::value::Kind;
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Kind::IntegerValue(number),
            None => Kind::DoubleValue(number.as_f64().expect("a double")),
        },
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(items) => Kind::ListValue(q::ListValue {
            values: items.iter().map(payload_value).collect(),
        }),
        Json::Object(fields) => Kind::StructValue(q::Struct {
            fields: fields
                .iter()
                .map(|(key, value)| (key.clone(), payload_value(value)))
                .collect(),
        }),
    };
    q::Value { kind: Some(kind) }
}

/// A point with a payload.
pub(crate) fn point(id: impl Into<q::PointId>, payload: &Json) -> q::PointStruct {
    let payload = payload.as_object().expect("an object").iter();
    q::PointStruct {
        id: Some(id.into()),
        vectors: Some(vec![0.5, 0.25].into()),
        payload: payload
            .map(|(key, value)| (key.clone(), payload_value(value)))
            .collect(),
    }
}

impl Server {
    /// A collection of this name in the place of what was there: points with the ids 1, 2 and so on, and these payloads.
    pub(crate) async fn with_payloads(&self, name: &str, payloads: &[Json]) {
        self.with_vectors_of_two(name).await;
        let points = payloads.iter().zip(1_u64..);
        self.put(name, points.map(|(payload, id)| point(id, payload)).collect())
            .await;
    }

    /// An empty collection of this name in the place of what was there.
    pub(crate) async fn with_vectors_of_two(&self, name: &str) {
        self.drop(name).await;
        let params = q::VectorParams {
            size: 2,
            distance: q::Distance::Dot.into(),
            ..q::VectorParams::default()
        };
        self.create(q::CreateCollection {
            collection_name: name.to_owned(),
            vectors_config: Some(q::VectorsConfig {
                config: Some(q::vectors_config::Config::Params(params)),
            }),
            ..q::CreateCollection::default()
        })
        .await;
    }

    /// Deletes a collection, if it is there.
    pub(crate) async fn drop(&self, name: &str) {
        let delete = q::DeleteCollection {
            collection_name: name.to_owned(),
            timeout: None,
        };
        // What is not there is as good as deleted.
        let _ = self.collections.clone().delete(delete).await;
    }

    /// Writes points.
    pub(crate) async fn put(&self, name: &str, points: Vec<q::PointStruct>) {
        for batch in points.chunks(BATCH) {
            let upsert = q::UpsertPoints {
                collection_name: name.to_owned(),
                wait: Some(true),
                points: batch.to_vec(),
                ..q::UpsertPoints::default()
            };
            self.points.clone().upsert(upsert).await.expect("writes");
        }
    }

    /// Indexes a payload key.
    pub(crate) async fn index(&self, name: &str, key: &str, kind: q::FieldType) {
        let index = q::CreateFieldIndexCollection {
            collection_name: name.to_owned(),
            wait: Some(true),
            field_name: key.to_owned(),
            field_type: Some(kind.into()),
            ..q::CreateFieldIndexCollection::default()
        };
        self.points
            .clone()
            .create_field_index(index)
            .await
            .expect("indexes");
    }
}
