//! The HTTP around the messages: media types, methods, paths, hosts, versions.

use bytes::Bytes;
use http::{Method, Request};
use mcp_hub_facade::upstream::Upstreams;
use serde_json::json;

use crate::auth::Lock;
use crate::client::{Served, open, request, send, send_http2, serve};

async fn facade() -> Served {
    serve(&[], Upstreams::default()).await
}

#[tokio::test]
async fn an_accept_header_with_either_type_or_none_will_do() {
    let served = facade().await;
    let list = request(1, "tools/list", json!({})).to_string();
    let with = async |accept: Option<&str>| {
        let mut message = Request::post("/mcp")
            .header("host", "localhost")
            .header("content-type", "application/json");
        if let Some(accept) = accept {
            message = message.header("accept", accept);
        }
        send(served.address, message.body(list.clone().into()).unwrap()).await
    };
    for accept in [
        None,
        Some("*/*"),
        Some("application/json"),
        Some("text/event-stream"),
        Some("text/html, */*;q=0.8"),
    ] {
        assert_eq!(with(accept).await.status, 200, "{accept:?}");
    }
    assert_eq!(with(Some("text/html")).await.error(), (406, -32600));
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let served = facade().await;
    let list = request(1, "tools/list", json!({})).to_string();
    for (content_type, ok) in [
        (Some("application/json"), true),
        (Some("Application/JSON; charset=utf-8"), true),
        (Some("text/plain"), false),
        (Some("application/x-www-form-urlencoded"), false),
        (Some("application/jsonp"), false),
        (None, false),
    ] {
        let mut message = Request::post("/mcp").header("host", "localhost");
        if let Some(content_type) = content_type {
            message = message.header("content-type", content_type);
        }
        let answer = send(served.address, message.body(list.clone().into()).unwrap()).await;
        if ok {
            assert_eq!(answer.status, 200, "{content_type:?}");
        } else {
            assert_eq!(answer.error(), (415, -32600), "{content_type:?}");
        }
    }
}

#[tokio::test]
async fn methods_and_paths_that_are_not_served() {
    let served = facade().await;
    let plain = async |method: Method, path: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        send(served.address, request.body(Bytes::new().into()).unwrap()).await
    };
    for (method, path, allow) in [
        (Method::GET, "/mcp", "POST"),
        (Method::DELETE, "/mcp", "POST"),
        (Method::OPTIONS, "/mcp", "POST"),
        (Method::GET, "/messages", "POST"),
        (Method::DELETE, "/sse", "GET,HEAD,POST"),
    ] {
        let answer = plain(method.clone(), path).await;
        let mut allowed: Vec<&str> = answer.header("allow").split(',').collect();
        allowed.sort_unstable();
        assert_eq!(
            (answer.status.as_u16(), allowed.join(",").as_str()),
            (405, allow),
            "{method} {path}"
        );
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    for path in [
        "/nothing",
        "/mcp/",
        "/.well-known/oauth-protected-resource",
        "/metrics",
        "/../etc/passwd",
    ] {
        assert_eq!(plain(Method::GET, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn probes_tell_nothing_and_take_any_host() {
    let lock = Lock::new();
    lock.write();
    let public = ["--public-url", "https://mcp.example.com"];
    for served in [
        facade().await,
        serve(&public, Upstreams::default()).await,
        lock.serve(&public, Upstreams::default()).await,
    ] {
        // As a kubelet names a Pod, a health checker a node with its NodePort, and a proxy what its clients call us.
        for host in [
            "10.244.1.7:8000",
            "172.23.0.3:30800",
            "mcp.example.com",
            "[fd00::7]:8000",
        ] {
            for (method, body) in [(Method::GET, "ok\n"), (Method::HEAD, "")] {
                for probe in ["/livez", "/readyz"] {
                    let request = Request::builder()
                        .method(method.clone())
                        .uri(probe)
                        .header("host", host)
                        .body(Bytes::new().into())
                        .unwrap();
                    let answer = send(served.address, request).await;
                    assert_eq!(
                        (answer.status.as_u16(), answer.text().as_str()),
                        (200, body),
                        "{method} {probe} {host}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_browser_is_told_how_to_connect() {
    let served = serve(&["--public-url", "https://mcp.example.com"], Upstreams::default()).await;
    let request = Request::get("/")
        .header("host", "mcp.example.com")
        .body(Bytes::new().into())
        .unwrap();
    let answer = send(served.address, request).await;
    assert!(answer.header("content-type").starts_with("text/html"));
    assert!(
        answer
            .header("content-security-policy")
            .contains("default-src 'none'")
    );
    assert!(answer.text().contains("https://mcp.example.com/mcp"));
}

#[tokio::test]
async fn a_request_for_another_host_or_from_a_foreign_page_is_refused_at_every_door() {
    let served = serve(&["--public-url", "https://mcp.example.com"], Upstreams::default()).await;
    let list = request(1, "tools/list", json!({})).to_string();
    for (method, path) in [
        (Method::POST, "/mcp"),
        (Method::POST, "/sse"),
        (Method::GET, "/sse"),
        (Method::POST, "/messages"),
        (Method::GET, "/"),
        (Method::GET, "/nothing"),
    ] {
        let asked = |host: &str, origin: Option<&str>| {
            let mut request = Request::builder()
                .method(method.clone())
                .uri(path)
                .header("host", host)
                .header("content-type", "application/json");
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            open(served.address, request.body(list.clone().into()).unwrap())
        };
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1"] {
            let answer = asked(host, None).await;
            assert_eq!(answer.status(), 403, "{method} {path} {host}");
            assert_eq!(answer.headers()["content-type"], "application/json");
        }
        assert_eq!(
            asked("localhost", Some("https://evil.example")).await.status(),
            403,
            "{method} {path}"
        );
        assert_eq!(
            asked("localhost", Some("null")).await.status(),
            403,
            "{method} {path}"
        );
        assert_ne!(
            asked("mcp.example.com", Some("https://mcp.example.com"))
                .await
                .status(),
            403,
            "{method} {path}"
        );
        assert_ne!(
            asked("[::1]:9", Some("http://127.0.0.1:6274")).await.status(),
            403,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn http2_is_served_with_prior_knowledge() {
    let served = facade().await;
    let list = request(1, "tools/list", json!({})).to_string();
    let asked = |authority: &str| {
        let uri = format!("http://{authority}/mcp");
        Request::post(uri)
            .header("content-type", "application/json")
            .body(list.clone().into())
            .unwrap()
    };
    let answer = send_http2(served.address, asked("localhost")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.json()["result"]["tools"].is_array());
    assert_eq!(
        send_http2(served.address, asked("evil.example")).await.status,
        403
    );
}
