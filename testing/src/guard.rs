//! The end of a server when the test process ends, also when that is killed.
//!
//! A destructor runs neither for a `static` nor after SIGKILL. So a small shell holds the reading end of a pipe: the
//! kernel closes our end whenever this process ends, and the shell then stops the server and removes its folder.

use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::Context as _;
#[cfg(unix)]
use std::os::unix::process::CommandExt as _;

use crate::programs::User;

/// Runs its script as soon as it is dropped or this process ends.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
}

impl Guard {
    /// `script` is for `sh`, gets `arguments` as `$1..`, and reads end of file from stdin when it shall clean up.
    pub(crate) fn start(user: User, script: &str, arguments: &[&Path]) -> anyhow::Result<Self> {
        let mut command = user.command("sh");
        command.args(["-c", script, "guard"]).args(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Ctrl-C in a terminal goes to the whole foreground group; the guard must outlive the test to clean up.
        #[cfg(unix)]
        command.process_group(0);
        Ok(Self {
            shell: command
                .spawn()
                .context("starting the shell that ends the server")?,
        })
    }

    /// Whether the script is still running.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.shell.try_wait(), Ok(None))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Waits so that no zombie stays behind and the port is free again.
        let _ = self.shell.wait();
    }
}
