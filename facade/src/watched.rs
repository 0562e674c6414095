//! A watched file: tells when it may have changed, whichever way it was replaced.
//!
//! The folder is watched, not the file: editors replace files, and Kubernetes swaps the `..data` link beside them. Where events are
//! lost (network file systems, a full queue), a look every few seconds finds the change. Whether there is one, the reader decides.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mcp_hub_chassis::fault;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::registry::Registry;
use crate::secrets::Awaited;

/// How often one looks without an event.
const LOOK: Duration = Duration::from_secs(5);

/// How long a change may take to be complete.
const COMPLETE: Duration = Duration::from_millis(50);

/// A watched file.
pub(crate) struct Watched {
    touched: Arc<Notify>,
    /// When to look next.
    due: Instant,
    /// Ends the watch when it is dropped; `None` where the system has none to give.
    _watcher: Option<RecommendedWatcher>,
}

impl Watched {
    pub(crate) fn new(path: &Path) -> Self {
        let touched = Arc::new(Notify::new());
        let watcher = watch(path, touched.clone());
        if let Err(error) = &watcher {
            tracing::warn!(%error, "no file events: a watched file is looked at every few seconds");
        }
        Self {
            touched,
            due: Instant::now() + LOOK,
            _watcher: watcher.ok(),
        }
    }

    /// Waits until the file may have changed. Nothing is lost when the waiting is given up.
    pub(crate) async fn touched(&mut self) {
        // What replaces a file comes as several events.
        while timeout_at(self.due, self.touched.notified()).await.is_ok() {
            self.due = self.due.min(Instant::now() + COMPLETE);
        }
        self.due = Instant::now() + LOOK;
    }
}

/// What is said of a watched file of secrets that can't be used any more: once in the log, and as a notice until it can. Of one that
/// is waited for, [`Awaited`] says what there is to say.
#[derive(Debug)]
pub(crate) struct Reread {
    /// The notice's topic, and the file's name among those that are waited for.
    topic: &'static str,
    notice: &'static str,
    /// The line of the log.
    line: &'static str,
    awaited: Awaited,
    told: bool,
}

impl Reread {
    pub(crate) fn new(
        topic: &'static str,
        notice: &'static str,
        line: &'static str,
        awaited: Awaited,
    ) -> Self {
        Self {
            topic,
            notice,
            line,
            awaited,
            told: false,
        }
    }

    /// Reads the file with `read`, off the runtime's threads, and has `apply` put it in force; what can't be used leaves what was read
    /// before.
    pub(crate) async fn read<T, E>(
        &mut self,
        registry: &Registry,
        read: impl FnOnce() -> Result<T, E> + Send + 'static,
        apply: impl FnOnce(T),
    ) where
        T: Send + 'static,
        E: std::error::Error + Send + 'static,
    {
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(content)) => {
                if std::mem::take(&mut self.told) {
                    registry.retract(self.topic);
                }
                apply(content);
                // Last of all: with that the doors open.
                self.awaited.came(self.topic);
            }
            Ok(Err(error)) if self.awaited.lacks(self.topic) => self.awaited.still_lacks(self.topic, &error),
            Ok(Err(error)) => {
                if !std::mem::replace(&mut self.told, true) {
                    tracing::error!(error = fault::chain(&error), "{}", self.line);
                    registry.notice(self.topic, self.notice);
                }
            }
            Err(_) => tracing::error!("reading the file of the {} failed", self.topic),
        }
    }
}

fn watch(path: &Path, touched: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Reading the file is an event too, and must not be a reason to read it.
        let read = matches!(&event, Ok(Event { kind: EventKind::Access(kind), .. }) if *kind != AccessKind::Close(AccessMode::Write));
        if !read {
            touched.notify_one();
        }
    })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    watcher.watch(folder.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
