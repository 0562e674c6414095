//! `FollowQuery`: progress while a statement runs, its answer at the end, and no statement without its follower.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::postgres::v1::{FollowQueryRequest, FollowQueryResponse, QueryRequest, QueryResponse};
use mcp_hub_proto::progress::v1::Progress;
use mcp_hub_testing::{Postgres, eventually};
use tonic::{Request, Streaming};

use crate::adapter::{Adapter, SOON, Server, assert_fault, rows, value};

fn request(sql: &str) -> QueryRequest {
    QueryRequest {
        sql: sql.to_owned(),
        ..QueryRequest::default()
    }
}

fn followed(query: QueryRequest) -> FollowQueryRequest {
    FollowQueryRequest { query: Some(query) }
}

async fn start(adapter: &Adapter, query: QueryRequest) -> Result<Streaming<FollowQueryResponse>, Fault> {
    let stream = adapter.client.clone().follow_query(followed(query)).await;
    Ok(stream.map_err(|status| Fault::from_status(&status))?.into_inner())
}

/// All progress, and the answer.
async fn end(mut stream: Streaming<FollowQueryResponse>) -> Result<(Vec<Progress>, QueryResponse), Fault> {
    let (mut told, mut answer) = (vec![], None);
    while let Some(message) = stream
        .message()
        .await
        .map_err(|status| Fault::from_status(&status))?
    {
        assert!(answer.is_none(), "nothing comes behind the answer");
        told.extend(message.progress);
        answer = message.response;
    }
    Ok((told, answer.expect("an answer")))
}

async fn follow(adapter: &Adapter, query: QueryRequest) -> Result<(Vec<Progress>, QueryResponse), Fault> {
    end(start(adapter, query).await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_waits_tells_the_time() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let asked = QueryRequest {
        timeout_ms: Some(120_000),
        ..request("select 1 as one, pg_sleep(2.5)")
    };
    let (told, answer) = follow(&adapter, asked).await.expect("answers");
    let seconds: Vec<f64> = told.iter().map(|progress| progress.progress).collect();
    assert!(
        !seconds.is_empty() && seconds.is_sorted_by(|one, next| one < next),
        "{seconds:?}"
    );
    for progress in told {
        assert_eq!(progress.total, Some(120.0));
        assert_eq!(
            progress.message,
            format!("{} s: waiting for the database", progress.progress)
        );
    }
    let result = answer.result.expect("a result");
    assert_eq!(rows(&result), ["[1,\"\"]"]);
    assert!(result.notices.is_empty(), "{:?}", result.notices);
    assert!(result.elapsed_ms >= 2_500, "{}", result.elapsed_ms);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_counted_as_they_come_also_those_of_earlier_pages() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let slow = "select n, pg_sleep(0.02), repeat('x', 200) from generate_series(1, 150) n";
    let first = QueryRequest {
        limit: Some(1),
        ..request(slow)
    };
    let result = adapter.ask(first.clone()).await.expect("a page");
    let cursor = result.truncated.and_then(|cut| cut.next_cursor);
    let asked = QueryRequest {
        limit: Some(1000),
        cursor,
        ..request(slow)
    };
    let (told, answer) = follow(&adapter, asked.clone()).await.expect("answers");
    let result = answer.result.expect("a result");
    assert_eq!(result.rows.len(), 149);
    let counted: Vec<u64> = told
        .iter()
        .filter_map(|progress| {
            let (_, rows) = progress.message.split_once(" s: ")?;
            rows.strip_suffix(" rows read")?.parse().ok()
        })
        .collect();
    assert!(counted.len() >= 2, "{told:?}");
    assert!(counted.windows(2).all(|pair| pair[0] < pair[1]), "{counted:?}");
    assert!(counted.iter().all(|rows| (1..=151).contains(rows)), "{counted:?}");
    // The answer is that of the tool.
    let unary = adapter.ask(asked).await.expect("answers");
    assert_eq!(
        (result.rows, result.columns, result.truncated),
        (unary.rows, unary.columns, unary.truncated)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_statement_may_take_longer_and_the_tool_may_not() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let asked = |timeout_ms| QueryRequest {
        timeout_ms: Some(timeout_ms),
        ..request("select current_setting('statement_timeout')")
    };
    for (timeout_ms, limit, notice) in [
        (55_000, "55s", None),
        (200_000, "200s", None),
        (290_000, "290s", None),
        (
            300_000,
            "290s",
            Some("timeout_ms was lowered from 300000 to 290000"),
        ),
    ] {
        let (_, answer) = follow(&adapter, asked(timeout_ms)).await.expect("answers");
        let result = answer.result.expect("a result");
        let shown: Duration = shown(&rows(&result)[0]);
        assert_eq!(shown, self::shown(&format!("[\"{limit}\"]")));
        assert_eq!(result.notices.first().map(String::as_str), notice);
    }
    let result = adapter.ask(asked(200_000)).await.expect("answers");
    assert_eq!(shown(&rows(&result)[0]), Duration::from_secs(55));
    assert_eq!(result.notices, ["timeout_ms was lowered from 200000 to 55000"]);
    // The caller waits no longer than its deadline, so neither does the statement.
    let mut call = Request::new(followed(asked(200_000)));
    call.set_timeout(Duration::from_secs(100));
    let stream = adapter.client.clone().follow_query(call).await.expect("starts");
    let (_, answer) = end(stream.into_inner()).await.expect("answers");
    let limit = shown(&rows(&answer.result.expect("a result"))[0]);
    assert!(
        limit < Duration::from_secs(100) && limit > Duration::from_secs(90),
        "{limit:?}"
    );
}

/// `["55s"]`, `["99798ms"]`, `["290s"]` or `["4min"]`.
fn shown(row: &str) -> Duration {
    let text = row.trim_matches(['[', ']', '"']);
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let number = digits.parse().expect("a number");
    match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "min" => Duration::from_secs(number * 60),
        unit => panic!("{unit}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_goes_away_ends_the_statement_within_a_second() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    let adapter = Adapter::of(postgres.url()).await;
    for (number, sql) in [
        "select pg_sleep(60)",
        "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b",
        "select n, pg_sleep(0.01) from generate_series(1, 1000000) n",
    ]
    .iter()
    .enumerate()
    {
        let sql = format!("{sql} /* unfollowed {number} */");
        // Before any progress, and between two.
        for messages in 0..2 {
            let mut stream = start(&adapter, request(&sql)).await.expect("starts");
            server.runs(&format!("unfollowed {number}")).await;
            for _ in 0..messages {
                let message = stream.message().await.expect("goes on").expect("a message");
                assert!(message.progress.is_some() && message.response.is_none());
            }
            drop(stream);
            server.stops_running(&format!("unfollowed {number}")).await;
        }
    }
    eventually(SOON, async || {
        let pool = adapter.status().await.pool.expect("a pool");
        (pool.open == pool.idle).then_some(())
    })
    .await;
    assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_and_a_deadline_end_a_followed_statement() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    let adapter = Adapter::of(postgres.url()).await;
    let begun = Instant::now();
    let asked = QueryRequest {
        timeout_ms: Some(1_300),
        ..request("select pg_sleep(60) /* followed limit */")
    };
    let fault = assert_fault(
        follow(&adapter, asked).await,
        Reason::StatementTimedOut,
        "1300 ms",
    );
    assert_eq!(fault.metadata["timeout_ms"], "1300");
    assert!(
        begun.elapsed() < Duration::from_millis(2_500),
        "{:?}",
        begun.elapsed()
    );
    server.stops_running("followed limit").await;

    let mut call = Request::new(followed(request("select pg_sleep(60) /* followed deadline */")));
    call.set_timeout(Duration::from_secs(2));
    let stream = adapter.client.clone().follow_query(call).await.expect("starts");
    let ended = end(stream.into_inner()).await;
    assert_fault(ended, Reason::StatementTimedOut, "1800 ms");
    server.stops_running("followed deadline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tool_refuses_the_follower_refuses_alike() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::start(&format!("url = '{}'\ndeny_schemas = ['vault']", postgres.url())).await;
    let cases = [
        request(""),
        request("delete from orders"),
        request("select 1; select 2"),
        request("select pg_read_file('/etc/passwd')"),
        request("select * from vault.secrets"),
        request("select no_such_column"),
        request("select * from no_such_table"),
        QueryRequest {
            limit: Some(0),
            ..request("select 1")
        },
        QueryRequest {
            timeout_ms: Some(0),
            ..request("select 1")
        },
        QueryRequest {
            cursor: Some("x".to_owned()),
            ..request("select 1")
        },
        QueryRequest {
            params: vec![value(&"x".into())],
            ..request("select $1::int")
        },
        QueryRequest {
            database: Some("elsewhere".to_owned()),
            ..request("select 1")
        },
    ];
    for asked in cases {
        let refused = adapter.ask(asked.clone()).await.expect_err("refused");
        assert_eq!(
            follow(&adapter, asked.clone()).await.expect_err("refused"),
            refused,
            "{asked:?}"
        );
    }
    let without = adapter
        .client
        .clone()
        .follow_query(FollowQueryRequest { query: None })
        .await;
    let ended = end(without.expect("starts").into_inner()).await;
    assert_fault(ended, Reason::ArgumentInvalid, "no statement");
}
