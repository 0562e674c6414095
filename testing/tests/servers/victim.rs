//! A test process that is killed, to see that its server ends with it.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use mcp_hub_testing::eventually;

/// Set in the process that is killed.
const VICTIM: &str = "MCP_HUB_TEST_VICTIM";

/// Nothing listens on the port.
pub(crate) fn refuses(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()
}

/// Runs the test `name`, which calls this, once more in a process of its own, whose server `start` starts; kills that
/// process and waits for the server's end.
#[expect(clippy::disallowed_methods, reason = "the variable is this test's own")]
pub(crate) async fn ends_with_its_process<S>(name: &str, start: impl AsyncFnOnce() -> Option<(u16, S)>) {
    if std::env::var_os(VICTIM).is_some() {
        let Some((port, _server)) = start().await else {
            eprintln!("{VICTIM} has no server");
            return;
        };
        eprintln!("{VICTIM} {port}");
        std::future::pending::<()>().await;
    }
    let mut victim = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", name, "--nocapture"])
        .env(VICTIM, "1")
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts again");
    let output = BufReader::new(victim.stderr.take().expect("a pipe"));
    let said = output
        .lines()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once(VICTIM)?.1.trim().to_owned()))
        .expect("it says its port");
    let Ok(port) = said.parse() else {
        // It has said that it was skipped.
        victim.wait().expect("it ends");
        return;
    };
    assert!(!refuses(port), "its server listens");
    victim.kill().expect("SIGKILL");
    victim.wait().expect("it is dead");
    eventually(Duration::from_secs(10), async || refuses(port)).await;
}
