//! The open streams of this process, by the ids that only their owner can read out of a seal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::seal::StreamId;
use crate::metrics::{self, SSE_STREAMS};
use crate::transport::conversation::Conversation;

/// The open streams. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    open: Arc<Mutex<HashMap<StreamId, Arc<Conversation>>>>,
}

impl Streams {
    /// Makes a stream known, until the guard is dropped.
    pub(super) fn add(&self, conversation: Arc<Conversation>) -> Entry {
        // The generator is the thread's, which is cryptographically secure.
        let id = rand::random();
        self.open().insert(id, conversation);
        SSE_STREAMS.add(1, &[]);
        Entry {
            streams: self.clone(),
            id,
            opened: Instant::now(),
        }
    }

    /// The stream of an id, unless it is over.
    pub(super) fn find(&self, id: &StreamId) -> Option<Arc<Conversation>> {
        let found = self.open().get(id).cloned();
        found.filter(|conversation| !conversation.is_over())
    }

    fn open(&self) -> MutexGuard<'_, HashMap<StreamId, Arc<Conversation>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream's place; dropping it takes the stream out, however it ended.
#[derive(Debug)]
pub(super) struct Entry {
    streams: Streams,
    id: StreamId,
    opened: Instant,
}

impl Entry {
    pub(super) fn id(&self) -> StreamId {
        self.id
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.streams.open().remove(&self.id);
        SSE_STREAMS.add(-1, &[]);
        metrics::session(self.opened.elapsed());
    }
}
