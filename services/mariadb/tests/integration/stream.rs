//! `StreamQuery`: all rows, in order, and an end when the caller goes.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{ResultSet, TruncationReason};
use mcp_hub_proto::mariadb::v1::{StreamQueryRequest, StreamQueryResponse};
use mcp_hub_testing::{MariaDb, eventually};
use tonic::Streaming;

use crate::adapter::{Adapter, SOON, Server, column_types, value};

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
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).make_many().await;
    let adapter = Adapter::of(mariadb.url()).await;
    let mut asked = request(
        "select (a.n - 1) * 1000 + b.n as m, repeat('x', 300) as x from many.n a, many.n b where a.n <= ? order by m",
    );
    asked.params = vec![value(&100.into())];
    let mut stream = stream(&adapter, asked).await;
    let (mut count, mut batches, mut last) = (0, 0, ResultSet::default());
    while let Some(batch) = next(&mut stream).await.expect("a batch") {
        if batches == 0 {
            assert_eq!(column_types(&batch), ["bigint", "varchar"]);
        } else {
            assert!(batch.columns.is_empty(), "columns come once");
        }
        for row in &batch.rows {
            count += 1;
            assert_eq!(row.values[0].kind, Some(Kind::Int(count)));
        }
        batches += 1;
        last = batch;
    }
    assert_eq!(count, 100_000);
    assert!(batches > 100, "{batches}");
    assert!(last.truncated.is_none() && last.elapsed_ms > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rows_are_one_batch_with_columns() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    let mut stream = stream(&adapter, request("select 1 as a, 'x' as b from dual where 1 = 0")).await;
    let batch = next(&mut stream).await.expect("works").expect("a batch");
    assert_eq!((column_types(&batch).len(), batch.rows.len()), (2, 0));
    assert!(next(&mut stream).await.expect("ends").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_whole() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    let mut stream = stream(
        &adapter,
        request("select repeat('ä', 1000000), cast(repeat('a', 1000) as binary)"),
    )
    .await;
    let batch = next(&mut stream).await.expect("a batch").expect("rows");
    let values = &batch.rows[0].values;
    assert!(matches!(&values[0].kind, Some(Kind::Text(text)) if text.len() == 2_000_000));
    assert!(matches!(&values[1].kind, Some(Kind::Bytes(bytes)) if bytes.data.len() == 1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_caller_holds_the_statement_and_one_that_goes_ends_it() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.make_many().await;
    let adapter = Adapter::of(mariadb.url()).await;
    let asked = request("select /* slow caller */ a.n, repeat('x', 1000) from many.n a, many.n b");
    let mut stream = stream(&adapter, asked).await;
    next(&mut stream).await.expect("a batch").expect("rows");
    // Nobody reads on: the server has to wait, which shows that nothing piles up here.
    let waits = if server.is_mariadb().await {
        "Writing to net"
    } else {
        "Sending to client"
    };
    eventually(SOON, async || {
        server
            .state_of("slow caller")
            .await
            .is_some_and(|state| state == waits)
    })
    .await;
    drop(stream);
    server.stops_running("slow caller").await;
    adapter.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_and_a_time_out_are_kept() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.make_many().await;
    let adapter = Adapter::of(mariadb.url()).await;
    let mut asked =
        request("select /* limited stream */ a.n from many.n a, many.n b, many.n c limit 100000000");
    asked.limit = Some(1200);
    let mut limited = stream(&adapter, asked).await;
    let (mut count, mut last) = (0, ResultSet::default());
    while let Some(batch) = next(&mut limited).await.expect("a batch") {
        count += batch.rows.len();
        last = batch;
    }
    assert_eq!(count, 1200);
    assert_eq!(last.truncated.expect("cut").reason(), TruncationReason::Rows);
    server.stops_running("limited stream").await;

    let mut asked = request("select /* streamed */ sleep(60)");
    asked.timeout_ms = Some(200);
    let mut slow = stream(&adapter, asked).await;
    let fault = next(&mut slow).await.expect_err("times out");
    assert_eq!(fault.reason, Reason::StatementTimedOut);
    server.stops_running("streamed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_amid_the_rows_is_told() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).make_many().await;
    let adapter = Adapter::of(mariadb.url()).await;
    let mut stream = stream(
        &adapter,
        request("select repeat('x', 1000), (select m.n from many.n m where a.n < 990 and m.n = a.n or a.n >= 990) from many.n a order by a.n"),
    )
    .await;
    let fault = loop {
        match next(&mut stream).await {
            Ok(Some(batch)) => assert!(batch.rows.len() < 990),
            Ok(None) => panic!("it ended as if all rows had come"),
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.metadata["code"], "1242", "{fault:?}");
}
