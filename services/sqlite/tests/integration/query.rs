//! Queries: parameters, paging, streaming, errors that help.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::TruncationReason;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::sqlite::v1::{QueryRequest, StreamQueryRequest};
use tokio_stream::StreamExt as _;

use crate::harness::{Adapter, param, shown};

const ENDLESS: &str = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n";

fn request(sql: &str) -> QueryRequest {
    QueryRequest {
        sql: sql.to_owned(),
        ..QueryRequest::default()
    }
}

#[tokio::test]
async fn parameters_are_bound_by_position_however_they_are_written() {
    let adapter = Adapter::on("").await;
    let params = vec![param(Kind::Int(7)), param(Kind::Text("a'b".to_owned()))];
    for sql in [
        "select ?1, ?2",
        "select ?, ?",
        "select :seven, :text",
        "select @a, $b",
        "select ?1, :x -- ?9",
    ] {
        let request = QueryRequest {
            params: params.clone(),
            ..request(sql)
        };
        let row = adapter.ask(request).await.expect("answers").rows.remove(0);
        assert_eq!(row.values, params, "{sql}");
    }
    for (sql, count) in [
        ("select ?1", 1),
        ("select ?1, ?2, ?3", 3),
        ("select ?3", 3),
        ("select 1", 0),
    ] {
        let fault = adapter
            .ask(QueryRequest {
                params: params.clone(),
                ..request(sql)
            })
            .await
            .expect_err("wrong count");
        assert_eq!(
            (fault.reason, fault.metadata["field"].as_str()),
            (Reason::ArgumentInvalid, "params")
        );
        let plural = if count == 1 { "" } else { "s" };
        assert_eq!(
            fault.message,
            format!("the statement has {count} parameter{plural}, and params has 2 values")
        );
    }
}

#[tokio::test]
async fn an_endless_query_stops_at_the_cap_and_goes_on_from_its_cursor() {
    let adapter = Adapter::on("").await;
    let mut request = QueryRequest {
        limit: Some(3),
        ..request(ENDLESS)
    };
    for page in 0..3 {
        let result = adapter.ask(request.clone()).await.expect("answers");
        let first: Vec<_> = result.rows.iter().map(|row| row.values[0].kind.clone()).collect();
        let expected: Vec<_> = (1..=3).map(|i| Some(Kind::Int(page * 3 + i))).collect();
        assert_eq!(first, expected);
        let truncated = result.truncated.expect("there is more");
        assert_eq!(
            (truncated.reason(), truncated.consistent),
            (TruncationReason::Rows, Some(false))
        );
        request.cursor = truncated.next_cursor;
    }
    request.sql.push(' ');
    let fault = adapter.ask(request).await.expect_err("a foreign cursor");
    assert_eq!(
        (fault.reason, fault.metadata["field"].as_str()),
        (Reason::ArgumentInvalid, "cursor")
    );
}

/// With Nagle's algorithm on, an answer waits for the peer's delayed acknowledgement: 40 ms, each time.
#[tokio::test]
async fn answers_do_not_wait_for_acknowledgements() {
    let adapter = Adapter::on("").await;
    let mut fastest = std::time::Duration::MAX;
    for _ in 0..20 {
        let started = std::time::Instant::now();
        adapter.query("select 1").await.expect("answers");
        fastest = fastest.min(started.elapsed());
    }
    assert!(fastest < std::time::Duration::from_millis(30), "{fastest:?}");
}

#[tokio::test]
async fn the_last_page_has_no_cursor_and_limits_are_clamped_and_said() {
    let adapter = Adapter::on("").await;
    let sql = format!("{ENDLESS} limit 5");
    let result = adapter
        .ask(QueryRequest {
            limit: Some(5),
            ..request(&sql)
        })
        .await
        .expect("answers");
    assert_eq!((result.rows.len(), result.truncated), (5, None));
    let result = adapter
        .ask(QueryRequest {
            limit: Some(20_000),
            ..request(&sql)
        })
        .await
        .expect("answers");
    assert_eq!(result.notices, ["limit was lowered from 20000 to 10000"]);
    let fault = adapter
        .ask(QueryRequest {
            limit: Some(0),
            ..request(&sql)
        })
        .await
        .expect_err("no limit");
    assert_eq!(fault.reason, Reason::ArgumentInvalid);
}

#[tokio::test]
async fn a_wide_answer_ends_at_its_size_and_a_long_cell_shows_its_length() {
    let adapter = Adapter::on("").await;
    let sql = format!("select i, printf('%.*c', 1500, 'x') from ({ENDLESS})");
    let result = adapter.query(&sql).await.expect("answers");
    assert!(result.rows.len() < 45, "{}", result.rows.len());
    let truncated = result.truncated.clone().expect("there is more");
    assert_eq!(truncated.reason(), TruncationReason::Bytes);
    assert!(shown(result).len() <= 60_000);

    let Kind::Cut(cut) = adapter.value("select printf('%.*c', 3000, 'ä')").await else {
        panic!("not cut");
    };
    assert_eq!((cut.text.chars().count(), cut.length), (2_048, 3_000));
}

#[tokio::test]
async fn one_statement_with_comments_and_semicolons_is_fine_two_are_refused() {
    let adapter = Adapter::on("").await;
    for sql in [
        "select 1;",
        " ; select 1 ;; ",
        "select 1 -- the end",
        "/* a; b */ select 1; /* c */ ; -- d\n",
    ] {
        assert_eq!(adapter.value(sql).await, Kind::Int(1), "{sql}");
    }
    for sql in [
        "select 1; select 2",
        "select 1;;\n-- x\nselect 2",
        "select 1; drop table t",
        "select 1; nonsense",
    ] {
        let fault = adapter.query(sql).await.expect_err("two statements");
        assert_eq!(fault.reason, Reason::StatementInvalid, "{sql}");
        assert_eq!(
            fault.message,
            "one statement at a time: there is more text after the first one"
        );
    }
    for (sql, message) in [
        ("", "there is no statement in this text"),
        (" ; -- nothing", "there is no statement in this text"),
        (
            "select 1 \0; drop table t",
            "the statement contains a NUL character",
        ),
    ] {
        assert_eq!(
            adapter.query(sql).await.expect_err("no statement").message,
            message
        );
    }
}

#[tokio::test]
async fn errors_say_where_and_what_was_meant() {
    let adapter = Adapter::on_sample().await;
    for (sql, message, position, meant) in [
        ("selec 1", "near \"selec\": syntax error", "1", ""),
        ("select 'ä', * fro orders", "near \"fro\": syntax error", "15", ""),
        (
            ";;  select * from ordres",
            "no such table: ordres",
            "19",
            "orders",
        ),
        ("select nmae from customers", "no such column: nmae", "8", "name"),
        (
            "select o.statsu from orders o",
            "no such column: o.statsu",
            "8",
            "status",
        ),
        ("select lenght('a')", "no such function: lenght", "8", "length"),
    ] {
        let fault = adapter.query(sql).await.expect_err("an error");
        assert_eq!(
            (fault.reason, fault.message.as_str()),
            (Reason::StatementInvalid, message)
        );
        assert_eq!(
            fault.metadata.get("position").map(String::as_str),
            Some(position),
            "{sql}"
        );
        let hints = fault.metadata.get("did_you_mean").map_or("", String::as_str);
        assert!(hints.split(',').any(|hint| hint == meant), "{sql}: {hints}");
    }
    // A misspelt name in double quotes is no text.
    let fault = adapter
        .query("select \"nmae\" from customers")
        .await
        .expect_err("an error");
    assert_eq!(fault.metadata["did_you_mean"].split(',').next(), Some("name"));
    // While it runs.
    let fault = adapter
        .query("select json_extract('{', '$')")
        .await
        .expect_err("an error");
    assert_eq!(
        (fault.reason, fault.message.as_str()),
        (Reason::StatementInvalid, "malformed JSON")
    );
    let fault = adapter
        .query("select abs(-9223372036854775807 - 1)")
        .await
        .expect_err("an error");
    assert_eq!(fault.message, "integer overflow");
}

#[tokio::test]
async fn too_much_of_anything_is_refused() {
    let adapter = Adapter::on("create table t (a)").await;
    let deep = format!("select {}1", "~".repeat(2_000));
    let wide = format!("select {}1", "1 + ".repeat(2_000));
    let compound = format!("select 1{}", " union all select 1".repeat(300));
    let long = format!("select '{}'", "x".repeat(2 << 20));
    let pattern = format!("select 'a' like '{}'", "%a".repeat(600));
    for sql in [
        &deep,
        &wide,
        &compound,
        &long,
        &pattern,
        "select zeroblob(1000000000)",
        "select hex(zeroblob(60000000))",
    ] {
        let fault = adapter.query(sql).await.expect_err("too much");
        assert_eq!(fault.reason, Reason::StatementInvalid, "{}", &sql[..40]);
    }
    assert_eq!(adapter.value("select 1").await, Kind::Int(1));
}

#[tokio::test]
#[ignore = "lowers a limit of the whole process: memory_is_bounded runs it in one of its own"]
async fn memory_is_bounded_here() {
    let adapter = Adapter::on_with("", |config| config.memory_mb = 64).await;
    let sql = format!("select i, randomblob(1000) from ({ENDLESS}) order by 2");
    let fault = adapter.query(&sql).await.expect_err("too much to sort");
    assert_eq!(fault.reason, Reason::StatementInvalid);
    assert!(fault.message.contains("SQLITE_MEMORY_MB"), "{}", fault.message);
    assert_eq!(adapter.value("select 1").await, Kind::Int(1));
}

#[test]
fn memory_is_bounded() {
    let program = std::env::current_exe().expect("a program");
    let output = std::process::Command::new(program)
        .args(["--exact", "query::memory_is_bounded_here", "--ignored"])
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn a_stream_has_all_rows_in_batches_and_the_types_in_the_first() {
    let adapter = Adapter::on("").await;
    let sql = format!("select i, case when i > 5 then 'text' end as late from ({ENDLESS}) limit 2500");
    let request = StreamQueryRequest {
        sql,
        ..StreamQueryRequest::default()
    };
    let mut stream = adapter
        .reader()
        .stream_query(request)
        .await
        .expect("starts")
        .into_inner();
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch.expect("a batch").result.expect("a result"));
    }
    assert_eq!(
        batches.iter().map(|batch| batch.rows.len()).collect::<Vec<_>>(),
        [1_000, 1_000, 500]
    );
    let columns: Vec<_> = batches[0]
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.r#type.as_str()))
        .collect();
    assert_eq!(columns, [("i", "integer"), ("late", "text")]);
    assert!(batches[1..].iter().all(|batch| batch.columns.is_empty()));
    assert_eq!(batches[2].rows[499].values[0].kind, Some(Kind::Int(2_500)));
    assert_eq!(batches[2].truncated, None);
}

#[tokio::test]
async fn a_stream_ends_at_its_callers_limit_and_reports_errors_at_its_end() {
    let adapter = Adapter::on("").await;
    let request = StreamQueryRequest {
        sql: ENDLESS.to_owned(),
        limit: Some(10),
        ..StreamQueryRequest::default()
    };
    let mut stream = adapter
        .reader()
        .stream_query(request)
        .await
        .expect("starts")
        .into_inner();
    let batch = stream
        .next()
        .await
        .expect("one")
        .expect("a batch")
        .result
        .expect("a result");
    assert_eq!(batch.rows.len(), 10);
    assert_eq!(
        batch.truncated.expect("there is more").reason(),
        TruncationReason::Rows
    );
    assert!(stream.next().await.is_none());

    let request = StreamQueryRequest {
        sql: "select * from nowhere".to_owned(),
        ..StreamQueryRequest::default()
    };
    let mut stream = adapter
        .reader()
        .stream_query(request)
        .await
        .expect("starts")
        .into_inner();
    let status = stream.next().await.expect("an end").expect_err("an error");
    assert_eq!(status.message(), "no such table: nowhere");

    let request = StreamQueryRequest {
        sql: ENDLESS.to_owned(),
        timeout_ms: Some(100),
        ..StreamQueryRequest::default()
    };
    let mut stream = adapter
        .reader()
        .stream_query(request)
        .await
        .expect("starts")
        .into_inner();
    let end = loop {
        if let Err(status) = stream.next().await.expect("an end") {
            break status;
        }
    };
    assert_eq!(
        mcp_hub_chassis::Fault::from_status(&end).reason,
        Reason::StatementTimedOut
    );
}
