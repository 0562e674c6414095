//! A server's process, which may be stopped and started again, and its folder.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::ensure;

use crate::guard::Guard;
use crate::user::User;
use crate::wait::eventually;

/// How long a start or a stop may take: many times what it does on a busy machine.
const DEADLINE: Duration = Duration::from_mins(2);

/// The shell is the server's parent, so that it can wait for its end. `jobs` makes every shell notice a child that has
/// ended; without it `kill -0` would take a zombie for a running process. The number of one that has ended is forgotten:
/// the system may give it to another. A signal that halts is not heeded by all threads at once: one that runs may answer a call before.
const SUPERVISE: &str = r#"
    folder=$1
    shift
    server=
    running() {
        jobs >/dev/null
        [ -n "$server" ] && kill -0 "$server" 2>/dev/null
    }
    halted() {
        ! cat "/proc/$server"/task/*/stat 2>/dev/null | sed 's/.*) //' | grep -q '^[^TZX]'
    }
    while read -r order; do
        case $order in
            START) "$@" >>"$folder/log" 2>&1 </dev/null & server=$! ;;
            STATE) if running; then echo running; else server=; echo ended; fi ;;
            STOP) kill -s STOP "$server"; until halted; do :; done ;;
            *) kill -s "$order" "$server" ;;
        esac
    done
    running && kill -s KILL "$server"
    wait
    rm -rf -- "$folder"
"#;

/// A program in the foreground with all that it owns in one folder. It is killed, and the folder removed, when this is
/// dropped and when the test process ends in whatever way.
#[derive(Debug)]
pub(crate) struct Process {
    folder: PathBuf,
    guard: Mutex<Guard>,
}

impl Process {
    /// Does not start the server yet. The guard removes the folder, also when what the caller does next fails.
    pub(crate) fn new<A: AsRef<OsStr>>(
        user: User,
        folder: PathBuf,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<Self> {
        let line = [folder.as_os_str(), program.as_os_str()]
            .map(OsStr::to_owned)
            .into_iter()
            .chain(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        let guard = Mutex::new(Guard::converse(user, SUPERVISE, line)?);
        Ok(Self { folder, guard })
    }

    /// Starts the server and waits until `ready` succeeds.
    ///
    /// # Panics
    ///
    /// When it ends instead, or is not ready in time.
    pub(crate) async fn start(&self, ready: impl AsyncFn() -> anyhow::Result<()>) {
        self.tell("START");
        eventually(DEADLINE, async || {
            assert!(self.is_running(), "the server ended; its log:\n{}", self.log());
            ready().await
        })
        .await;
    }

    /// Sends the server a signal (`TERM`, `KILL`) and waits for its end.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    pub(crate) async fn end(&self, signal: &str) {
        self.tell(signal);
        eventually(DEADLINE, async || {
            ensure!(
                !self.is_running(),
                "the server does not end; its log:\n{}",
                self.log()
            );
            Ok(())
        })
        .await;
    }

    /// Halts the server with all its connections open (`STOP`), or lets it go on (`CONT`).
    pub(crate) fn signal(&self, signal: &str) {
        self.tell(signal);
        // The shell works through its orders one by one: once it answers, the signal is sent.
        let _ = self.is_running();
    }

    /// What the server wrote.
    fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn is_running(&self) -> bool {
        let answer = self.guard.lock().expect("no panic while locked").ask("STATE");
        answer.expect("the supervising shell answers") == "running"
    }

    fn tell(&self, order: &str) {
        let told = self.guard.lock().expect("no panic while locked").tell(order);
        told.expect("the supervising shell listens");
    }
}
