//! The sessions of legacy SSE: which stream a posted message belongs to, on whichever replica that stream is.
//!
//! A session's id is a sealed token: opening the [`seal`] tells the replica that has the stream, until when, and whose it is, so that
//! nothing is shared between replicas but [`keys`]. The stream itself is among the [`streams`] of its replica; a message for another
//! replica's stream is handed over once, by the [`relay`](super::relay).

use bytes::Bytes;

pub(crate) mod keys;
pub(super) mod seal;
pub(super) mod streams;

/// A message that a client posted for a session.
#[derive(Clone, Debug)]
pub(super) struct Posted {
    /// The id that the client named.
    pub(super) session_id: String,
    /// The fingerprint of who posted it.
    pub(super) principal: [u8; 16],
    pub(super) message: Bytes,
    /// The trace context of the POST.
    pub(super) traceparent: Option<String>,
}
