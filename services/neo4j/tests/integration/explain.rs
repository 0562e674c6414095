//! Plans and what stands out in them.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::neo4j::v1::*;
use mcp_hub_testing::Neo4j;
use serde_json::json;

use crate::adapter::{Adapter, Server, assert_fault, value};

async fn explain(
    adapter: &Adapter,
    cypher: &str,
    params: serde_json::Value,
    analyze: bool,
) -> Result<ExplainQueryResponse, Fault> {
    let params = params.as_object().expect("an object").iter();
    let request = ExplainQueryRequest {
        cypher: cypher.to_owned(),
        params: params.map(|(name, json)| (name.clone(), value(json))).collect(),
        analyze: Some(analyze),
        ..ExplainQueryRequest::default()
    };
    let response = adapter.client.clone().explain_query(request).await;
    Ok(response
        .map_err(|status| Fault::from_status(&status))?
        .into_inner())
}

async fn with_graph(neo4j: &Neo4j) -> Adapter {
    static MADE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    MADE.get_or_init(async || {
        Server::of(neo4j)
            .run(&[
                "CREATE INDEX explain_id FOR (n:ExplainPerson) ON (n.id)",
                "UNWIND range(1, 5000) AS n CREATE (:ExplainPerson {id: n, name: 'n' + n % 100, group: CASE WHEN n < 4900 THEN 1 ELSE n END})",
                "MATCH (a:ExplainPerson {id: 1}), (b:ExplainPerson) CREATE (a)-[:EXPLAIN_KNOWS {since: b.id % 50}]->(b)",
                "CALL db.awaitIndexes(60)",
                // The planner's statistics are of before otherwise.
                "CALL db.prepareForReplanning(60)",
            ])
            .await;
    })
    .await;
    Adapter::of(neo4j).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_told_in_lines() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = with_graph(neo4j).await;
    let cypher = " MATCH (p:ExplainPerson {id: $id})-[r:EXPLAIN_KNOWS]->(q) RETURN q.name, count(*) ORDER BY count(*) LIMIT 3;";
    let explained = explain(&adapter, cypher, json!({}), false)
        .await
        .expect("explains without values");
    let operators: Vec<&str> = explained
        .plan
        .iter()
        .map(|line| line.trim_start_matches([' ', '-', '>']))
        .collect();
    assert!(
        operators[0].starts_with("ProduceResults "),
        "{:#?}",
        explained.plan
    );
    assert!(
        operators
            .iter()
            .any(|line| line.starts_with("NodeIndexSeek RANGE INDEX p:ExplainPerson(id) WHERE id = $id")),
        "{:#?}",
        explained.plan
    );
    assert!(explained.plan[1].starts_with("  ->  "), "{:#?}", explained.plan);
    assert!(explained.findings.is_empty(), "{:?}", explained.findings);
    assert!(explained.estimated_rows > 0.0);
    assert_eq!(
        (explained.db_hits, explained.rows, explained.execution_ms),
        (None, None, None)
    );

    let profiled = explain(&adapter, cypher, json!({"id": 1}), true)
        .await
        .expect("runs");
    assert_eq!(profiled.rows, Some(3));
    assert!(
        profiled.db_hits > Some(5_000) && profiled.execution_ms > Some(0.0),
        "{profiled:?}"
    );
    assert!(
        profiled
            .plan
            .iter()
            .any(|line| line.contains("(rows=5000 db hits=")),
        "{:#?}",
        profiled.plan
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_out_is_told_with_a_remedy() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = with_graph(neo4j).await;
    for (cypher, expected) in [
        (
            "MATCH (p:ExplainPerson) WHERE p.name = $name RETURN p",
            "CREATE INDEX FOR (p:ExplainPerson) ON (p.name).",
        ),
        (
            "MATCH (p:ExplainPerson) WHERE p.name ENDS WITH 'x' RETURN p",
            "CREATE TEXT INDEX FOR (p:ExplainPerson) ON (p.name).",
        ),
        (
            "MATCH ()-[r:EXPLAIN_KNOWS]->() WHERE r.since = 3 RETURN r",
            "CREATE INDEX FOR ()-[r:EXPLAIN_KNOWS]-() ON (r.since).",
        ),
        (
            "MATCH (n) WHERE n.name = 'x' RETURN n",
            "give its pattern a label",
        ),
        (
            "MATCH ()-[r]->() WHERE r.since = 1 RETURN r",
            "give its pattern a relationship type",
        ),
        (
            "MATCH (a:ExplainPerson), (b:ExplainPerson) WHERE a.name <> b.name RETURN a, b",
            "CartesianProduct pairs each of",
        ),
        (
            "MATCH (a:ExplainPerson {id: 1})-[*]->(b) RETURN b",
            "paths of any length",
        ),
        (
            "MATCH (a:ExplainPerson {id: 1})-[:EXPLAIN_KNOWS]->+(b) RETURN b",
            "paths of any length",
        ),
        (
            "MATCH (a:ExplainPerson {id: 1}) RETURN id(a)",
            "deprecated function",
        ),
        (
            "MATCH (a:ExplainNobody) RETURN a",
            "is not available in the database",
        ),
    ] {
        let explained = explain(&adapter, cypher, json!({}), false).await.expect(cypher);
        assert!(
            explained
                .findings
                .iter()
                .any(|finding| finding.contains(expected)),
            "{cypher}: {:#?} {:#?}",
            explained.findings,
            explained.plan
        );
    }
    let cypher = "MATCH (p:ExplainPerson) WHERE p.group = 1 AND p.id > 0 RETURN p.name";
    let findings = explain(&adapter, cypher, json!({}), true)
        .await
        .expect("runs")
        .findings
        .join("\n");
    assert!(findings.contains("% of the database hits"), "{findings}");
    let cypher = "MATCH (p:ExplainPerson) WHERE p.group = 1 RETURN p.name";
    let findings = explain(&adapter, cypher, json!({}), true)
        .await
        .expect("runs")
        .findings
        .join("\n");
    assert!(findings.contains("times more"), "{findings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_proposed_is_used() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, server) = (Adapter::of(neo4j).await, Server::of(neo4j));
    server
        .run(&["UNWIND range(1, 5000) AS n CREATE (:`Explain odd` {`a b`: n})"])
        .await;
    let cypher = "MATCH (n:`Explain odd`) WHERE n.`a b` = 7 RETURN n";
    let findings = explain(&adapter, cypher, json!({}), false)
        .await
        .expect("explains")
        .findings;
    let create = findings[0]
        .split("them: ")
        .nth(1)
        .expect("an index")
        .trim_end_matches('.')
        .to_owned();
    server.run(&[&create, "CALL db.awaitIndexes(60)"]).await;
    let after = explain(&adapter, cypher, json!({}), false)
        .await
        .expect("explains");
    assert!(
        after.plan.iter().any(|line| line.contains("NodeIndexSeek")),
        "{create}: {:#?}",
        after.plan
    );
    assert!(after.findings.is_empty(), "{:?}", after.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_those_of_the_statement() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = with_graph(neo4j).await;
    for (cypher, position) in [
        ("MATCH (n) RETURN m", "18"),
        ("  // ä\n  MATCH (n) RETUR n", "20"),
    ] {
        for analyze in [false, true] {
            let fault = assert_fault(
                explain(&adapter, cypher, json!({}), analyze).await,
                Reason::StatementInvalid,
                "",
            );
            assert_eq!(fault.metadata["position"], position, "{fault:?}");
            assert!(!fault.message.contains("line 1"), "{fault:?}");
        }
    }
    for (cypher, reason) in [
        ("EXPLAIN RETURN 1", Reason::WriteNotAllowed),
        ("CREATE (n:ExplainNever)", Reason::WriteNotAllowed),
        ("SHOW INDEXES", Reason::ArgumentInvalid),
    ] {
        for analyze in [false, true] {
            assert_fault(explain(&adapter, cypher, json!({}), analyze).await, reason, "");
        }
    }
    let fault = assert_fault(
        explain(
            &adapter,
            "MATCH (n:ExplainPerson {id: $id}) RETURN n",
            json!({}),
            true,
        )
        .await,
        Reason::ArgumentInvalid,
        "id",
    );
    assert_eq!(fault.metadata["field"], "params");
    let request = ExplainQueryRequest {
        cypher: "UNWIND range(1, 100000000) AS n WITH n WHERE n % 7 = 8 RETURN n".to_owned(),
        analyze: Some(true),
        timeout_ms: Some(300),
        ..ExplainQueryRequest::default()
    };
    let status = adapter
        .client
        .clone()
        .explain_query(request)
        .await
        .expect_err("too long");
    assert_eq!(Fault::from_status(&status).reason, Reason::StatementTimedOut);
    Server::of(neo4j).stops_running("range(1, 100000000)").await;
}
