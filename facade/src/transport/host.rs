//! Who a request is addressed to, and which page sent it: the defence against DNS rebinding, once for all doors.
//!
//! A page on the Internet can make its own host name resolve to this machine and so talk to a server that listens on loopback; but
//! its requests then carry that name. Only the names of `MCP_HUB_PUBLIC_URL` and loopback are answered, as long as nobody has to show
//! a token. Where callers have to, other names pass, such as those of a cluster: what such a page lacks then is the token. Pages are
//! never let in but from our own origin.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, StatusCode};
use mcp_hub_chassis::server::is_loopback;
use url::Url;

use super::message::Refusal;
use crate::config::PublicUrl;
use crate::metrics;

/// The names that requests may be addressed to. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// The one of `MCP_HUB_PUBLIC_URL`.
    pub(super) public: Option<PublicUrl>,
    /// Whether any other will do.
    pub(super) any: bool,
}

/// Refuses a request for another host, or from a foreign page.
pub(super) async fn check(State(names): State<Names>, request: Request, next: Next) -> Response {
    match refusal(&names, &request) {
        Some((reason, refusal)) => {
            metrics::rejected(reason);
            refusal.into_response()
        }
        None => next.run(request).await,
    }
}

/// Why a request is not taken: the reason in metrics, and the answer.
fn refusal(names: &Names, request: &Request) -> Option<(&'static str, Refusal)> {
    // HTTP/2 and absolute-form requests name the host in the URI, and then it outranks the header.
    let authority = match request.uri().authority() {
        Some(authority) => Some(authority.clone()),
        None => single(request.headers(), &HOST).and_then(|host| host.parse::<Authority>().ok()),
    };
    let Some(authority) = authority else {
        let sentence = "exactly one valid Host header is required";
        return Some(("host", Refusal::new(StatusCode::BAD_REQUEST, sentence)));
    };
    if !host_is_ours(names, &authority) {
        let sentence = "this host name is not served here; the operator sets it with MCP_HUB_PUBLIC_URL";
        return Some(("host", Refusal::new(StatusCode::FORBIDDEN, sentence)));
    }
    if request.headers().contains_key(ORIGIN) {
        let origin = single(request.headers(), &ORIGIN).and_then(|origin| Url::parse(origin).ok());
        if !origin.is_some_and(|origin| origin_is_ours(names, &origin)) {
            let sentence = "pages of this origin may not call this server";
            return Some(("origin", Refusal::new(StatusCode::FORBIDDEN, sentence)));
        }
    }
    None
}

/// The value of a header that must be there once.
fn single<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// The port does not count: a page can't choose the name by choosing the port, and proxies rewrite it.
fn host_is_ours(names: &Names, authority: &Authority) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_public = |public: &PublicUrl| public.host().eq_ignore_ascii_case(host);
    names.any || is_loopback(host) || names.public.as_ref().is_some_and(is_public)
}

fn origin_is_ours(names: &Names, origin: &Url) -> bool {
    let web = matches!(origin.scheme(), "http" | "https");
    let loopback = origin.host_str().is_some_and(is_loopback);
    let is_public = |public: &PublicUrl| public.is_origin_of(origin);
    web && (loopback || names.public.as_ref().is_some_and(is_public))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(public: Option<&str>, headers: &[(&str, &str)]) -> Option<StatusCode> {
        refused_by(public, false, headers)
    }

    fn refused_by(public: Option<&str>, any: bool, headers: &[(&str, &str)]) -> Option<StatusCode> {
        let mut request = http::Request::get("/sse");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let public = public.map(|url| url.parse().unwrap());
        let request = request.body(axum::body::Body::empty()).unwrap();
        refusal(&Names { public, any }, &request).map(|(_, refusal)| refusal.status)
    }

    #[test]
    fn only_the_public_name_and_loopback_are_answered() {
        const PUBLIC: Option<&str> = Some("https://mcp.example.com");
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:1",
            "[::1]:8000",
            "[::1]",
            "127.0.0.2",
            "localhost.",
        ] {
            assert_eq!(refused(None, &[("host", host)]), None, "{host}");
            assert_eq!(refused(PUBLIC, &[("host", host)]), None, "{host}");
        }
        for host in [
            "mcp.example.com",
            "MCP.example.com:443",
            "mcp.example.com.",
            "mcp.example.com:8000",
        ] {
            assert_eq!(refused(PUBLIC, &[("host", host)]), None, "{host}");
            assert_eq!(
                refused(None, &[("host", host)]),
                Some(StatusCode::FORBIDDEN),
                "{host}"
            );
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "mcp.example.com@evil.example",
            "x@localhost",
            "10.0.0.1",
            "notlocalhost",
            "[::2]",
        ] {
            assert_eq!(
                refused(PUBLIC, &[("host", host)]),
                Some(StatusCode::FORBIDDEN),
                "{host}"
            );
        }
        for hosts in [
            &[][..],
            &[("host", "localhost"), ("host", "localhost")],
            &[("host", "a b")],
            &[("host", "")],
        ] {
            assert_eq!(refused(PUBLIC, hosts), Some(StatusCode::BAD_REQUEST), "{hosts:?}");
        }
    }

    #[test]
    fn where_callers_show_tokens_any_name_will_do_and_foreign_pages_will_not() {
        let by = |headers: &[(&str, &str)]| refused_by(Some("https://mcp.example.com"), true, headers);
        for host in ["mcp-hub", "mcp-hub.tools.svc.cluster.local:8000", "10.0.0.1:8000"] {
            assert_eq!(by(&[("host", host)]), None, "{host}");
            let from = |origin| by(&[("host", host), ("origin", origin)]);
            assert_eq!(from("https://mcp.example.com"), None);
            assert_eq!(from("https://evil.example"), Some(StatusCode::FORBIDDEN));
            assert_eq!(from(&format!("http://{host}")), Some(StatusCode::FORBIDDEN));
        }
        for hosts in [&[][..], &[("host", "x@y")], &[("host", "a"), ("host", "b")]] {
            assert!(by(hosts).is_some(), "{hosts:?}");
        }
    }

    #[test]
    fn only_pages_of_the_public_origin_and_of_loopback_may_call() {
        const PUBLIC: Option<&str> = Some("https://mcp.example.com");
        let origin = |origin| refused(PUBLIC, &[("host", "localhost"), ("origin", origin)]);
        for ours in [
            "https://mcp.example.com",
            "https://mcp.example.com:443",
            "http://localhost:6274",
            "http://[::1]",
        ] {
            assert_eq!(origin(ours), None, "{ours}");
        }
        for foreign in [
            "http://mcp.example.com",
            "https://mcp.example.com:8443",
            "https://evil.example",
            "null",
            "",
            "file:///x",
            "https://localhost.evil.example",
            "chrome-extension://localhost",
        ] {
            assert_eq!(origin(foreign), Some(StatusCode::FORBIDDEN), "{foreign}");
        }
    }

    #[test]
    fn the_host_of_the_uri_outranks_the_header() {
        let request = http::Request::get("http://evil.example/sse").header("host", "localhost");
        let request = request.body(axum::body::Body::empty()).unwrap();
        assert_eq!(
            refusal(&Names::default(), &request).unwrap().1.status,
            StatusCode::FORBIDDEN
        );
    }
}
