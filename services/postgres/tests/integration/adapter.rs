//! An adapter under test, and a look behind its back at the server.

use std::time::Duration;

use mcp_hub_chassis::config::Sources;
use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_chassis::{Lifecycle, answer::Caps};
use mcp_hub_postgres::Config;
use mcp_hub_postgres::database::{Database, Outcome};
use mcp_hub_postgres::traced::Shown;
use mcp_hub_proto::adapter::v1::adapter_service_client::AdapterServiceClient;
use mcp_hub_proto::adapter::v1::{GetStatusRequest, GetStatusResponse, State};
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{Entry, List, Map, ResultSet, Value};
use mcp_hub_proto::json;
use mcp_hub_proto::postgres::v1::QueryRequest;
use mcp_hub_proto::postgres::v1::postgres_service_client::PostgresServiceClient;
use mcp_hub_testing::eventually;
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};

/// How long a test waits for what should come soon.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// What a trace would show of the tests' own statements.
pub(crate) const SEEN: Shown<'static> = Shown::ours("TEST");

/// Settings from TOML.
pub(crate) fn config(text: &str) -> Config {
    let table = text.parse().expect("TOML");
    Sources::file(table).load().expect("settings")
}

/// An adapter that is served on a loopback port. It ends with the test's runtime.
pub(crate) struct Adapter {
    pub(crate) client: PostgresServiceClient<Channel>,
    pub(crate) channel: Channel,
    pub(crate) lifecycle: Lifecycle,
}

impl Adapter {
    /// Serves without waiting for the database.
    pub(crate) async fn start(settings: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let lifecycle = Lifecycle::new();
        let serve = mcp_hub_postgres::serve(config(settings), "test", listener, lifecycle.clone());
        lifecycle.spawn(async move { serve.await.expect("serves") });
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an endpoint");
        let channel = endpoint.connect().await.expect("connects");
        Self {
            client: PostgresServiceClient::new(channel.clone()),
            channel,
            lifecycle,
        }
    }

    /// Serves in front of a database.
    pub(crate) async fn of(url: &str) -> Self {
        Self::start(&format!("url = '{url}'")).await
    }

    /// A read without parameters, with the usual limits.
    pub(crate) async fn query(&self, sql: &str) -> Result<ResultSet, Fault> {
        self.ask(QueryRequest {
            sql: sql.to_owned(),
            ..QueryRequest::default()
        })
        .await
    }

    /// A read with parameters, given as JSON.
    pub(crate) async fn query_with(&self, sql: &str, params: serde_json::Value) -> Result<ResultSet, Fault> {
        let params = params.as_array().expect("a list").iter().map(value).collect();
        self.ask(QueryRequest {
            sql: sql.to_owned(),
            params,
            ..QueryRequest::default()
        })
        .await
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

/// The server itself, asked as the superuser and past the adapter.
pub(crate) struct Server(Database);

impl Server {
    pub(crate) fn of(url: &str) -> Self {
        let config = config(&format!("url = '{url}'\npool_size = 2"));
        Self(Database::new(config, "observer", Lifecycle::new()))
    }

    /// Runs statements one after the other, each committed.
    pub(crate) async fn run(&self, statements: &[&str]) {
        for sql in statements {
            self.outcome(sql).await;
        }
    }

    pub(crate) async fn outcome(&self, sql: &str) -> Outcome {
        let mut transaction = self.0.write(None, SOON).await.expect("a transaction");
        let outcome = transaction.run(SEEN, sql, &[], Caps::default()).await;
        let outcome = outcome.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        transaction.commit().await.expect("commits");
        outcome
    }

    /// Runs a statement that no transaction may hold.
    pub(crate) async fn run_alone(&self, sql: &str) {
        let done = self.0.run_outside_transaction(None, SEEN, sql, SOON).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Makes a database of the test's own.
    pub(crate) async fn create_database(&self, name: &str) {
        for sql in [
            format!("DROP DATABASE IF EXISTS {name}"),
            format!("CREATE DATABASE {name}"),
        ] {
            self.run_alone(&sql).await;
        }
    }

    /// The first column of the first row as text.
    pub(crate) async fn value(&self, sql: &str) -> String {
        let mut transaction = self.0.read(None, SOON).await.expect("a transaction");
        let rows = transaction.rows(SEEN, sql, &[]).await.expect("rows");
        let text = rows
            .first()
            .and_then(|row| row.text(0))
            .unwrap_or_default()
            .to_owned();
        transaction.rollback().await.expect("rolls back");
        text
    }

    /// What the adapters' sessions run now, as far as a statement's text contains `part`.
    pub(crate) async fn running(&self, part: &str) -> String {
        self.value(&format!(
            "select string_agg(state || ': ' || query, '; ') from pg_stat_activity
              where application_name = 'mcp-hub/test' and state <> 'idle' and query like '%{part}%'
                and pid <> pg_backend_pid()"
        ))
        .await
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
