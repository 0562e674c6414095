//! Logins: passwords in files that change, TLS, and failures in clean words.

use std::path::Path;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_testing::{Postgres, eventually};

use crate::adapter::{Adapter, SOON, Server, assert_fault, rows};

/// A server whose TCP logins need a password, and the superuser's session that goes round them.
async fn with_passwords() -> Option<(Postgres, Server)> {
    let postgres = Postgres::start().await?;
    let server = Server::of(postgres.url());
    let hba = server.value("show hba_file").await;
    server
        .run(&["create role app login password 'old p@ss:w/rd#1'"])
        .await;
    let rules = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(&hba, rules).expect("writes pg_hba.conf");
    server.value("select pg_reload_conf()").await;
    Some((postgres, server))
}

fn write(file: &Path, password: &str) {
    std::fs::write(file, format!("{password}\n")).expect("writes the password");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_needs_no_restart() {
    let Some((postgres, server)) = with_passwords().await else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    write(&file, "old p@ss:w/rd#1");
    let settings = format!(
        "host = '127.0.0.1'\nport = {}\nuser = 'app'\ndb = 'postgres'\npassword_file = '{}'\npool_size = 1",
        postgres.port(),
        file.display()
    );
    let adapter = Adapter::start(&settings).await;
    let pid = "select pg_backend_pid()";
    let before = rows(&adapter.query(pid).await.expect("works"));

    // The password is rotated, then the sessions end: the next login reads the file again.
    server.run(&["alter role app password 'new'"]).await;
    write(&file, "new");
    server
        .value("select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'app'")
        .await;
    let after = rows(&adapter.query(pid).await.expect("the first call"));
    assert_ne!(before, after);

    // A changed file alone replaces the pool: nobody keeps sessions of a login that was taken back.
    server.run(&["alter role app password 'newer'"]).await;
    write(&file, "newer");
    eventually(SOON, async || {
        rows(&adapter.query(pid).await.expect("works")) != after
    })
    .await;

    write(&file, "wrong");
    eventually(SOON, async || adapter.query("select 1").await.err()).await;
    let fault = assert_fault(
        adapter.query("select 1").await,
        Reason::DatabaseUnavailable,
        "login refused for role \"app\"",
    );
    assert!(
        !format!("{fault:?}").contains("wrong") && !format!("{fault:?}").contains("127.0.0.1"),
        "{fault:?}"
    );
    write(&file, "newer");
    assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_login_is_told_in_clean_words() {
    let Some((postgres, server)) = with_passwords().await else {
        return;
    };
    server
        .run(&["create role lonely login password 'x' connection limit 0"])
        .await;
    let address = format!("127.0.0.1:{}", postgres.port());
    for (url, reason) in [
        (
            format!("postgres://app:bad@{address}/postgres"),
            "login refused for role \"app\"",
        ),
        (
            format!("postgres://app@{address}/postgres"),
            "wants a password for role \"app\"",
        ),
        (
            format!("postgres://postgres@{address}/nowhere"),
            "database \"nowhere\" does not exist",
        ),
        (
            format!("postgres://postgres@{address}/postgres?sslmode=require"),
            "the server does not offer TLS",
        ),
        (
            format!("postgres://lonely:x@{address}/postgres"),
            "no connection left",
        ),
        (
            "postgres://postgres@no-such-host.invalid/postgres".to_owned(),
            "name can't be looked up",
        ),
    ] {
        let adapter = Adapter::of(&url).await;
        let fault = assert_fault(
            adapter.query("select 1").await,
            Reason::DatabaseUnavailable,
            reason,
        );
        let told = format!("{fault:?}");
        assert!(
            !told.contains("127.0.0.1") && !told.contains("invalid") && !told.contains("bad"),
            "{told}"
        );
        eventually(SOON, async || adapter.status().await.reason.contains(reason)).await;
    }
    // The password as it is, in a URL that does not escape it.
    let adapter = Adapter::of(&format!("postgres://app:old p@ss:w/rd#1@{address}/postgres")).await;
    assert_eq!(
        rows(&adapter.query("select current_user").await.expect("works")),
        ["[\"app\"]"]
    );
}

/// A server that gives itself out for an old one.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_too_old_is_told_by_its_version() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    Server::of(postgres.url()).create_database("of_old").await;
    let url = postgres.url_of("of_old");
    let server = Server::of(&url);
    server
        .run(&["create or replace function pg_catalog.current_setting(text) returns text language sql stable as
             'select case $1 when ''server_version_num'' then ''110022'' when ''server_version'' then ''11.22'' else ''10s'' end'"])
        .await;
    let adapter = Adapter::of(&url).await;
    assert_fault(
        adapter.query("select 1").await,
        Reason::DatabaseUnavailable,
        "the server is PostgreSQL 11.22, and the oldest that can be asked is 12",
    );
    eventually(SOON, async || {
        adapter.status().await.reason.contains("PostgreSQL 11.22")
    })
    .await;
}
