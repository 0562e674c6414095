//! What a million rows cost an adapter that is a process of its own, as internal callers have it.

use std::process::Stdio;

use mcp_hub_proto::mariadb::v1::StreamQueryRequest;
use mcp_hub_proto::mariadb::v1::mariadb_service_client::MariadbServiceClient;
use mcp_hub_testing::{MariaDb, Memory, eventually, free_port};
use tokio::process::Command;

use crate::adapter::{SOON, Server};

const ROWS: usize = 1_000_000;

/// More than the buffers of a connection, far less than the rows.
const GROWTH_KIB: u64 = 32 * 1024;

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figure is what the test is run for")]
async fn a_million_rows_stream_at_flat_memory() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let address = format!("127.0.0.1:{}", free_port());
    let adapter = Command::new(env!("CARGO_BIN_EXE_mcp-hub-mariadb"))
        .args(["--listen", &address, "--url", mariadb.url()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the adapter starts");
    let connect = async || MariadbServiceClient::connect(format!("http://{address}")).await;
    let mut client = eventually(SOON, connect).await;

    Server::of(mariadb.url()).make_many().await;
    let sql = "select a.n, b.n, repeat('x', 200) as filling from many.n a, many.n b";
    let memory = Memory::watch(adapter.id().expect("it runs"));
    let request = StreamQueryRequest {
        sql: sql.to_owned(),
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
