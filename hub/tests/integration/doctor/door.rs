//! Facades and proxies: who answers, whom they let in, and whether events come through.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Report, asked, root, written};
use crate::fake::{Fake, Reply};
use crate::support::Hub;

const PAGE: &str = "<h1>mcp-hub</h1>";

/// What doctor finds at a public URL that answers so.
async fn of_answer(status: &'static str, kind: &'static str, body: &'static str) -> Report {
    let fake = Fake::start(move |_| Reply::with_status(status, kind, body)).await;
    Report::of(&[], &[("MCP_HUB_PUBLIC_URL", root(&fake.url))]).await
}

#[tokio::test]
async fn a_hub_that_works_has_no_fault() {
    let hub = Hub::start(&[], &[]).await;
    let url = hub.url();
    let report = Report::of(&[], &[("MCP_HUB_PUBLIC_URL", root(&url)), ("MCP_HUB_URL", &url)]).await;
    for hop in ["public-url", "proxy", "facade", "clock"] {
        report.finds(hop, "ok");
    }
    assert_eq!(
        (report.json["ok"].as_bool(), report.exit.status.code()),
        (Some(true), Some(0))
    );
    let version = format!("its version is {}", env!("CARGO_PKG_VERSION"));
    assert!(report.all().contains(&version), "{}", report.all());
}

#[tokio::test]
async fn what_answers_in_the_place_of_a_facade_is_told() {
    of_answer("200 OK", "text/html", "<h1>Welcome to nginx!</h1>")
        .await
        .finds("public-url", "not-ours");
    let finding = of_answer("502 Bad Gateway", "text/html", "x").await;
    assert_eq!(finding.finds("public-url", "proxy-error")["detail"], "HTTP 502");
    of_answer("308 Permanent Redirect", "text/html", "")
        .await
        .finds("public-url", "redirected");
}

#[tokio::test]
async fn a_facade_that_is_called_by_another_name_refuses() {
    let hub = Hub::start(&[], &[]).await;
    let port = format!("127.0.0.1:{}", hub.port);
    let public = ("MCP_HUB_PUBLIC_URL", "https://localhost:1");
    Report::of(&["--node-port", &port], &[public])
        .await
        .finds("node-port", "ok");
    let other = ("MCP_HUB_PUBLIC_URL", "https://mcp.example.invalid");
    Report::of(&["--node-port", &port], &[other])
        .await
        .finds("node-port", "host-refused");
}

#[tokio::test]
async fn a_facade_that_refuses_its_own_pages_is_found() {
    let fake = Fake::start(|seen| {
        if seen.head.contains("\r\norigin: ") {
            let body = r#"{"error":{"message":"pages of this origin may not call this server"}}"#;
            return Reply::with_status("403 Forbidden", "application/json", body);
        }
        Reply::with_status("200 OK", "text/html", PAGE)
    });
    let url = fake.await.url;
    Report::of(&[], &[("MCP_HUB_PUBLIC_URL", root(&url))])
        .await
        .finds("public-url", "origin-refused");
}

#[tokio::test]
async fn tokens_are_asked_for_and_refused_and_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = folder.path().join("tokens.toml").display().to_string();
    let hub = Hub::start(&["--tokens-file", &tokens, "--wait-for-secrets"], &[]).await;
    let url = hub.url();
    let waiting = Report::of(&[], &[("MCP_HUB_URL", &url)]).await;
    waiting.finds("facade", "tokens-missing");
    waiting.finds("facade", "not-ready");

    let made = crate::support::run(&["token", "new", "doctor", "--tokens-file", &tokens], &[]).await;
    let token = written(folder.path(), "token", made.stdout.trim());
    let wrong = written(folder.path(), "wrong", "mcphub_wrong");
    mcp_hub_testing::eventually(crate::support::DEADLINE, async || {
        let report = Report::of(&[], &[("MCP_HUB_URL", &url), ("MCP_HUB_TOKEN_FILE", &token)]).await;
        if report.all().contains("its version is") {
            Ok(())
        } else {
            Err(report.all())
        }
    })
    .await;
    Report::of(&[], &[("MCP_HUB_URL", &url)])
        .await
        .finds("facade", "token-needed");
    let refused = Report::of(&[], &[("MCP_HUB_URL", &url), ("MCP_HUB_TOKEN_FILE", &wrong)]).await;
    refused.finds("facade", "token-refused");
    let missing = Report::of(&[], &[("MCP_HUB_URL", &url), ("MCP_HUB_TOKEN_FILE", "/nowhere")]).await;
    missing.finds("facade", "secret-unreadable");
    assert!(!refused.all().contains("mcphub_wrong") && !refused.exit.stdout.contains("mcphub_wrong"));
}

/// A proxy that hands on what is asked at once, and what is answered to `/sse` when it has all of it: never.
async fn buffering(port: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.expect("a hub");
                let mut head = vec![0; 4096];
                let length = client.read(&mut head).await.unwrap_or_default();
                let _ = server.write_all(&head[..length]).await;
                if head.starts_with(b"GET /sse") {
                    let mut all = vec![];
                    let _ = server.read_to_end(&mut all).await;
                    let _ = client.write_all(&all).await;
                } else {
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn a_proxy_that_holds_events_back_is_found() {
    let hub = Hub::start(&[], &[]).await;
    let url = buffering(hub.port).await;
    let report = Report::of(&[], &[("MCP_HUB_PUBLIC_URL", &url)]).await;
    report.finds("public-url", "ok");
    report.finds("proxy", "proxy-buffers");
}

#[tokio::test]
async fn a_session_that_another_replica_does_not_know_is_lost() {
    let fake = Fake::start(|seen| match asked(seen) {
        "get /sse" => Reply::endless_events("event: endpoint\ndata: /messages?session_id=x\n\n"),
        "post /messages?session_id=x" => Reply::with_status("404 Not Found", "application/json", "{}"),
        _ => Reply::with_status("200 OK", "text/html", PAGE),
    });
    let url = fake.await.url;
    Report::of(&[], &[("MCP_HUB_PUBLIC_URL", root(&url))])
        .await
        .finds("proxy", "session-lost");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_found() {
    let fake = Fake::start(|_| {
        let length = PAGE.len();
        Reply::Send(format!(
            "HTTP/1.1 200 OK\r\nDate: Wed, 21 Oct 2015 07:28:00 GMT\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{PAGE}"
        ))
    });
    let url = fake.await.url;
    let report = Report::of(&[], &[("MCP_HUB_PUBLIC_URL", root(&url))]).await;
    let detail = report.finds("clock", "clock-skew")["detail"]
        .as_str()
        .expect("a text");
    assert!(detail.ends_with(" s behind"), "{detail}");
}

#[tokio::test]
async fn another_version_is_told() {
    let fake = Fake::start(|seen| match asked(seen) {
        "post /mcp" => Reply::json(&serde_json::json!({
            "jsonrpc": "2.0", "id": 1, "result": { "serverInfo": { "name": "mcp-hub", "version": "9.9.9" } },
        })),
        _ => Reply::with_status("200 OK", "text/html", PAGE),
    });
    let url = fake.await.url;
    let report = Report::of(&[], &[("MCP_HUB_URL", &url)]).await;
    let detail = report.finds("facade", "other-version")["detail"]
        .as_str()
        .expect("a text");
    assert!(detail.contains("9.9.9"), "{detail}");
}

#[tokio::test]
async fn the_token_is_shown_to_facades_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = written(folder.path(), "token", "hunter2");
    for (page, shown) in [("<h1>Welcome to nginx!</h1>", false), (PAGE, true)] {
        let fake = Fake::start(move |_| Reply::with_status("200 OK", "text/html", page)).await;
        Report::of(&[], &[("MCP_HUB_URL", &fake.url), ("MCP_HUB_TOKEN_FILE", &token)]).await;
        let found = fake.seen().iter().any(|seen| seen.head.contains("hunter2"));
        assert_eq!(found, shown, "{page}");
    }
}
