//! Failed logins and connections, by the address that is really the client's.

use super::*;
use crate::client::{raw, within};

/// Sends a wrong token from an address, until that is past its limit; how many were answered with 401.
async fn exhaust(served: &Served, from: Option<&str>) -> usize {
    for count in 0..50 {
        let answer = knock(served, Some(&unknown()), from).await;
        match answer.status.as_u16() {
            401 => {}
            429 => {
                let wait: u64 = answer.header("retry-after").parse().expect("seconds");
                assert!((1..=60).contains(&wait), "{wait}");
                assert_eq!(answer.error(), (429, -32600));
                return count;
            }
            other => panic!("HTTP {other}"),
        }
    }
    panic!("there is no limit");
}

async fn knock(served: &Served, authorization: Option<&str>, from: Option<&str>) -> Answer {
    let mut message = post(served.address, "/mcp");
    if let Some(authorization) = authorization {
        message = message.header("authorization", authorization);
    }
    if let Some(from) = from {
        message = message.header("x-forwarded-for", from);
    }
    let ping = request(1, "ping", json!({}));
    send(
        served.address,
        message.body(ping.to_string().into()).expect("a request"),
    )
    .await
}

#[tokio::test]
async fn failed_logins_are_limited_by_the_address_that_a_trusted_proxy_names() {
    let mut lock = Lock::new();
    let right = lock.token("a");
    let served = lock.behind_proxy().await;
    let (one, other) = (somebody(), somebody());
    assert_eq!(exhaust(&served, Some(&one)).await, 10);
    // What the client itself writes in front of it does not help.
    let disguised = format!("{}, {one}", somebody());
    for authorization in [Some("Bearer x"), None] {
        for from in [&one, &disguised] {
            assert_eq!(knock(&served, authorization, Some(from)).await.status, 429);
        }
        assert_eq!(knock(&served, authorization, Some(&other)).await.status, 401);
    }
    // Many share an address: one with an old token must not lock out the others.
    assert_eq!(knock(&served, Some(&right), Some(&one)).await.status, 200);
}

#[tokio::test]
async fn who_is_no_trusted_proxy_can_not_choose_its_address() {
    let mut lock = Lock::new();
    let right = lock.token("a");
    let served = lock
        .serve(&["--trusted-proxies", "192.0.2.1"], Upstreams::default())
        .await;
    for _ in 0..10 {
        assert_eq!(
            knock(&served, Some("Bearer x"), Some(&somebody())).await.status,
            401
        );
    }
    assert_eq!(
        knock(&served, Some("Bearer x"), Some(&somebody())).await.status,
        429
    );
    assert_eq!(knock(&served, Some(&right), None).await.status, 200);
}

#[tokio::test]
async fn to_ask_without_a_token_is_no_failed_login() {
    let lock = Lock::new();
    lock.write();
    let served = lock.serve(&[], Upstreams::default()).await;
    for _ in 0..30 {
        assert_eq!(knock(&served, None, None).await.status, 401);
    }
}

#[tokio::test]
async fn connections_of_a_trusted_proxy_are_everybodys() {
    let few = ["--max-connections-per-address", "1"];
    let strict = serve(&few, Upstreams::default()).await;
    let proxied = serve(
        &[&few[..], &["--trusted-proxies", "127.0.0.0/8"]].concat(),
        Upstreams::default(),
    )
    .await;
    for (served, closed) in [(&strict, true), (&proxied, false)] {
        let _first = open(served.address, empty(get(served))).await;
        let answer = within(raw(
            served.address,
            b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        ))
        .await;
        assert_eq!(answer.is_empty(), closed, "{answer}");
    }
}
