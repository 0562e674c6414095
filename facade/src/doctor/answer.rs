//! What the answer for the page at the root says of who gave it.

use http::StatusCode;
use mcp_hub_chassis::doctor::Verdict;

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// A facade, with its page.
    Ours,
    /// Not what is due.
    Is(Verdict),
}

/// What an answer comes to.
pub(super) fn page(status: StatusCode, text: &str) -> Page {
    let verdict = match status.as_u16() {
        200 if text.contains("<h1>mcp-hub</h1>") => return Page::Ours,
        300..400 => Verdict::Redirected,
        // The words are of `transport::host`.
        400 if text.contains("valid Host header") => Verdict::HostRefused,
        403 if text.contains("this host name is not served here") => Verdict::HostRefused,
        403 if text.contains("pages of this origin") => Verdict::OriginRefused,
        // Those from 520 on are Cloudflare's.
        502..=504 | 520..=530 => Verdict::ProxyError,
        _ => Verdict::NotOurs,
    };
    Page::Is(verdict)
}
