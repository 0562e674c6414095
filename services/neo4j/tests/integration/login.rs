//! Logins: passwords in files that change, and failures in clean words.

use std::path::Path;
use std::time::Duration;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_testing::{Neo4j, Settings, eventually};

use crate::adapter::{Adapter, SOON, Server, assert_fault, rows};

fn write(file: &Path, password: &str) {
    std::fs::write(file, format!("{password}\n")).expect("writes the password");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_needs_no_restart() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let users = Server::of_system(neo4j);
    users
        .run(&[
            "drop user rotated if exists",
            "create user rotated set password 'old p@ss:w/rd#1' change not required",
        ])
        .await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    write(&file, "old p@ss:w/rd#1");
    let uri = folder.path().join("uri");
    std::fs::write(&uri, format!("{}\n", neo4j.url())).expect("writes the URI");
    let settings = format!(
        "uri_file = '{}'\nuser = 'rotated'\npassword_file = '{}'\npool_size = 1",
        uri.display(),
        file.display()
    );
    let adapter = Adapter::start(&settings).await;
    assert_eq!(
        rows(&adapter.query("return 1 as n").await.expect("works")),
        ["[1]"]
    );

    // A changed file alone replaces the pool: nobody keeps connections of a login that was taken back.
    write(&file, "wrong");
    eventually(SOON, async || adapter.query("return 1 as n").await.err()).await;
    let fault = assert_fault(
        adapter.query("return 1 as n").await,
        Reason::DatabaseUnavailable,
        "login refused for user \"rotated\"",
    );
    let told = format!("{fault:?}");
    assert!(!told.contains("wrong") && !told.contains("127.0.0.1"), "{told}");

    // The password is rotated; the next login reads the file again, however recently another was refused.
    users
        .run(&["alter user rotated set password 'the new one'"])
        .await;
    write(&file, "the new one");
    assert_eq!(
        rows(&adapter.query("return 1 as n").await.expect("the first call")),
        ["[1]"]
    );
    users.run(&["drop user rotated"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_login_is_told_in_clean_words() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let users = Server::of_system(neo4j);
    users
        .run(&[
            "drop user expired if exists",
            "create user expired set password 'initial1' change required",
        ])
        .await;
    let address = format!("127.0.0.1:{}", neo4j.port());
    let http = neo4j.http_url().trim_start_matches("http://");
    for (uri, reason) in [
        (
            format!("bolt://nobody:bad-password@{address}"),
            "login refused for user \"nobody\"",
        ),
        (
            format!("bolt://{address}"),
            "the server wants a password, and none is set",
        ),
        (
            format!("bolt://expired:initial1@{address}"),
            "password must be changed first: ALTER CURRENT USER",
        ),
        (
            format!("neo4j://expired:initial1@{address}"),
            "password must be changed first: ALTER CURRENT USER",
        ),
        (format!("bolt://neo4j:x@{http}"), "speaks HTTP, not Bolt"),
        (
            "bolt://neo4j:x@no-such-host.invalid".to_owned(),
            "name can't be looked up",
        ),
        ("neo4j://neo4j:x@127.0.0.1:1".to_owned(), "connection refused"),
    ] {
        let adapter = Adapter::start(&format!("uri = '{uri}'")).await;
        let fault = assert_fault(
            adapter.query("return 1 as n").await,
            Reason::DatabaseUnavailable,
            reason,
        );
        let told = format!("{fault:?}");
        assert!(
            !told.contains("127.0.0.1") && !told.contains("invalid") && !told.contains("bad-password"),
            "{told}"
        );
        eventually(SOON, async || adapter.status().await.reason.contains(reason)).await;
    }
    users.run(&["drop user expired"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_does_not_lock_the_user_out() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let users = Server::of_system(neo4j);
    users
        .run(&[
            "drop user locked if exists",
            "create user locked set password 'right-one' change not required",
        ])
        .await;
    let address = format!("127.0.0.1:{}", neo4j.port());
    let wrong = Adapter::start(&format!("uri = 'bolt://locked:wrong-one@{address}'")).await;
    for _ in 0..10 {
        assert_fault(
            wrong.query("return 1 as n").await,
            Reason::DatabaseUnavailable,
            "login refused for user \"locked\"",
        );
    }
    let right = Adapter::start(&format!("uri = 'bolt://locked:right-one@{address}'")).await;
    assert_eq!(
        rows(&right.query("return 1 as n").await.expect("not locked out")),
        ["[1]"]
    );
    users.run(&["drop user locked"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_somebody_locked_out_is_told_so() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let users = Server::of_system(neo4j);
    users
        .run(&[
            "drop user guessed if exists",
            "create user guessed set password 'right-one' change not required",
        ])
        .await;
    let address = format!("127.0.0.1:{}", neo4j.port());
    let mut told = Vec::new();
    for guess in 0..5 {
        let adapter = Adapter::start(&format!("uri = 'bolt://guessed:wrong-{guess}@{address}'")).await;
        told.push(
            adapter
                .query("return 1 as n")
                .await
                .expect_err("a wrong guess")
                .message,
        );
    }
    assert!(told[0].contains("login refused for user \"guessed\""), "{told:?}");
    assert!(
        told[4].contains("too many wrong logins of user \"guessed\""),
        "{told:?}"
    );
    users.run(&["drop user guessed"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_passwords_is_used_and_told_about() {
    let open = Settings::new().set("dbms.security.auth_enabled", "false");
    let Some(neo4j) = Neo4j::start_with(&open).await else {
        return;
    };
    let adapter = Adapter::start(&format!("uri = '{}'", neo4j.url())).await;
    assert_eq!(
        rows(&adapter.query("return 1 as n").await.expect("works")),
        ["[1]"]
    );
    // A server that has just started may be slow to tell about its users, and is asked again after some seconds.
    let posture = eventually(Duration::from_mins(1), async || {
        let posture = adapter.status().await.posture;
        (!posture.is_empty()).then_some(posture)
    })
    .await;
    assert!(posture[0].contains("asks nobody for a password"), "{posture:?}");
}
