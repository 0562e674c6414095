//! Progress of a call, on its way from whoever makes it to the client that asked to be told.

use tokio::sync::watch;

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
    latest: watch::Sender<Progress>,
}

impl Reporter {
    /// A reporter, and where its progress is seen: the latest, for nobody waits until each was read.
    pub fn new() -> (Self, watch::Receiver<Progress>) {
        let (latest, seen) = watch::channel(Progress::default());
        (Self { latest }, seen)
    }

    /// Says how far the call has come. What does not grow, or is no number, is not said.
    pub fn report(&self, progress: Progress) {
        self.latest.send_if_modified(|latest| {
            let grows = progress.progress.is_finite() && progress.progress > latest.progress;
            if grows {
                *latest = progress;
            }
            grows
        });
    }
}
