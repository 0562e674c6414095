//! The demo shop of demo/, in all four databases, and the question of docs/demo.md that crosses them.
//!
//! Compose loads the same files by the databases' own clients; here they are loaded by the tools that write, and then asked by a hub
//! that can't.

use std::fmt::Write as _;
use std::path::Path;

use mcp_hub_e2e::{Door, Session};
use mcp_hub_testing::{MariaDb, Neo4j, Postgres, Qdrant};
use serde_json::{Value, json};

use crate::hub::{Hub, rows, text};

const TENTS: &str = "\
MATCH (p:Product)-[:IN_CATEGORY]->()-[:PART_OF*0..]->(:Category {name: 'Tents'})
RETURN p.sku, p.name ORDER BY p.sku";

const SOLD: &str = "\
SELECT sku, sum(quantity) AS sold, sum(quantity * unit_price) AS eur,
       sum(quantity) FILTER (WHERE status = 'returned') AS returned
FROM order_lines JOIN orders USING (order_id)
WHERE sku = ANY ($1) AND ordered_at >= '2026-01-01' AND ordered_at < '2027-01-01' AND status <> 'cancelled'
GROUP BY sku ORDER BY sku";

const ALTERNATIVES: &str = "\
MATCH (other:Product)-[r:CAN_REPLACE]->(p:Product) WHERE p.sku IN $skus
OPTIONAL MATCH (other)<-[:FITS]-(accessory)-[:FITS]->(p)
WITH p, other, r, accessory ORDER BY accessory.name
RETURN p.sku, other.sku, other.name, r.note, collect(accessory.name) AS fits_both ORDER BY p.sku, other.sku";

const IN_STOCK: &str = "\
SELECT sku, sum(on_hand - reserved) AS available,
       (SELECT group_concat(concat(name, ' ', lot) ORDER BY lot SEPARATOR ', ')
        FROM shipments JOIN suppliers USING (supplier_id)
        WHERE shipments.sku = stock.sku AND received_at >= '2026-01-01') AS lots_of_2026,
       (SELECT min(expected_on) FROM shipments
        WHERE shipments.sku = stock.sku AND received_at IS NULL) AS next_delivery
FROM stock WHERE sku IN (?, ?, ?, ?, ?) GROUP BY sku ORDER BY sku";

/// The page that shows the calls and the answers.
const PAGE: &str = include_str!("../../../docs/demo.md");

/// The calls by which a client answers: which tents there are, what customers say of them, how many were sold, what could take the
/// place of those that leak, and what is in stock.
fn calls() -> [(&'static str, Value); 5] {
    let leaking = json!(["TNT-102", "TNT-105"]);
    [
        ("neo4j_query", json!({"cypher": TENTS})),
        (
            "qdrant_search",
            json!({
                "collection": "reviews",
                "query_text": "tent leaks in the rain, water comes in at the seam or the floor",
                "filter": {
                    "sku": ["TNT-101", "TNT-102", "TNT-103", "TNT-104", "TNT-105", "TNT-106", "TNT-107"],
                    "rating": {"lte": 3},
                    "date": {"gte": "2026-01-01T00:00:00Z"},
                },
                "payload_fields": ["sku", "rating", "text"],
                "limit": 10,
            }),
        ),
        ("postgres_query", json!({"sql": SOLD, "params": [leaking]})),
        (
            "neo4j_query",
            json!({"cypher": ALTERNATIVES, "params": {"skus": leaking}}),
        ),
        (
            "mariadb_query",
            json!({"sql": IN_STOCK, "params": ["TNT-102", "TNT-104", "TNT-105", "TNT-106", "TNT-107"]}),
        ),
    ]
}

#[tokio::test]
async fn one_question_crosses_all_four_databases() {
    let (Some(postgres), Some(mariadb), Some(neo4j), Some(qdrant)) = (
        Postgres::shared().await,
        MariaDb::shared().await,
        Neo4j::shared().await,
        Qdrant::start().await,
    ) else {
        return;
    };
    // Databases of this run's own, for a server that is given to the tests outlives them.
    let database = format!("demo_{}", std::process::id());
    let (postgres_url, mariadb_url) = (postgres.url_of(&database), mariadb.url_of(&database));
    let to_make = [
        ("POSTGRES_URL", postgres.url()),
        ("MARIADB_URL", mariadb.url()),
        ("POSTGRES_ALLOW_WRITES", "true"),
        ("MARIADB_ALLOW_WRITES", "true"),
    ];
    let to_ask = [
        ("POSTGRES_URL", &*postgres_url),
        ("MARIADB_URL", &mariadb_url),
        ("NEO4J_URI", neo4j.url()),
        ("NEO4J_USER", neo4j.user()),
        ("NEO4J_PASSWORD", neo4j.password()),
        ("QDRANT_URL", qdrant.url()),
    ];
    let to_load = [
        ("POSTGRES_ALLOW_WRITES", "true"),
        ("MARIADB_ALLOW_WRITES", "true"),
        ("NEO4J_ALLOW_WRITES", "true"),
        ("QDRANT_ALLOW_WRITES", "true"),
    ];

    let hub = Hub::start(&[], &to_make).await;
    let Some(mut session) = Session::python(&Door::Http(hub.url("/mcp"))).await else {
        return;
    };
    for tool in ["postgres_create_database", "mariadb_create_database"] {
        call(&mut session, tool, json!({"database_name": database})).await;
    }
    session.close().await;
    drop(hub);

    let hub = Hub::start(&[], &[&to_ask[..], &to_load].concat()).await;
    let Some(mut session) = Session::python(&Door::Http(hub.url("/mcp"))).await else {
        return;
    };
    // Loading again changes nothing.
    for time in 0..2 {
        load(&mut session, time == 0).await;
    }
    session.close().await;
    drop(hub);

    let hub = Hub::start(&[], &to_ask).await;
    let Some(mut session) = Session::python(&Door::Http(hub.url("/mcp"))).await else {
        return;
    };
    let mut transcript = String::new();
    for (tool, arguments) in calls() {
        let result = call(&mut session, tool, arguments.clone()).await;
        transcript.push_str(&shown(tool, &arguments, &result));
    }
    session.close().await;
    insta::assert_snapshot!(transcript);
    assert!(
        PAGE.contains(transcript.trim_end()),
        "docs/demo.md shows something else than\n{transcript}"
    );
}

/// Loads the files of demo/ by the tools that write.
async fn load(session: &mut Session, first: bool) {
    let statements = statements("postgres.sql", "--");
    let statements: Vec<Value> = statements.iter().map(|sql| json!({"sql": sql})).collect();
    call(session, "postgres_execute", json!({"statements": statements})).await;
    for sql in self::statements("mariadb.sql", "--") {
        call(session, "mariadb_execute", json!({"statements": [{"sql": sql}]})).await;
    }
    for cypher in self::statements("neo4j.cypher", "//") {
        call(session, "neo4j_execute", json!({"cypher": cypher})).await;
    }
    if first {
        call(session, "qdrant_create_collection", collection()).await;
    }
    call(
        session,
        "qdrant_upsert",
        json!({"collection": "reviews", "points": points()}),
    )
    .await;
}

/// The statements of a file: each ends with a semicolon at the end of a line, and none has a comment inside.
fn statements(name: &str, comment: &str) -> Vec<String> {
    let text = file(name);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(comment)).collect();
    let statements = lines.join("\n");
    let statements = statements
        .split(";\n")
        .map(|statement| statement.trim().trim_end_matches(';'));
    statements
        .filter(|statement| !statement.is_empty())
        .map(str::to_owned)
        .collect()
}

/// What `qdrant_create_collection` takes, from the bodies for REST: the name of the sparse vector, and the indexes.
fn collection() -> Value {
    let body = json("qdrant/collection.json");
    let sparse = body["sparse_vectors"].as_object().expect("sparse vectors");
    let [(sparse, settings)] = sparse.iter().collect::<Vec<_>>()[..] else {
        panic!("one sparse vector: {body}");
    };
    assert_eq!(*settings, json!({"modifier": "idf"}));
    let indexes = ["sku", "rating", "date"].map(|key| {
        let body = json(&format!("qdrant/index/{key}.json"));
        assert_eq!(body["field_name"], key);
        json!({"key": key, "type": body["field_schema"]})
    });
    json!({"collection": "reviews", "sparse": sparse, "payload_indexes": indexes})
}

/// What `qdrant_upsert` takes, from the body for REST: the text of each vector, which it keeps in the payload itself.
fn points() -> Vec<Value> {
    let body = json("qdrant/points.json");
    let points = body["points"].as_array().expect("points").iter();
    points
        .map(|point| {
            let document = &point["vector"]["text"];
            let mut payload = point["payload"].clone();
            let kept = payload.as_object_mut().and_then(|payload| payload.remove("text"));
            assert_eq!(document["model"], "qdrant/bm25");
            assert_eq!(kept.as_ref(), Some(&document["text"]));
            json!({"id": point["id"], "text": document["text"], "payload": payload})
        })
        .collect()
}

fn json(name: &str) -> Value {
    serde_json::from_str(&file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo").join(name);
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What a call that worked says.
async fn call(session: &mut Session, tool: &str, arguments: Value) -> Value {
    let result = session.call(tool, arguments).await;
    assert_ne!(result["isError"], true, "{tool}: {}", text(&result));
    result
}

/// A call and its answer as one reads them: an argument per line, then the names of the columns and a row per line.
fn shown(tool: &str, arguments: &Value, result: &Value) -> String {
    let mut text = format!("{tool}\n");
    for (name, value) in arguments.as_object().expect("arguments") {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        writeln!(text, "  {name}: {}", value.replace('\n', "\n    ")).expect("a String takes all");
    }
    let names = result["structuredContent"]["columns"]
        .as_array()
        .expect("columns");
    let names: Vec<&str> = names
        .iter()
        .filter_map(|column| column["name"].as_str())
        .collect();
    writeln!(text, "-> {}", names.join(", ")).expect("a String takes all");
    for row in rows(result) {
        let cells: Vec<String> = row.as_array().expect("a row").iter().map(cell).collect();
        writeln!(text, "   {}", cells.join(", ")).expect("a String takes all");
    }
    text + "\n"
}

/// A value; of a score what does not hang on the machine that computed it.
fn cell(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() => format!("{number:.1}"),
        _ => value.to_string(),
    }
}
