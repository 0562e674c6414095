//! The span `guard`: checking what a caller gives, before the server is asked.

use mcp_hub_chassis::{Fault, trace};

/// Runs a check of arguments in a span of its own.
///
/// # Errors
/// The check's.
pub(crate) fn guard<T>(check: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let span = trace::internal("guard");
    let checked = span.in_scope(check);
    if let Err(fault) = &checked {
        trace::fault(&span, fault);
    }
    checked
}
