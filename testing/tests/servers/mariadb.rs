//! MariaDB.

use mcp_hub_testing::{MariaDb, Settings};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use sqlx::{Connection as _, MySqlConnection};

use crate::victim::{ends_with_its_process, refuses};

/// Logs in and reads one number.
async fn number(url: &str, sql: &'static str) -> Result<i64, sqlx::Error> {
    let mut connection = MySqlConnection::connect(url).await?;
    let number = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(number)
}

async fn execute(url: &str, sql: &'static str) {
    let mut connection = MySqlConnection::connect(url).await.expect("a login");
    sqlx::query(sql).execute(&mut connection).await.expect("it runs");
}

#[tokio::test]
async fn mariadb_stops_and_starts_again_on_its_port_with_its_data() {
    let Some(mariadb) = MariaDb::start().await else {
        return;
    };
    execute(mariadb.url(), "create table kept (n bigint)").await;
    execute(mariadb.url(), "insert into kept values (7)").await;
    mariadb.stop().await;
    assert!(refuses(mariadb.port()));
    mariadb.start_again().await;
    let kept = number(mariadb.url(), "select n from kept").await;
    assert_eq!(kept.expect("an answer"), 7);
    mariadb.kill().await;
    assert!(refuses(mariadb.port()));
    mariadb.start_again().await;
    let kept = number(mariadb.url(), "select n from kept").await;
    assert_eq!(kept.expect("an answer"), 7);
    let port = mariadb.port();
    drop(mariadb);
    assert!(refuses(port));
}

#[tokio::test]
async fn other_accounts_of_mariadb_log_in_with_their_passwords_only() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    execute(
        mariadb.url(),
        "create user 'somebody'@'%' identified by 'a-secret'",
    )
    .await;
    execute(mariadb.url(), "grant select on app.* to 'somebody'@'%'").await;
    let url = |password| mariadb.address().url_as("somebody", password, "app");
    number(&url("a-secret"), "select 1").await.expect("a login");
    number(&url("another"), "select 1")
        .await
        .expect_err("a wrong password");
}

#[tokio::test]
async fn mariadb_takes_certificates_and_settings() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let settings = Settings::new()
        .file("server.pem", cert.pem())
        .file("server.key", signing_key.serialize_pem())
        .set("ssl-cert", "server.pem")
        .set("ssl-key", "server.key")
        .set("require-secure-transport", "ON")
        .set("max-connections", "17");
    let Some(mariadb) = MariaDb::start_with(&settings).await else {
        return;
    };
    let url = |mode| format!("{}?ssl-mode={mode}", mariadb.url());
    number(&url("DISABLED"), "select 1")
        .await
        .expect_err("TLS is a must");
    let limit = number(&url("REQUIRED"), "select cast(@@max_connections as signed)").await;
    assert_eq!(limit.expect("an answer"), 17);
}

#[tokio::test]
async fn mariadb_ends_when_its_process_is_killed() {
    let start = async || MariaDb::start().await.map(|server| (server.port(), server));
    ends_with_its_process("mariadb::mariadb_ends_when_its_process_is_killed", start).await;
}
