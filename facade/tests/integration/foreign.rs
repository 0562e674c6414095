//! An adapter that is not ours: gRPC's own server for Python, which ends connections that ping often.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use mcp_hub_facade::registry::State;
use mcp_hub_testing::{eventually, required};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use crate::cable::Cable;
use crate::hub::{Hub, SOON, metric};

/// Longer than such a server bears pings every second: it counts to three.
const WHILE: Duration = Duration::from_secs(6);

/// The adapter, and where it listens. `None` when Python is not installed: [`required`] has been called.
async fn adapter() -> Option<(Child, SocketAddr)> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the variable steers the tests and is no setting of the product"
    )]
    let Ok(python) = std::env::var("MCP_HUB_TEST_PYTHON") else {
        required("no Python with gRPC: run `cargo xtask test facade`");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/adapter.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let port = timeout(Duration::from_secs(20), lines.next_line()).await;
    let port = port.expect("soon").expect("text").expect("a port");
    let port = port.parse().expect("a port");
    Some((child, ([127, 0, 0, 1], port).into()))
}

#[tokio::test]
async fn a_server_that_bears_no_pings_keeps_its_connection() {
    let Some((mut child, address)) = adapter().await else {
        return;
    };
    let cable = Cable::to(address).await;
    let hub = Hub::of(&[("foreign", cable.url())]).await;
    hub.lists(&["foreign_buy", "foreign_find"]).await;
    eventually(SOON, async || {
        hub.service("foreign").await.state == State::Serving
    })
    .await;
    let calls = async || {
        for tool in ["foreign_find", "foreign_buy"] {
            let outcome = hub.call(tool, json!({})).await;
            assert_eq!(outcome.text, r#"{"name":"tea"}"#);
        }
    };
    calls().await;
    // Nothing is asked of it meanwhile: what a server sends makes up for pings that it got.
    let end = Instant::now() + WHILE;
    while Instant::now() < end {
        assert_eq!(cable.connections(), 1, "the first connection was ended");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    calls().await;
    let unsent = r#"mcp_hub_upstream_retries_total{reason="unsent",upstream="foreign"}"#;
    assert_eq!((cable.connections(), metric(unsent)), (1, 0));

    // Gone without a word, it is out at once.
    child.kill().await.expect("killed");
    eventually(Duration::from_secs(2), async || {
        hub.service("foreign").await.state == State::Unreachable
    })
    .await;
}
