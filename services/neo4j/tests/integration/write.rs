//! Changes: all of a statement or nothing of it.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::neo4j::v1::neo4j_write_service_client::Neo4jWriteServiceClient;
use mcp_hub_proto::neo4j::v1::*;
use mcp_hub_testing::Neo4j;
use serde_json::json;

use crate::adapter::{Adapter, Server, assert_fault, rows, settings, value};

/// An adapter that may write.
async fn writable(neo4j: &Neo4j) -> (Adapter, Server) {
    let adapter = Adapter::start(&format!("{}\nallow_writes = true", settings(neo4j))).await;
    (adapter, Server::of(neo4j))
}

fn request(cypher: &str, params: &serde_json::Value) -> ExecuteRequest {
    let params = params.as_object().expect("an object").iter();
    ExecuteRequest {
        cypher: cypher.to_owned(),
        params: params.map(|(name, json)| (name.clone(), value(json))).collect(),
        ..ExecuteRequest::default()
    }
}

async fn execute(adapter: &Adapter, request: ExecuteRequest) -> Result<ExecuteResponse, Fault> {
    let mut client = Neo4jWriteServiceClient::new(adapter.channel.clone());
    let response = client.execute(request).await;
    Ok(response
        .map_err(|status| Fault::from_status(&status))?
        .into_inner())
}

async fn count(server: &Server, label: &str) -> i64 {
    server.number(&format!("MATCH (n:{label}) RETURN count(n)")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_tells_counters_and_rows() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, server) = writable(neo4j).await;
    let cypher = "UNWIND $rows AS row CREATE (a:WriteA {name: row.name})-[r:WRITE_R {n: row.n}]->(b:WriteB:WriteC) \
                  RETURN a.name AS name, r.n AS n;";
    let rows_given = json!({"rows": [{"name": "ä'", "n": 1}, {"name": null, "n": 2}]});
    let done = execute(&adapter, request(cypher, &rows_given))
        .await
        .expect("works");
    assert_eq!(done.committed, Some(true));
    let expected = Counters {
        nodes_created: Some(4),
        relationships_created: Some(2),
        properties_set: Some(3),
        labels_added: Some(6),
        ..Counters::default()
    };
    assert_eq!(done.counters, Some(expected));
    assert_eq!(rows(&done.result.expect("rows")), ["[\"ä'\",1]", "[null,2]"]);
    assert_eq!(count(&server, "WriteA").await, 2);

    let done = execute(
        &adapter,
        request(
            "MATCH (a:WriteA {name: $name}) DETACH DELETE a",
            &json!({"name": "ä'"}),
        ),
    )
    .await
    .expect("works");
    let counters = done.counters.expect("counters");
    assert_eq!(
        (counters.nodes_deleted(), counters.relationships_deleted()),
        (1, 1)
    );
    assert!(done.result.is_none());

    // Rows beyond what an answer shows are changed all the same.
    let cypher = "UNWIND range(1, 5000) AS n CREATE (a:WriteMany {n: n}) RETURN a";
    let done = execute(&adapter, request(cypher, &json!({})))
        .await
        .expect("works");
    let result = done.result.expect("rows");
    assert!(
        result.rows.len() <= 100
            && result
                .truncated
                .is_some_and(|truncated| truncated.next_cursor.is_none())
    );
    assert_eq!(
        (
            done.counters.expect("counters").nodes_created(),
            count(&server, "WriteMany").await
        ),
        (5000, 5000)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_commands_work_and_can_be_rehearsed() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, server) = writable(neo4j).await;
    let indexes = "SHOW INDEXES YIELD name WHERE name STARTS WITH 'write_' RETURN count(*)";
    let create = request("CREATE INDEX write_i FOR (n:WriteIndexed) ON (n.a)", &json!({}));
    let dry = ExecuteRequest {
        dry_run: Some(true),
        ..create.clone()
    };
    let done = execute(&adapter, dry).await.expect("rehearsed");
    assert_eq!(
        (done.counters.expect("counters").indexes_added(), done.committed),
        (1, Some(false))
    );
    assert_eq!(server.number(indexes).await, 0);
    let done = execute(&adapter, create.clone()).await.expect("works");
    assert_eq!(
        (done.counters.expect("counters").indexes_added(), done.committed),
        (1, Some(true))
    );
    assert_eq!(server.number(indexes).await, 1);
    let fault = execute(&adapter, create).await.expect_err("twice");
    assert!(fault.message.ends_with("(nothing was changed)"), "{fault}");
    let constraint = request(
        "CREATE CONSTRAINT write_c FOR (n:WriteUnique) REQUIRE n.a IS UNIQUE",
        &json!({}),
    );
    assert_eq!(
        execute(&adapter, constraint)
            .await
            .expect("works")
            .counters
            .expect("counters")
            .constraints_added(),
        1
    );
    execute(&adapter, request("CREATE (:WriteUnique {a: 1})", &json!({})))
        .await
        .expect("works");
    let fault = execute(&adapter, request("CREATE (:WriteUnique {a: 1})", &json!({})))
        .await
        .expect_err("not unique");
    assert_eq!(fault.reason, Reason::StatementInvalid);
    assert!(fault.message.ends_with("(nothing was changed)"), "{fault}");
    assert_eq!(count(&server, "WriteUnique").await, 1);
    let drop = request("DROP INDEX write_i", &json!({}));
    assert_fault(
        execute(&adapter, drop).await,
        Reason::ConfirmationRequired,
        "removes the index",
    );
    assert_eq!(server.number(indexes).await, 2, "the index and the constraint's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_and_too_many_changes_change_nothing() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, server) = writable(neo4j).await;
    server
        .run(&["UNWIND range(1, 10) AS n CREATE (:WriteKept {n: n})"])
        .await;
    let mut dry = request(
        "MATCH (n:WriteKept) DETACH DELETE n RETURN count(*) AS many",
        &json!({}),
    );
    dry.dry_run = Some(true);
    let done = execute(&adapter, dry).await.expect("runs without a confirmation");
    assert_eq!(
        (done.committed, done.counters.expect("counters").nodes_deleted()),
        (Some(false), 10)
    );
    let result = done.result.expect("rows");
    assert_eq!(rows(&result), ["[10]"]);
    assert_eq!(
        result.notices,
        ["dry run: the statement ran and was rolled back, nothing was changed"]
    );
    assert_eq!(count(&server, "WriteKept").await, 10);

    for (cypher, part) in [
        (
            "MATCH (n:WriteKept) WHERE n.n > 0 DELETE n",
            "changed 10 nodes and relationships, more than 9",
        ),
        (
            "MATCH (n:WriteKept) WHERE n.n > 0 SET n.x = 1",
            "changed 10 properties and labels, more than 9",
        ),
        (
            "MATCH (n:WriteKept) WHERE n.n > 0 SET n:WriteOther",
            "changed 10 properties and labels, more than 9",
        ),
        (
            "UNWIND range(1, 10) AS n CREATE (:WriteKept {a: 1, b: 2, c: 3})",
            "changed 10 nodes and relationships, more than 9",
        ),
    ] {
        let mut limited = request(cypher, &json!({}));
        limited.expect_max = Some(9);
        assert_fault(
            execute(&adapter, limited.clone()).await,
            Reason::ConditionFailed,
            part,
        );
        assert_eq!(
            server
                .number("MATCH (n:WriteKept) RETURN sum(size(keys(n)) + size(labels(n)))")
                .await,
            20
        );
        limited.expect_max = Some(10);
        limited.dry_run = Some(true);
        execute(&adapter, limited).await.expect("ten");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_destroys_wants_a_confirmation() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, server) = writable(neo4j).await;
    server.run(&["CREATE (:WriteDoomed), (:WriteDoomed)"]).await;
    let delete = request(
        "MATCH (n:WriteDoomed) DETACH DELETE n",
        &json!({"a": 1, "b": 2, "c": 3}),
    );
    let fault = execute(&adapter, delete.clone()).await.expect_err("asks first");
    assert_eq!(fault.reason, Reason::ConfirmationRequired);
    assert!(
        fault.metadata["effect"].contains("deletes everything"),
        "{fault:?}"
    );
    assert_eq!(count(&server, "WriteDoomed").await, 2);
    let confirmation = Some(fault.metadata["digest"].clone());
    let other = ExecuteRequest {
        confirmation: confirmation.clone(),
        ..request("MATCH (n) DETACH DELETE n", &json!({}))
    };
    let fault = execute(&adapter, other)
        .await
        .expect_err("confirmed something else");
    assert_eq!(fault.reason, Reason::ConfirmationRequired);
    let confirmed = ExecuteRequest {
        confirmation,
        ..delete
    };
    assert_eq!(
        execute(&adapter, confirmed).await.expect("confirmed").committed,
        Some(true)
    );
    assert_eq!(count(&server, "WriteDoomed").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_beyond_the_transaction_is_refused() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, server) = writable(neo4j).await;
    for cypher in [
        "UNWIND [1] AS x CALL (x) { CREATE (:WriteNever) } IN TRANSACTIONS",
        "LOAD CSV FROM 'file:///x.csv' AS line CREATE (:WriteNever)",
        "CREATE USER write SET PASSWORD 'write-write'",
        "ALTER CURRENT USER SET PASSWORD FROM 'a' TO 'b'",
        "CREATE DATABASE write",
        "SHOW TRANSACTIONS YIELD transactionId AS t TERMINATE TRANSACTIONS t",
        "CALL dbms.listConnections()",
        "USE system CREATE (:WriteNever)",
        "EXPLAIN CREATE (:WriteNever)",
        "CREATE (:WriteNever); CREATE (:WriteNever)",
        "",
    ] {
        let fault = execute(&adapter, request(cypher, &json!({})))
            .await
            .expect_err(cypher);
        assert!(
            matches!(
                fault.reason,
                Reason::WriteNotAllowed | Reason::StatementInvalid | Reason::ArgumentInvalid
            ),
            "{cypher}: {fault:?}"
        );
        assert!(
            fault.message.ends_with("(nothing was changed)"),
            "{cypher}: {fault:?}"
        );
    }
    let mut slow = request(
        "CREATE (:WriteNever) WITH 1 AS x UNWIND range(1, 100000000) AS n WITH n WHERE n % 7 = 8 RETURN n",
        &json!({}),
    );
    slow.timeout_ms = Some(300);
    assert_eq!(
        execute(&adapter, slow).await.expect_err("too long").reason,
        Reason::StatementTimedOut
    );
    server.stops_running("range(1, 100000000)").await;
    assert_eq!(count(&server, "WriteNever").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_writes_on_reads_still_only_read_and_with_writes_off_there_is_no_service() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, server) = writable(neo4j).await;
    assert_fault(
        adapter.query("CREATE (:WriteRead)").await,
        Reason::WriteNotAllowed,
        "only reads",
    );
    assert_eq!(count(&server, "WriteRead").await, 0);
    let reader = Adapter::of(neo4j).await;
    let fault = execute(&reader, request("CREATE (:WriteRead)", &json!({})))
        .await
        .expect_err("no such service");
    assert_eq!(fault.reason, Reason::NotSupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_goes_on_after_the_server_came_back() {
    let Some(neo4j) = Neo4j::start().await else {
        return;
    };
    let (adapter, server) = writable(&neo4j).await;
    let create = || request("CREATE (:WriteAgain)", &json!({}));
    execute(&adapter, create()).await.expect("works");
    neo4j.stop().await;
    let fault = execute(&adapter, create()).await.expect_err("down");
    assert_eq!(fault.reason, Reason::DatabaseUnavailable);
    neo4j.start_again().await;
    execute(&adapter, create()).await.expect("the first call works");
    assert_eq!(count(&server, "WriteAgain").await, 2, "and once");
}
