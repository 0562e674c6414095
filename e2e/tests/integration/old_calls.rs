//! The sixteen calls of the system that this one replaces, with their old names and arguments: whoever has prompts, agents or
//! scripts with them in it need not change a word.

use mcp_hub_e2e::{Door, Session};
use mcp_hub_testing::{MariaDb, Neo4j, Postgres, Qdrant};
use serde_json::{Value, json};

use crate::hub::{Hub, rows, text};

/// What a call that worked says.
async fn call(session: &mut Session, tool: &str, arguments: Value) -> Value {
    let result = session.call(tool, arguments).await;
    assert_ne!(result["isError"], true, "{tool}: {}", text(&result));
    result
}

/// The names in a list of objects.
fn listed(list: &Value) -> Vec<&str> {
    let items = list.as_array().unwrap_or_else(|| panic!("a list: {list}"));
    items.iter().filter_map(|item| item["name"].as_str()).collect()
}

/// What the calls ask for. A server that is given to the tests outlives them, so the names are of this run.
struct Names {
    schema: String,
    table: String,
    label: String,
    collection: String,
    database: String,
}

impl Names {
    fn new() -> Self {
        let run = std::process::id();
        Self {
            schema: format!("old_schema_{run}"),
            table: format!("old_stock_{run}"),
            label: format!("OldProduct{run}"),
            collection: format!("old_reviews_{run}"),
            database: format!("old_database_{run}"),
        }
    }

    /// Makes in each database what the calls ask for, by the tools that write.
    async fn fill(&self, session: &mut Session) {
        let Self {
            schema,
            table,
            label,
            collection,
            ..
        } = self;
        for (tool, arguments) in [
            (
                "postgres_execute",
                json!({"statements": [
                    {"sql": format!("create schema {schema}")},
                    {"sql": format!("create table {schema}.orders (id int primary key, total numeric(9, 2) not null)")},
                    {"sql": format!("insert into {schema}.orders values (1, 19.90), (2, 5.00)")},
                ]}),
            ),
            (
                "mysql_execute",
                json!({"statements": [
                    {"sql": format!("create table {table} (sku varchar(20) primary key, quantity int not null)")},
                ]}),
            ),
            (
                "mysql_execute",
                json!({"statements": [{"sql": format!("insert into {table} values ('TENT-1', 7)")}]}),
            ),
            (
                "neo4j_execute",
                json!({"cypher": format!("create (:{label} {{sku: 'TENT-1'}})-[:FITS]->(:{label} {{sku: 'PEG-1'}})")}),
            ),
            ("qdrant_create_collection", json!({"collection": collection})),
            (
                "qdrant_upsert",
                json!({"collection": collection, "points": [
                    {"id": 1, "text": "The tent leaks at the seams in heavy rain.", "payload": {"sku": "TENT-1"}},
                    {"id": 2, "text": "A warm sleeping bag for cold nights.", "payload": {"sku": "BAG-1"}},
                ]}),
            ),
        ] {
            call(session, tool, arguments).await;
        }
    }
}

#[tokio::test]
async fn the_sixteen_calls_of_the_old_system_work_with_their_old_arguments() {
    let (Some(postgres), Some(mysql), Some(neo4j), Some(qdrant)) = (
        Postgres::shared().await,
        MariaDb::shared().await,
        Neo4j::shared().await,
        Qdrant::shared().await,
    ) else {
        return;
    };
    let (login, qdrant_port) = (mysql.address(), qdrant.port().to_string());
    let mysql_port = login.port().to_string();
    let hub = Hub::start(
        &[],
        &[
            ("POSTGRES_URL", postgres.url()),
            ("MYSQL_HOST", login.host()),
            ("MYSQL_PORT", &mysql_port),
            ("MYSQL_USER", login.user()),
            ("MYSQL_PASSWORD", login.password()),
            ("MYSQL_DATABASE", "app"),
            ("NEO4J_URI", neo4j.url()),
            ("NEO4J_USER", neo4j.user()),
            ("NEO4J_PASSWORD", neo4j.password()),
            ("QDRANT_HOST", qdrant.host()),
            ("QDRANT_GRPC_PORT", &qdrant_port),
            ("POSTGRES_ALLOW_WRITES", "true"),
            ("MYSQL_ALLOW_WRITES", "true"),
            ("NEO4J_ALLOW_WRITES", "true"),
            ("QDRANT_ALLOW_WRITES", "true"),
        ],
    )
    .await;
    let Some(mut session) = Session::python(&Door::Sse(hub.url("/sse"))).await else {
        return;
    };
    let session = &mut session;
    let names = Names::new();
    names.fill(session).await;

    facades_own(session).await;
    sql(session, &names).await;
    qdrant_and_neo4j(session, &names).await;
}

async fn facades_own(session: &mut Session) {
    let health = call(session, "health_check", json!({})).await;
    assert_eq!(health["structuredContent"]["status"], "ok", "{health}");
    let services = call(session, "list_services", json!({})).await;
    let keys: Vec<&str> = services["structuredContent"]["services"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|service| service["key"].as_str())
        .collect();
    assert_eq!(keys, ["mysql", "neo4j", "postgres", "qdrant"], "{services}");
}

async fn sql(session: &mut Session, names: &Names) {
    let Names {
        schema,
        table,
        database,
        ..
    } = names;
    let arguments = json!({"sql": format!("SELECT total FROM {schema}.orders ORDER BY id"), "limit": 1});
    let totals = call(session, "postgres_query", arguments).await;
    assert_eq!(rows(&totals), [json!(["19.90"])]);
    let arguments = json!({"database_name": database, "owner": "postgres"});
    call(session, "postgres_create_database", arguments).await;
    let databases = call(session, "postgres_list_databases", json!({})).await;
    assert!(
        listed(&databases["structuredContent"]["databases"]).contains(&database.as_str()),
        "{databases}"
    );
    let tables = call(session, "postgres_list_tables", json!({"schema": schema})).await;
    assert_eq!(listed(&tables["structuredContent"]["tables"]), ["orders"]);
    let arguments = json!({"table_name": "orders", "schema": schema});
    let described = call(session, "postgres_describe_table", arguments).await;
    assert_eq!(
        listed(&described["structuredContent"]["columns"]),
        ["id", "total"]
    );

    let arguments = json!({"sql": format!("SELECT quantity FROM {table}"), "limit": 10});
    let quantities = call(session, "mysql_query", arguments).await;
    assert_eq!(rows(&quantities), [json!([7])]);
    let tables = call(session, "mysql_list_tables", json!({})).await;
    assert!(
        listed(&tables["structuredContent"]["tables"]).contains(&table.as_str()),
        "{tables}"
    );
    let described = call(session, "mysql_describe_table", json!({"table_name": table})).await;
    assert_eq!(
        listed(&described["structuredContent"]["columns"]),
        ["sku", "quantity"]
    );
}

async fn qdrant_and_neo4j(session: &mut Session, names: &Names) {
    let Names {
        label, collection, ..
    } = names;
    let arguments = json!({"collection": collection, "query_text": "leaks in the rain", "limit": 1});
    let found = call(session, "qdrant_search", arguments).await;
    assert_eq!(rows(&found)[0][0], 1, "{found}");
    let collections = call(session, "qdrant_list_collections", json!({})).await;
    assert!(
        listed(&collections["structuredContent"]["collections"]).contains(&collection.as_str()),
        "{collections}"
    );
    let info = call(
        session,
        "qdrant_collection_info",
        json!({"collection": collection}),
    )
    .await;
    assert_eq!(info["structuredContent"]["points"], 2, "{info}");

    let arguments = json!({"cypher": format!("MATCH (p:{label}) RETURN p.sku ORDER BY p.sku"), "limit": 5});
    let products = call(session, "neo4j_query", arguments).await;
    assert_eq!(rows(&products), [json!(["PEG-1"]), json!(["TENT-1"])]);
    let arguments = json!({"label": label, "limit": 10});
    let nodes = call(session, "neo4j_list_nodes", arguments).await;
    assert_eq!(rows(&nodes).len(), 2, "{nodes}");
    let arguments = json!({"node_label": label, "limit": 10});
    let relationships = call(session, "neo4j_get_relationships", arguments).await;
    assert!(text(&relationships).contains("FITS"), "{relationships}");
}
