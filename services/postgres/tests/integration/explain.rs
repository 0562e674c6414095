//! Plans and what stands out in them.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::postgres::v1::*;
use mcp_hub_testing::Postgres;
use serde_json::json;

use crate::adapter::{Adapter, Server, value};

async fn explain(
    adapter: &Adapter,
    sql: &str,
    params: serde_json::Value,
    analyze: bool,
) -> Result<ExplainQueryResponse, Fault> {
    let request = ExplainQueryRequest {
        sql: sql.to_owned(),
        params: params.as_array().expect("a list").iter().map(value).collect(),
        analyze: Some(analyze),
        ..ExplainQueryRequest::default()
    };
    let response = adapter.client.clone().explain_query(request).await;
    Ok(response
        .map_err(|status| Fault::from_status(&status))?
        .into_inner())
}

async fn with_table(postgres: &Postgres, name: &str) -> (Adapter, Server) {
    Server::of(postgres.url()).create_database(name).await;
    let url = postgres.url_of(name);
    let server = Server::of(&url);
    server
        .run(&[
            "create table orders (id int primary key, customer int, note text)",
            // Every tenth customer has nearly all orders, which the planner can't know of the pair of columns.
            "insert into orders select n, n % 100, 'note ' || n % 100 from generate_series(1, 100000) n",
            "create table customers (id int primary key, name text)",
            "insert into customers select n, 'c' || n from generate_series(1, 1000) n",
            "analyze orders",
            "analyze customers",
        ])
        .await;
    (Adapter::of(&url).await, server)
}

/// Numbers that differ from run to run, masked.
fn masked(plan: &[String]) -> String {
    let mut text = String::new();
    let mut in_number = false;
    for character in plan.join("\n").chars() {
        let counts = character.is_ascii_digit() || in_number && matches!(character, '.' | ',');
        if counts && !in_number {
            text.push('N');
        } else if !counts {
            text.push(character);
        }
        in_number = counts;
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_told_in_lines() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, _server) = with_table(postgres, "explain_lines").await;
    let sql = "select c.name, count(*) from orders o join customers c on c.id = o.customer
                where o.note = 'note 5' group by 1 order by 2 desc limit 3;";
    let explained = explain(&adapter, sql, json!([]), false).await.expect("explains");
    insta::assert_snapshot!("plan", masked(&explained.plan));
    insta::assert_snapshot!("findings", masked(&explained.findings));
    assert!(explained.total_cost > 1000.0 && (explained.estimated_rows - 3.0).abs() < 0.1);
    assert_eq!((explained.planning_ms, explained.execution_ms), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn analyze_runs_it_and_finds_what_went_wrong() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, server) = with_table(postgres, "explain_analyze").await;
    let sql = "select * from orders where customer = 5 and note = 'note 5' order by md5(note)";
    let explained = explain(&adapter, sql, json!([]), true).await.expect("explains");
    assert!(explained.execution_ms > Some(0.0) && explained.planning_ms.is_some());
    let findings = explained.findings.join("\n");
    assert!(
        findings.contains("orders is read as a whole to keep 1,000 of 100,000 rows by"),
        "{findings}"
    );
    assert!(findings.contains("rows and gave 1,000, "), "{findings}");
    assert!(findings.contains("% of the time by itself"), "{findings}");
    let sql = "select * from orders order by md5(note || id), note";
    let findings = explain(&adapter, sql, json!([]), true)
        .await
        .expect("explains")
        .findings
        .join("\n");
    assert!(findings.contains("Sort went to disk with"), "{findings}");
    assert!(explained.plan.iter().any(|line| line.contains("Buffers: ")));

    // Whatever it runs, it changes nothing.
    let fault = explain(&adapter, "delete from orders", json!([]), true)
        .await
        .expect_err("refused");
    assert_eq!(fault.reason, Reason::WriteNotAllowed);
    assert_eq!(server.value("select count(*) from orders").await, "100000");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_may_have_values_or_none() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, _server) = with_table(postgres, "explain_params").await;
    let sql = "select * from orders where id = $1 and customer = $2";
    let bound = explain(&adapter, sql, json!([7, 7]), false)
        .await
        .expect("with values");
    assert!(
        bound
            .plan
            .iter()
            .any(|line| line.contains("Index Cond: (id = 7)")),
        "{:?}",
        bound.plan
    );
    let generic = explain(&adapter, sql, json!([]), false)
        .await
        .expect("without values");
    assert!(
        generic
            .plan
            .iter()
            .any(|line| line.contains("Index Cond: (id = $1)")),
        "{:?}",
        generic.plan
    );
    // Again, since a prepared statement outlives its transaction; and after a failure between.
    explain(&adapter, sql, json!([]), false).await.expect("again");
    let fault = explain(&adapter, "select 1/$1::int, x", json!([]), false)
        .await
        .expect_err("no such column");
    assert_eq!(
        (
            fault.metadata["sqlstate"].as_str(),
            fault.metadata["position"].as_str()
        ),
        ("42703", "19")
    );
    explain(&adapter, sql, json!([]), false).await.expect("again");
    let left = "select count(*) from pg_prepared_statements where name like 'mcp_hub%'";
    assert_eq!(
        crate::adapter::rows(&adapter.query(left).await.expect("works")),
        ["[0]"]
    );

    let fault = explain(&adapter, sql, json!([]), true)
        .await
        .expect_err("can't run");
    assert_eq!(
        (fault.reason, fault.metadata["field"].as_str()),
        (Reason::ArgumentInvalid, "params")
    );
    let ran = explain(&adapter, sql, json!([7, 7]), true).await.expect("runs");
    assert!(ran.execution_ms.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_those_of_the_statement() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let fault = explain(&adapter, "  select nothing from pg_class", json!([]), false)
        .await
        .expect_err("no such column");
    assert_eq!(
        (fault.reason, fault.metadata["position"].as_str()),
        (Reason::StatementInvalid, "10")
    );
    for sql in ["explain select 1", "show all"] {
        let fault = explain(&adapter, sql, json!([]), false).await.expect_err(sql);
        assert_eq!(
            (fault.reason, fault.metadata["field"].as_str()),
            (Reason::ArgumentInvalid, "sql")
        );
    }
    let request = ExplainQueryRequest {
        sql: "select pg_sleep(60)".to_owned(),
        analyze: Some(true),
        timeout_ms: Some(200),
        ..ExplainQueryRequest::default()
    };
    let fault = Fault::from_status(
        &adapter
            .client
            .clone()
            .explain_query(request)
            .await
            .expect_err("too long"),
    );
    assert_eq!(fault.reason, Reason::StatementTimedOut);
}
