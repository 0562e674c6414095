//! Skipping: a test that can't get what it needs says so, and fails where nothing may be skipped.

use std::fs::OpenOptions;
use std::io::Write as _;

use mcp_hub_programs::variable;

/// Set to `1` where a missing component is a failure: CI, and `cargo xtask test --require`.
const REQUIRE: &str = "MCP_HUB_TEST_REQUIRE";
/// A file that collects one line per skipped test, so that `cargo xtask test` can count what libtest calls passed.
const SKIPPED: &str = "MCP_HUB_TEST_SKIPPED";

/// Says that this test can't run, and why; the caller then returns.
///
/// # Panics
///
/// When `MCP_HUB_TEST_REQUIRE=1`: in CI a missing component is a failure, not a skip.
#[track_caller]
pub fn required(reason: &str) {
    assert!(
        variable(REQUIRE).as_deref() != Some("1"),
        "{reason}, and {REQUIRE}=1 forbids to skip"
    );
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("skipped: {test}: {reason}");
    if let Some(path) = variable(SKIPPED) {
        // One write per line: several test processes append to the file.
        let line = format!("{test}: {reason}\n");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .unwrap_or_else(|error| panic!("{SKIPPED} names {path}, which can't be written: {error}"));
    }
}
