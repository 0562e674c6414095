//! Signals, tracked tasks and the orderly end of a process.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

/// The process was told to stop in the middle of what it was asked.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Interrupted {
    /// What the shell is told.
    pub(crate) const EXIT_CODE: u8 = 130;
}

/// The life of a process, or of a part of one: cheap to clone, shared by all its tasks.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl Lifecycle {
    /// A new life.
    pub fn new() -> Self {
        Self::default()
    }

    /// A part of this life: it stops when the whole stops, and can be stopped alone. Its tasks are the whole's tasks.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            stopping: self.stopping.child_token(),
            tasks: self.tasks.clone(),
        }
    }

    /// Runs a task to its end. The task watches [`stopping`](Self::stopping) itself; [`drain`](Self::drain) waits for it.
    ///
    /// The task is in no span: one that lives longer than the call that began it must not keep the call's span from ending, nor have
    /// its log lines in the call's trace. A task that works for the call is given the span: `work.in_current_span()`.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns: tracked")]
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(self.tasks.track_future(task))
    }

    /// Runs a task until it ends or the process stops, whichever is first.
    pub fn spawn_until_stopped<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let lifecycle = self.clone();
        self.spawn(async move { lifecycle.unless_stopped(task).await });
    }

    /// Works until it is done, and no further once the process stops: for what has nothing to finish, such as a question that somebody at a
    /// terminal waits for.
    ///
    /// # Errors
    /// The process stops.
    pub async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Interrupted> {
        tokio::select! {
            done = work => Ok(done),
            () = self.stopping.cancelled() => Err(Interrupted),
        }
    }

    /// Resolves when the end has begun: take nothing new, finish what is under way.
    pub fn stopping(&self) -> WaitForCancellationFutureOwned {
        self.stopping.clone().cancelled_owned()
    }

    /// Whether the end has begun.
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Begins the end.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Waits for all tracked tasks, `grace` at most.
    pub async fn drain(&self, grace: Duration) {
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                tasks = self.tasks.len(),
                "ending with tasks unfinished after the shutdown grace"
            );
        }
    }

    /// Begins the end on SIGINT or SIGTERM, which are heard from here on; a second one ends the process, after `last_words`, which may
    /// block for a moment.
    pub(crate) fn stop_on_signals(&self, last_words: impl FnOnce() + Send + 'static) {
        let lifecycle = self.clone();
        let mut signals = Signals::listen();
        // Not tracked: it waits for signals as long as the process lives.
        #[expect(
            clippy::disallowed_methods,
            reason = "must outlive the drain, to hear a second signal"
        )]
        tokio::spawn(async move {
            signals.next().await;
            lifecycle.stop();
            signals.next().await;
            let _ = tokio::task::spawn_blocking(last_words).await;
            std::process::exit(Interrupted::EXIT_CODE.into());
        });
    }
}

/// SIGINT and SIGTERM; none where the system gives no way to hear them.
#[cfg(unix)]
struct Signals(Option<[tokio::signal::unix::Signal; 2]>);

#[cfg(unix)]
impl Signals {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt()).ok();
        let terminate = signal(SignalKind::terminate()).ok();
        Self(interrupt.zip(terminate).map(<[_; 2]>::from))
    }

    async fn next(&mut self) {
        let Some([interrupt, terminate]) = &mut self.0 else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Self {
        Self
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn drain_waits_for_what_is_under_way_and_no_longer_than_the_grace() {
        let lifecycle = Lifecycle::new();
        let quick = lifecycle.spawn(async { tokio::time::sleep(Duration::from_secs(1)).await });
        lifecycle.spawn(std::future::pending::<()>());
        lifecycle.stop();
        let start = tokio::time::Instant::now();
        lifecycle.drain(Duration::from_secs(5)).await;
        assert!(quick.is_finished());
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test]
    async fn what_is_asked_goes_no_further_once_the_process_stops() {
        let lifecycle = Lifecycle::new();
        assert_eq!(lifecycle.unless_stopped(async { 42 }).await.ok(), Some(42));
        lifecycle.stop();
        assert!(
            lifecycle
                .unless_stopped(std::future::pending::<()>())
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn a_part_stops_alone_and_with_the_whole() {
        let whole = Lifecycle::new();
        let (one, other) = (whole.child(), whole.child());
        one.stop();
        assert!(one.is_stopping() && !whole.is_stopping() && !other.is_stopping());
        whole.stop();
        other.stopping().await;
    }
}
