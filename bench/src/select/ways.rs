//! The ways to ask: each a client that keeps its connection and asks one question after the other.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{ResultSet, Value};
use mcp_hub_proto::postgres::v1::QueryRequest;
use mcp_hub_proto::postgres::v1::postgres_service_client::PostgresServiceClient;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use super::UPSTREAM;
use super::table::{Direct, Row, Table};
use crate::http::Client;
use crate::sse::Events;
use crate::wait::until;

/// How long the facade may take to offer the adapter's tools.
const DISCOVERY: Duration = Duration::from_secs(30);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A way to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    /// PostgreSQL's protocol, a prepared statement: no hub. What the others are compared with.
    Direct,
    /// gRPC to the adapter, all clients on one HTTP/2 connection, as the facade has it.
    Adapter,
    /// `POST /mcp` to the facade.
    StreamableHttp,
    /// `POST /messages` to the facade, the answer on the SSE stream.
    LegacySse,
}

impl Way {
    /// All, the one to compare with first.
    pub(crate) const ALL: [Self; 4] = [Self::Direct, Self::Adapter, Self::StreamableHttp, Self::LegacySse];
}

impl std::fmt::Display for Way {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Direct => "PostgreSQL itself",
            Self::Adapter => "adapter, gRPC",
            Self::StreamableHttp => "facade, Streamable HTTP",
            Self::LegacySse => "facade, legacy SSE",
        })
    }
}

/// Where the ways lead to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Targets<'a> {
    pub(crate) url: &'a str,
    pub(crate) adapter: SocketAddr,
    pub(crate) facade: SocketAddr,
}

/// One client.
#[derive(Debug)]
pub(crate) enum Caller {
    Direct {
        connection: Direct,
        statement: tokio_postgres::Statement,
    },
    Adapter {
        client: PostgresServiceClient<Channel>,
        sql: String,
    },
    StreamableHttp {
        client: Client,
        sql: String,
        /// The id of the last request.
        last: u64,
    },
    LegacySse {
        events: Events,
        /// The stream's connection, which must stay.
        _stream: Client,
        poster: Client,
        endpoint: String,
        sql: String,
        /// The id of the last request.
        last: u64,
    },
}

/// Waits until the facade offers the adapter's tools.
pub(crate) async fn ready(facade: SocketAddr) -> anyhow::Result<()> {
    let mut client = Client::connect(facade, None).await?;
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    until(DISCOVERY, "the adapter's tools at the facade", async || {
        let answer = client.post("/mcp", list.clone()).await?;
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        let tools = answer["result"]["tools"].as_array().context("no list of tools")?;
        let tool = tool();
        ensure!(
            tools.iter().any(|offered| offered["name"] == tool),
            "no tool {tool}"
        );
        Ok(())
    })
    .await
}

/// Connects `count` clients of one way.
pub(crate) async fn connect(
    way: Way,
    targets: &Targets<'_>,
    table: &Table,
    count: usize,
) -> anyhow::Result<Vec<Caller>> {
    let sql = &table.statement;
    let adapter = Endpoint::from_shared(format!("http://{}", targets.adapter))?
        .tcp_nodelay(true)
        .connect_lazy();
    let mut callers = Vec::with_capacity(count);
    for _ in 0..count {
        callers.push(match way {
            Way::Direct => {
                let connection = Direct::connect(targets.url).await?;
                let statement = connection.client.prepare(sql).await?;
                Caller::Direct {
                    connection,
                    statement,
                }
            }
            Way::Adapter => Caller::Adapter {
                client: PostgresServiceClient::new(adapter.clone()),
                sql: sql.clone(),
            },
            Way::StreamableHttp => Caller::StreamableHttp {
                client: Client::connect(targets.facade, None).await?,
                sql: sql.clone(),
                last: 0,
            },
            Way::LegacySse => {
                let mut stream = Client::connect(targets.facade, None).await?;
                let (events, endpoint) = stream.events().await?;
                Caller::LegacySse {
                    events,
                    _stream: stream,
                    poster: Client::connect(targets.facade, None).await?,
                    endpoint,
                    sql: sql.clone(),
                    last: 0,
                }
            }
        });
    }
    Ok(callers)
}

impl Caller {
    /// Asks for the row of a key.
    ///
    /// # Errors
    /// There is no answer, or it is no row.
    pub(crate) async fn ask(&mut self, key: i32) -> anyhow::Result<Row> {
        match self {
            Self::Direct {
                connection,
                statement,
            } => {
                let row = connection.client.query_one(statement, &[&key]).await?;
                Ok(Row {
                    id: row.try_get(0)?,
                    name: row.try_get(1)?,
                    balance: row.try_get(2)?,
                })
            }
            Self::Adapter { client, sql } => {
                let request = QueryRequest {
                    sql: sql.clone(),
                    params: vec![Value {
                        kind: Some(Kind::Int(key.into())),
                    }],
                    ..QueryRequest::default()
                };
                let answer = client.query(request).await?.into_inner();
                row_of(answer.result.context("no result")?)
            }
            Self::StreamableHttp { client, sql, last } => {
                *last += 1;
                let answer = client.post("/mcp", call(*last, sql, key)).await?;
                read(&answer, *last)
            }
            Self::LegacySse {
                events,
                poster,
                endpoint,
                sql,
                last,
                ..
            } => {
                *last += 1;
                poster.post(endpoint, call(*last, sql, key)).await?;
                loop {
                    let event = timeout(PATIENCE, events.next())
                        .await??
                        .context("the stream has ended")?;
                    if !event.is_comment() {
                        return read(event.data.as_bytes(), *last);
                    }
                }
            }
        }
    }
}

fn tool() -> String {
    format!("{UPSTREAM}_query")
}

/// A call of the tool, in JSON.
fn call(id: u64, sql: &str, key: i32) -> String {
    let arguments = json!({"sql": sql, "params": [key]});
    let params = json!({"name": tool(), "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
}

/// The one row of an adapter's answer.
fn row_of(result: ResultSet) -> anyhow::Result<Row> {
    let [row] =
        <[_; 1]>::try_from(result.rows).map_err(|rows| anyhow::anyhow!("{} rows for one key", rows.len()))?;
    let kinds: Vec<_> = row.values.into_iter().map(|value| value.kind).collect();
    match <[_; 3]>::try_from(kinds) {
        Ok(
            [
                Some(Kind::Int(id)),
                Some(Kind::Text(name)),
                Some(Kind::Int(balance)),
            ],
        ) => Ok(Row {
            id: id.try_into()?,
            name,
            balance,
        }),
        other => bail!("not the row of a key: {other:?}"),
    }
}

/// A message of MCP with the answer of the tool; what else it has is skipped, as a client does.
#[derive(Deserialize)]
struct Message {
    id: u64,
    result: CallResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallResult {
    structured_content: Content,
}

#[derive(Deserialize)]
struct Content {
    rows: Vec<(i32, String, i64)>,
}

fn read(message: &[u8], id: u64) -> anyhow::Result<Row> {
    let parsed: Message = serde_json::from_slice(message)
        .with_context(|| format!("not a row: {}", String::from_utf8_lossy(message)))?;
    ensure!(
        parsed.id == id,
        "the answer to request {} came for {id}",
        parsed.id
    );
    let [(id, name, balance)] = <[_; 1]>::try_from(parsed.result.structured_content.rows)
        .map_err(|rows| anyhow::anyhow!("{} rows for one key", rows.len()))?;
    Ok(Row { id, name, balance })
}
