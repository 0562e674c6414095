//! `FollowQuery`: what `Query` answers, and how far it is meanwhile.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::mariadb::v1::{FollowQueryRequest, FollowQueryResponse, QueryRequest};
use mcp_hub_proto::progress::v1::Progress;
use mcp_hub_testing::MariaDb;
use tonic::{Request, Streaming};

use crate::adapter::{Adapter, Server, rows};

fn request(sql: &str) -> QueryRequest {
    QueryRequest {
        sql: sql.to_owned(),
        ..QueryRequest::default()
    }
}

async fn follow(adapter: &Adapter, query: QueryRequest) -> Result<Streaming<FollowQueryResponse>, Fault> {
    let request = FollowQueryRequest { query: Some(query) };
    let response = adapter.client.clone().follow_query(request).await;
    Ok(response
        .map_err(|status| Fault::from_status(&status))?
        .into_inner())
}

/// All that comes: progress, and how it ends.
async fn all(
    mut stream: Streaming<FollowQueryResponse>,
) -> (Vec<Progress>, Result<Vec<FollowQueryResponse>, Fault>) {
    let (mut told, mut answers) = (Vec::new(), Vec::new());
    loop {
        match stream.message().await {
            Ok(Some(mut message)) => {
                told.extend(message.progress.take());
                if message.response.is_some() {
                    answers.push(message);
                }
            }
            Ok(None) => return (told, Ok(answers)),
            Err(status) => return (told, Err(Fault::from_status(&status))),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_query_tells_how_long_it_has_taken_and_answers_as_ever() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    let asked = QueryRequest {
        timeout_ms: Some(120_000),
        ..request("select 1 as a, sleep(3.4) as b")
    };
    let (told, answers) = all(follow(&adapter, asked).await.expect("follows")).await;
    let answers = answers.expect("answers");
    let [answer] = answers.as_slice() else {
        panic!("one answer: {answers:?}");
    };
    let result = answer
        .response
        .clone()
        .and_then(|response| response.result)
        .expect("a result");
    assert_eq!(rows(&result), ["[1,0]"]);
    assert!(
        result.notices.is_empty(),
        "nothing was lowered: {:?}",
        result.notices
    );
    assert_eq!(
        told.iter().map(|progress| progress.progress).collect::<Vec<_>>(),
        [1.0, 2.0, 3.0]
    );
    assert_eq!(told[0].total, Some(120.0));
    assert_eq!(told[1].message, "2 s: waiting for the database");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_counted_as_they_come() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).make_many().await;
    let adapter = Adapter::of(mariadb.url()).await;
    let asked = QueryRequest {
        limit: Some(1_000),
        ..request("select n, repeat('x', 40), sleep(0.003) from many.n limit 1000")
    };
    let (told, answers) = all(follow(&adapter, asked.clone()).await.expect("follows")).await;
    let answer = answers.expect("answers").remove(0).response.expect("an answer");
    let result = answer.result.expect("a result");
    assert_eq!(result.rows.len(), 1_000);
    let counts: Vec<u64> = told
        .iter()
        .filter_map(|progress| {
            let rows = progress
                .message
                .split_once(" s: ")?
                .1
                .strip_suffix(" rows read")?;
            rows.replace(',', "").parse().ok()
        })
        .collect();
    assert!(counts.len() >= 2 && counts.is_sorted(), "{told:?}");
    assert!(counts[0] > 0 && counts[0] < 1_000, "{told:?}");

    // What earlier pages had is read again, and counts.
    let first = adapter
        .ask(QueryRequest {
            limit: Some(900),
            ..asked.clone()
        })
        .await
        .expect("a page");
    let rest = QueryRequest {
        cursor: first.truncated.expect("cut").next_cursor,
        limit: Some(900),
        ..asked
    };
    let (told, answers) = all(follow(&adapter, rest).await.expect("follows")).await;
    let answer = answers.expect("answers").remove(0).response.expect("an answer");
    assert_eq!(answer.result.expect("a result").rows.len(), 100);
    assert!(
        told.iter()
            .any(|progress| progress.message.ends_with(" rows read")),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_goes_away_ends_the_statement() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.make_many().await;
    let adapter = Adapter::of(mariadb.url()).await;
    for (mark, sql) in [
        ("followed sleep", "select /* followed sleep */ sleep(60)"),
        (
            "followed count",
            "select /* followed count */ count(*) from many.n a, many.n b, many.n c, many.n d where sin(a.n + b.n + c.n + d.n) > 2",
        ),
        (
            "followed rows",
            "select /* followed rows */ n, repeat('x', 20), sleep(0.2) from many.n limit 1000",
        ),
    ] {
        let stream = follow(
            &adapter,
            QueryRequest {
                limit: Some(1_000),
                ..request(sql)
            },
        )
        .await
        .expect("follows");
        server.runs(mark).await;
        drop(stream);
        server.stops_running(mark).await;
    }
    adapter.at_rest().await;
    assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_may_wait_longer_and_no_longer_than_it_says() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    let adapter = Adapter::of(mariadb.url()).await;
    let answer = async |timeout_ms: u32| {
        let asked = QueryRequest {
            timeout_ms: Some(timeout_ms),
            ..request("select 1")
        };
        let (_, answers) = all(follow(&adapter, asked).await.expect("follows")).await;
        let answer = answers.expect("answers").remove(0).response;
        answer
            .and_then(|response| response.result)
            .expect("a result")
            .notices
    };
    assert_eq!(answer(290_000).await, Vec::<String>::new());
    assert_eq!(
        answer(300_000).await,
        ["timeout_ms was lowered from 300000 to 290000"]
    );
    // Without a follower it is as it was.
    let asked = QueryRequest {
        timeout_ms: Some(290_000),
        ..request("select 1")
    };
    let notices = adapter.ask(asked).await.expect("works").notices;
    assert_eq!(notices, ["timeout_ms was lowered from 290000 to 55000"]);

    let short = QueryRequest {
        timeout_ms: Some(300),
        ..request("select /* followed time-out */ sleep(60)")
    };
    let (_, answers) = all(follow(&adapter, short).await.expect("follows")).await;
    assert_eq!(answers.expect_err("times out").reason, Reason::StatementTimedOut);
    server.stops_running("followed time-out").await;
    // The deadline counts as well.
    let mut call = Request::new(FollowQueryRequest {
        query: Some(request("select /* followed deadline */ sleep(60)")),
    });
    call.set_timeout(Duration::from_secs(2));
    let begun = Instant::now();
    let stream = adapter.client.clone().follow_query(call).await.expect("follows");
    let (_, answers) = all(stream.into_inner()).await;
    let fault = answers.expect_err("times out");
    assert_eq!(
        (fault.reason, fault.metadata.get("timeout_ms").map(String::as_str)),
        (Reason::StatementTimedOut, Some("1800"))
    );
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    server.stops_running("followed deadline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_as_the_tool_tells_it() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    for asked in [
        request("delete from many.n"),
        request("select from"),
        request("select ?"),
        request(""),
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
        let unary = adapter.ask(asked.clone()).await.expect_err("is wrong");
        let followed = match follow(&adapter, asked).await {
            Ok(stream) => all(stream).await.1.expect_err("is wrong"),
            Err(fault) => fault,
        };
        assert_eq!(followed, unary);
    }
}
