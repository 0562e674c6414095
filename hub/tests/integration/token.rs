//! `mcp-hub token`, and a hub that lets in who has one.

use std::path::{Path, PathBuf};

use mcp_hub_facade::auth::token::{self, Scope};
use mcp_hub_testing::eventually;
use serde_json::json;

use crate::support::{DEADLINE, Exit, Hub, Speaker, names, request, run};

/// A folder with a tokens file and files of tokens.
struct Office {
    folder: tempfile::TempDir,
}

impl Office {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    async fn token(&self, arguments: &[&str]) -> Exit {
        let file = self.path("tokens.toml");
        run(
            &[&["token"], arguments].concat(),
            &[("MCP_HUB_TOKENS_FILE", &file)],
        )
        .await
    }

    /// Makes a token, and a file with it.
    async fn make(&self, name: &str, more: &[&str]) -> String {
        let made = self.token(&[&["new", name], more].concat()).await;
        assert!(made.status.success(), "{made:?}");
        assert_eq!(made.stdout.lines().count(), 1, "{made:?}");
        assert!(made.stdout.starts_with("mcphub_"), "{made:?}");
        assert!(!made.stderr.contains(made.stdout.trim()), "{made:?}");
        let path = self.path(name);
        std::fs::write(&path, made.stdout).expect("written");
        path
    }
}

fn secret(path: &str) -> String {
    std::fs::read_to_string(path).expect("a file").trim().to_owned()
}

/// The tools of a hub, as the holder of a token lists them.
async fn tools(hub: &Hub, token_file: &str) -> Exit {
    run(&["tools", "--url", &hub.url(), "--token-file", token_file], &[]).await
}

#[tokio::test]
async fn tokens_come_and_go_while_the_hub_serves() {
    let office = Office::new();
    let alice = office.make("alice", &[]).await;
    let tokens = office.path("tokens.toml");
    let hub = Hub::start(&["--tokens-file", &tokens, "--log", "trace"], &[]).await;
    let banner = hub.program.stdout();
    assert!(
        banner.contains("--token-file") && banner.contains("mcp-hub token new"),
        "{banner}"
    );

    let listed = tools(&hub, &alice).await;
    assert!(listed.stdout.contains("sqlite_query"), "{listed:?}");
    let refused = run(&["tools", "--url", &hub.url()], &[]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stderr.contains("asks who calls (HTTP 401)"),
        "{refused:?}"
    );

    // No restart for one more.
    let bob = office
        .make("bob", &["--scope", "db:write", "--expires", "90d"])
        .await;
    let known = async |token: &str| {
        let listed = tools(&hub, token).await;
        listed.status.success()
    };
    eventually(DEADLINE, async || known(&bob).await).await;
    let listed = tools(&hub, &bob).await;
    assert!(
        listed.stdout.contains("list_services") && !listed.stdout.contains("sqlite_query"),
        "{listed:?}"
    );

    let mut bridge = Speaker::start(&["--url", &hub.url(), "--token-file", &alice]);
    let listed = bridge.ask(&request(1, "tools/list", json!({}))).await;
    assert!(
        names(&listed).iter().any(|name| name == "sqlite_query"),
        "{listed}"
    );

    let revoked = office.token(&["revoke", "alice"]).await;
    assert!(revoked.status.success(), "{revoked:?}");
    eventually(DEADLINE, async || !known(&alice).await).await;
    let answer = bridge.ask(&request(2, "tools/list", json!({}))).await;
    let message = answer["error"]["message"].as_str().expect("an error");
    assert!(message.contains("--token-file"), "{message}");
    assert!(known(&bob).await);

    // Who came in vain is logged, and nothing of any token, whatever the log says.
    let log = hub.program.stderr();
    assert!(log.contains("failed login") && log.contains("127.0.0.1"), "{log}");
    assert!(
        log.contains("token:bob") || log.contains("tokens file changed"),
        "{log}"
    );
    for token in [&alice, &bob] {
        let token = secret(token);
        for part in [&token[7..19], &token[30..42]] {
            assert!(!log.contains(part), "{part} is in the log");
        }
    }
}

#[tokio::test]
async fn a_token_is_made_for_a_file_or_to_be_put_into_one() {
    let office = Office::new();
    office
        .make(
            "ci.deploy",
            &[
                "--scope",
                "db:write",
                "--scope",
                "db:read",
                "--upstream",
                "orders",
                "--upstream",
                "billing",
                "--expires",
                "2999-01-01",
            ],
        )
        .await;
    let tokens = PathBuf::from(office.path("tokens.toml"));
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path).expect("a file");
        token::parse(&text).expect("usable")
    };
    let [entry] = &read(&tokens)[..] else {
        panic!("one token")
    };
    assert_eq!(entry.name, "ci.deploy");
    assert_eq!(entry.scopes, [Scope::Read, Scope::Write]);
    assert_eq!(
        entry.upstreams.as_deref(),
        Some(&["orders".to_owned(), "billing".to_owned()][..])
    );
    assert_eq!(entry.expires.expect("a time").to_string(), "2999-01-01T00:00:00Z");

    let before = std::fs::read(&tokens).expect("a file");
    let taken = office.token(&["new", "ci.deploy"]).await;
    assert_eq!((taken.status.code(), taken.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        taken.stderr,
        "mcp-hub: there is a token \"ci.deploy\" already: choose another name, or revoke it first\n"
    );
    assert_eq!(std::fs::read(&tokens).expect("a file"), before);

    let listed = office.token(&["list"]).await;
    assert!(
        listed
            .stdout
            .contains("ci.deploy  db:read db:write  orders billing  2999-01-01T00:00:00Z"),
        "{listed:?}"
    );
    let unknown = office.token(&["revoke", "nobody"]).await;
    assert_eq!(
        unknown.stderr,
        "mcp-hub: there is no token \"nobody\"; there are: ci.deploy\n"
    );

    let pasted = run(&["token", "new", "dora"], &[]).await;
    let table = pasted.stderr.split_once("\n\n").expect("an entry").1;
    let table = table.split_once("\nThe token").expect("an entry").0;
    let [entry] = &token::parse(table).expect("usable")[..] else {
        panic!("one token")
    };
    assert_eq!(
        (entry.name.as_str(), &entry.scopes[..]),
        ("dora", &[Scope::Read][..])
    );
    assert!(
        pasted.stdout.starts_with("mcphub_") && pasted.stdout.trim().len() == 50,
        "{pasted:?}"
    );
}

#[tokio::test]
async fn a_hub_that_others_reach_needs_tokens_or_the_switch() {
    let exit = run(&["--listen", "0.0.0.0:0"], &[]).await;
    assert_eq!(exit.status.code(), Some(1));
    for way in [
        "mcp-hub token new NAME",
        "--tokens-file",
        "127.0.0.1",
        "--allow-unauthenticated",
    ] {
        assert!(exit.stderr.contains(way), "{way}: {}", exit.stderr);
    }
    let office = Office::new();
    office.make("alice", &[]).await;
    let tokens = office.path("tokens.toml");
    let hub = Hub::start(&["--listen", "0.0.0.0:0"], &[("MCP_HUB_TOKENS_FILE", &tokens)]).await;
    drop(hub);
    for (arguments, expected) in [
        (
            &["--auth", "none"][..],
            "--auth none would let everybody in although there is a tokens file",
        ),
        (&["--auth", "tokens"], ""),
    ] {
        if expected.is_empty() {
            drop(Hub::start(arguments, &[("MCP_HUB_TOKENS_FILE", &tokens)]).await);
            continue;
        }
        let exit = run(arguments, &[("MCP_HUB_TOKENS_FILE", &tokens)]).await;
        assert_eq!(exit.status.code(), Some(1));
        assert!(exit.stderr.contains(expected), "{}", exit.stderr);
    }
    let exit = run(&["--auth", "tokens"], &[]).await;
    assert!(
        exit.stderr.contains("name one with --tokens-file"),
        "{}",
        exit.stderr
    );
    std::fs::write(&tokens, "[tokens.alice]\nscopes = []\n").expect("written");
    let exit = run(&[], &[("MCP_HUB_TOKENS_FILE", &tokens)]).await;
    assert!(
        exit.stderr.contains("the token \"alice\": sha256 is missing"),
        "{}",
        exit.stderr
    );
}
