//! Reads: results, limits, paging, errors.

use std::collections::BTreeSet;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::TruncationReason;
use mcp_hub_proto::mariadb::v1::QueryRequest;
use mcp_hub_testing::{MariaDb, eventually};
use serde_json::json;

use crate::adapter::{Adapter, SOON, Server, assert_fault, column_types, rows};

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_has_columns_and_rows() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    let result = adapter
        .query("select 1 as a, 'x' as a, cast(null as decimal(5,2)) as b, 2")
        .await
        .expect("works");
    assert_eq!(rows(&result), [r#"[1,"x",null,2]"#]);
    assert_eq!(column_types(&result)[1..3], ["varchar", "decimal"]);
    let names: Vec<&str> = result.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["a", "a", "b", "2"], "duplicate names survive");
    assert!(result.truncated.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_read_works() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.create_database("kinds").await;
    let url = mariadb.url_of("kinds");
    Server::of(&url)
        .run(&["create table `my-table` (`a b` int primary key, c text)"])
        .await;
    let adapter = Adapter::of(&url).await;
    for (sql, expected) in [
        ("select 1", vec!["[1]"]),
        ("select 1;", vec!["[1]"]),
        (" -- a comment\n select /* another */ 1 ; -- the end", vec!["[1]"]),
        ("with t as (select 5 as n) select n from t", vec!["[5]"]),
        ("select 1 from dual where false", vec![]),
        ("(select 1) union all (select 2)", vec!["[1]", "[2]"]),
        ("select `a b` from `my-table`", vec![]),
        ("show tables", vec![r#"["my-table"]"#]),
        ("show tables like 'none'", vec![]),
        (
            "show columns from `my-table` like 'c'",
            vec![r#"["c","text","YES","",null,""]"#],
        ),
        (
            "select \"a string\", 'it''s', '\\\\'",
            vec![r#"["a string","it's","\\"]"#],
        ),
        ("select 1 as `a``b`", vec!["[1]"]),
    ] {
        let result = adapter
            .query(sql)
            .await
            .unwrap_or_else(|fault| panic!("{sql}: {fault:?}"));
        assert_eq!(rows(&result), expected, "{sql}");
    }
    // Those whose rows differ from server to server. MySQL can't prepare SHOW WARNINGS.
    for sql in [
        "describe `my-table`",
        "show create table `my-table`",
        "show index from `my-table`",
        "show table status",
        "show variables like 'version'",
        "show status like 'Uptime'",
        "show databases",
        "show engines",
        "show collation like 'utf8mb4_bin'",
        "show character set like 'utf8mb4'",
        "explain select * from `my-table`",
        "explain format=json select * from `my-table`",
    ] {
        let result = adapter
            .query(sql)
            .await
            .unwrap_or_else(|fault| panic!("{sql}: {fault:?}"));
        assert!(
            sql == "show warnings" || !result.rows.is_empty() || sql.starts_with("show index"),
            "{sql}"
        );
        // Nothing to show, and the server does not tell of what: it describes this statement only with a row.
        assert!(!result.rows.is_empty() && !result.columns.is_empty(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rows_still_have_columns_and_the_latest_ones() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).create_database("empty").await;
    let url = mariadb.url_of("empty");
    let server = Server::of(&url);
    server.run(&["create table t (a int, b varchar(10))"]).await;
    let adapter = Adapter::start(&format!("url = '{url}'\npool_size = 1")).await;
    let result = adapter.query("select * from t").await.expect("works");
    assert_eq!(column_types(&result), ["int", "varchar"]);
    // The statement is prepared in the session, of which there is one.
    server
        .run(&["alter table t drop column b, add column d datetime, add column e double"])
        .await;
    let result = adapter.query("select * from t").await.expect("works");
    assert_eq!(column_types(&result), ["int", "datetime", "double"]);
    server
        .run(&[
            "insert into t values (1, '2024-01-01', 0.5)",
            "alter table t drop column d",
        ])
        .await;
    let result = adapter.query("select * from t").await.expect("works");
    assert_eq!(rows(&result), ["[1,0.5]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_query_pages() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.make_many().await;
    let adapter = Adapter::of(mariadb.url()).await;
    let mut request = QueryRequest {
        sql: "select /* pages */ a.n + ? from many.n a, many.n b, many.n c, many.n d where a.n = 1"
            .to_owned(),
        params: vec![crate::adapter::value(&json!(1))],
        limit: Some(3),
        ..QueryRequest::default()
    };
    for _ in 0..3 {
        let result = adapter.ask(request.clone()).await.expect("a page");
        assert_eq!(rows(&result), ["[2]", "[2]", "[2]"]);
        let truncated = result.truncated.expect("there are more");
        assert_eq!(truncated.reason(), TruncationReason::Rows);
        assert_eq!(truncated.consistent, Some(false));
        request.cursor = truncated.next_cursor;
    }
    request.params = vec![crate::adapter::value(&json!(2))];
    let fault = assert_fault(
        adapter.ask(request).await,
        Reason::ArgumentInvalid,
        "another call",
    );
    assert_eq!(fault.metadata["field"], "cursor");
    server.stops_running("pages").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    let mut request = QueryRequest {
        sql: "with recursive n (n) as (select 1 union all select n + 1 from n where n < 7) select n from n"
            .to_owned(),
        limit: Some(3),
        ..QueryRequest::default()
    };
    for (page, more) in [
        (vec!["[1]", "[2]", "[3]"], true),
        (vec!["[4]", "[5]", "[6]"], true),
        (vec!["[7]"], false),
    ] {
        let result = adapter.ask(request.clone()).await.expect("a page");
        assert_eq!(rows(&result), page);
        assert_eq!(result.truncated.is_some(), more);
        request.cursor = result.truncated.and_then(|truncated| truncated.next_cursor);
    }
    // A page that is just full is the last, and a LIMIT of the statement's own counts.
    for sql in [
        "select 1 union all select 2 union all select 3",
        "with recursive n (n) as (select 1 union all select n + 1 from n where n < 7) select n from n limit 3",
    ] {
        let result = adapter
            .ask(QueryRequest {
                sql: sql.to_owned(),
                limit: Some(3),
                ..QueryRequest::default()
            })
            .await
            .expect("a page");
        assert_eq!((result.rows.len(), result.truncated), (3, None), "{sql}");
    }
    let result = adapter
        .ask(QueryRequest {
            sql: "with recursive n (n) as (select 1 union all select n + 1 from n where n < 90) select n from n limit 50".to_owned(),
            limit: Some(3),
            ..QueryRequest::default()
        })
        .await
        .expect("a page");
    assert_eq!((result.rows.len(), result.truncated.is_some()), (3, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_stops_at_its_size_and_goes_on() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).make_many().await;
    let adapter = Adapter::of(mariadb.url()).await;
    let mut request = QueryRequest {
        sql: "select /* sized */ n, repeat('x', 1500) from many.n order by n".to_owned(),
        limit: Some(10_000),
        ..QueryRequest::default()
    };
    let result = adapter.ask(request.clone()).await.expect("a page");
    let first = result.rows.len();
    assert!((30..60).contains(&first), "{first}");
    let truncated = result.truncated.expect("there are more");
    assert_eq!(truncated.reason(), TruncationReason::Bytes);
    request.cursor = truncated.next_cursor;
    let result = adapter.ask(request).await.expect("the next page");
    assert!(rows(&result)[0].starts_with(&format!("[{},", first + 1)));
    Server::of(mariadb.url()).stops_running("sized").await;
    adapter.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_can_never_fit_says_so_and_harms_nobody() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::start(&format!("url = '{}'\npool_size = 1", mariadb.url())).await;
    Server::of(mariadb.url()).make_many().await;
    let wide = vec!["repeat('x', 2000)"; 40].join(", ");
    for _ in 0..3 {
        let result = adapter.query(&format!("select {wide} from many.n")).await;
        assert_fault(result, Reason::ResultTooLarge, "one row is larger");
    }
    assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_clamped_and_said() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    let request = QueryRequest {
        sql: "select 1".to_owned(),
        limit: Some(20_000),
        timeout_ms: Some(90_000),
        ..QueryRequest::default()
    };
    let result = adapter.ask(request.clone()).await.expect("works");
    assert_eq!(
        result.notices,
        [
            "limit was lowered from 20000 to 10000",
            "timeout_ms was lowered from 90000 to 55000"
        ]
    );
    let zero = QueryRequest {
        limit: Some(0),
        ..request
    };
    assert_fault(adapter.ask(zero).await, Reason::ArgumentInvalid, "limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_has_its_code_and_its_place() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    let fault = assert_fault(
        adapter.query("  select 'ä' frm t where 1").await,
        Reason::StatementInvalid,
        "SQL syntax",
    );
    assert_eq!(fault.metadata["sqlstate"], "42000");
    assert_eq!(fault.metadata["code"], "1064");
    assert_eq!(fault.metadata["position"], "18", "{fault:?}");
    let fault = assert_fault(
        adapter.query("select lenght('a')").await,
        Reason::StatementInvalid,
        "lenght",
    );
    assert_eq!(fault.metadata["code"], "1305");
    // The session is as good as before.
    assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_s_warnings_are_told() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    let result = adapter
        .query("select cast('12x' as signed)")
        .await
        .expect("works");
    assert_eq!(rows(&result), ["[12]"]);
    assert_eq!(
        result.notices,
        ["the server said: Truncated incorrect INTEGER value: '12x'"]
    );
    assert_eq!(adapter.query("select 1").await.expect("works").notices, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_sees_what_was_committed_before_it() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).create_database("fresh").await;
    let url = mariadb.url_of("fresh");
    let server = Server::of(&url);
    server
        .run(&["create table t (n int)", "insert into t values (0)"])
        .await;
    let adapter = Adapter::start(&format!("url = '{url}'\npool_size = 1")).await;
    for n in 0..5 {
        let result = adapter.query("select n from t").await.expect("works");
        assert_eq!(rows(&result), [format!("[{n}]")]);
        server.run(&["update t set n = n + 1"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_are_asked_by_name() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    for name in ["second-one", "third", "secret"] {
        server.create_database(name).await;
    }
    let adapter = Adapter::start(&format!(
        "url = '{}'\ndeny_databases = ['secret']\npool_size = 2",
        mariadb.url_of("third")
    ))
    .await;
    let ask = async |database: &str| {
        adapter
            .ask(QueryRequest {
                sql: "select database()".to_owned(),
                database: Some(database.to_owned()),
                ..QueryRequest::default()
            })
            .await
    };
    for name in [
        "second-one",
        "third",
        "second-one",
        "information_schema",
        "",
        "third",
    ] {
        let expected = if name.is_empty() { "third" } else { name };
        let result = ask(name).await.expect("works");
        assert_eq!(rows(&result), [format!("[\"{expected}\"]")]);
    }
    // The limit counts for all of them together.
    let pool = adapter.at_rest().await.pool.expect("a pool");
    assert!(pool.open <= pool.max && pool.max == 2, "{pool:?}");
    let fault = assert_fault(ask("secondone").await, Reason::ObjectNotFound, "secondone");
    assert_eq!(fault.metadata["did_you_mean"], "second-one");
    assert_fault(ask("secret").await, Reason::ObjectNotFound, "can be asked");
    assert_fault(ask("`; drop").await, Reason::ObjectNotFound, "can be asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_meant_is_told() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).create_database("meant").await;
    let url = mariadb.url_of("meant");
    Server::of(&url)
        .run(&[
            "create table customers (id int, full_name text)",
            "create function discount() returns int deterministic return 5",
        ])
        .await;
    let adapter = Adapter::of(&url).await;
    for (sql, expected) in [
        ("select * from custmers", Some("customers")),
        ("select * from meant.custmers", Some("customers")),
        ("select c.fulname from customers c", Some("full_name")),
        ("select discuont()", Some("discount")),
        ("select * from zzzzzzzz", None),
    ] {
        let fault = adapter.query(sql).await.expect_err("fails");
        assert_eq!(fault.reason, Reason::StatementInvalid, "{fault:?}");
        assert_eq!(
            fault.metadata.get("did_you_mean").map(String::as_str),
            expected,
            "{sql}: {fault:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_call_is_left_to_the_next() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).create_database("traces").await;
    let url = mariadb.url_of("traces");
    let server = Server::of(&url);
    server
        .run(&[
            "create function leave_traces() returns int deterministic begin
                 set @left_over = 42; set sql_mode = 'ANSI_QUOTES'; do get_lock('left over', 0); return 1; end",
            "create view leaving as select leave_traces() as a",
        ])
        .await;
    let adapter = Adapter::start(&format!("url = '{url}'\npool_size = 1")).await;
    // MySQL does not show that the view's function has left a variable.
    let through_a_view = server.is_mariadb().await.then_some("select a from leaving");
    for sql in std::iter::once("select leave_traces()").chain(through_a_view) {
        let result = adapter.query(sql).await.expect("works");
        assert_eq!(rows(&result), ["[1]"]);
        // The session is closed in the background, behind the answer.
        eventually(SOON, async || {
            let holder = server
                .value("select coalesce(is_used_lock('left over'), 0)")
                .await;
            if holder == "0" {
                Ok(())
            } else {
                Err(format!("{sql}: {holder}"))
            }
        })
        .await;
        let result = adapter.query("select @left_over, \"a\"").await.expect("works");
        assert_eq!(rows(&result), [r#"[null,"a"]"#], "{sql}");
    }
}

/// What closes a prepared statement has no answer, and what is sent behind it waits 40 ms for the server's acknowledgement.
#[tokio::test(flavor = "multi_thread")]
async fn no_call_waits_for_an_acknowledgement_and_no_session_keeps_statements_for_good() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    let (mut sessions, mut times) = (BTreeSet::new(), Vec::new());
    for number in 0..400 {
        let result = adapter
            .query(&format!("select connection_id(), {number}"))
            .await
            .expect("a row");
        sessions.insert(rows(&result)[0].split(',').next().map(str::to_owned));
        times.push(result.elapsed_ms);
    }
    let fastest = times[100..].iter().min();
    assert!(fastest < Some(&20), "{times:?}");
    assert!(sessions.len() > 2, "{sessions:?}");
}
