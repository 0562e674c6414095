//! A file, the adapter in front of it, and clients of every service.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::adapter::v1::adapter_service_client::AdapterServiceClient;
use mcp_hub_proto::adapter::v1::{GetStatusRequest, GetStatusResponse};
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{ResultSet, Value};
use mcp_hub_proto::json;
use mcp_hub_proto::sqlite::v1::sqlite_service_client::SqliteServiceClient;
use mcp_hub_proto::sqlite::v1::sqlite_write_service_client::SqliteWriteServiceClient;
use mcp_hub_proto::sqlite::v1::{ExecuteRequest, ExecuteResponse, QueryRequest, Statement};
use mcp_hub_sqlite::{Config, sample};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::transport::Channel;

/// How long a test waits for something that must happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// The adapter in front of a file of its own.
pub(crate) struct Adapter {
    folder: TempDir,
    lifecycle: Lifecycle,
    channel: Channel,
}

impl Adapter {
    /// In front of the sample shop.
    pub(crate) async fn on_sample() -> Self {
        let folder = folder();
        sample::create(&path_in(&folder)).expect("creates the sample");
        Self::start(folder, |_| {}).await
    }

    /// In front of a file made by `sql`.
    pub(crate) async fn on(sql: &str) -> Self {
        Self::on_with(sql, |_| {}).await
    }

    /// In front of a file made by `sql`, with other settings.
    pub(crate) async fn on_with(sql: &str, change: impl FnOnce(&mut Config)) -> Self {
        let folder = folder();
        run(&path_in(&folder), sql);
        Self::start(folder, change).await
    }

    /// In front of no file yet.
    pub(crate) async fn on_nothing() -> Self {
        Self::start(folder(), |_| {}).await
    }

    async fn start(folder: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::for_file(&path_in(&folder));
        change(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has an address");
        let lifecycle = Lifecycle::new();
        let life = lifecycle.clone();
        lifecycle.spawn(async move {
            mcp_hub_sqlite::serve(config, "shop", listener, life)
                .await
                .expect("serves");
        });
        let channel = Channel::from_shared(format!("http://{address}"))
            .expect("an address")
            .connect()
            .await
            .expect("connects");
        Self {
            folder,
            lifecycle,
            channel,
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> PathBuf {
        path_in(&self.folder)
    }

    /// A connection to the server.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The service that reads.
    pub(crate) fn reader(&self) -> SqliteServiceClient<Channel> {
        SqliteServiceClient::new(self.channel()).max_decoding_message_size(16 << 20)
    }

    /// The rows of a statement, or why not.
    pub(crate) async fn query(&self, sql: &str) -> Result<ResultSet, Fault> {
        self.ask(QueryRequest {
            sql: sql.to_owned(),
            ..QueryRequest::default()
        })
        .await
    }

    /// The rows of a request, or why not.
    pub(crate) async fn ask(&self, request: QueryRequest) -> Result<ResultSet, Fault> {
        match self.reader().query(request).await {
            Ok(response) => Ok(response.into_inner().result.expect("a result")),
            Err(status) => Err(Fault::from_status(&status)),
        }
    }

    /// The one value of the one row of a statement.
    pub(crate) async fn value(&self, sql: &str) -> Kind {
        let mut result = self.query(sql).await.expect("answers");
        let mut row = result.rows.pop().expect("a row");
        row.values.pop().and_then(|value| value.kind).expect("a value")
    }

    /// What the tool that changes data says.
    pub(crate) async fn execute(&self, request: ExecuteRequest) -> Result<ExecuteResponse, Fault> {
        match SqliteWriteServiceClient::new(self.channel())
            .execute(request)
            .await
        {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(Fault::from_status(&status)),
        }
    }

    /// What the adapter says of itself.
    pub(crate) async fn status(&self) -> GetStatusResponse {
        let mut client = AdapterServiceClient::new(self.channel());
        client
            .get_status(GetStatusRequest {})
            .await
            .expect("answers")
            .into_inner()
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("sqlite-test-")
        .tempdir()
        .expect("a folder")
}

fn path_in(folder: &TempDir) -> PathBuf {
    folder.path().join("the shop.db")
}

/// Runs statements on a file, as another process would.
pub(crate) fn run(path: &Path, sql: &str) {
    rusqlite::Connection::open(path)
        .expect("opens")
        .execute_batch(sql)
        .expect("runs");
}

/// A transaction.
pub(crate) fn statements(statements: &[&str]) -> ExecuteRequest {
    ExecuteRequest {
        statements: statements
            .iter()
            .map(|sql| Statement {
                sql: (*sql).to_owned(),
                params: vec![],
            })
            .collect(),
        ..ExecuteRequest::default()
    }
}

/// A parameter.
pub(crate) fn param(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

/// A result as a model reads it, one row a line, without the time that it took.
pub(crate) fn shown(mut result: ResultSet) -> String {
    result.elapsed_ms = 0;
    let mut text = String::new();
    json::write_result_set_fields(&mut text, &result);
    text.replace("],[", "],\n  [")
        .replace(",\"elapsed_ms\":0", "")
        .replace("\"rows\":", "\n\"rows\":")
}
