//! One SQLite file: who may run a statement on it now, for how long, and whether the file can be used. It knows no protobuf.
//!
//! Statements run on blocking threads, as many at once as there are permits, each on a connection of its own. A caller that goes
//! away drops the future; that interrupts its statement, and the connection is free again. Below: [`connection`] (one connection
//! and its locks), [`session`] (work on it), [`stop`] (why and when a statement ends early).

use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::fault;
use mcp_hub_chassis::metrics::{self, pool};
use mcp_hub_chassis::trace::{self, OpenTelemetrySpanExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use self::connection::{Access, Connection, Settings};
pub(crate) use self::session::{Returned, Session, quote};
pub(crate) use self::stop::{CancelOnDrop, Stop};
use crate::config::Config;
use crate::error::Error;

mod connection;
mod session;
mod stop;

/// How long a call waits for a connection before it is told to try again.
const PERMIT_WAIT: Duration = Duration::from_secs(5);

/// How long after its time limit a statement may still take to end. It ends between two steps of SQLite's machine; one step is one
/// call of a built-in function at most.
const END_GRACE: Duration = Duration::from_millis(500);

/// How long a probe may take: it never queues behind callers.
const PROBE_LIMIT: Duration = Duration::from_secs(4);

/// A SQLite file, cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Database(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    readers: u32,
    permits: Arc<Semaphore>,
    writer: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    probe: Mutex<Option<Connection>>,
    waiting: AtomicU32,
    metrics: metrics::pool::Pool,
    /// Why the file can't be used; `None` when it can. A sentence before the first probe.
    trouble: Mutex<Option<Cow<'static, str>>>,
}

/// How many connections there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pool {
    /// The most that may be open.
    pub(crate) max: u32,
    /// Open now.
    pub(crate) open: u32,
    /// Open and idle.
    pub(crate) idle: u32,
    /// Calls that wait for one.
    pub(crate) waiting: u32,
}

impl Database {
    /// A file, not touched yet. `name` is the service's key, for the hints of refused writes.
    pub(crate) fn new(config: &Config, name: &str) -> Self {
        let readers = config.statements_at_once();
        let settings = Settings::new(config, name);
        Self(Arc::new(Inner {
            // Several adapters may be in one process, each with files of the same name.
            metrics: metrics::pool::Pool::new(&format!("{name}/{}", settings.file), readers),
            settings,
            readers,
            permits: Arc::new(Semaphore::new(readers as usize)),
            writer: Arc::new(Semaphore::new(1)),
            idle: Mutex::default(),
            probe: Mutex::default(),
            waiting: AtomicU32::new(0),
            trouble: Mutex::new(Some("it has not been opened yet".into())),
        }))
    }

    /// The file's name without folder and extension.
    pub(crate) fn name(&self) -> String {
        let path = self.0.settings.path.as_deref().map(Path::file_stem);
        path.flatten()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// Why the file can't be used, as far as is known now.
    pub(crate) fn trouble(&self) -> Option<Cow<'static, str>> {
        lock(&self.0.trouble).clone()
    }

    /// The connections for reading.
    pub(crate) fn pool(&self) -> Pool {
        let idle = u32::try_from(lock(&self.0.idle).len()).unwrap_or(u32::MAX);
        let free = u32::try_from(self.0.permits.available_permits()).unwrap_or(u32::MAX);
        Pool {
            max: self.0.readers,
            open: idle + self.0.readers.saturating_sub(free),
            idle,
            waiting: self.0.waiting.load(Ordering::Relaxed),
        }
    }

    /// Runs `work` on a read-only connection and waits for it. Dropping the future interrupts it.
    pub(crate) async fn read<T, F>(&self, limit: Duration, work: F) -> Result<T, Error>
    where
        F: FnOnce(&Session<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let stop = Stop::new(Some(limit));
        let _cancel = CancelOnDrop::new(&stop);
        let deadline = stop.deadline();
        let task = self.spawn_read(&stop, work).await?;
        wait(task, &stop, deadline).await
    }

    /// Starts `work` on a read-only connection; whoever holds `stop` ends it.
    pub(crate) async fn spawn_read<T, F>(
        &self,
        stop: &Arc<Stop>,
        work: F,
    ) -> Result<JoinHandle<Result<T, Error>>, Error>
    where
        F: FnOnce(&Session<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let acquire = trace::internal("acquire connection");
        let permit = self.0.pooled_permit(stop).instrument(acquire.clone()).await;
        let permit = permit.inspect_err(|error| trace::fail(&acquire, fault::name(error.reason())))?;
        let (inner, stop, call) = (self.0.clone(), stop.clone(), Span::current());
        Ok(tokio::task::spawn_blocking(move || {
            let result = call.in_scope(|| inner.read(&stop, acquire, work));
            drop(permit);
            result
        }))
    }

    /// Runs `work` on a connection of its own that may write, one at a time. Dropping the future interrupts it. The time limit is
    /// `work`'s own business.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        F: FnOnce(&Session<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let stop = Stop::new(None);
        let _cancel = CancelOnDrop::new(&stop);
        let acquire = trace::internal("acquire connection");
        let permit = self
            .0
            .permit(&self.0.writer, &stop)
            .instrument(acquire.clone())
            .await;
        let permit = permit.inspect_err(|error| trace::fail(&acquire, fault::name(error.reason())))?;
        let (inner, held, call) = (self.0.clone(), stop.clone(), Span::current());
        let task = tokio::task::spawn_blocking(move || {
            let result = call.in_scope(|| {
                // A fresh one each time: what a caller makes in its temporary schema must not shadow tables of the next.
                let connection = inner.open(Access::Write, &acquire)?;
                connection.run(&held, acquire, work)
            });
            inner.note(result.as_ref().err());
            drop(permit);
            result
        });
        wait(task, &stop, None).await
    }

    /// Reads the whole schema, on a connection kept for that.
    ///
    /// # Errors
    /// Why the file can't be used.
    pub(crate) async fn look(&self, limit: Duration) -> Result<(), Error> {
        let stop = Stop::new(Some(limit));
        let _cancel = CancelOnDrop::new(&stop);
        let (inner, held) = (self.0.clone(), stop.clone());
        let task = tokio::task::spawn_blocking(move || inner.probe(&held));
        wait(task, &stop, stop.deadline()).await
    }

    /// Asks the file whether it answers, on a connection kept for that.
    pub(crate) async fn probe(&self) -> bool {
        match self.look(PROBE_LIMIT).await {
            Ok(()) => true,
            Err(error) => {
                // A probe says more than that a statement failed: whatever it met is why the file can't be used.
                lock(&self.0.trouble).get_or_insert_with(|| error.to_string().into());
                false
            }
        }
    }
}

impl Inner {
    /// A permit to read, counted in the pool's metrics.
    async fn pooled_permit(&self, stop: &Stop) -> Result<OwnedSemaphorePermit, Error> {
        let begun = Instant::now();
        let permit = self.permit(&self.permits, stop).await;
        match &permit {
            Ok(_) => self.metrics.waited(begun.elapsed()),
            Err(_) => self.metrics.timed_out(),
        }
        permit
    }

    async fn permit(&self, semaphore: &Arc<Semaphore>, stop: &Stop) -> Result<OwnedSemaphorePermit, Error> {
        struct Waiting<'a>(&'a AtomicU32);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        if let Ok(permit) = semaphore.clone().try_acquire_owned() {
            return Ok(permit);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let latest = Instant::now() + PERMIT_WAIT;
        let latest = stop
            .deadline()
            .map_or(latest, |deadline| latest.min(deadline.into()));
        match tokio::time::timeout_at(latest, semaphore.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            // It is never closed; the other way out is the time.
            Ok(Err(_)) | Err(_) => Err(Error::PoolBusy),
        }
    }

    /// Opens a connection for a call; `acquire` is the span of that.
    fn open(&self, access: Access, acquire: &Span) -> Result<Connection, Error> {
        acquire.set_attribute(trace::attribute::POOL_CONNECTED, true);
        Connection::open(&self.settings, access)
            .inspect_err(|error| trace::fail(acquire, fault::name(error.reason())))
    }

    fn read<T>(
        &self,
        stop: &Arc<Stop>,
        acquire: Span,
        work: impl FnOnce(&Session<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let idle = lock(&self.idle).pop();
        let connection = match idle.filter(|connection| connection.is_current(&self.settings)) {
            Some(mut connection) => {
                connection.count(pool::Connection::now_used);
                Ok(connection)
            }
            None => self.open_pooled(&acquire),
        };
        let result = connection.and_then(|mut connection| {
            let result = connection.run(stop, acquire, work);
            if !matches!(&result, Err(Error::Unavailable(..) | Error::Sqlite(_))) {
                connection.count(pool::Connection::now_idle);
                lock(&self.idle).push(connection);
            }
            result
        });
        self.note(result.as_ref().err());
        result
    }

    fn open_pooled(&self, acquire: &Span) -> Result<Connection, Error> {
        let begun = Instant::now();
        let mut connection = self.open(Access::Read, acquire)?;
        self.metrics.connected(begun.elapsed());
        connection.counted = Some(self.metrics.used());
        Ok(connection)
    }

    fn probe(&self, stop: &Arc<Stop>) -> Result<(), Error> {
        // Held while SQLite works: a probe that hangs in the operating system must not be joined by more.
        let Ok(mut kept) = self.probe.try_lock() else {
            return Err(Error::Unavailable(
                Verdict::Silent,
                "the file does not answer".into(),
            ));
        };
        let connection = match kept
            .take()
            .filter(|connection| connection.is_current(&self.settings))
        {
            Some(connection) => Ok(connection),
            None => Connection::open(&self.settings, Access::Read),
        };
        let result = connection.and_then(|connection| {
            // Reads the whole schema, so a damaged one is found as well.
            let result = connection.run(stop, Span::none(), |session| {
                session.internal(|raw| {
                    Ok(raw.query_row("select count(*) from sqlite_schema", [], |_| Ok(()))?)
                })
            });
            if result.is_ok() {
                *kept = Some(connection);
            }
            result
        });
        self.note(result.as_ref().err());
        result
    }

    /// Learns from an outcome whether the file can be used.
    fn note(&self, error: Option<&Error>) {
        let mut trouble = lock(&self.trouble);
        match error {
            None => {
                if trouble.take().is_some() {
                    tracing::info!(database = ?self.settings.path, "the database answers");
                }
            }
            Some(error) => {
                let Some(reason) = error.unavailability() else {
                    return;
                };
                if trouble.as_ref() != Some(&reason) {
                    tracing::warn!(database = ?self.settings.path, reason = %reason, "the database can't be used");
                }
                *trouble = Some(reason);
            }
        }
    }
}

/// Waits for a task until its deadline and a little longer.
async fn wait<T>(
    mut task: JoinHandle<Result<T, Error>>,
    stop: &Stop,
    deadline: Option<std::time::Instant>,
) -> Result<T, Error> {
    let Some(deadline) = deadline else {
        return task.await.map_err(Error::Task)?;
    };
    if let Ok(outcome) = tokio::time::timeout_at(deadline.into(), &mut task).await {
        return outcome.map_err(Error::Task)?;
    }
    stop.expire();
    match tokio::time::timeout(END_GRACE, task).await {
        Ok(outcome) => outcome.map_err(Error::Task)?,
        // The thread is inside one long step. The caller has its answer; the permit stays taken until the step ends.
        Err(_) => Err(stop.reason()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these guard is replaced whole, so a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The path as SQLite takes it. URIs are refused: their parameters change how the file is opened.
fn plain_path(path: &Path) -> Result<&Path, Error> {
    let text = path.to_string_lossy();
    if text.is_empty() || text.starts_with(':') || text.starts_with("file:") {
        let reason = "SQLITE_PATH must be the plain path of a file, without \"file:\"";
        return Err(Error::Unavailable(Verdict::SettingWrong, reason.into()));
    }
    Ok(path)
}
