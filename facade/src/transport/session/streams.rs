//! The streams of legacy SSE by the ids in their endpoint URLs.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::transport::conversation::Conversation;

/// Names a stream. Who knows it can send on the stream, so it can't be guessed: 128 random bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::transport) struct SessionId(String);

impl SessionId {
    fn random() -> Self {
        let mut text = String::with_capacity(32);
        // A `String` takes whatever is written to it. The generator is the thread's, which is cryptographically secure.
        let _ = write!(text, "{:032x}", rand::random::<u128>());
        Self(text)
    }
}

impl std::fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<String> for SessionId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The open streams of this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(in crate::transport) struct Sessions {
    open: Arc<Mutex<HashMap<SessionId, Arc<Conversation>>>>,
}

impl Sessions {
    /// Makes a conversation known, until the guard is dropped.
    pub(in crate::transport) fn register(&self, conversation: Arc<Conversation>) -> Registration {
        let id = SessionId::random();
        self.open().insert(id.clone(), conversation);
        Registration {
            sessions: self.clone(),
            id,
        }
    }

    /// The conversation of an id.
    pub(in crate::transport) fn find(&self, id: &SessionId) -> Option<Arc<Conversation>> {
        self.open().get(id).cloned()
    }

    fn open(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Conversation>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream's entry; dropping it takes the entry out.
#[derive(Debug)]
pub(in crate::transport) struct Registration {
    sessions: Sessions,
    id: SessionId,
}

impl Registration {
    pub(in crate::transport) fn id(&self) -> &SessionId {
        &self.id
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.sessions.open().remove(&self.id);
    }
}
