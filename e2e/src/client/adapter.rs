//! Python's gRPC client, which learns by reflection what it can call.

use std::process::Stdio;

use serde_json::Value;
use tokio::time::timeout;

use super::{STEP, python};

/// Asks an adapter by reflection what it offers, for its health, and calls methods.
///
/// `calls` are pairs of `service/Method` and a request in JSON. `None` when Python is not installed: [`required`](mcp_hub_testing::required) has been called.
///
/// # Panics
///
/// When the client fails.
pub async fn ask_adapter(address: &str, calls: &[(&str, Value)]) -> Option<Value> {
    let mut command = python("adapter.py")?;
    command.arg(address).stdin(Stdio::null());
    for (method, request) in calls {
        command.arg(method).arg(request.to_string());
    }
    let output = timeout(STEP, command.output())
        .await
        .expect("the client ends")
        .expect("it starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}
