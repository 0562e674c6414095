//! Changes: checked in full, made once, confirmed where nobody named the points.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::qdrant::v1::qdrant_write_service_client::QdrantWriteServiceClient;
use mcp_hub_proto::qdrant::v1::*;
use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant as q;
use serde_json::{Value as Json, json};
use tonic::transport::{Channel, Endpoint};

use crate::adapter::{Adapter, Server, answer, settings, value};

mod collection;
mod delete;
mod faults;
mod payload;
mod rights;
mod servers;
mod upsert;

/// An adapter that may write, and what it writes to.
struct Writable {
    adapter: Adapter,
    server: Server,
}

impl Writable {
    async fn of(qdrant: &Qdrant) -> Self {
        Self::with(qdrant, "").await
    }

    /// With further settings, as TOML.
    async fn with(qdrant: &Qdrant, more: &str) -> Self {
        let settings = format!("{}\nallow-writes = true\n{more}", settings(qdrant));
        Self {
            adapter: Adapter::start(&settings).await,
            server: Server::of(qdrant),
        }
    }

    /// In front of any server.
    async fn at(url: &str, more: &str) -> Self {
        let channel = Endpoint::from_shared(url.to_owned())
            .expect("a URL")
            .connect_lazy();
        Self {
            adapter: Adapter::start(&format!("url = '{url}'\nallow-writes = true\n{more}")).await,
            server: Server::at(channel),
        }
    }

    fn client(&self) -> QdrantWriteServiceClient<Channel> {
        QdrantWriteServiceClient::new(self.adapter.channel.clone())
    }

    async fn upsert(&self, collection: &str, points: Json) -> Result<UpsertResponse, Fault> {
        answer(self.client().upsert(upsert(collection, &points)).await)
    }

    async fn update(&self, request: UpdatePayloadRequest) -> Result<UpdatePayloadResponse, Fault> {
        answer(self.client().update_payload(request).await)
    }

    async fn delete(&self, request: DeletePointsRequest) -> Result<DeletePointsResponse, Fault> {
        answer(self.client().delete_points(request).await)
    }

    async fn create(&self, request: CreateCollectionRequest) -> Result<CreateCollectionResponse, Fault> {
        answer(self.client().create_collection(request).await)
    }

    async fn index(
        &self,
        collection: &str,
        key: &str,
        kind: PayloadType,
    ) -> Result<CreatePayloadIndexResponse, Fault> {
        let request = CreatePayloadIndexRequest {
            collection: collection.to_owned(),
            key: key.to_owned(),
            r#type: kind.into(),
        };
        answer(self.client().create_payload_index(request).await)
    }

    /// A collection with an unnamed vector of two dimensions, and these points: `{"id", "vector", "payload"}`.
    async fn filled(&self, collection: &str, points: Json) {
        self.server.create(two_dimensions(collection)).await;
        self.upsert(collection, points).await.expect("points");
    }

    /// The payloads of a collection by id, as JSON.
    async fn payloads(&self, collection: &str) -> Vec<(String, Json)> {
        let points = self.server.all(collection).await.into_iter();
        points.map(|point| (id(&point), payload(&point))).collect()
    }
}

fn upsert(collection: &str, points: &Json) -> UpsertRequest {
    let points = points.as_array().expect("a list").iter().map(|point| Point {
        id: point.get("id").map(value),
        text: point
            .get("text")
            .map(|text| text.as_str().expect("text").to_owned()),
        vector: point.get("vector").map(value),
        payload: point.get("payload").map(value),
    });
    UpsertRequest {
        collection: collection.to_owned(),
        points: points.collect(),
    }
}

/// An unnamed vector of two dimensions, by dot product: vectors stay as they are.
fn two_dimensions(collection: &str) -> q::CreateCollection {
    let params = q::VectorParams {
        size: 2,
        distance: q::Distance::Dot.into(),
        ..q::VectorParams::default()
    };
    q::CreateCollection {
        collection_name: collection.to_owned(),
        vectors_config: Some(q::VectorsConfig {
            config: Some(q::vectors_config::Config::Params(params)),
        }),
        ..q::CreateCollection::default()
    }
}

/// `count` points with ids from 1, whose payload is `{"n": id}`.
fn numbered(count: u64) -> Json {
    let points = (1..=count).map(|n| json!({"id": n, "vector": [1, n], "payload": {"n": n}}));
    points.collect()
}

/// The id of a point as text.
fn id(point: &q::RetrievedPoint) -> String {
    match point.id.clone().and_then(|id| id.point_id_options) {
        Some(q::point_id::PointIdOptions::Num(number)) => number.to_string(),
        Some(q::point_id::PointIdOptions::Uuid(uuid)) => uuid,
        None => String::new(),
    }
}

fn payload(point: &q::RetrievedPoint) -> Json {
    point
        .payload
        .iter()
        .map(|(key, value)| (key.clone(), json(value)))
        .collect()
}

fn json(value: &q::Value) -> Json {
    use q::value::Kind;
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(value)) => json!(value),
        Some(Kind::IntegerValue(value)) => json!(value),
        Some(Kind::DoubleValue(value)) => json!(value),
        Some(Kind::StringValue(value)) => json!(value),
        Some(Kind::ListValue(list)) => list.values.iter().map(json).collect(),
        Some(Kind::StructValue(object)) => object
            .fields
            .iter()
            .map(|(key, value)| (key.clone(), json(value)))
            .collect(),
    }
}

/// The digest that a call asks for.
#[track_caller]
fn digest<T: std::fmt::Debug>(result: Result<T, Fault>, effect: &str) -> String {
    let fault = result.expect_err("asks first");
    assert_eq!(fault.reason, Reason::ConfirmationRequired, "{fault:?}");
    assert_eq!(fault.metadata["effect"], effect);
    fault.metadata["digest"].clone()
}
