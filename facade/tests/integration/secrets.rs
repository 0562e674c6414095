//! A facade whose files of tokens and session keys come later than itself.

use std::path::PathBuf;

use http::{Method, Request};
use mcp_hub_facade::Front;
use mcp_hub_facade::upstream::Upstreams;
use mcp_hub_testing::eventually;
use serde_json::json;

use crate::auth::{Lock, ask};
use crate::client::{Answer, Served, config, empty, request, send, serve};
use crate::hub::SOON;

const KEYS: &str = "first:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

/// Where a Secret would be mounted.
struct Mount(tempfile::TempDir);

impl Mount {
    fn empty() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a file in as a whole.
    fn put(&self, name: &str, text: &str) {
        let new = self.path("new");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(new, self.path(name)).expect("replaced");
    }

    /// The settings that name both files.
    fn arguments(&self) -> [String; 2] {
        [
            format!("--tokens-file={}", self.path("tokens.toml").display()),
            format!("--session-keys-file={}", self.path("session-keys").display()),
        ]
    }

    /// A facade that waits for both.
    async fn serve(&self) -> Served {
        let [tokens, keys] = self.arguments();
        serve(&["--wait-for-secrets", &tokens, &keys], Upstreams::default()).await
    }
}

async fn get(served: &Served, method: Method, path: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", served.address.to_string());
    send(served.address, empty(request)).await
}

async fn readiness(served: &Served) -> u16 {
    get(served, Method::GET, "/readyz").await.status.as_u16()
}

async fn becomes_ready(served: &Served) {
    eventually(SOON, async || match readiness(served).await {
        200 => Ok(()),
        status => Err(status),
    })
    .await;
}

/// Nobody is let in, with whatever token, and it is not said that the token is wrong.
async fn is_closed(served: &Served, token: &str) {
    assert_eq!(get(served, Method::GET, "/livez").await.status, 200);
    assert_eq!(readiness(served).await, 503);
    for (method, path) in [
        (Method::GET, "/sse"),
        (Method::HEAD, "/sse"),
        (Method::GET, "/mcp"),
    ] {
        let answer = get(served, method.clone(), path).await;
        assert_eq!(answer.status, 503, "{method} {path}");
        assert_eq!(answer.header("retry-after"), "5", "{method} {path}");
    }
    let answer = ask(served, token, &request(1, "ping", json!({}))).await;
    assert_eq!(answer.error().0, 503);
    let text = answer.text();
    assert!(text.contains("a file of secrets is missing"), "{text}");
    // Where it is missing is nobody's business.
    assert!(!text.contains("tokens.toml") && !text.contains("/tmp"), "{text}");
}

#[tokio::test]
async fn nobody_is_let_in_before_the_files_have_come_and_then_without_a_restart() {
    let mount = Mount::empty();
    let served = mount.serve().await;
    let mut lock = Lock::new();
    let token = lock.token_with("alice", |_| {});
    is_closed(&served, &token).await;

    // One of them is not enough, whatever the order.
    mount.put("session-keys", KEYS);
    is_closed(&served, &token).await;
    mount.put("tokens.toml", &lock.text());
    becomes_ready(&served).await;
    assert_eq!(get(&served, Method::GET, "/sse").await.status, 401);
    let pong = ask(&served, &token, &request(1, "ping", json!({}))).await;
    assert_eq!(pong.json()["result"], json!({}));

    // From here on it is as with any file: what was there stays in force.
    std::fs::remove_file(mount.path("tokens.toml")).expect("removed");
    std::fs::remove_file(mount.path("session-keys")).expect("removed");
    eventually(SOON, async || {
        let health = request(1, "tools/call", json!({"name": "health_check"}));
        let answer = ask(&served, &token, &health).await.json();
        let notices = answer["result"]["structuredContent"]["notices"].clone();
        match notices.as_array() {
            Some(notices) if notices.len() == 2 => Ok(()),
            _ => Err(answer),
        }
    })
    .await;
    assert_eq!(readiness(&served).await, 200);
}

#[tokio::test]
async fn a_file_that_can_not_be_used_is_one_that_has_not_come() {
    let mount = Mount::empty();
    mount.put("tokens.toml", "");
    mount.put("session-keys", "first:short\n");
    let served = mount.serve().await;
    let mut lock = Lock::new();
    let token = lock.token_with("alice", |_| {});
    is_closed(&served, &token).await;
    mount.put("tokens.toml", "[tokens.alice]\nsha256 = 7\n");
    mount.put("session-keys", KEYS);
    is_closed(&served, &token).await;
    mount.put("tokens.toml", &lock.text());
    becomes_ready(&served).await;
}

#[tokio::test]
async fn a_file_without_a_token_is_there_and_lets_nobody_in() {
    let mount = Mount::empty();
    mount.put("session-keys", KEYS);
    let served = mount.serve().await;
    mount.put("tokens.toml", "[tokens]\n");
    becomes_ready(&served).await;
    assert_eq!(get(&served, Method::GET, "/sse").await.status, 401);
}

#[tokio::test]
async fn who_is_not_told_to_wait_does_not_start() {
    let mount = Mount::empty();
    let [tokens, keys] = mount.arguments();
    let open = async |arguments: &[&str]| {
        let front = Front::open(&config(arguments), "127.0.0.1:0".parse().expect("an address")).await;
        let error = front.expect_err("a file is missing");
        mcp_hub_chassis::fault::chain(&error)
    };
    let error = open(&[&tokens]).await;
    assert!(error.contains("can't read the tokens file"), "{error}");
    let error = open(&[&keys]).await;
    assert!(error.contains("can't read the session keys file"), "{error}");
    // Waiting mends no settings that contradict each other.
    let error = open(&["--wait-for-secrets", "--auth=tokens"]).await;
    assert!(error.contains("no file says which"), "{error}");
    let error = open(&["--wait-for-secrets", "--auth=none", &tokens]).await;
    assert!(error.contains("would let everybody in"), "{error}");
}
