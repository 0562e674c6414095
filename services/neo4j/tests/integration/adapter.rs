//! An adapter under test, and a look behind its back at the server.

use std::time::Duration;

use mcp_hub_chassis::config::Sources;
use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_chassis::{Lifecycle, answer::Caps};
use mcp_hub_neo4j::Config;
use mcp_hub_neo4j::database::{Database, Outcome, Shown};
use mcp_hub_neo4j::row::Row;
use mcp_hub_proto::adapter::v1::adapter_service_client::AdapterServiceClient;
use mcp_hub_proto::adapter::v1::{GetStatusRequest, GetStatusResponse, State};
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{Entry, List, Map, ResultSet, Value};
use mcp_hub_proto::json;
use mcp_hub_proto::neo4j::v1::QueryRequest;
use mcp_hub_proto::neo4j::v1::neo4j_service_client::Neo4jServiceClient;
use mcp_hub_testing::{Neo4j, eventually};
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
pub(crate) fn settings(neo4j: &Neo4j) -> String {
    format!(
        "uri = '{}'\nuser = '{}'\npassword = '{}'",
        neo4j.url(),
        neo4j.user(),
        neo4j.password()
    )
}

/// A statement with parameters, given as JSON.
pub(crate) fn request(cypher: &str, params: &serde_json::Value) -> QueryRequest {
    let params = params.as_object().expect("an object").iter();
    QueryRequest {
        cypher: cypher.to_owned(),
        params: params.map(|(name, json)| (name.clone(), value(json))).collect(),
        ..QueryRequest::default()
    }
}

/// An adapter that is served on a loopback port. It ends with the test's runtime.
pub(crate) struct Adapter {
    pub(crate) client: Neo4jServiceClient<Channel>,
    pub(crate) channel: Channel,
    pub(crate) lifecycle: Lifecycle,
}

impl Adapter {
    /// Serves without waiting for the database.
    pub(crate) async fn start(settings: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let lifecycle = Lifecycle::new();
        let serve = mcp_hub_neo4j::serve(config(settings), "test", listener, lifecycle.clone());
        lifecycle.spawn(async move { serve.await.expect("serves") });
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an endpoint");
        let channel = endpoint.connect().await.expect("connects");
        Self {
            client: Neo4jServiceClient::new(channel.clone()),
            channel,
            lifecycle,
        }
    }

    /// Serves in front of a database.
    pub(crate) async fn of(neo4j: &Neo4j) -> Self {
        Self::start(&settings(neo4j)).await
    }

    /// A read without parameters, with the usual limits.
    pub(crate) async fn query(&self, cypher: &str) -> Result<ResultSet, Fault> {
        self.query_with(cypher, serde_json::json!({})).await
    }

    /// A read with parameters, given as JSON.
    pub(crate) async fn query_with(
        &self,
        cypher: &str,
        params: serde_json::Value,
    ) -> Result<ResultSet, Fault> {
        self.ask(request(cypher, &params)).await
    }

    pub(crate) async fn ask(&self, request: QueryRequest) -> Result<ResultSet, Fault> {
        let response = self.client.clone().query(request).await;
        let response = response.map_err(|status| Fault::from_status(&status))?;
        Ok(response.into_inner().result.expect("a result"))
    }

    pub(crate) async fn status(&self) -> GetStatusResponse {
        let mut client = AdapterServiceClient::new(self.channel.clone());
        let response = client.get_status(GetStatusRequest {}).await;
        response.expect("a status").into_inner()
    }

    /// Waits until the adapter itself says that its database answers.
    pub(crate) async fn serving(&self) -> GetStatusResponse {
        eventually(SOON, async || {
            let status = self.status().await;
            (status.state() == State::Serving).then_some(status)
        })
        .await
    }
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

/// The rows as an answer shows them.
pub(crate) fn rows(result: &ResultSet) -> Vec<String> {
    let rows = result.rows.iter().map(|row| {
        let mut out = String::new();
        json::write_row(&mut out, row);
        out
    });
    rows.collect()
}

/// The types of the columns.
pub(crate) fn column_types(result: &ResultSet) -> Vec<&str> {
    result
        .columns
        .iter()
        .map(|column| column.r#type.as_str())
        .collect()
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
pub(crate) struct Server(Database);

impl Server {
    pub(crate) fn of(neo4j: &Neo4j) -> Self {
        let config = config(&format!("{}\npool_size = 2", settings(neo4j)));
        Self(Database::new(config, "observer", Lifecycle::new()))
    }

    /// The same, on the database that knows the users.
    pub(crate) fn of_system(neo4j: &Neo4j) -> Self {
        let config = config(&format!(
            "{}\ndatabase = 'system'\npool_size = 2",
            settings(neo4j)
        ));
        Self(Database::new(config, "observer", Lifecycle::new()))
    }

    /// Runs statements one after the other, each committed.
    pub(crate) async fn run(&self, statements: &[&str]) {
        for cypher in statements {
            self.outcome(cypher).await;
        }
    }

    pub(crate) async fn outcome(&self, cypher: &str) -> Outcome {
        let mut transaction = self.0.write(None, SOON).await.expect("a transaction");
        let outcome = transaction
            .run(Shown::ours("RETURN"), cypher, vec![], Caps::default())
            .await;
        let outcome = outcome.unwrap_or_else(|error| panic!("{cypher}: {error:?}"));
        transaction.commit().await.expect("commits");
        outcome
    }

    /// The rows of a statement.
    pub(crate) async fn rows(&self, cypher: &str) -> Vec<Row> {
        let mut transaction = self.0.read(None, SOON).await.expect("a transaction");
        let rows = transaction.rows("RETURN", cypher, vec![]).await;
        let rows = rows.unwrap_or_else(|error| panic!("{cypher}: {error:?}"));
        transaction.rollback().await.expect("rolls back");
        rows
    }

    /// The first column of the first row as a number.
    pub(crate) async fn number(&self, cypher: &str) -> i64 {
        self.rows(cypher).await[0].get(0).expect("a number")
    }

    /// What the adapters' connections run now, as far as a statement's text contains `part`.
    pub(crate) async fn running(&self, part: &str) -> String {
        let transactions = self
            .rows(
                "SHOW TRANSACTIONS YIELD metaData, status, currentQuery, transactionId \
                 WHERE metaData.app = 'mcp-hub/test' RETURN currentQuery, status",
            )
            .await;
        let of_part = transactions
            .iter()
            .filter(|row| row.text(0).is_some_and(|cypher| cypher.contains(part)));
        let texts: Vec<String> = of_part.map(|row| format!("{:?}", row.values())).collect();
        texts.join("; ")
    }

    /// Asserts that nothing of `part` runs any more within a second.
    pub(crate) async fn stops_running(&self, part: &str) {
        eventually(Duration::from_secs(1), async || {
            let running = self.running(part).await;
            if running.is_empty() { Ok(()) } else { Err(running) }
        })
        .await;
    }

    /// Waits until something of `part` runs.
    pub(crate) async fn runs(&self, part: &str) {
        eventually(SOON, async || !self.running(part).await.is_empty()).await;
    }
}
