//! The corpus on a real server, through the adapter, with all rights: nobody but the guard and READ ONLY stands between.

use std::time::Duration;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Lifecycle, answer::Caps};
use mcp_hub_mariadb::database::{Database, Shown};
use mcp_hub_proto::mariadb::v1::QueryRequest;
use mcp_hub_testing::MariaDb;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config as Runs, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use crate::adapter::{Adapter, Server, config, rows, value};
use crate::corpus::{
    FIXTURE, FIXTURE_MARIADB, MUST_ALLOW, MUST_ALLOW_MARIADB, MUST_ALLOW_MYSQL, MUST_DENY, MUST_PASS,
    MUST_REJECT,
};

/// A database with the tables of the corpus, and whether it is MariaDB's.
async fn corpus(mariadb: &MariaDb, name: &str) -> (Server, String, bool) {
    let server = Server::of(mariadb.url());
    server.create_database(name).await;
    let is_mariadb = server.is_mariadb().await;
    let url = mariadb.url_of(name);
    let there = Server::of(&url);
    there.run(FIXTURE).await;
    if is_mariadb {
        there.run(FIXTURE_MARIADB).await;
    }
    (there, url, is_mariadb)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_corpus_passes() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    for (why, statements) in MUST_REJECT {
        for sql in *statements {
            let fault = adapter.query(sql).await.expect_err(sql);
            assert!(
                matches!(
                    fault.reason,
                    Reason::WriteNotAllowed | Reason::StatementInvalid | Reason::ArgumentInvalid
                ),
                "{sql}, though {why}: {fault:?}"
            );
            // A caller must be able to act on it.
            assert!(fault.message.len() > 10, "{sql}: {fault:?}");
        }
    }
    for sql in MUST_DENY {
        let fault = adapter.query(sql).await.expect_err(sql);
        assert!(
            matches!(fault.reason, Reason::AccessDenied | Reason::WriteNotAllowed),
            "{sql}: {fault:?}"
        );
    }
    let connected = Adapter::of(&mariadb.url_of("mysql")).await;
    let fault = connected.query("select * from user").await.expect_err("denied");
    assert_eq!(fault.reason, Reason::AccessDenied, "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_allowed_runs() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (_, url, is_mariadb) = corpus(mariadb, "guard_corpus").await;
    let adapter = Adapter::of(&url).await;
    let own = if is_mariadb {
        MUST_ALLOW_MARIADB
    } else {
        MUST_ALLOW_MYSQL
    };
    let mut failed = Vec::new();
    for sql in MUST_ALLOW.iter().chain(own) {
        let request = QueryRequest {
            sql: (*sql).to_owned(),
            params: vec![value(&json!(1)); sql.matches('?').count()],
            ..QueryRequest::default()
        };
        if let Err(fault) = adapter.ask(request).await {
            failed.push(format!("{sql}: {fault:?}"));
        }
    }
    for sql in MUST_PASS {
        if let Err(fault) = adapter.query(sql).await
            && fault.reason == Reason::WriteNotAllowed
        {
            failed.push(format!("{sql}: {fault:?}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Which statements of the corpus READ ONLY would have let through: the list is the reason why there is a guard.
#[tokio::test(flavor = "multi_thread")]
async fn read_only_alone_is_not_enough() {
    // Its own server: some of these act on the whole of it.
    let Some(mariadb) = MariaDb::start().await else {
        return;
    };
    let (_, url, _) = corpus(&mariadb, "corpus").await;
    let mut through = Vec::new();
    for sql in MUST_REJECT.iter().flat_map(|(_, statements)| *statements) {
        // These would end the test.
        if ["shutdown", "restart"].contains(sql) || sql.starts_with("kill") {
            continue;
        }
        // A session each: some of these leave something behind.
        let database = Database::new(config(&format!("url = '{url}'")), "corpus", Lifecycle::new());
        let limit = Duration::from_secs(20);
        let mut transaction = database.read(None, limit).await.expect("a transaction");
        if transaction
            .run(Shown::ours("OTHER"), sql, &[], Caps::default())
            .await
            .is_ok()
        {
            through.push(*sql);
        }
    }
    for sql in [
        "select 1 into outfile 'mcp-hub-corpus'",
        "select load_file('/etc/passwd')",
        "select get_lock('a', 1)",
        "select * from t lock in share mode",
        "select @a := 1",
        "set @@session.sql_mode = 'ANSI_QUOTES'",
        "flush tables",
        "handler t open",
        "show grants",
    ] {
        assert!(
            through.contains(&sql),
            "{sql} is no reason for a guard any more; through are {through:#?}"
        );
    }
    // And what is a write to the server is stopped by it alone, without any guard.
    for sql in [
        "insert into t values (1)",
        "delete from t",
        "drop table t",
        "create table x (a int)",
        "truncate t",
        "select nextval(s)",
        "drop database guard_corpus",
        "create user x",
    ] {
        assert!(!through.contains(&sql), "{sql}");
    }
    assert!(through.len() >= 60, "{}: {through:#?}", through.len());
}

/// Pieces that would leave something, wherever they stand in a statement.
const PIECES: &[&str] = &[
    " into @hit",
    "1 into @hit ",
    "@hit := 1",
    "get_lock('hit', 0)",
    "; set @hit = 1",
    " for update",
    " */ ",
    "/*",
    "/*!",
    "-- ",
    "--",
    "#",
    "'",
    "\"",
    "`",
    "\\",
    "''",
    "\n",
    "N'",
    "x'",
    "1e",
    ".",
    "(",
    ")",
    "@",
    "select ",
    "with h as (select 1) delete from t ",
    " ",
    "/**/",
    "/* ' */",
    "--\n",
    "-- '\n",
    "#`\n",
    "'' ",
    " 'h' ",
    " `h` ",
    ", 1",
    " + 1 ",
];

/// A read with up to three pieces put somewhere into it.
fn spliced() -> impl Strategy<Value = String> {
    let statements: Vec<&str> = MUST_ALLOW
        .iter()
        .filter(|sql| !sql.contains('?'))
        .copied()
        .collect();
    let piece = (
        prop::sample::select(PIECES.to_vec()),
        any::<prop::sample::Index>(),
    );
    let pieces = prop::collection::vec(piece, 1..=3);
    (prop::sample::select(statements), pieces).prop_map(|(sql, pieces)| {
        let mut text = sql.to_owned();
        for (piece, place) in pieces {
            let places: Vec<usize> = text
                .char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .collect();
            text.insert_str(places[place.index(places.len())], piece);
        }
        text
    })
}

/// If guard and server read a text differently anywhere, some of these get through and leave their mark.
#[tokio::test(flavor = "multi_thread")]
async fn what_passes_leaves_no_trace() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (server, url, _) = corpus(mariadb, "guard_traces").await;
    // One session, so that a variable would be seen.
    let adapter = Adapter::start(&format!("url = '{url}'\npool_size = 1")).await;
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Runs::default(), rng);
    let (mut passed, mut tried) = (0, 0);
    while passed < 200 {
        tried += 1;
        assert!(tried < 20_000, "only {passed} passed: the test says nothing");
        let sql = spliced().new_tree(&mut runner).expect("a statement").current();
        if adapter.query(&sql).await.is_ok() {
            passed += 1;
            let left = adapter
                .query("select @hit is null, is_used_lock('hit') is null")
                .await;
            assert_eq!(rows(&left.expect("works")), ["[1,1]"], "{sql}");
        }
    }
    assert_eq!(server.value("select count(*) from t").await, "2");
}
