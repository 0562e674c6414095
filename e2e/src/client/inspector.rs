//! The MCP Inspector's command line.

use std::process::Stdio;

use serde_json::Value;
use tokio::time::timeout;

use super::{STEP, modules, node};

/// What a call of the Inspector's command line gave.
#[derive(Debug)]
pub struct Inspection {
    /// Its exit code: 0 done, 4 unreachable, 5 a tool's error, 6 a finding of `--strict`.
    pub code: i32,
    /// What it printed on stdout, parsed; null when it is no JSON.
    pub output: Value,
    /// What it printed on stderr.
    pub errors: String,
}

/// Runs the MCP Inspector's command line once. `None` when it is not installed: [`required`](mcp_hub_testing::required) has been called.
///
/// # Panics
///
/// When it does not end.
pub async fn inspect(arguments: &[&str]) -> Option<Inspection> {
    let mut command = node()?;
    let script = modules().join(".bin/mcp-inspector");
    let script = script
        .canonicalize()
        .expect("the Inspector is among the packages");
    command
        .arg(script)
        .arg("--cli")
        .args(arguments)
        .args(["--format", "json"])
        .stdin(Stdio::null());
    let output = timeout(STEP, command.output())
        .await
        .expect("the Inspector ends")
        .expect("it starts");
    Some(Inspection {
        code: output.status.code().unwrap_or(-1),
        output: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
