//! An adapter under test, and a look behind its back at the server.

use std::time::Duration;

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::config::Sources;
use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_mariadb::Config;
use mcp_hub_mariadb::database::Database;
use mcp_hub_proto::adapter::v1::adapter_service_client::AdapterServiceClient;
use mcp_hub_proto::adapter::v1::{GetStatusRequest, GetStatusResponse, State};
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{Entry, List, Map, ResultSet, Value};
use mcp_hub_proto::json;
use mcp_hub_proto::mariadb::v1::QueryRequest;
use mcp_hub_proto::mariadb::v1::mariadb_service_client::MariadbServiceClient;
use mcp_hub_testing::eventually;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};

/// How long a test waits for what should come soon.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Settings from TOML.
pub(crate) fn config(text: &str) -> Config {
    let table = text.parse().expect("TOML");
    Sources::file(table).load().expect("settings")
}

/// An adapter that is served on a loopback port. It ends with the test's runtime.
pub(crate) struct Adapter {
    pub(crate) client: MariadbServiceClient<Channel>,
    pub(crate) channel: Channel,
    pub(crate) lifecycle: Lifecycle,
}

impl Adapter {
    /// Serves without waiting for the server.
    pub(crate) async fn start(settings: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let lifecycle = Lifecycle::new();
        let serve = mcp_hub_mariadb::serve(config(settings), "test", listener, lifecycle.clone());
        lifecycle.spawn(async move { serve.await.expect("serves") });
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an endpoint");
        let channel = endpoint.connect().await.expect("connects");
        Self {
            client: MariadbServiceClient::new(channel.clone()),
            channel,
            lifecycle,
        }
    }

    /// Serves in front of a server.
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

    /// Waits until the adapter itself says that its server answers.
    pub(crate) async fn serving(&self) -> GetStatusResponse {
        eventually(SOON, async || {
            let status = self.status().await;
            (status.state() == State::Serving).then_some(status)
        })
        .await
    }

    /// Waits until all open sessions are idle.
    pub(crate) async fn at_rest(&self) -> GetStatusResponse {
        eventually(SOON, async || {
            let status = self.status().await;
            let pool = status.pool.expect("a pool");
            (pool.open == pool.idle).then_some(status)
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

/// The server itself, asked with all rights and past the adapter.
pub(crate) struct Server(Database, String);

impl Server {
    pub(crate) fn of(url: &str) -> Self {
        let config = config(&format!("url = '{url}'\npool_size = 2"));
        Self(
            Database::new(config, "observer", Lifecycle::new()),
            url.to_owned(),
        )
    }

    /// Runs statements one after the other, each committed.
    pub(crate) async fn run(&self, statements: &[&str]) {
        for sql in statements {
            let done = self.raw(sql).await;
            done.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    }

    /// Runs statements by the protocol that takes several in one text, for what can't be prepared.
    #[expect(clippy::disallowed_methods, reason = "the tests' own statements")]
    pub(crate) async fn raw(&self, sql: &str) -> Result<(), String> {
        let mut connection = MySqlConnection::connect(&self.1).await.expect("connects");
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
        done.map(drop).map_err(|error| error.to_string())
    }

    /// Makes a database of the test's own.
    pub(crate) async fn create_database(&self, name: &str) {
        for sql in [
            format!("drop database if exists `{name}`"),
            format!("create database `{name}` character set utf8mb4"),
        ] {
            let done = self
                .0
                .run_outside_transaction(None, "CREATE DATABASE", &sql, SOON)
                .await;
            done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
    }

    /// Makes `many.n`, which has the numbers from 1 to 1000, unless it is there.
    pub(crate) async fn make_many(&self) {
        self.run(&[
            "create database if not exists many",
            "create table if not exists many.n (n int primary key)",
            "insert ignore into many.n with recursive r (n) as (select 1 union all select n + 1 from r where n < 1000) select n from r",
        ])
        .await;
    }

    /// Makes a user without a right, in place of one of that name. The password is the name.
    pub(crate) async fn create_user(&self, name: &str) {
        self.run(&[
            &format!("drop user if exists '{name}'@'%'"),
            &format!("create user '{name}'@'%' identified by '{name}'"),
        ])
        .await;
    }

    /// The first column of the first row as text.
    pub(crate) async fn value(&self, sql: &str) -> String {
        let mut transaction = self.0.read(None, SOON).await.expect("a transaction");
        let rows = transaction.rows("SELECT", sql, &[]).await.expect("rows");
        let value: Option<String> = rows.first().and_then(|row| {
            row.text(0)
                .map(str::to_owned)
                .or_else(|| row.get::<i64>(0).ok().map(|number| number.to_string()))
        });
        transaction.rollback().await.expect("rolls back");
        value.unwrap_or_default()
    }

    /// Whether the server is MariaDB.
    pub(crate) async fn is_mariadb(&self) -> bool {
        self.value("select version()").await.contains("MariaDB")
    }

    /// Number, state and text of what the sessions of the adapters of a key run now, as far as the text contains `part`.
    async fn sessions(&self, key: &str, part: &str) -> Vec<[String; 3]> {
        let mut transaction = self.0.read(None, SOON).await.expect("a transaction");
        let rows = transaction
            .rows("SHOW PROCESSLIST", "show full processlist", &[])
            .await
            .expect("rows");
        transaction.rollback().await.expect("rolls back");
        let mark = format!("/* mcp-hub/{key} */");
        let sessions = rows.iter().filter_map(|row| {
            let text = row.text(7)?;
            let ours = text.starts_with(&mark) && text.contains(part);
            let id: u64 = row.get(0).expect("a number");
            let state = row.text(6).unwrap_or_default().to_owned();
            ours.then(|| [id.to_string(), state, text.to_owned()])
        });
        sessions.collect()
    }

    /// What the adapters' sessions run now, as far as a statement's text contains `part`.
    pub(crate) async fn running(&self, part: &str) -> Vec<String> {
        self.running_as("test", part).await
    }

    /// The same of the adapters of a key.
    pub(crate) async fn running_as(&self, key: &str, part: &str) -> Vec<String> {
        let sessions = self.sessions(key, part).await.into_iter();
        sessions.map(|[_, _, text]| text).collect()
    }

    /// The number of the session that runs `part`.
    pub(crate) async fn connection_of(&self, part: &str) -> Option<String> {
        self.sessions("test", part)
            .await
            .into_iter()
            .next()
            .map(|[id, _, _]| id)
    }

    /// What the session that runs `part` is doing.
    pub(crate) async fn state_of(&self, part: &str) -> Option<String> {
        self.sessions("test", part)
            .await
            .into_iter()
            .next()
            .map(|[_, state, _]| state)
    }

    /// Asserts that nothing of `part` runs any more within a second.
    pub(crate) async fn stops_running(&self, part: &str) {
        eventually(Duration::from_secs(1), async || {
            let running = self.running(part).await;
            if running.is_empty() {
                Ok(())
            } else {
                Err(running.join("; "))
            }
        })
        .await;
    }

    /// Waits until something of `part` runs.
    pub(crate) async fn runs(&self, part: &str) {
        eventually(SOON, async || !self.running(part).await.is_empty()).await;
    }
}
