//! `FollowQuery`: what `Query` answers, and how far it is meanwhile.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::neo4j::v1::{FollowQueryRequest, FollowQueryResponse, QueryRequest};
use mcp_hub_proto::progress::v1::Progress;
use mcp_hub_testing::{Neo4j, eventually};
use tonic::{Request, Streaming};

use crate::adapter::{Adapter, SOON, Server, rows};

fn request(cypher: &str) -> QueryRequest {
    QueryRequest {
        cypher: cypher.to_owned(),
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

/// A statement that takes some seconds: so many rows are made and counted.
fn slow(rows: u64) -> String {
    format!("unwind range(1, {rows}) as n with n % 7 as n, count(*) as c return sum(c) as sum")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_query_tells_how_long_it_has_taken_and_answers_as_ever() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    // As many as take more than two seconds on this machine.
    let mut many = 10_000_000;
    let (told, answers) = loop {
        let asked = QueryRequest {
            timeout_ms: Some(120_000),
            ..request(&slow(many))
        };
        let (told, answers) = all(follow(&adapter, asked).await.expect("follows")).await;
        if told.len() >= 2 {
            break (told, answers);
        }
        many *= 4;
    };
    let answers = answers.expect("answers");
    let [answer] = answers.as_slice() else {
        panic!("one answer: {answers:?}");
    };
    let result = answer.response.clone().and_then(|response| response.result);
    let result = result.expect("a result");
    assert_eq!(rows(&result), [format!("[{many}]")]);
    assert!(
        result.notices.is_empty(),
        "nothing was lowered: {:?}",
        result.notices
    );
    assert_eq!((told[0].progress, told[1].progress), (1.0, 2.0));
    assert_eq!(told[0].total, Some(120.0));
    assert_eq!(told[1].message, "2 s: waiting for the database");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_counted_as_they_come() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    let mut weight = 100_000;
    let (told, answers) = loop {
        let asked = QueryRequest {
            limit: Some(300),
            ..request(&format!(
                "unwind range(1, 300) as n call {{ unwind range(1, {weight}) as m with m where m < 0 return count(m) as none }} \
                 return n, none, '{}' as x",
                "x".repeat(150)
            ))
        };
        let (told, answers) = all(follow(&adapter, asked).await.expect("follows")).await;
        if told.len() >= 3 {
            break (told, answers);
        }
        weight *= 3;
    };
    let answer = answers.expect("answers").remove(0).response.expect("an answer");
    assert_eq!(answer.result.expect("a result").rows.len(), 300);
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
    assert!(counts[0] > 0 && counts[0] < 300, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_goes_away_ends_the_statement() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let server = Server::of(neo4j);
    let adapter = Adapter::of(neo4j).await;
    for (mark, cypher) in [
        ("followed count", slow(10_000_000_000)),
        (
            "followed sort",
            "unwind range(1, 1000000000) as n with n order by n desc limit 10 return n".to_owned(),
        ),
        (
            "followed rows",
            "unwind range(1, 1000) as n call { unwind range(1, 5000000) as m with m where m < 0 return count(m) as none } return n, none"
                .to_owned(),
        ),
    ] {
        let asked = QueryRequest {
            limit: Some(1_000),
            ..request(&format!("{cypher} /* {mark} */"))
        };
        let stream = follow(&adapter, asked).await.expect("follows");
        server.runs(mark).await;
        drop(stream);
        server.stops_running(mark).await;
    }
    eventually(SOON, async || {
        let pool = adapter.status().await.pool.expect("a pool");
        (pool.open == pool.idle).then_some(())
    })
    .await;
    assert_eq!(rows(&adapter.query("return 1").await.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_may_wait_longer_and_no_longer_than_it_says() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let server = Server::of(neo4j);
    let adapter = Adapter::of(neo4j).await;
    let answer = async |timeout_ms: u32| {
        let asked = QueryRequest {
            timeout_ms: Some(timeout_ms),
            ..request("return 1")
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
        ..request("return 1")
    };
    let notices = adapter.ask(asked).await.expect("works").notices;
    assert_eq!(notices, ["timeout_ms was lowered from 290000 to 55000"]);

    let endless = |mark: &str| format!("{} /* {mark} */", slow(10_000_000_000));
    let short = QueryRequest {
        timeout_ms: Some(300),
        ..request(&endless("followed time-out"))
    };
    let (_, answers) = all(follow(&adapter, short).await.expect("follows")).await;
    assert_eq!(answers.expect_err("times out").reason, Reason::StatementTimedOut);
    server.stops_running("followed time-out").await;
    // The deadline counts as well.
    let mut call = Request::new(FollowQueryRequest {
        query: Some(request(&endless("followed deadline"))),
    });
    call.set_timeout(Duration::from_secs(2));
    let begun = Instant::now();
    let stream = adapter.client.clone().follow_query(call).await.expect("follows");
    let (_, answers) = all(stream.into_inner()).await;
    let fault = answers.expect_err("times out");
    let limit = fault.metadata.get("timeout_ms").map(String::as_str);
    assert_eq!((fault.reason, limit), (Reason::StatementTimedOut, Some("1800")));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    server.stops_running("followed deadline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_as_the_tool_tells_it() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    for asked in [
        request("create (:FollowedWrite)"),
        request("return"),
        request("return $missing"),
        request(""),
        QueryRequest {
            limit: Some(0),
            ..request("return 1")
        },
        QueryRequest {
            timeout_ms: Some(0),
            ..request("return 1")
        },
        QueryRequest {
            cursor: Some("x".to_owned()),
            ..request("return 1")
        },
        QueryRequest {
            database: Some("other".to_owned()),
            ..request("return 1")
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
