//! When the list of an upstream's resources is another one. What is in the list nobody keeps: it is asked for when a client asks.
//!
//! Each endpoint is watched (`WatchResources`) and says a digest of what it would list. Replicas of one adapter look at their database at
//! different times, so that for a while one says the new digest and another the old one: that is one change, told when the first says it.
//! An adapter that says another digest all day long is told to clients now and then, with the last word in it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use mcp_hub_proto::resource::v1::WatchResourcesResponse;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;
use tonic::transport::Channel;

use super::codec::Encoded;
use crate::rate::{Bucket, Rate};

/// The service that has resources.
pub(crate) const SERVICE: &str = "mcphub.resource.v1.ResourceService";

const WATCH: &str = "/mcphub.resource.v1.ResourceService/WatchResources";

/// How often clients are told of one upstream. Who creates tables does it a few times in a row.
const NOTICES: Rate = Rate {
    burst: 5,
    every: Duration::from_secs(30),
};

/// The least time between two messages of a watch that are read. What is sent faster waits, and that is bounded by HTTP/2.
const PAUSE: Duration = Duration::from_millis(500);

/// The most bytes of one message: it holds a digest.
const MAX_BYTES: usize = 4096;

/// What a list is known by, whatever the adapter makes it of.
type Digest = [u8; 32];

/// What is known of the list of one upstream.
#[derive(Debug, Default)]
pub(crate) struct ResourceList(Mutex<State>);

#[derive(Debug)]
struct State {
    /// What each endpoint that is watched says now.
    said: HashMap<SocketAddr, Digest>,
    /// What was said last that was new.
    current: Option<Digest>,
    /// What clients have been told of.
    told: Option<Digest>,
    /// Whether a client was shown a list without it, because it could not be asked.
    missed: bool,
    version: u64,
    notices: Bucket,
}

impl Default for State {
    fn default() -> Self {
        Self {
            said: HashMap::new(),
            current: None,
            told: None,
            missed: false,
            version: 0,
            notices: Bucket::full(),
        }
    }
}

impl ResourceList {
    /// How often the list has changed, as far as clients are to know, and how long until more may be known; `None` when there is no more.
    /// `available` says whether the upstream can be asked.
    pub(crate) fn version(&self, available: bool) -> (u64, Option<Duration>) {
        let mut state = self.state();
        let due = state.current != state.told || state.missed && available;
        if !due {
            return (state.version, None);
        }
        match state.notices.take(NOTICES) {
            Ok(()) => {
                state.told = state.current;
                state.missed &= !available;
                state.version += 1;
                (state.version, None)
            }
            Err(wait) => (state.version, Some(wait)),
        }
    }

    /// A client was shown a list without this one.
    pub(crate) fn missed(&self) {
        self.state().missed = true;
    }

    /// Begins to note what an endpoint says, until this is dropped.
    pub(super) fn watch(self: &Arc<Self>, endpoint: SocketAddr) -> Watched {
        Watched {
            list: self.clone(),
            endpoint,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One endpoint that is watched.
#[derive(Debug)]
pub(super) struct Watched {
    list: Arc<ResourceList>,
    endpoint: SocketAddr,
}

impl Watched {
    /// Notes what the endpoint says. Whether clients have to be told of something.
    pub(super) fn says(&self, digest: Digest) -> bool {
        let mut state = self.list.state();
        let before = state.said.insert(self.endpoint, digest);
        let current = state.current;
        let backed = || state.said.values().any(|said| Some(*said) == current);
        if current.is_none() {
            // Where it begins. That the list is there at all is not for this to tell.
            state.current = Some(digest);
            state.told = Some(digest);
        } else if current != Some(digest) && before != Some(digest) && (before.is_some() || !backed()) {
            // An endpoint that is new, and sees something else than one that was there, may be the first to know of a change or the last to
            // know of another. If it is one, the others will say so.
            state.current = Some(digest);
        }
        state.current != state.told
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.list.state().said.remove(&self.endpoint);
    }
}

/// Watches the list of the adapter behind a channel and tells `on_digest` what it says, until the stream ends. Whether it said anything.
pub(super) async fn watch(channel: Channel, mut on_digest: impl FnMut(Digest)) -> bool {
    let mut client = tonic::client::Grpc::new(channel).max_decoding_message_size(MAX_BYTES);
    if client.ready().await.is_err() {
        return false;
    }
    let request = tonic::Request::new(Bytes::new());
    let path = PathAndQuery::from_static(WATCH);
    let Ok(answer) = client.server_streaming(request, path, Encoded).await else {
        return false;
    };
    let mut stream = answer.into_inner();
    let mut heard = false;
    while let Ok(Some(message)) = stream.message().await {
        let Ok(message) = WatchResourcesResponse::decode(message) else {
            return heard;
        };
        on_digest(Sha256::digest(&message.digest).into());
        heard = true;
        sleep(PAUSE).await;
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn version(list: &ResourceList) -> u64 {
        list.version(true).0
    }

    #[tokio::test(start_paused = true)]
    async fn one_change_that_replicas_see_at_different_times_is_one() {
        let list = Arc::<ResourceList>::default();
        let (a, b) = (list.watch(endpoint(1)), list.watch(endpoint(2)));
        assert!(
            !a.says([0; 32]) && !b.says([0; 32]),
            "where it begins is no change"
        );
        assert_eq!(version(&list), 0);
        assert!(a.says([1; 32]));
        assert_eq!(version(&list), 1);
        // Again what it said, and what the other said before.
        assert!(!a.says([1; 32]) && !b.says([0; 32]));
        assert!(!b.says([1; 32]));
        assert_eq!(version(&list), 1);
        // A new one that lags, or that sees something else for good.
        let c = list.watch(endpoint(3));
        assert!(!c.says([0; 32]));
        assert!(!c.says([0; 32]));
        assert_eq!(version(&list), 1);
        // It changes: that is news.
        assert!(c.says([2; 32]));
        assert_eq!(version(&list), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_changed_while_all_were_away_is_told_when_one_is_back() {
        let list = Arc::<ResourceList>::default();
        let (a, b) = (list.watch(endpoint(1)), list.watch(endpoint(2)));
        assert!(!a.says([0; 32]) && !b.says([0; 32]));
        drop((a, b));
        let a = list.watch(endpoint(1));
        assert!(!a.says([0; 32]), "nothing has changed");
        drop(a);
        let a = list.watch(endpoint(1));
        assert!(a.says([1; 32]));
        assert_eq!(version(&list), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_something_else_all_day_is_told_now_and_then() {
        let list = Arc::<ResourceList>::default();
        let liar = list.watch(endpoint(1));
        liar.says([0; 32]);
        for said in 1..=100 {
            assert!(liar.says([said; 32]));
            list.version(true);
        }
        let (version, wait) = list.version(true);
        assert_eq!((version, wait), (5, Some(NOTICES.every)));
        // The last word is told when it may be.
        tokio::time::advance(NOTICES.every).await;
        assert_eq!(list.version(true), (6, None));
        assert!(!liar.says([100; 32]));
        // What is as it was told before anybody could be told otherwise is no change.
        assert!(liar.says([1; 32]));
        assert_eq!(list.version(true).0, 6);
        assert!(!liar.says([100; 32]));
        assert_eq!(list.version(true), (6, None));
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_left_out_is_told_when_it_is_back() {
        let list = ResourceList::default();
        list.missed();
        assert_eq!(list.version(false), (0, None));
        assert_eq!(list.version(true), (1, None));
        assert_eq!(list.version(true), (1, None));
    }
}
