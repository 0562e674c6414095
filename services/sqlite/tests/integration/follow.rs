//! `FollowQuery`: progress while a statement runs, its answer at the end, and no statement without its follower.

use std::time::{Duration, Instant};

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::progress::v1::Progress;
use mcp_hub_proto::sqlite::v1::{FollowQueryRequest, FollowQueryResponse, QueryRequest, QueryResponse};
use tonic::{Request, Streaming};

use crate::harness::{Adapter, param};

/// A row now and then for ever, and no row for ever.
const ROWS: &str =
    "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n where i % 20000 = 0";
const NO_ROW: &str = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n";

fn request(sql: &str) -> QueryRequest {
    QueryRequest {
        sql: sql.to_owned(),
        // So that what gives rows for ever is not over before its progress was told once.
        limit: Some(10_000),
        ..QueryRequest::default()
    }
}

fn followed(query: QueryRequest) -> FollowQueryRequest {
    FollowQueryRequest { query: Some(query) }
}

async fn start(adapter: &Adapter, query: QueryRequest) -> Result<Streaming<FollowQueryResponse>, Fault> {
    let stream = adapter.reader().follow_query(followed(query)).await;
    Ok(stream.map_err(|status| Fault::from_status(&status))?.into_inner())
}

/// All progress, and the answer or why there is none.
async fn end(mut stream: Streaming<FollowQueryResponse>) -> (Vec<Progress>, Result<QueryResponse, Fault>) {
    let (mut told, mut answer) = (vec![], None);
    loop {
        match stream.message().await {
            Ok(Some(message)) => {
                assert!(answer.is_none(), "nothing comes behind the answer");
                told.extend(message.progress);
                answer = message.response;
            }
            Ok(None) => return (told, Ok(answer.expect("an answer"))),
            Err(status) => return (told, Err(Fault::from_status(&status))),
        }
    }
}

async fn follow(adapter: &Adapter, query: QueryRequest) -> Result<QueryResponse, Fault> {
    end(start(adapter, query).await?).await.1
}

async fn one_connection() -> Adapter {
    Adapter::on_with("create table t (a)", |config| config.pool_size = Some(1)).await
}

#[tokio::test]
async fn progress_is_time_and_rows_until_the_limit() {
    let adapter = one_connection().await;
    for (sql, counts) in [(ROWS, true), (NO_ROW, false)] {
        let asked = QueryRequest {
            limit: Some(10_000),
            timeout_ms: Some(2_500),
            ..request(sql)
        };
        let begun = Instant::now();
        let (told, answer) = end(start(&adapter, asked).await.expect("starts")).await;
        let fault = answer.expect_err("too slow");
        assert_eq!(
            (fault.reason, fault.metadata["timeout_ms"].as_str()),
            (Reason::StatementTimedOut, "2500")
        );
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        let seconds: Vec<f64> = told.iter().map(|progress| progress.progress).collect();
        assert!(
            !seconds.is_empty() && seconds.is_sorted_by(|one, next| one < next),
            "{seconds:?}"
        );
        for progress in told {
            assert_eq!(progress.total, Some(2.5));
            let (second, what) = progress
                .message
                .split_once(" s: ")
                .expect("the time and what is done");
            assert_eq!(second, progress.progress.to_string());
            assert_eq!(what.ends_with(" rows read"), counts, "{what}");
            assert_eq!(what == "waiting for the database", !counts, "{what}");
        }
        assert_eq!(adapter.value("select 1").await, Kind::Int(1));
    }
}

#[tokio::test]
async fn the_answer_is_that_of_the_tool() {
    let adapter = one_connection().await;
    let paged = QueryRequest {
        limit: Some(3),
        params: vec![param(Kind::Int(5))],
        ..request(
            "with recursive n(i) as (select ?1 union all select i + 1 from n limit 10) select i, 'x' || i as x from n",
        )
    };
    let mut asked = paged.clone();
    loop {
        let mut answer = follow(&adapter, asked.clone())
            .await
            .expect("answers")
            .result
            .expect("a result");
        let mut unary = adapter.ask(asked).await.expect("answers");
        (answer.elapsed_ms, unary.elapsed_ms) = (0, 0);
        assert_eq!(answer, unary);
        let Some(cursor) = answer.truncated.and_then(|cut| cut.next_cursor) else {
            break;
        };
        asked = QueryRequest {
            cursor: Some(cursor),
            ..paged.clone()
        };
    }
    for refused in [
        request(""),
        request("delete from t"),
        request("select 1; select 2"),
        request("select nothing"),
        request("select ?1"),
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
    ] {
        let tool = adapter.ask(refused.clone()).await.expect_err("refused");
        assert_eq!(follow(&adapter, refused).await.expect_err("refused"), tool);
    }
    let nothing = adapter
        .reader()
        .follow_query(FollowQueryRequest { query: None })
        .await;
    let (_, answer) = end(nothing.expect("starts").into_inner()).await;
    assert_eq!(answer.expect_err("refused").reason, Reason::StatementInvalid);
}

#[tokio::test]
async fn a_followed_statement_may_take_longer() {
    let adapter = one_connection().await;
    for (timeout_ms, notice) in [
        (290_000, None),
        (300_000, Some("timeout_ms was lowered from 300000 to 290000")),
    ] {
        let asked = QueryRequest {
            timeout_ms: Some(timeout_ms),
            ..request("select 1")
        };
        let result = follow(&adapter, asked)
            .await
            .expect("answers")
            .result
            .expect("a result");
        assert_eq!(result.notices.first().map(String::as_str), notice);
    }
    let asked = QueryRequest {
        timeout_ms: Some(290_000),
        ..request("select 1")
    };
    let result = adapter.ask(asked).await.expect("answers");
    assert_eq!(result.notices, ["timeout_ms was lowered from 290000 to 55000"]);
}

#[tokio::test]
async fn a_follower_that_goes_away_or_waits_no_longer_ends_the_statement() {
    let adapter = one_connection().await;
    for sql in [ROWS, NO_ROW] {
        for messages in 0..2 {
            let mut stream = start(&adapter, request(sql)).await.expect("starts");
            for _ in 0..messages {
                let message = stream.message().await.expect("goes on").expect("a message");
                assert!(message.progress.is_some() && message.response.is_none());
            }
            drop(stream);
            let left = Instant::now();
            // There is one connection only: this waits for it.
            assert_eq!(adapter.value("select 1").await, Kind::Int(1));
            assert!(
                left.elapsed() < Duration::from_secs(1),
                "{sql}: {:?}",
                left.elapsed()
            );
        }
    }
    let mut call = Request::new(followed(request(NO_ROW)));
    call.set_timeout(Duration::from_millis(1_500));
    let begun = Instant::now();
    let stream = adapter
        .reader()
        .follow_query(call)
        .await
        .expect("starts")
        .into_inner();
    let (_, answer) = end(stream).await;
    assert_eq!(answer.expect_err("too slow").reason, Reason::StatementTimedOut);
    assert!(
        begun.elapsed() < Duration::from_millis(2_500),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(adapter.value("select 1").await, Kind::Int(1));
}
