//! Logins: passwords in files that change, failures in clean words, the two names of the program.

use std::path::Path;
use std::process::Stdio;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::mariadb::v1::QueryRequest;
use mcp_hub_proto::mariadb::v1::mariadb_service_client::MariadbServiceClient;
use mcp_hub_testing::{MariaDb, Settings, eventually, free_port};
use tokio::process::Command;

use crate::adapter::{Adapter, SOON, Server, assert_fault, rows};

fn write(file: &Path, password: &str) {
    std::fs::write(file, format!("{password}\n")).expect("writes the password");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_needs_no_restart() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.create_user("rotated").await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    write(&file, "rotated");
    let settings = format!(
        "host = '{}'\nport = {}\nuser = 'rotated'\npassword_file = '{}'\npool_size = 1",
        mariadb.address().host(),
        mariadb.port(),
        file.display()
    );
    let adapter = Adapter::start(&settings).await;
    let id = "select connection_id()";
    let before = rows(&adapter.query(id).await.expect("works"));

    // The password is rotated, then the session ends: the next login reads the file again.
    let rotate = async |password: &str| {
        let sql = format!("alter user 'rotated'@'%' identified by '{password}'");
        server.run(&[&sql]).await;
    };
    rotate("p@ss:w/rd#2").await;
    write(&file, "p@ss:w/rd#2");
    let number = before[0].trim_matches(['[', ']']).to_owned();
    server.run(&[&format!("kill {number}")]).await;
    let after = rows(&adapter.query(id).await.expect("the first call"));
    assert_ne!(before, after);

    // A changed file alone replaces the pool: nobody keeps sessions of a login that was taken back.
    rotate("newer").await;
    write(&file, "newer");
    eventually(SOON, async || {
        rows(&adapter.query(id).await.expect("works")) != after
    })
    .await;

    write(&file, "wrong");
    eventually(SOON, async || adapter.query("select 1").await.err()).await;
    let fault = assert_fault(
        adapter.query("select 1").await,
        Reason::DatabaseUnavailable,
        "login refused for user \"rotated\"",
    );
    let told = format!("{fault:?}");
    assert!(
        !told.contains("\"wrong\"") && !told.contains("127.0.0.1"),
        "{told}"
    );
    write(&file, "newer");
    assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_login_is_told_in_clean_words() {
    let Some(mariadb) = MariaDb::start_with(&Settings::new().set("max_user_connections", "100")).await else {
        return;
    };
    let server = Server::of(mariadb.url());
    for user in ["plain", "busy", "locked", "elsewhere"] {
        server.create_user(user).await;
    }
    server
        .run(&[
            "create database closed",
            "grant select on app.* to 'plain'@'%'",
            "grant usage on *.* to 'busy'@'%' with max_user_connections 1",
            "alter user 'locked'@'%' account lock",
            "rename user 'elsewhere'@'%' to 'elsewhere'@'10.1.2.3'",
        ])
        .await;
    let url = |user: &str, password: &str, database: &str| mariadb.address().url_as(user, password, database);
    // Takes the one connection that it may have.
    let busy = Adapter::start(&format!("url = '{}'\npool_size = 1", url("busy", "busy", ""))).await;
    busy.query("select 1").await.expect("works");
    for (url, reason) in [
        (url("plain", "bad-one", "app"), "login refused for user \"plain\""),
        (url("nobody", "x", "app"), "login refused for user \"nobody\""),
        (
            url("elsewhere", "elsewhere", ""),
            "login refused for user \"elsewhere\"",
        ),
        (
            url("plain", "plain", "closed"),
            "Access denied for user 'plain' to database 'closed'",
        ),
        (
            url("root", "testpassword", "nowhere"),
            "there is no database \"nowhere\"",
        ),
        (url("busy", "busy", ""), "too many connections"),
        (url("locked", "locked", ""), "user \"locked\" is locked"),
        (
            format!("{}?sslmode=require", url("plain", "plain", "app")),
            "the server does not offer TLS",
        ),
        (
            "mysql://root@no-such-host.invalid/app".to_owned(),
            "the host can't be found or reached",
        ),
        (
            "mysql:///app?socket=/no/such.sock".to_owned(),
            "there is no such socket",
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
            !told.contains("127.0.0.1")
                && !told.contains("invalid")
                && !told.contains("bad-one")
                && !told.contains("10.1.2.3"),
            "{told}"
        );
        eventually(SOON, async || adapter.status().await.reason.contains(reason)).await;
    }
    // Last, because from now on the server asks unknown users for any of the plugins.
    server
        .run(&[
            "install soname 'auth_ed25519'",
            "create user 'modern'@'%' identified via ed25519 using password('x')",
        ])
        .await;
    let adapter = Adapter::of(&url("modern", "x", "")).await;
    assert_fault(
        adapter.query("select 1").await,
        Reason::DatabaseUnavailable,
        "does not know its authentication plugin client_ed25519",
    );
    // A database that the caller names is the caller's mistake, not an outage.
    let adapter = Adapter::of(&url("plain", "plain", "app")).await;
    let result = adapter
        .ask(QueryRequest {
            sql: "select 1".to_owned(),
            database: Some("closed".to_owned()),
            ..QueryRequest::default()
        })
        .await;
    assert_fault(result, Reason::AccessDenied, "'closed'");
    // Nor is a table without a right, and the server's words hold no host.
    server
        .run(&[
            "create table app.open (a int)",
            "create table closed.secret (a int)",
        ])
        .await;
    adapter.query("select * from open").await.expect("works");
    let fault = assert_fault(
        adapter.query("select * from closed.secret").await,
        Reason::AccessDenied,
        "SELECT command denied to user",
    );
    assert!(!format!("{fault:?}").contains("127.0.0.1"), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_a_host_too() {
    let Some(mariadb) = MariaDb::start().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server
        .run(&["create user 'socket'@'localhost' identified by 'socket'"])
        .await;
    let socket = server.value("select @@socket").await;
    let adapter = Adapter::start(&format!(
        "host = '{socket}'\nuser = 'socket'\npassword = 'socket'"
    ))
    .await;
    let result = adapter.query("select current_user()").await.expect("works");
    assert_eq!(rows(&result), ["[\"socket@localhost\"]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_goes_by_two_names() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    for (variables, key) in [
        (vec![("MYSQL_URL", mariadb.url())], "mysql"),
        (
            vec![
                ("MARIADB_URL", mariadb.url()),
                ("MYSQL_URL", "mysql://nowhere.invalid"),
            ],
            "mariadb",
        ),
    ] {
        let address = format!("127.0.0.1:{}", free_port());
        let _program = Command::new(env!("CARGO_BIN_EXE_mcp-hub-mariadb"))
            .args(["--listen", &address])
            .env_clear()
            .envs(variables)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let connect = async || MariadbServiceClient::connect(format!("http://{address}")).await;
        let mut client = eventually(SOON, connect).await;
        let asked = QueryRequest {
            sql: "select /* by two names */ sleep(60)".to_owned(),
            timeout_ms: Some(3_000),
            ..QueryRequest::default()
        };
        let lifecycle = mcp_hub_chassis::Lifecycle::new();
        let call = lifecycle.spawn(async move { client.query(asked).await });
        eventually(SOON, async || {
            let running = server.running_as(key, "by two names").await;
            (!running.is_empty()).then_some(())
        })
        .await;
        call.abort();
    }
}
