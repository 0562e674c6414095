//! Who is let in, at each door.

use http::Method;
use mcp_hub_chassis::metrics;

use super::*;
use crate::client::send_http2;

/// Every way to every door.
const DOORS: [(Method, &str); 7] = [
    (Method::POST, "/mcp"),
    (Method::POST, "/sse"),
    (Method::POST, "/messages?session_id=x"),
    (Method::GET, "/sse"),
    (Method::HEAD, "/sse"),
    (Method::GET, "/mcp"),
    (Method::DELETE, "/mcp"),
];

/// A message at a door, from an address of its own.
fn knock(served: &Served, method: &Method, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", served.address))
        .header("host", served.address.to_string())
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("x-forwarded-for", somebody())
}

fn ping(request: http::request::Builder) -> Request<Full<Bytes>> {
    let message = crate::client::request(1, "ping", json!({}));
    request.body(message.to_string().into()).expect("a request")
}

/// How often a request was refused for a reason, in this process.
fn refused(reason: &str) -> f64 {
    let line = format!("mcp_hub_auth_refused_total{{reason=\"{reason}\"}} ");
    let text = metrics::text();
    let value = text.lines().find_map(|text| text.strip_prefix(&line));
    value.map_or(0.0, |value| value.parse().expect("a number"))
}

#[tokio::test]
async fn no_door_opens_without_a_token_that_is_in_force() {
    let mut lock = Lock::new();
    let right = lock.token("right");
    let expired = lock.token_for("expired", SignedDuration::from_secs(-1));
    let revoked = lock.token("revoked");
    lock.revoke("revoked");
    let served = lock.behind_proxy().await;
    let wrong = unknown();
    let cut = right[..right.len() - 1].to_owned();
    for (authorization, reason, challenge) in [
        (None, "missing", r#"Bearer realm="mcp-hub""#),
        (
            Some(&wrong),
            "invalid",
            r#"Bearer realm="mcp-hub", error="invalid_token""#,
        ),
        (
            Some(&cut),
            "invalid",
            r#"Bearer realm="mcp-hub", error="invalid_token""#,
        ),
        (
            Some(&revoked),
            "invalid",
            r#"Bearer realm="mcp-hub", error="invalid_token""#,
        ),
        (
            Some(&expired),
            "expired",
            r#"Bearer realm="mcp-hub", error="invalid_token", error_description="the token has expired""#,
        ),
    ] {
        for (method, path) in &DOORS {
            let knock = || {
                let request = knock(&served, method, path);
                match authorization {
                    Some(value) => ping(request.header("authorization", value)),
                    None => ping(request),
                }
            };
            let before = refused(reason);
            for answer in [
                send(served.address, knock()).await,
                send_http2(served.address, knock()).await,
            ] {
                let door = format!("{method} {path} {reason}");
                assert_eq!(answer.status, 401, "{door}");
                assert_eq!(answer.header("www-authenticate"), challenge, "{door}");
                if *method != Method::HEAD {
                    assert_eq!(answer.error(), (401, -32600), "{door}");
                    let json = answer.json();
                    let sentence = json["error"]["message"].as_str().expect("a sentence");
                    assert!(sentence.contains("mcp-hub token new"), "{sentence}");
                    if let Some(value) = authorization {
                        assert!(!answer.text().contains(&value[8..20]), "{answer:?}");
                    }
                }
            }
            // Other tests count too.
            assert!(refused(reason) >= before + 2.0, "{method} {path} {reason}");
        }
    }
    for (method, path) in &DOORS {
        let knock = || ping(knock(&served, method, path).header("authorization", &right));
        let expected = match (method, *path) {
            (&Method::POST, "/mcp" | "/sse") | (&Method::GET | &Method::HEAD, "/sse") => 200,
            (&Method::POST, _) => 404,
            _ => 405,
        };
        let answer = open(served.address, knock()).await;
        assert_eq!(answer.status(), expected, "{method} {path}");
    }
    let answer = send_http2(
        served.address,
        ping(knock(&served, &Method::POST, "/mcp").header("authorization", &right)),
    )
    .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn what_tells_nothing_is_open() {
    let lock = Lock::new();
    lock.write();
    let served = lock.behind_proxy().await;
    for (path, status) in [("/", 200), ("/livez", 200), ("/readyz", 200), ("/nowhere", 404)] {
        let answer = send(served.address, ping(knock(&served, &Method::GET, path))).await;
        assert_eq!(answer.status, status, "{path}");
    }
    let page = send(served.address, ping(knock(&served, &Method::GET, "/")))
        .await
        .text();
    assert!(
        page.contains("It asks for a token") && page.contains("--token-file"),
        "{page}"
    );
    let open = serve(&[], Upstreams::default()).await;
    let page = send(open.address, ping(knock(&open, &Method::GET, "/")))
        .await
        .text();
    assert!(!page.contains("token") && !page.contains("{{"), "{page}");
}

#[tokio::test]
async fn a_token_is_shown_in_one_of_two_headers_and_never_in_the_url() {
    let mut lock = Lock::new();
    let bearer = lock.token("a");
    let other = lock.token("b");
    let served = lock.behind_proxy().await;
    let token = |bearer: &str| bearer.trim_start_matches("Bearer ").to_owned();
    let (key, other_key) = (token(&bearer), token(&other));
    let lower = bearer.replace("Bearer", "bearer");
    let twice = format!("{bearer}, {bearer}");
    for (headers, expected) in [
        (&[("authorization", bearer.as_str())][..], 200),
        (&[("authorization", &lower)], 200),
        (&[("x-api-key", &key)], 200),
        (&[("authorization", &bearer), ("x-api-key", &key)], 200),
        // A proxy's own.
        (&[("authorization", "Basic eDp5"), ("x-api-key", &key)], 200),
        (&[("authorization", ""), ("x-api-key", &key)], 200),
        (&[("authorization", &key)], 401),
        (&[("x-api-key", &bearer)], 401),
        (&[("authorization", "Basic eDp5")], 401),
        (&[("authorization", "Bearer")], 401),
        (&[("authorization", &twice)], 401),
        (&[("cookie", &format!("token={key}"))], 401),
        (&[("authorization", &bearer), ("x-api-key", &other_key)], 400),
        (&[("authorization", &bearer), ("authorization", &bearer)], 400),
        (&[("authorization", &bearer), ("authorization", &other)], 400),
        (&[("x-api-key", &key), ("x-api-key", &key)], 400),
    ] {
        let mut request = knock(&served, &Method::POST, "/mcp");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = send(served.address, ping(request)).await;
        assert_eq!(answer.status, expected, "{headers:?}");
        if expected == 400 {
            let challenge = answer.header("www-authenticate");
            assert!(challenge.ends_with("error=\"invalid_request\""), "{challenge}");
        }
    }
    for query in ["token", "access_token", "api_key", "x-api-key", "authorization"] {
        let path = format!("/mcp?{query}={key}");
        let answer = send(served.address, ping(knock(&served, &Method::POST, &path))).await;
        assert_eq!(answer.status, 401, "{query}");
    }
}

#[tokio::test]
async fn where_callers_show_tokens_names_of_a_cluster_pass_and_foreign_pages_do_not() {
    let mut lock = Lock::new();
    let right = lock.token("a");
    let served = lock.serve(&[], Upstreams::default()).await;
    for (origin, expected) in [
        (None, 200),
        (Some("http://localhost:6274"), 200),
        (Some("http://mcp-hub:8000"), 403),
    ] {
        let mut request = Request::post("/mcp")
            .header("host", "mcp-hub:8000")
            .header("content-type", "application/json")
            .header("authorization", &right);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        assert_eq!(
            send(served.address, ping(request)).await.status,
            expected,
            "{origin:?}"
        );
    }
}
