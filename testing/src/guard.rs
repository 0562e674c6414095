//! The end of a server when the test process ends, also when that is killed.
//!
//! A destructor runs neither for a `static` nor after SIGKILL. So a small shell holds the reading end of a pipe: the
//! kernel closes our end whenever this process ends, and the shell then stops the server and removes its folder.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Stdio};

use anyhow::{Context as _, ensure};
#[cfg(unix)]
use std::os::unix::process::CommandExt as _;

use crate::user::User;

/// A shell that cleans up as soon as this is dropped or this process ends, in whatever way.
#[derive(Debug)]
pub struct Guard {
    shell: Child,
    /// What the script answers; absent when it does not.
    answers: Option<BufReader<ChildStdout>>,
}

impl Guard {
    /// Runs `script` by `sh` as the user of the test, with `arguments` as `$1..`. It reads lines from stdin, and cleans up at the end of
    /// file.
    ///
    /// # Errors
    ///
    /// There is no shell.
    pub fn supervise<A: AsRef<OsStr>>(
        script: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<Self> {
        Self::converse(User::Ourselves, script, arguments)
    }

    /// `script` is for `sh`, gets `arguments` as `$1..`, and reads end of file from stdin when it shall clean up.
    pub(crate) fn start<A: AsRef<OsStr>>(
        user: User,
        script: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<Self> {
        Self::spawn(user, script, arguments, Stdio::null())
    }

    /// Like [`Guard::start`], for a script that reads lines from stdin before the end of file, and may answer them.
    pub(crate) fn converse<A: AsRef<OsStr>>(
        user: User,
        script: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<Self> {
        let mut guard = Self::spawn(user, script, arguments, Stdio::piped())?;
        guard.answers = guard.shell.stdout.take().map(BufReader::new);
        Ok(guard)
    }

    fn spawn<A: AsRef<OsStr>>(
        user: User,
        script: &str,
        arguments: impl IntoIterator<Item = A>,
        answers: Stdio,
    ) -> anyhow::Result<Self> {
        let mut command = user.command("sh");
        command.args(["-c", script, "guard"]).args(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(answers)
            .stderr(Stdio::null());
        // Ctrl-C in a terminal goes to the whole foreground group; the guard must outlive the test to clean up.
        #[cfg(unix)]
        command.process_group(0);
        Ok(Self {
            shell: command
                .spawn()
                .context("starting the shell that ends the server")?,
            answers: None,
        })
    }

    /// Whether the script is still running.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.shell.try_wait(), Ok(None))
    }

    /// Sends the script a line.
    ///
    /// # Errors
    ///
    /// The script has ended.
    pub fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let stdin = self.shell.stdin.as_mut().context("the shell's stdin")?;
        writeln!(stdin, "{line}").context("the shell that ends the server has ended")
    }

    /// Sends the script a line that it answers with one.
    pub(crate) fn ask(&mut self, line: &str) -> anyhow::Result<String> {
        self.tell(line)?;
        let answers = self.answers.as_mut().context("a script that answers")?;
        let mut answer = String::new();
        answers.read_line(&mut answer)?;
        ensure!(!answer.is_empty(), "the shell that ends the server has ended");
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Waits so that no zombie stays behind and the port is free again.
        let _ = self.shell.wait();
    }
}
