//! `StreamQuery`: all rows, in order, with flat memory, and an end when the caller goes.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{Bytes, ResultSet, TruncationReason, Value};
use mcp_hub_proto::neo4j::v1::{StreamQueryRequest, StreamQueryResponse};
use mcp_hub_testing::{Neo4j, eventually};
use tonic::Streaming;

use crate::adapter::{Adapter, Server, column_types, value};

fn request(cypher: &str) -> StreamQueryRequest {
    StreamQueryRequest {
        cypher: cypher.to_owned(),
        ..StreamQueryRequest::default()
    }
}

async fn stream(adapter: &Adapter, request: StreamQueryRequest) -> Streaming<StreamQueryResponse> {
    adapter
        .client
        .clone()
        .stream_query(request)
        .await
        .expect("a stream")
        .into_inner()
}

async fn next(stream: &mut Streaming<StreamQueryResponse>) -> Result<Option<ResultSet>, Fault> {
    let message = stream
        .message()
        .await
        .map_err(|status| Fault::from_status(&status))?;
    Ok(message.map(|message| message.result.expect("a result")))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rows_come_in_order_and_the_last_batch_tells_the_end() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    let mut asked = request("unwind range($from, 100000) as n return n, left($filling, 300) as x");
    asked.params.insert("from".to_owned(), value(&1.into()));
    asked
        .params
        .insert("filling".to_owned(), value(&"x".repeat(1000).into()));
    let mut stream = stream(&adapter, asked).await;
    let (mut count, mut batches) = (0, 0);
    while let Some(batch) = next(&mut stream).await.expect("a batch") {
        if batches == 0 {
            assert_eq!(column_types(&batch), ["INTEGER", "STRING"]);
        } else {
            assert!(batch.columns.is_empty(), "columns come once");
        }
        for row in &batch.rows {
            count += 1;
            assert_eq!(row.values[0].kind, Some(Kind::Int(count)));
        }
        batches += 1;
    }
    assert_eq!(count, 100_000);
    assert!(batches > 100, "{batches}");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_whole() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    let mut asked =
        request("return $text as text, $bytes as bytes, [n in range(1, 1536) | n / 10.0] as embedding");
    let (text, bytes) = ("ä".repeat(1_000_000), vec![7; 1000]);
    asked
        .params
        .insert("text".to_owned(), value(&text.clone().into()));
    let form = Kind::Bytes(Bytes {
        length: 1000,
        data: bytes.clone(),
    });
    asked
        .params
        .insert("bytes".to_owned(), Value { kind: Some(form) });
    let mut stream = stream(&adapter, asked).await;
    let batch = next(&mut stream).await.expect("a batch").expect("rows");
    let values = &batch.rows[0].values;
    assert_eq!(values[0].kind, Some(Kind::Text(text)));
    assert!(matches!(&values[1].kind, Some(Kind::Bytes(all)) if all.data == bytes));
    let Some(Kind::List(embedding)) = &values[2].kind else {
        panic!("{:?}", values[2].kind);
    };
    assert_eq!(embedding.values.len(), 1536);
    assert_eq!(
        embedding.values[1].kind,
        Some(Kind::Double(0.2)),
        "in double precision"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_caller_holds_the_statement_and_one_that_goes_ends_it() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let server = Server::of(neo4j);
    let adapter = Adapter::of(neo4j).await;
    let asked = request("unwind range(1, 10000000000) as n return n, $filling as x /* slow caller */");
    let asked = StreamQueryRequest {
        params: [("filling".to_owned(), value(&"x".repeat(1000).into()))].into(),
        ..asked
    };
    let mut stream = stream(&adapter, asked).await;
    next(&mut stream).await.expect("a batch").expect("rows");
    // Nobody reads on: the server has made what it was asked for and rests.
    let used = async || {
        let rows = server
            .rows(
                "SHOW TRANSACTIONS YIELD currentQuery, cpuTime, elapsedTime WHERE currentQuery CONTAINS 'slow caller' \
                 AND NOT currentQuery CONTAINS 'YIELD' RETURN cpuTime.milliseconds",
            )
            .await;
        rows.first().map(|row| row.get::<Option<i64>>(0).expect("a time"))
    };
    eventually(crate::adapter::SOON, async || {
        let before = used().await.expect("it is there");
        let after = used().await.expect("it is there");
        (before == after).then_some(())
    })
    .await;
    drop(stream);
    server.stops_running("slow caller").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_and_a_time_out_are_kept() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let server = Server::of(neo4j);
    let adapter = Adapter::of(neo4j).await;
    let mut asked = request("unwind range(1, 10000000000) as n return n");
    asked.limit = Some(1200);
    let mut limited = stream(&adapter, asked).await;
    let (mut count, mut last) = (0, ResultSet::default());
    while let Some(batch) = next(&mut limited).await.expect("a batch") {
        count += batch.rows.len();
        last = batch;
    }
    assert_eq!(count, 1200);
    assert_eq!(last.truncated.expect("cut").reason(), TruncationReason::Rows);

    let mut asked = request(
        "unwind range(1, 10000000000) as n with n % 7 as n, count(*) as c return sum(c) /* streamed */",
    );
    asked.timeout_ms = Some(200);
    let mut slow = stream(&adapter, asked).await;
    let fault = next(&mut slow).await.expect_err("times out");
    assert_eq!(fault.reason, Reason::StatementTimedOut);
    server.stops_running("streamed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_amid_the_rows_is_told() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    let mut stream = stream(
        &adapter,
        request("unwind range(1, 3000) as n return 1 / (2000 - n) as n"),
    )
    .await;
    let fault = loop {
        match next(&mut stream).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended as if all rows had come"),
            Err(fault) => break fault,
        }
    };
    assert_eq!(
        fault.metadata["sqlstate"],
        "Neo.ClientError.Statement.ArithmeticError"
    );
}
