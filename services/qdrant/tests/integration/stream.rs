//! `StreamScroll`: all points, in order, with flat memory, and an end when the caller goes.

use std::process::Stdio;

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{ResultSet, TruncationReason};
use mcp_hub_proto::qdrant::v1::qdrant_service_client::QdrantServiceClient;
use mcp_hub_proto::qdrant::v1::{StreamScrollRequest, StreamScrollResponse};
use mcp_hub_testing::{Memory, Qdrant, eventually, free_port};
use serde_json::{Value as Json, json};
use tokio::process::Command;
use tonic::Streaming;

use crate::adapter::{Adapter, SOON, Server, answer, assert_fault, value};
use crate::fake::{Fake, Reply};
use crate::support::point;

fn request(collection: &str) -> StreamScrollRequest {
    StreamScrollRequest {
        collection: collection.to_owned(),
        ..StreamScrollRequest::default()
    }
}

async fn stream(adapter: &Adapter, request: StreamScrollRequest) -> Streaming<StreamScrollResponse> {
    answer(adapter.client.clone().stream_scroll(request).await).expect("a stream")
}

async fn next(stream: &mut Streaming<StreamScrollResponse>) -> Result<Option<ResultSet>, Fault> {
    let message = stream
        .message()
        .await
        .map_err(|status| Fault::from_status(&status))?;
    Ok(message.map(|message| message.result.expect("a result")))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_points_come_in_order_and_the_last_batch_tells_the_end() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let payloads: Vec<Json> = (0..5_000)
        .map(|n| json!({"n": n, "filling": "x".repeat(100)}))
        .collect();
    Server::of(qdrant).with_payloads("stream_all", &payloads).await;
    let mut all = stream(&adapter, request("stream_all")).await;
    let (mut count, mut batches) = (0, 0);
    while let Some(batch) = next(&mut all).await.expect("a batch") {
        assert_eq!(batch.columns.is_empty(), batches > 0, "columns come once");
        for row in &batch.rows {
            count += 1;
            assert_eq!(row.values[0].kind, Some(Kind::Uint(count)));
        }
        batches += 1;
        assert_eq!(batch.truncated, None);
    }
    assert_eq!(count, 5_000);
    assert!(batches > 5, "{batches}");

    let mut some = request("stream_all");
    some.filter = Some(value(&json!({"n": {"gte": 10}})));
    some.limit = Some(700);
    some.payload_fields = vec!["n".to_owned()];
    let mut some = stream(&adapter, some).await;
    let mut rows = Vec::new();
    let mut last = None;
    while let Some(batch) = next(&mut some).await.expect("a batch") {
        rows.extend(batch.rows.clone());
        last = Some(batch);
    }
    assert_eq!(rows.len(), 700);
    assert_eq!(rows[0].values[0].kind, Some(Kind::Uint(11)));
    let truncated = last.expect("a batch").truncated.expect("there are more");
    assert_eq!(truncated.reason(), TruncationReason::Rows);

    let mut missing = stream(&adapter, request("stream_missing")).await;
    assert_fault(
        next(&mut missing).await,
        Reason::ObjectNotFound,
        "there is no collection",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_or_waits_too_long_ends_it() {
    let fake = Fake::start("1.18.0", &[("Scroll", Reply::Nothing)]).await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    let endless = stream(&adapter, request("any")).await;
    eventually(SOON, async || fake.waiting() == 1).await;
    drop(endless);
    eventually(SOON, async || fake.waiting() == 0).await;
    let limited = StreamScrollRequest {
        timeout_ms: Some(200),
        ..request("any")
    };
    let mut limited = stream(&adapter, limited).await;
    assert_fault(next(&mut limited).await, Reason::StatementTimedOut, "200 ms");
    eventually(SOON, async || fake.waiting() == 0).await;
}

/// Points that are streamed, and how many bytes of payload each of them has.
const POINTS: u64 = 200_000;
const FILLING: usize = 400;

/// More than the buffers of a connection and a few batches, far less than the points.
const GROWTH_KIB: u64 = 32 * 1024;

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figure is what the test is run for")]
async fn very_many_points_stream_at_flat_memory() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let server = Server::of(qdrant);
    server.with_vectors_of_two("stream_many").await;
    let payload = json!({"filling": "x".repeat(FILLING)});
    for first in (1..=POINTS).step_by(10_000) {
        let points = (first..first + 10_000).map(|id| point(id, &payload));
        server.put("stream_many", points.collect()).await;
    }
    let address = format!("127.0.0.1:{}", free_port());
    let adapter = Command::new(env!("CARGO_BIN_EXE_mcp-hub-qdrant"))
        .args(["--listen", &address, "--url", qdrant.url()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the adapter starts");
    let connect = async || QdrantServiceClient::connect(format!("http://{address}")).await;
    let mut client = eventually(SOON, connect).await;
    let memory = Memory::watch(adapter.id().expect("it runs"));
    let mut stream = client
        .stream_scroll(request("stream_many"))
        .await
        .expect("a stream")
        .into_inner();
    let mut rows = 0;
    while let Some(batch) = stream.message().await.expect("a batch") {
        rows += batch.result.expect("a result").rows.len() as u64;
    }
    assert_eq!(rows, POINTS);
    let (before, peak) = memory.peak();
    println!("{rows} points of {FILLING} characters: {before} KiB before, {peak} KiB at the peak");
    assert!(peak < before + GROWTH_KIB, "{before} KiB grew to {peak} KiB");
    server.drop("stream_many").await;
}
