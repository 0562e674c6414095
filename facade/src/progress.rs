//! Progress of a call, on its way from whoever makes it to the client that asked to be told.
//!
//! The call says to a [`Reporter`] how far it has come, as often as it likes; a [`Teller`] gives the client the latest of it, now and then.
//! Where nobody says anything, it tells how long the call has taken, so that a client and the proxies before it know that it lives.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The least time between two messages to a client.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a client is told the time of a call that says nothing itself.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How far a call has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// How much is done; it only grows.
    pub progress: f64,
    /// How much there is to do in the same unit, where that is known.
    pub total: Option<f64>,
    /// What is done now, for people; empty when the number says it.
    pub message: String,
}

/// Where the progress of one call goes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reporter {
    latest: watch::Sender<Option<Progress>>,
}

impl Reporter {
    /// A reporter, and where its progress is seen: the latest, for nobody waits until each was read.
    pub fn new() -> (Self, watch::Receiver<Option<Progress>>) {
        let (latest, seen) = watch::channel(None);
        (Self { latest }, seen)
    }

    /// Says how far the call has come. What does not grow, or is no number, is not said.
    pub fn report(&self, mut progress: Progress) {
        let most = progress.total.filter(|total| total.is_finite());
        progress.total = most.filter(|most| *most >= progress.progress);
        self.latest.send_if_modified(|latest| {
            let before = latest.as_ref().map(|latest| latest.progress);
            let grows =
                progress.progress.is_finite() && before.is_none_or(|before| progress.progress > before);
            if grows {
                *latest = Some(progress);
            }
            grows
        });
    }
}

/// What a client is told, and when.
#[derive(Debug)]
pub(crate) struct Teller {
    seen: watch::Receiver<Option<Progress>>,
    /// What is waited for, while nobody says more: the key of an upstream.
    waiting_for: String,
    begun: Instant,
    /// When the next may be told.
    not_before: Instant,
    /// The last that was told.
    told: Option<f64>,
    /// How often the time was told.
    beats: u32,
}

impl Teller {
    /// What tells of the call that begins now.
    pub(crate) fn new(seen: watch::Receiver<Option<Progress>>, waiting_for: &str) -> Self {
        let now = Instant::now();
        Self {
            seen,
            waiting_for: waiting_for.to_owned(),
            begun: now,
            not_before: now,
            told: None,
            beats: 0,
        }
    }

    /// Waits for the next that the client is to be told: more than the last, and not too soon behind it. May be dropped and called again
    /// without loss.
    pub(crate) async fn next(&mut self) -> Progress {
        let beat = self.begun + HEARTBEAT * (self.beats + 1);
        let silent = self.seen.borrow().is_none();
        let progress = tokio::select! {
            biased;
            progress = more(&mut self.seen, self.told, self.not_before) => progress,
            () = sleep_until(beat), if silent => self.beat(),
        };
        self.told = Some(progress.progress);
        self.not_before = Instant::now() + PAUSE;
        progress
    }

    /// The time that the call has taken.
    fn beat(&mut self) -> Progress {
        while self.begun + HEARTBEAT * (self.beats + 1) <= Instant::now() {
            self.beats += 1;
        }
        let time = HEARTBEAT * self.beats;
        Progress {
            progress: time.as_secs_f64(),
            total: None,
            message: format!("{} s: waiting for {}", time.as_secs(), self.waiting_for),
        }
    }
}

/// Waits until more is said than was told, and it may be told.
async fn more(
    seen: &mut watch::Receiver<Option<Progress>>,
    told: Option<f64>,
    not_before: Instant,
) -> Progress {
    let grows = |seen: &Option<Progress>| {
        let said = seen.as_ref().map(|seen| seen.progress);
        said.is_some_and(|said| told.is_none_or(|told| said > told))
    };
    if seen.wait_for(grows).await.is_err() {
        // The call is over: no more is said.
        std::future::pending::<()>().await;
    }
    sleep_until(not_before).await;
    // What has come meanwhile is more still.
    let latest = seen.borrow().clone();
    latest.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn at(progress: f64) -> Progress {
        Progress {
            progress,
            ..Progress::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_grows_is_told_and_the_latest_wins() {
        let (reporter, seen) = Reporter::new();
        let mut teller = Teller::new(seen, "shop");
        assert!(teller.next().now_or_never().is_none());
        for (said, told) in [
            // The first may be nothing.
            (&[0.0][..], 0.0),
            (&[1.0, 5.0, 3.0, f64::NAN, f64::INFINITY, 7.5, 7.5][..], 7.5),
            (&[-1.0, 8.0], 8.0),
        ] {
            let start = Instant::now();
            for said in said {
                reporter.report(at(*said));
            }
            assert_eq!(teller.next().await, at(told));
            let expected = if said.len() == 1 { Duration::ZERO } else { PAUSE };
            assert_eq!(start.elapsed(), expected, "{told}");
        }
        // Dropped while it waits for its time, and nothing is lost.
        reporter.report(at(9.0));
        assert!(teller.next().now_or_never().is_none());
        reporter.report(at(10.0));
        assert_eq!(teller.next().await, at(10.0));
        reporter.report(at(10.0));
        drop(reporter);
        let more = tokio::time::timeout(HEARTBEAT * 10, teller.next()).await;
        assert!(more.is_err(), "{more:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_total_is_a_number() {
        let (reporter, seen) = Reporter::new();
        for (progress, total, expected) in [
            (1.0, Some(f64::NAN), None),
            (2.0, Some(f64::INFINITY), None),
            (3.0, Some(4.0), Some(4.0)),
            (4.0, Some(4.0), Some(4.0)),
            (5.0, Some(4.0), None),
        ] {
            reporter.report(Progress {
                total,
                ..at(progress)
            });
            assert_eq!(seen.borrow().as_ref().map(|seen| seen.total), Some(expected));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_is_told_where_nobody_says_anything() {
        let (reporter, seen) = Reporter::new();
        let mut teller = Teller::new(seen, "shop");
        let start = Instant::now();
        for seconds in [5, 10] {
            let told = teller.next().await;
            assert_eq!(start.elapsed(), Duration::from_secs(seconds));
            assert_eq!(told.message, format!("{seconds} s: waiting for shop"));
            assert_eq!((told.progress, told.total), (start.elapsed().as_secs_f64(), None));
        }
        // Whoever could not be told for a while is told once.
        tokio::time::sleep(Duration::from_secs(13)).await;
        assert_eq!(teller.next().await.message, "20 s: waiting for shop");
        assert_eq!(teller.next().await.message, "25 s: waiting for shop");
        // Who begins to say something is heard alone.
        reporter.report(at(3.0));
        reporter.report(at(26.0));
        assert_eq!(teller.next().await, at(26.0));
        let more = tokio::time::timeout(HEARTBEAT * 10, teller.next()).await;
        assert!(more.is_err(), "{more:?}");
    }
}
