//! The databases, each with a read whose trace is known beforehand.

use mcp_hub_testing::{MariaDb, Neo4j, Postgres, Qdrant};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::stage::PLANTED;

/// A database, the adapter in front of it, and a call of its query tool.
#[derive(Debug)]
pub(super) struct Engine {
    /// The key of the upstream.
    pub(super) key: &'static str,
    /// The adapter.
    pub(super) program: &'static str,
    /// How it finds its database, and that it may write.
    pub(super) environment: Vec<(&'static str, String)>,
    /// Calls that make what the read reads: two rows.
    pub(super) preparation: Vec<(&'static str, Value)>,
    /// The tool that reads.
    pub(super) tool: &'static str,
    /// What it is asked for: one row of two.
    pub(super) arguments: Value,
    /// Its RPC.
    pub(super) rpc: &'static str,
    /// The name of the statement's span.
    pub(super) summary: String,
    /// Whether it answers in one piece, with a row more than is shown. The others are read row by row, and no further than is shown.
    pub(super) at_once: bool,
    /// Attributes of the statement's span.
    pub(super) shows: Vec<(&'static str, Value)>,
    _folder: Option<TempDir>,
}

impl Engine {
    /// The adapter's `service.name`.
    pub(super) fn service(&self) -> &'static str {
        self.program
    }

    /// What its MCP span is called.
    pub(super) fn call(&self) -> String {
        format!("tools/call {}", self.tool)
    }

    pub(super) async fn postgres() -> Option<Self> {
        Some(Self::of_postgres(Postgres::shared().await?))
    }

    /// That server, which trusts everybody, so that the password means nothing to it.
    pub(super) fn of_postgres(postgres: &Postgres) -> Self {
        let url = postgres
            .url()
            .replace("//postgres@", &format!("//postgres:{PLANTED}-password@"));
        Self {
            key: "postgres",
            program: "mcp-hub-postgres",
            environment: vec![("POSTGRES_URL", url), allows("POSTGRES_ALLOW_WRITES")],
            preparation: vec![(
                "postgres_execute",
                json!({"statements": [
                    {"sql": "create schema if not exists traced"},
                    {"sql": "create table if not exists traced.orders (id int primary key, note text)"},
                    {"sql": "insert into traced.orders values (1, $1), (2, $1) on conflict do nothing", "params": [row()]},
                ]}),
            )],
            tool: "postgres_query",
            arguments: json!({
                "sql": format!("select id, note, '{PLANTED}' from traced.orders where note <> $1 order by id"),
                "params": [parameter()],
                "limit": 1,
            }),
            rpc: "mcphub.postgres.v1.PostgresService/Query",
            summary: "SELECT traced.orders".to_owned(),
            shows: vec![
                ("db.system.name", json!("postgresql")),
                ("db.namespace", json!("postgres")),
                ("db.operation.name", json!("SELECT")),
                ("db.query.summary", json!("SELECT traced.orders")),
                ("db.collection.name", json!("traced.orders")),
                ("server.address", json!(postgres.host())),
                ("server.port", json!(postgres.port())),
            ],
            at_once: false,
            _folder: None,
        }
    }

    pub(super) async fn mariadb() -> Option<Self> {
        let mariadb = MariaDb::shared().await?;
        Some(Self {
            key: "mariadb",
            program: "mcp-hub-mariadb",
            environment: vec![
                ("MARIADB_URL", mariadb.url().to_owned()),
                allows("MARIADB_ALLOW_WRITES"),
            ],
            preparation: [
                json!({"sql": "create table if not exists traced_orders (id int primary key, note text)"}),
                json!({"sql": "replace into traced_orders values (1, ?), (2, ?)", "params": [row(), row()]}),
            ]
            .map(|statement| ("mariadb_execute", json!({"statements": [statement]})))
            .into(),
            tool: "mariadb_query",
            arguments: json!({
                "sql": format!("select id, note, '{PLANTED}' from traced_orders where note <> ? order by id"),
                "params": [parameter()],
                "limit": 1,
            }),
            rpc: "mcphub.mariadb.v1.MariadbService/Query",
            summary: "SELECT traced_orders".to_owned(),
            shows: vec![
                ("db.system.name", json!("mariadb")),
                ("db.namespace", json!("app")),
                ("db.operation.name", json!("SELECT")),
                ("db.query.summary", json!("SELECT traced_orders")),
                ("db.collection.name", json!("traced_orders")),
                ("server.address", json!(mariadb.address().host())),
                ("server.port", json!(mariadb.port())),
            ],
            at_once: false,
            _folder: None,
        })
    }

    pub(super) async fn neo4j() -> Option<Self> {
        let neo4j = Neo4j::shared().await?;
        let merge = "unwind [1, 2] as id merge (order:TracedOrder {id: id}) set order.note = $note";
        Some(Self {
            key: "neo4j",
            program: "mcp-hub-neo4j",
            environment: vec![
                ("NEO4J_URI", neo4j.url().to_owned()),
                ("NEO4J_USER", neo4j.user().to_owned()),
                // Nobody would know the name of the one that a user begins with.
                ("NEO4J_DATABASE", "neo4j".to_owned()),
                ("NEO4J_PASSWORD", neo4j.password().to_owned()),
                allows("NEO4J_ALLOW_WRITES"),
            ],
            preparation: vec![(
                "neo4j_execute",
                json!({"cypher": merge, "params": {"note": row()}}),
            )],
            tool: "neo4j_query",
            arguments: json!({
                "cypher": format!(
                    "match (order:TracedOrder) where order.note <> $note return order.id, order.note, '{PLANTED}' order by order.id"
                ),
                "params": {"note": parameter()},
                "limit": 1,
            }),
            rpc: "mcphub.neo4j.v1.Neo4jService/Query",
            summary: "MATCH TracedOrder".to_owned(),
            shows: vec![
                ("db.system.name", json!("neo4j")),
                ("db.namespace", json!("neo4j")),
                ("db.operation.name", json!("MATCH")),
                ("db.query.summary", json!("MATCH TracedOrder")),
                ("server.address", json!(neo4j.host())),
                ("server.port", json!(neo4j.port())),
            ],
            at_once: false,
            _folder: None,
        })
    }

    pub(super) async fn qdrant() -> Option<Self> {
        let qdrant = Qdrant::shared().await?;
        // A server that is given to the tests outlives them.
        let collection = format!("traced_{}", std::process::id());
        let points = [1, 2].map(|id| json!({"id": id, "text": row(), "payload": {"note": row()}}));
        let summary = format!("query_points {collection}");
        Some(Self {
            key: "qdrant",
            program: "mcp-hub-qdrant",
            environment: vec![
                ("QDRANT_URL", qdrant.url().to_owned()),
                allows("QDRANT_ALLOW_WRITES"),
            ],
            preparation: vec![
                ("qdrant_create_collection", json!({"collection": collection})),
                (
                    "qdrant_upsert",
                    json!({"collection": collection, "points": points}),
                ),
            ],
            tool: "qdrant_search",
            arguments: json!({
                "collection": collection,
                "query_text": row(),
                "filter": {"note": row()},
                "limit": 1,
            }),
            rpc: "mcphub.qdrant.v1.QdrantService/Search",
            shows: vec![
                ("db.system.name", json!("qdrant")),
                ("db.operation.name", json!("query_points")),
                ("db.query.summary", json!(summary)),
                ("db.collection.name", json!(collection)),
                ("server.address", json!(qdrant.host())),
                ("server.port", json!(qdrant.port())),
            ],
            summary,
            at_once: true,
            _folder: None,
        })
    }

    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("traced.db");
        let connection = rusqlite::Connection::open(&file).expect("a file");
        connection
            .execute_batch("create table orders (id integer primary key, note text)")
            .expect("SQL");
        for id in [1, 2] {
            connection
                .execute("insert into orders values (?1, ?2)", (id, row()))
                .expect("SQL");
        }
        Self {
            key: "sqlite",
            program: "mcp-hub-sqlite",
            environment: vec![
                ("SQLITE_PATH", file.display().to_string()),
                allows("SQLITE_ALLOW_WRITES"),
            ],
            preparation: vec![],
            tool: "sqlite_query",
            arguments: json!({
                "sql": format!("select id, note, '{PLANTED}' from orders where note <> ?1 order by id"),
                "params": [parameter()],
                "limit": 1,
            }),
            rpc: "mcphub.sqlite.v1.SqliteService/Query",
            summary: "SELECT orders".to_owned(),
            shows: vec![
                ("db.system.name", json!("sqlite")),
                ("db.operation.name", json!("SELECT")),
                ("db.query.summary", json!("SELECT orders")),
                ("db.collection.name", json!("orders")),
            ],
            at_once: false,
            _folder: Some(folder),
        }
    }

    /// All of them. `None` when one is missing.
    pub(super) async fn all() -> Option<Vec<Self>> {
        let (postgres, mariadb, neo4j, qdrant) =
            tokio::join!(Self::postgres(), Self::mariadb(), Self::neo4j(), Self::qdrant());
        Some(vec![postgres?, mariadb?, neo4j?, qdrant?, Self::sqlite()])
    }
}

fn allows(name: &'static str) -> (&'static str, String) {
    (name, "true".to_owned())
}

/// What is in each row.
fn row() -> String {
    format!("{PLANTED} row")
}

/// What a read is given as a parameter.
fn parameter() -> String {
    format!("{PLANTED} parameter")
}
