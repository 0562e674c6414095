//! Streams for internal callers: a task feeds one, and ends with the call, with the process, or when its caller goes away.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use tracing::Instrument as _;

use crate::Lifecycle;
use crate::fault::{Fault, Reason};

/// A batch is sent when it has this many rows, or so many bytes.
pub const BATCH_ROWS: usize = 500;
/// See [`BATCH_ROWS`].
pub const BATCH_BYTES: usize = 64 * 1024;

/// The most bytes of one row: what a message can hold.
pub const ROW_BYTES: usize = crate::grpc::MAX_MESSAGE_BYTES / 2;

/// Batches that may wait for the caller.
const AHEAD: usize = 2;

/// The limit of a call that has neither a deadline nor a limit of its own.
const NO_LIMIT: Duration = Duration::from_hours(24);

/// The stream of an RPC.
pub type Stream<T> = ReceiverStream<Result<T, Status>>;

/// Where what feeds a stream puts its messages. It waits while the caller is slow, and fails when the caller has gone.
pub type Sender<T> = mpsc::Sender<Result<T, Status>>;

/// How long a stream may take, by its own `timeout_ms` and what the call's deadline leaves. There is no usual limit: a stream is as long as
/// what it reads.
///
/// # Errors
/// `ARGUMENT_INVALID` for a `limit` or a `timeout_ms` of 0.
pub fn timeout(
    limit: Option<u32>,
    timeout_ms: Option<u32>,
    remaining: Option<Duration>,
) -> Result<Duration, Fault> {
    for (field, value) in [("limit", limit), ("timeout_ms", timeout_ms)] {
        if value == Some(0) {
            return Err(Fault::argument(field, format!("{field} must be at least 1")));
        }
    }
    let own = timeout_ms.map(|ms| Duration::from_millis(ms.into()));
    Ok(own.into_iter().chain(remaining).min().unwrap_or(NO_LIMIT))
}

/// Starts the task that `feed` makes. Its fault ends the stream.
pub fn start<T, F>(lifecycle: &Lifecycle, feed: impl FnOnce(Sender<T>) -> F) -> Stream<T>
where
    T: Send + 'static,
    F: Future<Output = Result<(), Fault>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(AHEAD);
    let stopping = lifecycle.stopping();
    let feed = work(lifecycle, feed(sender.clone()));
    let feeding = async move {
        // Whichever ends first drops the feed, which cancels its statement.
        let result = tokio::select! {
            result = feed => result,
            () = sender.closed() => return,
            () = stopping => Err(Fault::new(
                Reason::DatabaseUnavailable,
                "the service is stopping",
            )),
        };
        if let Err(fault) = result {
            // The caller may have gone meanwhile.
            let _ = sender.send(Err(fault.into())).await;
        }
    };
    lifecycle.spawn(feeding.in_current_span());
    ReceiverStream::new(receiver)
}

/// The work behind a stream, as a task of the current span that ends when this is dropped. A panic in it is a fault: the stream would end as if all had been
/// said.
pub(crate) fn work<T, F>(
    lifecycle: &Lifecycle,
    work: F,
) -> impl Future<Output = Result<T, Fault>> + Send + use<T, F>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Fault>> + Send + 'static,
{
    let work = AbortOnDropHandle::new(lifecycle.spawn(work.in_current_span()));
    async { work.await.unwrap_or_else(|panic| Err(Fault::internal(&panic))) }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::Sampler;
    use tokio_stream::StreamExt as _;

    use super::*;
    use crate::trace::{self, recorded::Recorded};

    #[test]
    fn the_shorter_limit_counts() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(timeout(None, Some(20), second), Ok(Duration::from_millis(20)));
        assert_eq!(timeout(Some(1), None, second), Ok(Duration::from_secs(1)));
        assert_eq!(timeout(None, None, None), Ok(NO_LIMIT));
        for (limit, timeout_ms) in [(Some(0), None), (None, Some(0))] {
            let fault = timeout(limit, timeout_ms, None).expect_err("refused");
            assert_eq!(fault.reason, Reason::ArgumentInvalid);
        }
    }

    #[tokio::test]
    async fn a_fault_comes_behind_what_was_sent() {
        let stream = start(&Lifecycle::new(), |sender| async move {
            let _ = sender.send(Ok(1)).await;
            Err(Fault::busy())
        });
        let all: Vec<Result<i32, Status>> = stream.collect().await;
        assert!(matches!(&all[..], [Ok(1), Err(status)] if Fault::from_status(status) == Fault::busy()));
    }

    #[tokio::test]
    async fn the_feed_works_in_the_span_of_its_call() {
        let recorded = Recorded::by(Sampler::AlwaysOn);
        let call = trace::server("a call", opentelemetry::Context::new());
        let stream = call.in_scope(|| {
            start(&Lifecycle::new(), |_: Sender<()>| async {
                trace::internal("rows").in_scope(|| {});
                Ok(())
            })
        });
        drop(call);
        assert_eq!(stream.collect::<Vec<_>>().await.len(), 0);
        let spans = recorded.take();
        let [rows, call] = &spans[..] else {
            panic!("{spans:?}")
        };
        assert_eq!(
            (&*rows.name, rows.parent_span_id),
            ("rows", call.span_context.span_id())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_feed_is_dropped_with_its_caller_and_with_the_process() {
        let endless = |lifecycle: &Lifecycle| {
            let (alive, mut dropped) = mpsc::channel::<()>(1);
            let stream = start::<(), _>(lifecycle, |_sender| async move {
                std::future::pending::<()>().await;
                drop(alive);
                Ok(())
            });
            let dropped = async move { dropped.recv().await.is_none() };
            (stream, tokio::time::timeout(Duration::from_secs(1), dropped))
        };
        let lifecycle = Lifecycle::new();
        let (stream, dropped) = endless(&lifecycle);
        drop(stream);
        assert_eq!(dropped.await, Ok(true));
        let (mut stream, dropped) = endless(&lifecycle);
        lifecycle.stop();
        assert_eq!(dropped.await, Ok(true));
        let last = stream.next().await.expect("told").expect_err("a fault");
        assert_eq!(Fault::from_status(&last).message, "the service is stopping");
    }
}
