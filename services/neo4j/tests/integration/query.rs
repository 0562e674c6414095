//! Reads: results, limits, paging, errors.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::TruncationReason;
use mcp_hub_proto::neo4j::v1::QueryRequest;
use mcp_hub_testing::Neo4j;
use serde_json::json;

use crate::adapter::{Adapter, Server, assert_fault, column_types, request, rows};

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_has_columns_and_rows() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    let result = adapter
        .query("return 1 as z, 'x' as a, null as m, 1.5 as b")
        .await
        .expect("works");
    assert_eq!(rows(&result), [r#"[1,"x",null,1.5]"#]);
    assert_eq!(column_types(&result), ["INTEGER", "STRING", "ANY", "FLOAT"]);
    let names: Vec<&str> = result.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["z", "a", "m", "b"], "in the order of the statement");
    assert!(result.truncated.is_none());
    let result = adapter
        .query("unwind [1, null, 'a'] as mixed return mixed, mixed is null as alike")
        .await
        .expect("works");
    assert_eq!(column_types(&result), ["ANY", "BOOLEAN"]);
    let result = adapter
        .query("match (n:NoSuchLabel) return n.x as n")
        .await
        .expect("works");
    assert_eq!(rows(&result), [""; 0]);
    assert_eq!(result.columns.len(), 1, "no rows still have columns");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_read_works() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    for (cypher, expected) in [
        ("unwind [1, 2] as n return n", vec!["[1]", "[2]"]),
        ("return 1 as n union all return 2 as n", vec!["[1]", "[2]"]),
        ("call { return 5 as n } return n", vec!["[5]"]),
        ("call db.labels() yield label where false return label", vec![]),
        (
            "show procedures yield name where name = 'db.labels' return name",
            vec![r#"["db.labels"]"#],
        ),
        ("return 1 as n;", vec!["[1]"]),
        (
            " // a comment\n return /* another */ 1 as n ; // the end",
            vec!["[1]"],
        ),
    ] {
        let result = adapter
            .query(cypher)
            .await
            .unwrap_or_else(|fault| panic!("{cypher}: {fault:?}"));
        assert_eq!(rows(&result), expected, "{cypher}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_query_pages() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    let mut asked = QueryRequest {
        limit: Some(3),
        ..request(
            "unwind range($from, 1000000000) as n return n, $to",
            &json!({"from": 1, "to": 2}),
        )
    };
    for page in [
        ["[1,2]", "[2,2]", "[3,2]"],
        ["[4,2]", "[5,2]", "[6,2]"],
        ["[7,2]", "[8,2]", "[9,2]"],
    ] {
        let result = adapter.ask(asked.clone()).await.expect("a page");
        assert_eq!(rows(&result), page);
        let truncated = result.truncated.expect("there are more");
        assert_eq!(truncated.reason(), TruncationReason::Rows);
        assert_eq!(truncated.consistent, Some(false));
        asked.cursor = truncated.next_cursor;
    }
    asked
        .params
        .insert("from".to_owned(), crate::adapter::value(&json!(2)));
    let fault = assert_fault(adapter.ask(asked).await, Reason::ArgumentInvalid, "another call");
    assert_eq!(fault.metadata["field"], "cursor");
    Server::of(neo4j).stops_running("1000000000").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_just_full_is_the_last() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    let mut asked = QueryRequest {
        limit: Some(3),
        ..request("unwind range(1, 6) as n return n", &json!({}))
    };
    let result = adapter.ask(asked.clone()).await.expect("a page");
    asked.cursor = result.truncated.expect("there are more").next_cursor;
    let result = adapter.ask(asked.clone()).await.expect("a page");
    assert_eq!(rows(&result), ["[4]", "[5]", "[6]"]);
    assert!(result.truncated.is_none(), "{:?}", result.truncated);
    // A cursor behind the last row, which happens when rows go between two pages.
    let seven = QueryRequest {
        limit: Some(6),
        ..request("unwind range(1, 7) as n return n", &json!({}))
    };
    let cursor = adapter
        .ask(seven)
        .await
        .expect("a page")
        .truncated
        .expect("there is one more")
        .next_cursor;
    assert!(cursor.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_stops_at_its_size_and_goes_on() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    let mut asked = QueryRequest {
        limit: Some(10_000),
        ..request(
            "unwind range(1, 100000) as n return n, reduce(t = '', i in range(1, 150) | t + 'xxxxxxxxxx') as t",
            &json!({}),
        )
    };
    let result = adapter.ask(asked.clone()).await.expect("a page");
    let first = result.rows.len();
    assert!((30..60).contains(&first), "{first}");
    let truncated = result.truncated.expect("there are more");
    assert_eq!(truncated.reason(), TruncationReason::Bytes);
    asked.cursor = truncated.next_cursor;
    let result = adapter.ask(asked).await.expect("a page");
    assert!(rows(&result)[0].starts_with(&format!("[{},", first + 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_clamped_and_said() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    let asked = QueryRequest {
        limit: Some(20_000),
        timeout_ms: Some(100_000),
        ..request("return 1 as n", &json!({}))
    };
    let result = adapter.ask(asked).await.expect("works");
    assert_eq!(
        result.notices,
        [
            "limit was lowered from 20000 to 10000",
            "timeout_ms was lowered from 100000 to 55000"
        ]
    );
    let asked = QueryRequest {
        limit: Some(0),
        ..request("return 1 as n", &json!({}))
    };
    assert_fault(adapter.ask(asked).await, Reason::ArgumentInvalid, "at least 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_told_with_its_place() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    for (cypher, code, position, part) in [
        (
            "match (n) retrun n",
            "Statement.SyntaxError",
            "11",
            "Invalid input 'retrun'",
        ),
        (
            "match (n)\nreturn m",
            "Statement.SyntaxError",
            "18",
            "Variable `m` not defined",
        ),
        (
            "return 'é😀', x",
            "Statement.SyntaxError",
            "14",
            "Variable `x` not defined",
        ),
        ("return 1/0", "Statement.ArithmeticError", "", "/ by zero"),
        (
            "return date('x') as n",
            "Statement.SyntaxError",
            "",
            "Text cannot be parsed",
        ),
    ] {
        let fault = adapter.query(cypher).await.expect_err(cypher);
        assert!(fault.message.contains(part), "{cypher}: {fault:?}");
        assert!(!fault.message.contains('\n'), "{cypher}: {fault:?}");
        assert!(fault.metadata["sqlstate"].ends_with(code), "{cypher}: {fault:?}");
        if !position.is_empty() {
            assert_eq!(fault.metadata["position"], position, "{cypher}: {fault:?}");
        }
    }
    // The connection is as good as new.
    assert_eq!(
        rows(&adapter.query("return 1 as n").await.expect("works")),
        ["[1]"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_notices_is_passed_on() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    let result = adapter
        .query("match (n:Persno) return n.naem as name")
        .await
        .expect("works");
    let notices = result.notices.join("\n");
    for part in ["Persno", "naem"] {
        assert!(notices.contains(part), "{notices}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_databases_of_the_settings_can_be_asked() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let settings = crate::adapter::settings(neo4j);
    let adapter = Adapter::start(&format!("{settings}\ndatabases = ['system']")).await;
    adapter.serving().await;
    let named = |database: &str, cypher: &str| QueryRequest {
        database: Some(database.to_owned()),
        ..request(cypher, &json!({}))
    };
    let result = adapter.ask(named("Neo4j", "return 1 as n")).await.expect("works");
    assert_eq!(rows(&result), ["[1]"]);
    let fault = assert_fault(
        adapter.ask(named("neo4k", "return 1 as n")).await,
        Reason::ObjectNotFound,
        "these can: neo4j, system",
    );
    assert_eq!(fault.metadata["did_you_mean"], "neo4j");
    let result = adapter
        .ask(named("system", "call db.info() yield name return name"))
        .await;
    assert_eq!(rows(&result.expect("works")), [r#"["system"]"#]);

    let adapter = Adapter::start(&format!("{settings}\ndatabase = 'nowhere'")).await;
    assert_fault(
        adapter.query("return 1 as n").await,
        Reason::ObjectNotFound,
        "nowhere",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_too_large_is_refused_and_costs_nothing_else() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::start(&format!("{}\npool_size = 1", crate::adapter::settings(neo4j))).await;
    for (cypher, part) in [
        // In a message of a size that is read, but of too many values; in one of a size that is not; in an answer.
        ("return range(1, 2000000) as l", "more than 1048576 values"),
        (
            "return reduce(t = 'x', i in range(1, 25) | t + t) as t",
            "more than 16 MB",
        ),
        (
            "return [i in range(1, 500) | {number: i, text: reduce(t = 'x', i in range(1, 9) | t + t)}] as l, 1 as a",
            "",
        ),
    ] {
        match adapter.query(cypher).await {
            Err(fault) => {
                assert_eq!(fault.reason, Reason::ResultTooLarge, "{cypher}: {fault:?}");
                assert!(
                    fault.message.contains(part) && fault.message.contains("return a part of it"),
                    "{fault:?}"
                );
            }
            Ok(result) => assert!(part.is_empty() && rows(&result)[0].contains("$cut"), "{cypher}"),
        }
        assert_eq!(
            rows(&adapter.query("return 1 as n").await.expect("works")),
            ["[1]"]
        );
    }
}
