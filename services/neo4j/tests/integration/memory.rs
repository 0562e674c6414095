//! What a million rows cost an adapter that is a process of its own, as internal callers have it.

use std::process::Stdio;

use mcp_hub_proto::neo4j::v1::StreamQueryRequest;
use mcp_hub_proto::neo4j::v1::neo4j_service_client::Neo4jServiceClient;
use mcp_hub_testing::{Memory, Neo4j, eventually, free_port};
use tokio::process::Command;

use crate::adapter::{SOON, value};

const ROWS: usize = 1_000_000;

/// More than the buffers of a connection, far less than the rows.
const GROWTH_KIB: u64 = 32 * 1024;

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figure is what the test is run for")]
async fn a_million_rows_stream_at_flat_memory() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let address = format!("127.0.0.1:{}", free_port());
    let adapter = Command::new(env!("CARGO_BIN_EXE_mcp-hub-neo4j"))
        .args(["--listen", &address, "--uri", neo4j.url()])
        .args(["--user", neo4j.user(), "--password", neo4j.password()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the adapter starts");
    let connect = async || Neo4jServiceClient::connect(format!("http://{address}")).await;
    let mut client = eventually(SOON, connect).await;

    let cypher = "unwind range(1, 1000000) as n return n, $filling as filling";
    let memory = Memory::watch(adapter.id().expect("it runs"));
    let request = StreamQueryRequest {
        cypher: cypher.to_owned(),
        params: [("filling".to_owned(), value(&"x".repeat(200).into()))].into(),
        ..StreamQueryRequest::default()
    };
    let mut stream = client.stream_query(request).await.expect("a stream").into_inner();
    let mut rows = 0;
    while let Some(batch) = stream.message().await.expect("a batch") {
        rows += batch.result.expect("a result").rows.len();
    }
    assert_eq!(rows, ROWS);
    let (before, peak) = memory.peak();
    println!("{rows} rows of 200 characters: {before} KiB before, {peak} KiB at the peak");
    assert!(peak < before + GROWTH_KIB, "{before} KiB grew to {peak} KiB");
}
