//! The settings of one facade, and pages at the root. Doors, proxies and adapters are those of `hub/tests/integration/doctor`.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use mcp_hub_chassis::config::Sources;
use mcp_hub_chassis::doctor::Surroundings;

use super::answer::{Page, page};
use super::*;
use crate::config::Config;

fn scope() -> Scope {
    Scope {
        timeout: Duration::from_secs(2),
        deadline: Duration::from_secs(10),
        surroundings: Arc::new(Surroundings::of([], false)),
    }
}

fn config(arguments: &[&str]) -> Config {
    let sources = Sources {
        arguments: std::iter::once(&"x").chain(arguments).map(Into::into).collect(),
        ..Sources::default()
    };
    sources.load().expect("settings")
}

/// The verdicts on the files of a facade that others reach.
fn of_files(arguments: &[&str]) -> Vec<Verdict> {
    let listen = "0.0.0.0:8000".parse().expect("an address");
    let findings = own::files(&config(arguments), listen);
    findings.iter().map(|finding| finding.verdict).collect()
}

async fn of_peers(arguments: &[&str]) -> Vec<Verdict> {
    let findings = own::peers(&config(arguments).relay, &scope()).await;
    findings.iter().map(|finding| finding.verdict).collect()
}

#[test]
fn each_file_of_secrets_is_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let empty = file("empty.toml", "[tokens]\n");
    let wrong = file("wrong.toml", "[tokens.x]\nnothing = 1\n");
    assert_eq!(of_files(&[]), [Verdict::NoAuthentication]);
    assert_eq!(of_files(&["--auth", "tokens"]), [Verdict::SettingMissing]);
    assert_eq!(
        of_files(&["--auth", "none", "--tokens-file", &empty]),
        [Verdict::SettingWrong]
    );
    assert_eq!(
        of_files(&["--tokens-file", "/nowhere/tokens.toml"]),
        [Verdict::TokensMissing]
    );
    assert_eq!(of_files(&["--tokens-file", &empty]), [Verdict::TokensMissing]);
    assert_eq!(of_files(&["--tokens-file", &wrong]), [Verdict::FileWrong]);

    let keys = file("keys", "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    let key_files = |arguments: &[&str]| of_files(arguments)[1..].to_vec();
    assert_eq!(key_files(&["--session-keys-file", &keys]), [Verdict::Ok]);
    assert_eq!(key_files(&["--session-keys-file", &wrong]), [Verdict::FileWrong]);
    assert_eq!(
        key_files(&["--session-keys-file", "/nowhere/keys"]),
        [Verdict::SecretUnreadable]
    );
    assert_eq!(key_files(&["--peers", "peers:8001"]), [Verdict::SettingMissing]);
}

#[test]
fn nothing_of_a_file_of_secrets_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys");
    std::fs::write(&path, "k1:hunter2hunter2\n").expect("a file");
    let settings = config(&["--session-keys-file", &path.display().to_string()]);
    let findings = own::files(&settings, "127.0.0.1:0".parse().expect("an address"));
    assert_eq!(findings[1].verdict, Verdict::FileWrong);
    assert!(!format!("{findings:?}").contains("hunter2"), "{findings:?}");
}

#[tokio::test]
async fn the_way_to_other_replicas_is_looked_at() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let there = listener.local_addr().expect("an address").to_string();
    assert_eq!(of_peers(&[]).await, []);
    assert_eq!(of_peers(&["--peers", &there]).await, [Verdict::Ok, Verdict::Ok]);
    drop(listener);
    assert_eq!(
        of_peers(&["--peers", &there]).await,
        [Verdict::Ok, Verdict::Refused]
    );
    // Two labels with nothing in between are no name, whoever is asked.
    assert_eq!(
        of_peers(&["--peers", "mcp..peers:8001"]).await,
        [Verdict::NoPeers]
    );
    assert_eq!(
        of_peers(&["--relay-listen", "127.0.0.1:1"]).await,
        [Verdict::SettingWrong]
    );
}

#[test]
fn the_page_at_the_root_says_who_answers() {
    let of = |status: u16, text: &str| page(StatusCode::from_u16(status).expect("a status"), text);
    let ours = include_str!("../transport/page.html");
    assert_eq!(of(200, ours), Page::Ours);
    for (status, text, verdict) in [
        (200, "<h1>Welcome</h1>", Verdict::NotOurs),
        (404, "", Verdict::NotOurs),
        (301, "", Verdict::Redirected),
        (502, "", Verdict::ProxyError),
        (530, "error code: 1033", Verdict::ProxyError),
        (403, "Forbidden", Verdict::NotOurs),
    ] {
        assert_eq!(of(status, text), Page::Is(verdict), "{status} {text}");
    }
}
