//! Plans, of the real optimizers.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::mariadb::v1::*;
use mcp_hub_testing::MariaDb;
use serde_json::json;

use crate::adapter::{Adapter, Server, value};

/// A database with tables big enough to make a plan worth reading.
async fn shop(mariadb: &MariaDb, name: &str) -> (Adapter, Server) {
    Server::of(mariadb.url()).create_database(name).await;
    let url = mariadb.url_of(name);
    let server = Server::of(&url);
    server
        .run(&[
            "create table numbers (n int primary key)",
            "insert into numbers with recursive x (n) as (select 0 union all select n + 1 from x where n < 199) select n from x",
            "create table customers (id int primary key, country varchar(2), name varchar(50), key country (country))",
            "insert into customers select n, elt(1 + n % 4, 'de', 'fr', 'it', 'es'), concat('n', n) from numbers",
            "create table orders (id int primary key auto_increment, customer_id int, total decimal(10, 2), day date,
                                 note varchar(100), key customer (customer_id), key day (day))",
            "insert into orders (customer_id, total, day, note)
               select a.n, b.n / 7, date_add('2020-01-01', interval b.n day), concat('note ', b.n) from numbers a, numbers b where b.n < 150",
            "analyze table customers, orders",
        ])
        .await;
    (Adapter::of(&url).await, server)
}

async fn explain(adapter: &Adapter, request: ExplainQueryRequest) -> Result<ExplainQueryResponse, Fault> {
    let response = adapter.client.clone().explain_query(request).await;
    Ok(response
        .map_err(|status| Fault::from_status(&status))?
        .into_inner())
}

fn request(sql: &str, analyze: bool) -> ExplainQueryRequest {
    ExplainQueryRequest {
        sql: sql.to_owned(),
        analyze: Some(analyze),
        ..ExplainQueryRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_stands_out() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, _server) = shop(mariadb, "explain_findings").await;
    let found = |plan: &ExplainQueryResponse, part: &str| {
        assert!(
            plan.findings.iter().any(|finding| finding.contains(part)),
            "{part:?} is not in {plan:#?}"
        );
    };
    for analyze in [false, true] {
        let scan = explain(
            &adapter,
            request("select * from orders where note = 'note 7'", analyze),
        )
        .await
        .expect("explains");
        found(&scan, "orders is read as a whole");
        found(&scan, "= 'note 7'");
        assert!(
            (20_000.0..50_000.0).contains(&scan.estimated_rows_examined),
            "{scan:#?}"
        );
        assert_eq!(scan.execution_ms.is_some(), analyze);
        assert!(
            !scan.plan.is_empty() && scan.plan.iter().any(|line| line.contains("orders")),
            "{scan:#?}"
        );

        let point = explain(&adapter, request("select * from orders where id = 7", analyze))
            .await
            .expect("explains");
        assert!(point.findings.is_empty(), "{point:#?}");
        assert!(point.estimated_rows_examined <= 1.0, "{point:#?}");
    }
    let sql = "select * from orders where month(day) = 2";
    found(
        &explain(&adapter, request(sql, false)).await.expect("explains"),
        "applies month() to a column",
    );
    let sql = "select * from orders where note like '%7'";
    found(
        &explain(&adapter, request(sql, false)).await.expect("explains"),
        "begins with a wildcard",
    );
    let sql = "select note, count(*) from orders group by note order by count(*) desc";
    found(
        &explain(&adapter, request(sql, false)).await.expect("explains"),
        "sort",
    );
    // The optimizer knows nothing about a condition on two columns together, and guesses.
    let sql = "select count(*) from orders where concat(customer_id, note) like 'x%'";
    let timed = explain(&adapter, request(sql, true)).await.expect("explains");
    assert!(timed.execution_ms.expect("a time") > 0.0);
    found(&timed, "% of the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_unions_subqueries_and_odd_statements_have_plans() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = shop(mariadb, "explain_shapes").await;
    let mut statements = vec![
        "select c.name, sum(o.total) s from orders o join customers c on c.id = o.customer_id where c.country = 'de'
          group by c.name order by s desc limit 5",
        "select id from orders where note = 'x' union select id from customers order by 1",
        "select * from orders where id in (select max(id) from orders group by day)",
        "select (select count(*) from orders o where o.customer_id = c.id) from customers c where exists (select 1 from orders)",
        "with recursive x (n) as (select 1 union all select n + 1 from x where n < 5) select * from x, customers",
        "select row_number() over (partition by country order by name), c.* from customers c",
        "select distinct country from customers a join (select name from customers limit 3) b on a.name <> b.name",
        "select 1",
        "select * from orders where 1 = 0",
        "select * from orders where id = ?;",
        "/* a comment */ select count(*) from information_schema.tables -- and another",
    ];
    statements.push(if server.is_mariadb().await {
        "values (1, 2), (3, 4)"
    } else {
        "table customers"
    });
    for sql in statements {
        for analyze in [false, true] {
            let request = ExplainQueryRequest {
                params: vec![value(&json!(7)); sql.matches('?').count()],
                ..request(sql, analyze)
            };
            let plan = explain(&adapter, request)
                .await
                .unwrap_or_else(|fault| panic!("{sql}: {fault:?}"));
            assert!(!plan.plan.is_empty(), "{sql}: {plan:#?}");
            assert!(
                plan.plan.iter().all(|line| !line.trim().is_empty()),
                "{sql}: {plan:#?}"
            );
            // What reads no table is not timed.
            if plan.plan.iter().any(|line| line.contains("rows=")) {
                assert_eq!(plan.execution_ms.is_some(), analyze, "{sql}: {plan:#?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_read_is_explained_and_analyze_only_reads() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = shop(mariadb, "explain_reads").await;
    for (sql, reason) in [
        ("delete from orders", Reason::WriteNotAllowed),
        ("with x as (select 1) delete from orders", Reason::WriteNotAllowed),
        ("select 1 into outfile 'x'", Reason::WriteNotAllowed),
        ("select get_lock('a', 1)", Reason::WriteNotAllowed),
        ("select * from mysql.user", Reason::AccessDenied),
        ("explain select 1", Reason::ArgumentInvalid),
        ("show tables", Reason::ArgumentInvalid),
        ("select * from orders where id = ?", Reason::ArgumentInvalid),
        ("select 1; delete from orders", Reason::StatementInvalid),
    ] {
        for analyze in [false, true] {
            let fault = explain(&adapter, request(sql, analyze)).await.expect_err(sql);
            assert_eq!(fault.reason, reason, "{sql}: {fault:?}");
        }
    }
    let fault = explain(&adapter, request("  select * from orders wher id = 1", false))
        .await
        .expect_err("a syntax error");
    assert_eq!(
        (
            fault.metadata["code"].as_str(),
            fault.metadata.get("position").map(String::as_str)
        ),
        ("1064", Some("29"))
    );
    let slow = ExplainQueryRequest {
        timeout_ms: Some(300),
        ..request(
            "select count(*) from orders a, orders b, orders c where a.note <> b.note",
            true,
        )
    };
    let fault = explain(&adapter, slow).await.expect_err("too long");
    assert_eq!(fault.reason, Reason::StatementTimedOut, "{fault:?}");
    server.stops_running("a.note <> b.note").await;
    assert_eq!(server.value("select count(*) from orders").await, "30000");
}
