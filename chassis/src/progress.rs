//! Progress of a call: what its work counts, and the stream that tells it to the caller.
//!
//! A follower (`FollowQuery`) does what its tool does, with two differences: its limit may be longer
//! ([`FOLLOWED_TIMEOUT_MS`](crate::arguments::FOLLOWED_TIMEOUT_MS)), and its work counts rows in a [`Counter`], most simply by
//! [`Answer::counted`](crate::answer::Answer::counted). Everything else is [`follow`].

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_hub_proto::progress::v1::Progress;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tracing::Instrument as _;

use crate::Lifecycle;
use crate::fault::Fault;
use crate::grpc::LONGEST_CALL;
use crate::stream::{self, Stream};

/// How often progress is told.
const EVERY: Duration = Duration::from_secs(1);

/// Messages that may wait for the caller: progress, and behind it the answer.
const AHEAD: usize = 2;

/// What a call has done so far. Cheap to clone; [`Counter::default`] is one that nobody looks at.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<Done>);

#[derive(Debug, Default)]
struct Done {
    rows: AtomicU64,
    phase: Mutex<Option<&'static str>>,
}

impl Counter {
    /// One row more was read.
    pub fn row(&self) {
        self.0.rows.fetch_add(1, Ordering::Relaxed);
    }

    /// How many rows were read.
    pub fn rows(&self) -> u64 {
        self.0.rows.load(Ordering::Relaxed)
    }

    /// What is done now, "embedding the text", for work that does one thing after another. It is told until rows are read.
    pub fn phase(&self, what: &'static str) {
        *self.0.phase.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    }

    fn doing(&self) -> &'static str {
        let phase = *self.0.phase.lock().unwrap_or_else(PoisonError::into_inner);
        phase.unwrap_or("waiting for the database")
    }
}

/// Runs `work` and tells its progress every second until it is over: how long of `limit` it has taken, and the rows it has read. `message`
/// makes a message of the stream from progress or from the answer.
///
/// The work is dropped, and so cancels its statement, when the caller goes away. When the process stops it is finished, as that of a
/// unary call is. It keeps `limit` by itself; here it ends after five minutes, as any call.
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
    let (sender, receiver) = mpsc::channel(AHEAD);
    let counter = Counter::default();
    let work = stream::work(lifecycle, work(counter.clone()));
    let following = async move {
        let begun = Instant::now();
        let told = tell(begun, limit, &counter, |progress| {
            // A caller that takes nothing at the moment is told later; the work does not wait for it.
            let _ = sender.try_send(Ok(message(Some(progress), None)));
        });
        let result = tokio::select! {
            result = tokio::time::timeout(LONGEST_CALL, work) => {
                result.unwrap_or_else(|_| Err(Fault::timed_out(LONGEST_CALL)))
            }
            () = sender.closed() => return,
            never = told => match never {},
        };
        let last = match result {
            Ok(answer) => Ok(message(None, Some(answer))),
            Err(fault) => Err(fault.into()),
        };
        // The caller may have gone meanwhile.
        let _ = sender.send(last).await;
    };
    lifecycle.spawn(following.in_current_span());
    ReceiverStream::new(receiver)
}

/// Tells progress every second, for ever.
async fn tell(
    begun: Instant,
    limit: Duration,
    counter: &Counter,
    tell: impl Fn(Progress),
) -> std::convert::Infallible {
    let mut ticks = tokio::time::interval_at(begun + EVERY, EVERY);
    // Behind a pause there is one message, not one for each second of it.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        tell(progress(begun.elapsed(), limit, counter));
    }
}

fn progress(elapsed: Duration, limit: Duration, counter: &Counter) -> Progress {
    let seconds = elapsed.as_secs();
    let message = match counter.rows() {
        0 => format!("{seconds} s: {}", counter.doing()),
        1 => format!("{seconds} s: 1 row read"),
        rows => format!("{seconds} s: {} rows read", grouped(rows)),
    };
    Progress {
        progress: elapsed.as_secs_f64().floor(),
        // Behind the limit, what is still to do is the orderly end, which takes no known time.
        total: Some(limit.as_secs_f64()).filter(|_| elapsed <= limit),
        message,
    }
}

/// A number as people write it: `4,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
