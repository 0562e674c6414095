//! What waits for a client to read it: bounded in number by the calls of the stream, and here in bytes and in time.
//!
//! The socket's own bound ([`stall`](crate::transport::stall)) does not see a client that keeps its HTTP/2 connection alive and gives one
//! stream of it no window. So a message waits until its reader comes back for the next one, and a reader that does not come is given up:
//! after [`STALLED`], or after [`HURRIED`] when much waits.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::transport::stall::STALLED;

/// How long a reader may take nothing when more than [`ROOM`] waits for it, or more than [`ROOM_OF_ALL`] for all: an instant for whoever
/// reads at all.
const HURRIED: Duration = Duration::from_secs(2);

/// The bytes that may wait on a stream before it takes no more requests. Far more than the answers of all its calls have by default.
const ROOM: usize = 4 * 1024 * 1024;

/// The most bytes that wait on a stream, a single larger message aside: each of its calls may answer a megabyte at the same moment. More
/// ends it.
const MOST: usize = 32 * 1024 * 1024;

/// The bytes that may wait on all streams of the process before nobody's patience is long, and no stream has more than [`ROOM`].
const ROOM_OF_ALL: usize = 256 * 1024 * 1024;

/// The bytes that wait on all streams of the process. Its memory is one.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// The messages on their way to one reader.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    filled: Notify,
    /// Whether the reader is given up at all.
    bounded: bool,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<(String, Receipt)>,
    /// Of the message that the reader has been given last, until it comes back for more.
    reading: Option<Receipt>,
    /// Of all of them.
    bytes: usize,
    /// When the reader was last here.
    taken: Instant,
}

/// What its sender learns the end of a message by, when it is dropped.
#[derive(Debug)]
struct Receipt {
    bytes: usize,
    _taken: oneshot::Sender<Infallible>,
}

/// A message that the reader will not get: it has been given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GivenUp;

impl Outbox {
    pub(super) fn new(bounded: bool) -> Self {
        let state = State {
            queue: VecDeque::new(),
            reading: None,
            bytes: 0,
            taken: Instant::now(),
        };
        Self {
            state: Mutex::new(state),
            filled: Notify::new(),
            bounded,
        }
    }

    /// Whether so much waits that no more should be asked for.
    pub(super) fn is_full(&self) -> bool {
        let (own, all) = (self.state().bytes, WAITING.load(Ordering::Relaxed));
        self.bounded && (own > ROOM || own > 0 && all > ROOM_OF_ALL)
    }

    /// Puts a message behind the others and waits until the reader has taken it.
    ///
    /// # Errors
    /// The reader takes nothing, or too much waits for it.
    pub(super) async fn send(&self, message: String) -> Result<(), GivenUp> {
        let sent = Instant::now();
        let mut taken = self.push(message)?;
        loop {
            // What waits elsewhere may shorten the patience in the meantime.
            tokio::select! {
                _ = &mut taken => return Ok(()),
                () = tokio::time::sleep(HURRIED) => {}
            }
            if self.is_given_up(sent) {
                return Err(GivenUp);
            }
        }
    }

    fn push(&self, message: String) -> Result<oneshot::Receiver<Infallible>, GivenUp> {
        let bytes = message.len();
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        let most = most(WAITING.load(Ordering::Relaxed));
        if self.bounded && state.bytes > 0 && state.bytes + bytes > most {
            return Err(GivenUp);
        }
        state.bytes += bytes;
        WAITING.fetch_add(bytes, Ordering::Relaxed);
        let receipt = Receipt {
            bytes,
            _taken: sender,
        };
        state.queue.push_back((message, receipt));
        drop(state);
        self.filled.notify_one();
        Ok(receiver)
    }

    fn is_given_up(&self, sent: Instant) -> bool {
        let state = self.state();
        let waits = state.taken.max(sent).elapsed();
        self.bounded && waits >= patience(state.bytes, WAITING.load(Ordering::Relaxed))
    }

    /// The next message for the reader, which has come back for it. May be dropped and called again without loss.
    pub(super) async fn next(&self) -> String {
        loop {
            if let Some(message) = self.try_next() {
                return message;
            }
            self.filled.notified().await;
        }
    }

    /// The next message, if there is one.
    pub(super) fn try_next(&self) -> Option<String> {
        let mut state = self.state();
        let (message, receipt) = state.queue.pop_front()?;
        state.reading = Some(receipt);
        Some(message)
    }

    /// The reader has taken a part of what it was given.
    pub(super) fn reads(&self) {
        self.state().taken = Instant::now();
    }

    /// The reader has taken all that it was given.
    pub(super) fn has_read(&self) {
        let mut state = self.state();
        state.taken = Instant::now();
        if let Some(receipt) = state.reading.take() {
            state.release(receipt.bytes);
        }
    }

    /// Forgets what waits: nobody reads any more.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.queue = VecDeque::new();
        state.reading = None;
        let bytes = state.bytes;
        state.release(bytes);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn release(&mut self, bytes: usize) {
        self.bytes -= bytes;
        WAITING.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.clear();
    }
}

/// How long a reader may take nothing while so many bytes wait for it, and for all readers.
fn patience(own: usize, all: usize) -> Duration {
    if own > ROOM || all > ROOM_OF_ALL {
        HURRIED
    } else {
        STALLED
    }
}

/// The most bytes of one stream while so many wait on all.
fn most(all: usize) -> usize {
    if all > ROOM_OF_ALL { ROOM } else { MOST }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use futures_util::poll;

    use super::*;

    const MEGABYTE: usize = 1024 * 1024;

    fn text(bytes: usize) -> String {
        "x".repeat(bytes)
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_waits_for_its_reader_to_come_back() {
        let outbox = Outbox::new(true);
        let sent = outbox.send(text(5));
        tokio::pin!(sent);
        assert!(poll!(&mut sent).is_pending());
        assert_eq!(outbox.next().await, "xxxxx");
        assert!(poll!(&mut sent).is_pending());
        outbox.has_read();
        assert_eq!((sent.await, outbox.state().bytes), (Ok(()), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_given_up() {
        let outbox = Outbox::new(true);
        tokio::time::advance(10 * STALLED).await;
        let start = Instant::now();
        assert_eq!(outbox.send(text(5)).await, Err(GivenUp));
        assert_eq!(start.elapsed(), STALLED);

        // Also one that was given a message and never came back.
        outbox.next().await;
        let start = Instant::now();
        assert_eq!(outbox.send(text(5)).await, Err(GivenUp));
        assert_eq!(start.elapsed(), STALLED);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_a_little_now_and_then_is_not() {
        let outbox = Outbox::new(true);
        let read = async {
            for _ in 0..4 {
                outbox.next().await;
                for _ in 0..3 {
                    tokio::time::sleep(14 * HURRIED).await;
                    outbox.reads();
                }
                outbox.has_read();
            }
        };
        let sent = join_all((0..4).map(|_| outbox.send(text(MEGABYTE))));
        let (sent, ()) = tokio::join!(sent, read);
        assert_eq!(sent, [Ok(()); 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn much_that_waits_shortens_the_patience() {
        let outbox = Outbox::new(true);
        let start = Instant::now();
        assert!(!outbox.is_full());
        let sent = join_all((0..5).map(|_| outbox.send(text(MEGABYTE)))).await;
        assert_eq!((sent, start.elapsed()), (vec![Err(GivenUp); 5], HURRIED));
        assert!(outbox.is_full());
        outbox.clear();
        assert!(!outbox.is_full());

        assert_eq!(patience(ROOM, ROOM_OF_ALL), STALLED);
        assert_eq!(patience(0, ROOM_OF_ALL + 1), HURRIED);
        assert_eq!((most(ROOM_OF_ALL), most(ROOM_OF_ALL + 1)), (MOST, ROOM));
    }

    #[tokio::test(start_paused = true)]
    async fn the_bytes_have_a_bound() {
        let outbox = Outbox::new(true);
        // A single one may be larger: there is no smaller answer to the call.
        let whole = outbox.send(text(MOST + 1));
        tokio::pin!(whole);
        assert!(poll!(&mut whole).is_pending());
        let start = Instant::now();
        assert_eq!(outbox.send(text(1)).await, Err(GivenUp));
        assert_eq!(start.elapsed(), Duration::ZERO);
        outbox.next().await;
        outbox.has_read();
        assert_eq!(whole.await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_of_a_pipe_is_waited_for() {
        let outbox = Outbox::new(false);
        let sent = outbox.send(text(2 * ROOM));
        tokio::pin!(sent);
        let waited = tokio::time::timeout(100 * STALLED, &mut sent).await;
        assert!(waited.is_err() && !outbox.is_full());
        outbox.next().await;
        outbox.has_read();
        assert_eq!(sent.await, Ok(()));
    }
}
