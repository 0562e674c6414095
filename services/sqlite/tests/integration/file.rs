//! The file: missing, locked, damaged, replaced, in WAL mode.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::adapter::v1::State;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_testing::eventually;
use rusqlite::Connection;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{Adapter, SOON, run};

async fn health(adapter: &Adapter, service: &str) -> ServingStatus {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    HealthClient::new(adapter.channel())
        .check(request)
        .await
        .expect("answers")
        .into_inner()
        .status()
}

#[tokio::test]
async fn a_missing_file_is_said_and_when_it_appears_the_first_call_works() {
    let adapter = Adapter::on_nothing().await;
    let fault = adapter.query("select 1").await.expect_err("no file");
    assert_eq!(fault.reason, Reason::DatabaseUnavailable);
    assert_eq!(
        fault.message,
        "the database can't be used: the file does not exist"
    );
    let status = adapter.status().await;
    assert_eq!(
        (status.state(), status.reason.as_str()),
        (State::Unavailable, "the file does not exist")
    );
    assert_eq!(status.database, "the shop");
    assert_eq!(health(&adapter, "").await, ServingStatus::Serving);
    assert_eq!(
        health(&adapter, "mcphub.sqlite.v1.SqliteService").await,
        ServingStatus::NotServing
    );
    assert!(!adapter.path().exists(), "looking must not create it");

    run(&adapter.path(), "create table t (a); insert into t values (7)");
    assert_eq!(adapter.value("select a from t").await, Kind::Int(7));
    assert_eq!(adapter.status().await.state(), State::Serving);
    eventually(SOON, || async {
        health(&adapter, "mcphub.sqlite.v1.SqliteService").await == ServingStatus::Serving
    })
    .await;
}

#[tokio::test]
async fn what_is_no_database_is_said_without_its_path() {
    for (content, reason) in [
        (
            b"precious letters, not a database at all".repeat(100),
            "the file is not a SQLite database, or it is encrypted",
        ),
        (damaged(), "the database file is damaged"),
    ] {
        let adapter = Adapter::on_nothing().await;
        std::fs::write(adapter.path(), &content).expect("writes");
        let fault = adapter
            .query("select * from sqlite_schema")
            .await
            .expect_err("no database");
        assert_eq!(fault.reason, Reason::DatabaseUnavailable, "{fault}");
        assert_eq!(fault.message, format!("the database can't be used: {reason}"));
        assert!(!format!("{fault:?}").contains("sqlite-test-"));
        assert_eq!(adapter.status().await.reason, reason);
        assert_eq!(std::fs::read(adapter.path()).expect("reads"), content);
        // Made good, it works.
        std::fs::remove_file(adapter.path()).expect("removes");
        run(&adapter.path(), "create table t (a)");
        assert_eq!(adapter.value("select count(*) from t").await, Kind::Int(0));
    }
    let adapter = Adapter::on_nothing().await;
    std::fs::create_dir(adapter.path()).expect("creates");
    let fault = adapter.query("select 1").await.expect_err("a folder");
    assert_eq!(
        fault.message,
        "the database can't be used: the path leads to something that is not a file"
    );
}

/// A database whose schema page is overwritten.
fn damaged() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    run(&path, "create table t (a)");
    let mut bytes = std::fs::read(&path).expect("reads");
    bytes[100..200].fill(0xff);
    bytes
}

#[tokio::test]
async fn an_empty_file_is_an_empty_database() {
    let adapter = Adapter::on_nothing().await;
    std::fs::write(adapter.path(), "").expect("writes");
    assert_eq!(
        adapter.value("select count(*) from sqlite_schema").await,
        Kind::Int(0)
    );
}

#[tokio::test]
async fn a_locked_file_is_busy_and_then_works() {
    let adapter = Adapter::on("create table t (a)").await;
    let other = Connection::open(adapter.path()).expect("opens");
    other
        .execute_batch("begin exclusive; insert into t values (1)")
        .expect("locks");
    let started = Instant::now();
    let fault = adapter.query("select * from t").await.expect_err("locked");
    assert_eq!(
        (fault.reason, fault.retry_after.is_some()),
        (Reason::DatabaseBusy, true)
    );
    assert!(started.elapsed() < Duration::from_secs(4));
    let status = adapter.status().await;
    assert_eq!(status.reason, "another process has locked the file");
    other.execute_batch("commit").expect("unlocks");
    assert_eq!(adapter.value("select count(*) from t").await, Kind::Int(1));
    // A probe that met the lock may end after this call did; the next one knows better.
    eventually(SOON, || async {
        adapter.status().await.state() == State::Serving
    })
    .await;
}

#[tokio::test]
async fn a_file_in_wal_mode_is_read_as_its_writer_goes() {
    let adapter = Adapter::on("pragma journal_mode = wal; create table t (a)").await;
    let writer = Connection::open(adapter.path()).expect("opens");
    writer
        .execute_batch("pragma wal_autocheckpoint = 0")
        .expect("sets");
    for count in 1..=20 {
        // What is committed is in the -wal file only.
        writer.execute_batch("insert into t values (1)").expect("writes");
        assert_eq!(adapter.value("select count(*) from t").await, Kind::Int(count));
    }
    // An open write does not block, and is not seen.
    writer
        .execute_batch("begin immediate; delete from t")
        .expect("writes");
    assert_eq!(adapter.value("select count(*) from t").await, Kind::Int(20));
    writer.execute_batch("commit").expect("commits");
    assert_eq!(adapter.value("select count(*) from t").await, Kind::Int(0));
}

#[tokio::test]
async fn a_write_that_was_cut_off_is_not_read_as_if_it_counted() {
    let adapter = Adapter::on_nothing().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    run(
        &path,
        "create table t (a); insert into t with recursive n(i) as (select 1 union all select i + 1 from n) select i from n limit 50000",
    );
    let writer = Connection::open(&path).expect("opens");
    // The cache is too small for the change, so half of it is in the file and the way back in the journal: what a crash leaves.
    writer
        .execute_batch("pragma cache_size = 2; begin; update t set a = -1")
        .expect("writes");
    let journal = |path: &std::path::Path| {
        let mut name = path.as_os_str().to_owned();
        name.push("-journal");
        std::path::PathBuf::from(name)
    };
    std::fs::copy(&path, adapter.path()).expect("copies");
    std::fs::copy(journal(&path), journal(&adapter.path())).expect("copies");
    drop(writer);

    let fault = adapter
        .query("select count(*) from t where a < 0")
        .await
        .expect_err("half a change");
    assert_eq!(fault.reason, Reason::DatabaseUnavailable);
    assert!(
        fault.message.contains("its journal must first be recovered"),
        "{fault}"
    );
    // Whoever may write puts it right.
    run(&adapter.path(), "select count(*) from t");
    assert_eq!(
        adapter.value("select count(*) from t where a < 0").await,
        Kind::Int(0)
    );
}

#[tokio::test]
async fn a_changed_schema_is_seen_and_so_is_a_replaced_file() {
    let adapter = Adapter::on("create table t (a)").await;
    assert_eq!(adapter.value("select count(*) from t").await, Kind::Int(0));
    run(
        &adapter.path(),
        "create table later (b); insert into later values (5)",
    );
    assert_eq!(adapter.value("select b from later").await, Kind::Int(5));

    let next = adapter.path().with_extension("next");
    run(&next, "create table t (a); insert into t values (42)");
    std::fs::rename(&next, adapter.path()).expect("replaces");
    assert_eq!(adapter.value("select a from t").await, Kind::Int(42));
    assert_eq!(
        adapter
            .query("select * from later")
            .await
            .expect_err("is gone")
            .message,
        "no such table: later"
    );
}

#[tokio::test]
async fn a_path_that_is_a_url_or_memory_is_refused() {
    for path in ["file:shop.db?mode=memory", ":memory:", ""] {
        let adapter = Adapter::on_with("", |config| config.path = Some(path.into())).await;
        let fault = adapter.query("select 1").await.expect_err("no path");
        assert_eq!(fault.reason, Reason::DatabaseUnavailable);
        assert!(
            fault.message.contains("SQLITE_PATH must be the plain path"),
            "{fault}"
        );
    }
    let adapter = Adapter::on_with("", |config| config.path = None).await;
    let fault = adapter.query("select 1").await.expect_err("no path");
    assert_eq!(fault.message, "no database file is named: set SQLITE_PATH");
}
