//! `StreamQuery`: all rows, in order, with flat memory, and an end when the caller goes.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{ResultSet, TruncationReason};
use mcp_hub_proto::postgres::v1::{StreamQueryRequest, StreamQueryResponse};
use mcp_hub_testing::Postgres;
use tonic::Streaming;

use crate::adapter::{Adapter, Server, column_types, value};

fn request(sql: &str) -> StreamQueryRequest {
    StreamQueryRequest {
        sql: sql.to_owned(),
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
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let mut asked = request("select n, repeat('x', 300) as x from generate_series($1::int, 100000) n");
    asked.params = vec![value(&1.into())];
    let mut stream = stream(&adapter, asked).await;
    let (mut count, mut batches) = (0, 0);
    while let Some(batch) = next(&mut stream).await.expect("a batch") {
        if batches == 0 {
            assert_eq!(column_types(&batch), ["int4", "text"]);
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
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let mut stream = stream(
        &adapter,
        request("select repeat('ä', 1000000), convert_to(repeat('a', 1000), 'UTF8')"),
    )
    .await;
    let batch = next(&mut stream).await.expect("a batch").expect("rows");
    let values = &batch.rows[0].values;
    assert!(matches!(&values[0].kind, Some(Kind::Text(text)) if text.len() == 2_000_000));
    assert!(matches!(&values[1].kind, Some(Kind::Bytes(bytes)) if bytes.data.len() == 1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_caller_holds_the_statement_and_one_that_goes_ends_it() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    let adapter = Adapter::of(postgres.url()).await;
    let asked = request("select generate_series(1, 1000000000000), repeat('x', 1000) /* slow caller */");
    let mut stream = stream(&adapter, asked).await;
    next(&mut stream).await.expect("a batch").expect("rows");
    // Nobody reads on: the server has to wait, which shows that nothing piles up here.
    mcp_hub_testing::eventually(crate::adapter::SOON, async || {
        let event = "select coalesce(wait_event, '') from pg_stat_activity where query like '%slow caller%' and pid <> pg_backend_pid() and application_name = 'mcp-hub/test'";
        server.value(event).await == "ClientWrite"
    })
    .await;
    drop(stream);
    server.stops_running("slow caller").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_and_a_time_out_are_kept() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    let adapter = Adapter::of(postgres.url()).await;
    let mut asked = request("select generate_series(1, 1000000000000)");
    asked.limit = Some(1200);
    let mut limited = stream(&adapter, asked).await;
    let (mut count, mut last) = (0, ResultSet::default());
    while let Some(batch) = next(&mut limited).await.expect("a batch") {
        count += batch.rows.len();
        last = batch;
    }
    assert_eq!(count, 1200);
    assert_eq!(last.truncated.expect("cut").reason(), TruncationReason::Rows);

    let mut asked = request("select pg_sleep(60) /* streamed */");
    asked.timeout_ms = Some(200);
    let mut slow = stream(&adapter, asked).await;
    let fault = next(&mut slow).await.expect_err("times out");
    assert_eq!(fault.reason, Reason::StatementTimedOut);
    server.stops_running("streamed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_amid_the_rows_is_told() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let mut stream = stream(
        &adapter,
        request("select 1 / (2000 - n) from generate_series(1, 3000) n"),
    )
    .await;
    let fault = loop {
        match next(&mut stream).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended as if all rows had come"),
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.metadata["sqlstate"], "22012");
}
