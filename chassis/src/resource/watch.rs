//! Who watches a list of resources, and the one task that looks at it for all of them.
//!
//! It runs while somebody watches. What is compared is a digest of what a caller chooses by: address, name, title and kind of each
//! resource, in the order of the list. Descriptions do not count, because they tell figures, such as an estimate of rows, that move all
//! the time while the list stays what it is.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use mcp_hub_proto::content::v1::ResourceLink;
use mcp_hub_proto::resource::v1::WatchResourcesResponse;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::{LISTED, Resources};
use crate::Lifecycle;
use crate::fault::{self, Fault, Reason};
use crate::stream::{self, Stream};

/// How often the list is looked at while somebody watches it and nobody says that it changed.
pub const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long others that change something have to join before the list is looked at, and so the shortest time between two such looks.
const SETTLE: Duration = Duration::from_millis(500);

/// How long a look may take.
const LOOK_LIMIT: Duration = LOOK_EVERY;

/// Tells the service that its list may have changed, so that it looks at once. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Changed(watch::Sender<()>);

impl Changed {
    /// What was just done may have changed the list.
    pub fn perhaps(&self) {
        self.0.send_replace(());
    }
}

/// The state of a list: equal for equal lists, on every replica.
type Digest = [u8; 16];

/// What the last look saw; `None` until there was one.
type Seen = watch::Sender<Option<Digest>>;

/// Those who watch a list.
pub(super) struct Watchers {
    resources: Arc<dyn Resources>,
    changed: Changed,
    lifecycle: Lifecycle,
    /// Belongs to the task that looks, and is gone when it has ended.
    seen: Arc<Mutex<Weak<Seen>>>,
}

impl Watchers {
    pub(super) fn new(resources: Arc<dyn Resources>, changed: Changed, lifecycle: Lifecycle) -> Self {
        Self {
            resources,
            changed,
            lifecycle,
            seen: Arc::default(),
        }
    }

    /// One more: where the list begins, and then each change, until it goes away or the process stops.
    pub(super) fn add(&self) -> Stream<WatchResourcesResponse> {
        let mut seen = self.subscribe();
        stream::start(&self.lifecycle, move |sender| async move {
            while seen.changed().await.is_ok() {
                let Some(digest) = *seen.borrow_and_update() else {
                    continue;
                };
                let digest = digest.to_vec();
                if sender.send(Ok(WatchResourcesResponse { digest })).await.is_err() {
                    return Ok(());
                }
            }
            // Whoever looked is gone, and this stream would be silent for good.
            Err(Fault::new(
                Reason::DatabaseUnavailable,
                "nobody looks any more: watch again",
            ))
        })
    }

    /// What is seen, from the last look or, when nobody looks, from one that begins now.
    fn subscribe(&self) -> watch::Receiver<Option<Digest>> {
        let mut current = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut receiver = if let Some(seen) = current.upgrade() {
            seen.subscribe()
        } else {
            let seen = Arc::new(Seen::default());
            *current = Arc::downgrade(&seen);
            let receiver = seen.subscribe();
            let looker = Looker {
                resources: self.resources.clone(),
                changed: self.changed.0.subscribe(),
                current: self.seen.clone(),
                seen,
            };
            self.lifecycle.spawn_until_stopped(looker.run());
            receiver
        };
        // What is there already is this one's beginning.
        receiver.mark_changed();
        receiver
    }
}

/// The task that looks.
struct Looker {
    resources: Arc<dyn Resources>,
    changed: watch::Receiver<()>,
    current: Arc<Mutex<Weak<Seen>>>,
    seen: Arc<Seen>,
}

impl Looker {
    async fn run(mut self) {
        loop {
            // Changes up to here are seen by the look that comes; later ones are the reason for another.
            self.changed.mark_unchanged();
            if let Some(digest) = self.look().await {
                self.seen
                    .send_if_modified(|seen| seen.replace(digest) != Some(digest));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                Ok(()) = self.changed.changed() => tokio::time::sleep(SETTLE).await,
                () = self.seen.closed() => {}
            }
            if self.is_done() {
                return;
            }
        }
    }

    /// The list's digest; `None` when it can't be had, which is no change.
    async fn look(&self) -> Option<Digest> {
        match tokio::time::timeout(LOOK_LIMIT, digest(&*self.resources)).await {
            Ok(Ok(digest)) => Some(digest),
            Ok(Err(fault)) => {
                tracing::debug!(error = fault::chain(&fault), "the resources can't be listed");
                None
            }
            Err(_) => {
                tracing::debug!("the resources were not listed in time");
                None
            }
        }
    }

    /// Whether nobody watches any more. Then the next who does gets a look of his own.
    fn is_done(&self) -> bool {
        // Under the lock, so that nobody joins meanwhile.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.seen.receiver_count() == 0;
        if done {
            *current = Weak::new();
        }
        done
    }
}

/// The digest of the whole list.
async fn digest(resources: &dyn Resources) -> Result<Digest, Fault> {
    let mut hash = Sha256::new();
    let mut cursor: Option<String> = None;
    let mut left = LISTED;
    loop {
        let page = resources.list(cursor.as_deref()).await?;
        // A page with nothing in it would not bring the end nearer.
        let end = page.resources.is_empty();
        for resource in page.resources.into_iter().take(left) {
            left -= 1;
            add(&mut hash, &resource);
        }
        cursor = page.next_cursor;
        if end || left == 0 || cursor.is_none() {
            break;
        }
    }
    let mut digest = Digest::default();
    digest.copy_from_slice(&hash.finalize()[..size_of::<Digest>()]);
    Ok(digest)
}

fn add(hash: &mut Sha256, resource: &ResourceLink) {
    for part in [
        &resource.uri,
        &resource.name,
        &resource.title,
        &resource.mime_type,
    ] {
        // Where one part ends matters.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
}
