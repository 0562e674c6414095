//! What the facade is told of a request by the proxy: who the client is, and by which name it came.

use mcp_hub_e2e::Caddy;

use super::upstream::{Then, Upstream};

/// Caddy in front of an upstream that writes down what it is asked.
async fn recording(environment: &[(&str, &str)]) -> Option<(Upstream, Caddy)> {
    let upstream = Upstream::start(Then::Answers).await;
    let caddy = Caddy::start(&[upstream.address()], environment).await?;
    Some((upstream, caddy))
}

/// Sends a request with these headers, and returns the values of one as it arrived.
async fn arrives((upstream, caddy): &(Upstream, Caddy), headers: &[(&str, &str)], name: &str) -> Vec<String> {
    let client = caddy.client().build().expect("a client");
    let mut request = client.get(caddy.url("/recorded"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    let requests = upstream.requests("GET /recorded ");
    let head = requests.last().expect("it arrived");
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_owned())
        .collect()
}

/// What a client writes into the headers of proxies is not passed on, and its name for us is.
#[tokio::test]
async fn a_client_is_the_other_end_of_the_connection() {
    let Some(recorder) = recording(&[]).await else {
        return;
    };
    let forged = [
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-For", "203.0.113.8, 203.0.113.9"),
        ("CF-Connecting-IP", "203.0.113.10"),
        ("X-Forwarded-Proto", "gopher"),
    ];
    assert_eq!(
        arrives(&recorder, &forged, "X-Forwarded-For").await,
        ["127.0.0.1"]
    );
    assert_eq!(arrives(&recorder, &forged, "X-Forwarded-Proto").await, ["https"]);
    let authority = recorder.1.url("").replace("https://", "");
    assert_eq!(arrives(&recorder, &forged, "Host").await, [authority]);
}

/// Behind Cloudflare the client is whom Cloudflare names, and only a request from there can name one.
#[tokio::test]
async fn behind_cloudflare_the_client_is_whom_it_names() {
    let forwarded = [
        ("X-Forwarded-For", "203.0.113.7, 198.51.100.4"),
        ("CF-Connecting-IP", "198.51.100.4"),
    ];
    let networks = [("HUB_CLOUDFLARE", "2001:db8::/32 127.0.0.0/8")];
    let Some(recorder) = recording(&networks).await else {
        return;
    };
    assert_eq!(
        arrives(&recorder, &forwarded, "X-Forwarded-For").await,
        ["198.51.100.4"]
    );
    // A probe of theirs, say, that names nobody.
    assert_eq!(
        arrives(&recorder, &forwarded[..1], "X-Forwarded-For").await,
        ["127.0.0.1"]
    );

    let networks = [("HUB_CLOUDFLARE", "2001:db8::/32 192.0.2.0/24")];
    let Some(elsewhere) = recording(&networks).await else {
        return;
    };
    assert_eq!(
        arrives(&elsewhere, &forwarded, "X-Forwarded-For").await,
        ["127.0.0.1"]
    );
}
