//! Whether an HTTP/2 peer has surely not handled a request, by the error that it failed with. Such a request may be sent again, whatever
//! it does.

use std::error::Error;

/// What a request failed with, as far as it says something of what the peer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The peer has surely not handled it.
    Unhandled,
    /// The connection failed, or only the stream; what the peer did with the request is unknown.
    Lost { connection: bool },
}

/// What one error of a chain says; `None` when it is not for it to say.
pub(crate) fn cause(error: &(dyn Error + 'static)) -> Option<Cause> {
    // hyper says "canceled" only of a request that never left its queue.
    if error
        .downcast_ref::<hyper::Error>()
        .is_some_and(hyper::Error::is_canceled)
    {
        return Some(Cause::Unhandled);
    }
    let error = error.downcast_ref::<h2::Error>()?;
    // A GOAWAY ends the streams that the peer says it has not looked at, and REFUSED_STREAM says the same of one (RFC 9113, sections 6.8
    // and 8.7).
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    Some(if error.is_remote() && (error.is_go_away() || refused) {
        Cause::Unhandled
    } else {
        Cause::Lost {
            connection: !(error.is_remote() && error.is_reset()),
        }
    })
}

/// What an error, or one behind it, says.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> Option<Cause> {
    cause(error).or_else(|| root_cause(error.source()?))
}
