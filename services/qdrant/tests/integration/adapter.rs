//! An adapter under test, and a look behind its back at the server.

use std::time::Duration;

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::config::Sources;
use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::adapter::v1::adapter_service_client::AdapterServiceClient;
use mcp_hub_proto::adapter::v1::{GetStatusRequest, GetStatusResponse, State};
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{Entry, List, Map, ResultSet, Value};
use mcp_hub_proto::json;
use mcp_hub_proto::qdrant::v1::qdrant_service_client::QdrantServiceClient;
use mcp_hub_qdrant::Config;
use mcp_hub_testing::{Qdrant, eventually};
use qdrant_client::qdrant as q;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::points_client::PointsClient;
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};

/// How long a test waits for what should come soon.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Settings from TOML.
pub(crate) fn config(text: &str) -> Config {
    let table = text.parse().expect("TOML");
    Sources::file(table).load().expect("settings")
}

/// The settings of an adapter in front of a server.
pub(crate) fn settings(qdrant: &Qdrant) -> String {
    format!("url = '{}'", qdrant.url())
}

/// An adapter that is served on a loopback port. It ends with the test's runtime.
pub(crate) struct Adapter {
    pub(crate) client: QdrantServiceClient<Channel>,
    pub(crate) channel: Channel,
    pub(crate) lifecycle: Lifecycle,
}

impl Adapter {
    /// Serves without waiting for the database.
    pub(crate) async fn start(settings: &str) -> Self {
        Self::start_as("test", settings).await
    }

    /// The same under a key of its own, which its metrics have.
    pub(crate) async fn start_as(key: &'static str, settings: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let lifecycle = Lifecycle::new();
        let serve = mcp_hub_qdrant::serve(config(settings), key, listener, lifecycle.clone());
        lifecycle.spawn(async move { serve.await.expect("serves") });
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an endpoint");
        let channel = endpoint.connect().await.expect("connects");
        Self {
            client: QdrantServiceClient::new(channel.clone()),
            channel,
            lifecycle,
        }
    }

    /// Serves in front of a server.
    pub(crate) async fn of(qdrant: &Qdrant) -> Self {
        Self::start(&settings(qdrant)).await
    }

    pub(crate) async fn status(&self) -> GetStatusResponse {
        let mut client = AdapterServiceClient::new(self.channel.clone());
        let response = client.get_status(GetStatusRequest {}).await;
        response.expect("a status").into_inner()
    }

    /// Waits until the adapter itself says that its server answers.
    pub(crate) async fn serving(&self) -> GetStatusResponse {
        eventually(SOON, async || {
            let status = self.status().await;
            (status.state() == State::Serving).then_some(status)
        })
        .await
    }
}

/// The answer of an RPC, or its fault.
pub(crate) fn answer<T>(response: Result<tonic::Response<T>, tonic::Status>) -> Result<T, Fault> {
    response
        .map(tonic::Response::into_inner)
        .map_err(|status| Fault::from_status(&status))
}

/// Any JSON as an argument, the way the facade sends it.
pub(crate) fn value(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match json {
        Json::Null => Kind::Null(0),
        Json::Bool(value) => Kind::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Kind::Int(number),
            None => Kind::Double(number.as_f64().expect("a double")),
        },
        Json::String(text) => Kind::Text(text.clone()),
        Json::Array(items) => Kind::List(List {
            values: items.iter().map(value).collect(),
            lower_bounds: vec![],
        }),
        Json::Object(entries) => {
            let entries = entries.iter().map(|(key, item)| Entry {
                key: key.clone(),
                value: Some(value(item)),
            });
            Kind::Map(Map {
                entries: entries.collect(),
            })
        }
    };
    Value { kind: Some(kind) }
}

/// A value as an answer shows it.
pub(crate) fn shown(value: &Value) -> String {
    let mut out = String::new();
    json::write_value(&mut out, value);
    out
}

/// The rows as an answer shows them.
pub(crate) fn rows(result: &ResultSet) -> Vec<String> {
    let rows = result.rows.iter().map(|row| {
        let mut out = String::new();
        json::write_row(&mut out, row);
        out
    });
    rows.collect()
}

/// Checks a failure's reason and a part of its message.
#[track_caller]
pub(crate) fn assert_fault<T: std::fmt::Debug>(
    result: Result<T, Fault>,
    reason: Reason,
    part: &str,
) -> Fault {
    let fault = result.expect_err("a failure");
    assert_eq!(fault.reason, reason, "{fault:?}");
    assert!(
        fault.message.contains(part),
        "{part:?} is not in {:?}",
        fault.message
    );
    fault
}

/// The server itself, asked past the adapter.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) points: PointsClient<Channel>,
    pub(crate) collections: CollectionsClient<Channel>,
}

impl Server {
    pub(crate) fn of(qdrant: &Qdrant) -> Self {
        Self::at(qdrant.channel())
    }

    pub(crate) fn at(channel: Channel) -> Self {
        Self {
            points: PointsClient::new(channel.clone()),
            collections: CollectionsClient::new(channel),
        }
    }

    /// The names of all collections, sorted.
    pub(crate) async fn names(&self) -> Vec<String> {
        let list = self.collections.clone().list(q::ListCollectionsRequest {}).await;
        let list = list.expect("a list").into_inner().collections;
        let mut names: Vec<String> = list.into_iter().map(|one| one.name).collect();
        names.sort();
        names
    }

    /// How many points a collection has, exactly.
    pub(crate) async fn count(&self, collection: &str) -> u64 {
        let count = q::CountPoints {
            collection_name: collection.to_owned(),
            exact: Some(true),
            ..q::CountPoints::default()
        };
        let counted = self.points.clone().count(count).await.expect("a count");
        counted.into_inner().result.expect("a result").count
    }

    /// All points of a collection by id, with payloads and vectors.
    pub(crate) async fn all(&self, collection: &str) -> Vec<q::RetrievedPoint> {
        let scroll = q::ScrollPoints {
            collection_name: collection.to_owned(),
            limit: Some(10_000),
            with_payload: Some(true.into()),
            with_vectors: Some(true.into()),
            ..q::ScrollPoints::default()
        };
        let page = self.points.clone().scroll(scroll).await.expect("points");
        page.into_inner().result
    }

    /// What the server says of a collection.
    pub(crate) async fn info(&self, collection: &str) -> q::CollectionInfo {
        let get = q::GetCollectionInfoRequest {
            collection_name: collection.to_owned(),
        };
        let info = self.collections.clone().get(get).await.expect("info");
        info.into_inner().result.expect("a result")
    }

    /// Makes a collection.
    pub(crate) async fn create(&self, create: q::CreateCollection) {
        self.collections.clone().create(create).await.expect("creates");
    }

    /// Gives a collection another name.
    pub(crate) async fn alias(&self, collection: &str, alias: &str) {
        self.change_alias(q::alias_operations::Action::CreateAlias(q::CreateAlias {
            collection_name: collection.to_owned(),
            alias_name: alias.to_owned(),
        }))
        .await;
    }

    /// Takes the other name of a collection away.
    pub(crate) async fn unalias(&self, alias: &str) {
        self.change_alias(q::alias_operations::Action::DeleteAlias(q::DeleteAlias {
            alias_name: alias.to_owned(),
        }))
        .await;
    }

    async fn change_alias(&self, action: q::alias_operations::Action) {
        let change = q::ChangeAliases {
            actions: vec![q::AliasOperations { action: Some(action) }],
            timeout: None,
        };
        self.collections
            .clone()
            .update_aliases(change)
            .await
            .expect("an alias");
    }
}
