//! What the schema tells, of a small graph in full and of a big one by name.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::neo4j::v1::*;
use mcp_hub_testing::Neo4j;
use serde_json::json;

use crate::adapter::{Adapter, Server, assert_fault};

async fn schema(adapter: &Adapter, labels: &[&str]) -> Result<SchemaResponse, Fault> {
    let request = SchemaRequest {
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        database: None,
    };
    let response = adapter.client.clone().schema(request).await;
    Ok(response
        .map_err(|status| Fault::from_status(&status))?
        .into_inner())
}

/// The answer, a line per fact.
fn lines(schema: &SchemaResponse) -> String {
    let count = |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
    let properties = |properties: &[Property]| {
        let lines = properties.iter().map(|property| {
            let mandatory = if property.mandatory { " mandatory" } else { "" };
            format!(
                "\n    {}: {} [{}]{mandatory}",
                property.name, property.r#type, property.index
            )
        });
        lines.collect::<String>()
    };
    let nodes = count(schema.node_count);
    let mut lines = vec![format!(
        "{nodes} nodes, {} relationships",
        count(schema.relationship_count)
    )];
    lines.extend(schema.labels.iter().map(|label| {
        let properties = properties(&label.properties);
        format!("(:{}) {}{properties}", label.name, count(label.count))
    }));
    lines.extend(schema.patterns.iter().map(|pattern| {
        let Pattern {
            start, r#type, end, ..
        } = pattern;
        let properties = properties(&pattern.properties);
        format!(
            "(:{start})-[:{type}]->(:{end}) {}{properties}",
            count(pattern.count)
        )
    }));
    lines.extend(schema.constraints.iter().map(|constraint| {
        let Constraint {
            name,
            on,
            properties,
            r#type,
        } = constraint;
        format!("{name} on {on} {properties:?}: {type}")
    }));
    lines.extend(schema.indexes.iter().map(|index| {
        format!(
            "{} on {:?} {:?}: {} {} {:?} {}",
            index.name,
            index.on,
            index.properties,
            index.r#type,
            index.state,
            index.dimensions,
            index.function
        )
    }));
    lines.extend(schema.notices.iter().cloned());
    lines.join("\n")
}

const FILMS: &[&str] = &[
    "CREATE CONSTRAINT person_email FOR (p:Person) REQUIRE p.email IS UNIQUE",
    "CREATE INDEX person_name FOR (p:Person) ON (p.name)",
    "CREATE INDEX person_place FOR (p:Person) ON (p.born, p.home)",
    "CREATE TEXT INDEX film_title FOR (f:Film) ON (f.title)",
    "CREATE POINT INDEX person_home FOR (p:Person) ON (p.home)",
    "CREATE FULLTEXT INDEX words FOR (x:Film|Person) ON EACH [x.title, x.name] OPTIONS {indexConfig: {`fulltext.analyzer`: 'english'}}",
    "CREATE VECTOR INDEX plots FOR (f:Film) ON f.plot OPTIONS {indexConfig: {`vector.dimensions`: 3, `vector.similarity_function`: 'cosine'}}",
    "CREATE INDEX acted_roles FOR ()-[r:ACTED_IN]-() ON (r.roles)",
    "CALL db.awaitIndexes(60)",
    "UNWIND range(1, 20) AS n CREATE (:Person {name: 'p' + n, email: 'e' + n, born: date('2000-01-01'), home: point({x: n, y: 1})})",
    "MATCH (p:Person) WHERE p.name IN ['p1', 'p2'] SET p:Director",
    "MATCH (p:Person {name: 'p3'}) SET p.born = 'long ago'",
    "UNWIND range(1, 10) AS n CREATE (:Film {title: 'f' + n, plot: [0.1, 0.2, n], tags: ['a'], length: duration('PT2H'), at: datetime()})",
    "CREATE (:`Odd \\u005Cu0041 ``label` {`a b`: 1})",
    "MATCH (p:Person), (f:Film) CREATE (p)-[:ACTED_IN {roles: ['x'], since: 2000}]->(f)",
    "MATCH (d:Director), (f:Film) CREATE (d)-[:DIRECTED]->(f)",
    "MATCH (p:Person {name: 'p5'}), (f:Film) CREATE (p)-[:LIKES {stars: 1}]->(f)",
    "MATCH (p:Person {name: 'p5'}), (q:Person) CREATE (p)-[:LIKES {stars: 1.5}]->(q)",
    "MATCH (o:`Odd \\u005Cu0041 ``label`), (p:Person {name: 'p1'}) CREATE (o)-[:NEAR]->(p), (p)-[:NEAR]->(), (o)-[:NEAR]->(o)",
    // Who follows whom is more than a sample, and no label is at an end of all.
    "MATCH (p:Person {name: 'p7'}), (f:Film {title: 'f1'}) UNWIND range(1, 1000) AS n CREATE (p)-[:FOLLOWS]->(f), (f)-[:FOLLOWS]->(p)",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_small_graph_is_shown_in_full_and_a_big_one_by_name() {
    // A server of its own: the schema is that of the whole graph.
    let Some(neo4j) = Neo4j::start().await else {
        return;
    };
    let (adapter, server) = (Adapter::of(&neo4j).await, Server::of(&neo4j));
    let empty = schema(&adapter, &[]).await.expect("an empty graph");
    insta::assert_snapshot!("empty", lines(&empty));
    server.run(FILMS).await;
    insta::assert_snapshot!("films", lines(&schema(&adapter, &[]).await.expect("all")));
    let odd = schema(&adapter, &["Odd \\u0041 `label"]).await.expect("one");
    insta::assert_snapshot!("odd", lines(&odd));
    let fault = assert_fault(
        schema(&adapter, &["Filme"]).await,
        Reason::ObjectNotFound,
        "no node has the label \"Filme\"",
    );
    assert_eq!(fault.metadata["did_you_mean"], "Film");

    let mut labels: Vec<String> = (0..500)
        .map(|n| format!("{}{}", ["Customer", "OrderItem", "Shipment", "Sensor"][n % 4], n))
        .collect();
    for labels in labels.chunks(50) {
        let nodes = labels.iter().enumerate().map(|(n, label)| {
            format!(
                "(:{label} {{id: {n}}})-[:HAS_{}]->(:{label})",
                label.to_uppercase()
            )
        });
        let create = format!("CREATE {}", nodes.collect::<Vec<_>>().join(", "));
        server.run(&[&create]).await;
    }
    let big = schema(&adapter, &[]).await.expect("names");
    assert_eq!(big.node_count, Some(20 + 10 + 1 + 1 + 1000));
    assert_eq!(
        (big.labels[0].name.as_str(), big.labels[0].count),
        ("Person", Some(20))
    );
    assert!(big.patterns.is_empty() && big.labels.iter().all(|label| label.properties.is_empty()));
    let tokens = tokens(&big);
    assert!((800..2_000).contains(&tokens), "{tokens} tokens: {}", lines(&big));
    // Nothing is left out in silence.
    let text = lines(&big);
    let more = big
        .notices
        .iter()
        .find(|notice| notice.starts_with("More labels: "));
    let (named, left_out) = more
        .and_then(|notice| notice.split_once(", and "))
        .expect("more labels");
    let left_out: usize = left_out
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .expect("how many");
    assert_eq!(big.labels.len() + named.matches(", ").count() + 1 + left_out, 504);
    assert!(text.contains("there are 504 labels"), "{text}");
    assert!(text.contains("plots (vector), words (fulltext)"), "{text}");

    labels.truncate(30);
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let some = schema(&adapter, &labels).await.expect("some");
    assert_eq!((some.labels.len(), some.patterns.len()), (30, 30));
    assert_eq!(some.labels[0].properties[0].name, "id");
    assert!(
        some.indexes.is_empty() && some.constraints.is_empty(),
        "{}",
        lines(&some)
    );
    let fault = schema(&adapter, &[&labels[..], &["Person"]].concat())
        .await
        .expect_err("too many");
    assert_eq!(fault.metadata["field"], "labels");
}

/// Tokens of the answer as the facade writes it.
fn tokens(schema: &SchemaResponse) -> usize {
    let labels = schema
        .labels
        .iter()
        .map(|label| json!({"name": label.name, "count": label.count}));
    let answer = json!({
        "node_count": schema.node_count,
        "relationship_count": schema.relationship_count,
        "labels": labels.collect::<Vec<_>>(),
        "notices": schema.notices,
    });
    let ranks = tiktoken_rs::o200k_base().expect("the ranks are in the crate");
    ranks.encode_ordinary(&answer.to_string()).len()
}
