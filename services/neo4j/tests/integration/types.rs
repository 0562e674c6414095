//! Every type of Cypher as an answer shows it: the golden file of types.

use std::fmt::Write as _;

use mcp_hub_testing::Neo4j;

use crate::adapter::{Adapter, Server, column_types, rows};

/// One expression a line.
const EXPRESSIONS: &str = include_str!("types.cypher");

#[tokio::test(flavor = "multi_thread")]
async fn every_type_has_its_form() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    let mut golden = String::new();
    for expression in EXPRESSIONS.lines() {
        if expression.is_empty() || expression.starts_with("//") {
            writeln!(golden, "{expression}").expect("a String");
            continue;
        }
        let result = adapter.query(&format!("return {expression} as value")).await;
        let result = result.unwrap_or_else(|fault| panic!("{expression}: {fault:?}"));
        let (kind, row) = (column_types(&result)[0], &rows(&result)[0]);
        let json = &row[1..row.len() - 1];
        writeln!(golden, "{expression}\n    {kind}  {json}").expect("a String");
    }
    insta::assert_snapshot!("types", golden);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_relationships_and_paths_are_whole() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let server = Server::of(neo4j);
    server
        .run(&[
            "match (n:TypesTest) detach delete n",
            "create (a:TypesTest:Person {name: 'Ada', born: date('1815-12-10'), bytes: [1, 2], tags: ['x', 'y']})
             create (b:TypesTest {name: 'Bob'})
             create (a)-[:KNOWS {since: 1830, at: datetime('2024-01-01T10:00:00+01:00[Europe/Paris]')}]->(b)",
        ])
        .await;
    let adapter = Adapter::of(neo4j).await;
    let result = adapter
        .query(
            "match (a:Person:TypesTest)-[r:KNOWS]->(b) match back = (b)<-[:KNOWS]-(a) match alone = (b)
             return a, r, back, alone, [a, {r: r}] as nested, elementId(a), elementId(b), elementId(r)",
        )
        .await
        .expect("works");
    assert_eq!(
        column_types(&result),
        [
            "NODE",
            "RELATIONSHIP",
            "PATH",
            "PATH",
            "LIST",
            "STRING",
            "STRING",
            "STRING"
        ]
    );
    let row: serde_json::Value = serde_json::from_str(&rows(&result)[0]).expect("JSON");
    let (a, b, r) = (&row[5], &row[6], &row[7]);
    let ada = serde_json::json!({
        "$node": a, "labels": ["TypesTest", "Person"],
        "props": {"name": "Ada", "born": "1815-12-10", "bytes": [1, 2], "tags": ["x", "y"]},
    });
    let bob = serde_json::json!({"$node": b, "labels": ["TypesTest"], "props": {"name": "Bob"}});
    let knows = serde_json::json!({
        "$rel": r, "type": "KNOWS", "start": a, "end": b,
        "props": {"since": 1830, "at": "2024-01-01T10:00:00+01:00[Europe/Paris]"},
    });
    assert_eq!(row[0], ada);
    assert_eq!(row[1], knows);
    let back = serde_json::json!({
        "$path": "(:TypesTest)<-[:KNOWS]-(:TypesTest:Person)", "nodes": [bob, ada], "rels": [knows],
    });
    assert_eq!(row[2], back);
    let alone = serde_json::json!({"$path": "(:TypesTest)", "nodes": [bob], "rels": []});
    assert_eq!(row[3], alone);
    assert_eq!(row[4], serde_json::json!([ada, {"r": knows}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_value_is_shown_and_a_bottomless_one_refused() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    for depth in [10, 30, 95] {
        let cypher = format!("return reduce(l = [], i in range(1, {depth}) | [l, {{k: i}}]) as l");
        let result = adapter
            .query(&cypher)
            .await
            .unwrap_or_else(|fault| panic!("{depth}: {fault:?}"));
        let row = &rows(&result)[0];
        assert!(row.matches('[').count() > depth.min(60), "{depth}: {row}");
    }
    // Not deeper: from some thousands on the server's own stack overflows, and it answers nothing.
    for depth in [200, 1000] {
        let cypher = format!("return reduce(l = [], i in range(1, {depth}) | [l]) as l");
        let fault = adapter.query(&cypher).await.expect_err("too deep");
        assert_eq!(fault.reason_name(), "RESULT_TOO_LARGE", "{fault:?}");
    }
    let result = adapter.query("return 1 as n").await.expect("the adapter lives");
    assert_eq!(rows(&result), ["[1]"]);
}
