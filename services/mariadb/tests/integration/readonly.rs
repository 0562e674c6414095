//! Reading is reading: the server itself refuses writes, whatever the guard lets through.

use std::time::Duration;

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_chassis::{Lifecycle, answer::Caps};
use mcp_hub_mariadb::database::{Database, Shown};
use mcp_hub_testing::MariaDb;

use sqlx::{Connection as _, Executor as _, MySqlConnection};

use crate::adapter::{Adapter, Server, config, rows};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that the guard would never let through, past the guard.
const WRITES: &[&str] = &[
    "insert into victim values (2)",
    "replace into victim values (2)",
    "update victim set n = 3",
    "delete from victim",
    "insert into unsafe values (2)",
    "delete from unsafe",
    "select * from victim for update",
    "select writes()",
    "select writes_unsafe()",
    "create temporary table t (n int)",
    "create temporary table t select 1",
    "explain insert into victim values (2)",
    // These commit by themselves: a READ ONLY transaction alone lets them through, because the next one is not.
    "truncate victim",
    "drop table victim",
    "create table forbidden (n int)",
    "create table forbidden select 1",
    "alter table victim add m int",
    "rename table victim to gone",
    "create index i on victim (n)",
    "create view forbidden as select 1",
    "create database forbidden_by_read_only",
    "create user forbidden",
    "grant select on *.* to root",
    "optimize table victim",
];

/// What the servers let through in a READ ONLY session of an account with all rights: the guard stands before exactly these.
const LET_THROUGH: &[&str] = &[
    "select get_lock('a', 0)",
    "select release_lock('a')",
    "select last_insert_id(5)",
    "select * from victim lock in share mode",
    "select 1 into @a",
    "set @a = 1",
    "set max_heap_table_size = 16384",
    "set session transaction isolation level read committed",
    "flush tables",
    "flush status",
    "do sleep(0)",
    "show grants",
];

/// Makes stored functions, which MySQL's prepared protocol does not take.
#[expect(clippy::disallowed_methods, reason = "statements of the test's own")]
async fn make(url: &str, functions: &[&str]) {
    let mut connection = MySqlConnection::connect(url).await.expect("connects");
    for sql in functions {
        let made = connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(*sql))).await;
        made.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    connection.close().await.expect("closes");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_refuses_writes_when_the_guard_does_not() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).create_database("victims").await;
    let url = mariadb.url_of("victims");
    let server = Server::of(&url);
    let is_mariadb = server.is_mariadb().await;
    server
        .run(&[
            "create table victim (n int) engine = innodb",
            "create table unsafe (n int) engine = myisam",
            "insert into victim values (1)",
            "insert into unsafe values (1)",
            "set global log_bin_trust_function_creators = 1",
        ])
        .await;
    make(
        &url,
        &[
            "create function writes() returns int begin insert into victim values (9); return 1; end",
            "create function writes_unsafe() returns int begin insert into unsafe values (9); return 1; end",
        ],
    )
    .await;
    let database = Database::new(config(&format!("url = '{url}'")), "bypass", Lifecycle::new());
    let sequences: &[&str] = if is_mariadb {
        server.run(&["create sequence s"]).await;
        &[
            "select nextval(s)",
            "select next value for s",
            "select setval(s, 9)",
            "drop sequence s",
        ]
    } else {
        &[]
    };
    for sql in WRITES.iter().chain(sequences) {
        let mut transaction = database.read(None, TIMEOUT).await.expect("a transaction");
        let error = transaction
            .run(Shown::ours("OTHER"), sql, &[], Caps::default())
            .await
            .expect_err(sql);
        let fault = Fault::from(error);
        assert_eq!(fault.reason, Reason::WriteNotAllowed, "{sql}: {fault:?}");
    }
    // Statements that try to leave the transaction or to lift its limits have no effect on the next one.
    for sql in [
        "commit",
        "rollback",
        "start transaction read write",
        "set transaction read write",
        "set session transaction read write",
        "set autocommit = 0",
        "set session transaction isolation level serializable",
    ] {
        let mut transaction = database.read(None, TIMEOUT).await.expect("a transaction");
        let _ = transaction
            .run(Shown::ours("OTHER"), sql, &[], Caps::default())
            .await;
        drop(transaction);
        for write in ["delete from victim", "truncate victim"] {
            let mut transaction = database.read(None, TIMEOUT).await.expect("a transaction");
            let error = transaction
                .run(Shown::ours("OTHER"), write, &[], Caps::default())
                .await
                .expect_err(sql);
            assert_eq!(
                Fault::from(error).reason,
                Reason::WriteNotAllowed,
                "{sql}; {write}"
            );
        }
    }
    assert_eq!(
        server
            .value("select concat(count(*), ' ', sum(n)) from victim")
            .await,
        "1 1"
    );
    assert_eq!(
        server
            .value("select concat(count(*), ' ', sum(n)) from unsafe")
            .await,
        "1 1"
    );
    assert_eq!(
        server
            .value(
                "select count(*) from information_schema.tables where table_schema = 'victims'
                 and table_name in ('forbidden', 'gone')"
            )
            .await,
        "0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_session_lets_through_the_guard_refuses() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).create_database("let_through").await;
    let url = mariadb.url_of("let_through");
    Server::of(&url).run(&["create table victim (n int)"]).await;
    let adapter = Adapter::of(&url).await;
    for sql in LET_THROUGH {
        let database = Database::new(config(&format!("url = '{url}'")), "bypass", Lifecycle::new());
        let mut transaction = database.read(None, TIMEOUT).await.expect("a transaction");
        let passed = transaction
            .run(Shown::ours("OTHER"), sql, &[], Caps::default())
            .await;
        assert!(passed.is_ok(), "{sql} is stopped by the server now: {passed:?}");
        let fault = adapter.query(sql).await.expect_err(sql);
        assert_eq!(fault.reason, Reason::WriteNotAllowed, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_as_new_after_each_call() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).create_database("as_new").await;
    let url = mariadb.url_of("as_new");
    let server = Server::of(&url);
    server
        .run(&[
            "create table victim (n int)",
            "set global log_bin_trust_function_creators = 1",
        ])
        .await;
    let (limit, writes) = if server.is_mariadb().await {
        ("max_statement_time", "tx_read_only")
    } else {
        ("max_execution_time", "transaction_read_only")
    };
    // MariaDB before 11.1 has the old name, MySQL from 8.0 the new one.
    make(
        &url,
        &[&format!(
            "create function changes() returns int begin
               set @left = 1; set session {limit} = 0; set session {writes} = 0;
               set session sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'; set session time_zone = '+09:00';
               return get_lock('left', 0); end"
        )],
    )
    .await;
    server.run(&["create view hides as select changes() as a"]).await;
    let adapter = Adapter::start(&format!("url = '{url}'\npool_size = 1")).await;
    let state = format!(
        "select @left, @@session.{limit} > 0, @@session.{writes}, @@session.sql_mode, is_used_lock('left') is null"
    );
    let before = rows(&adapter.query(&state).await.expect("works"));
    for call in ["select changes()", "select `as_new`.changes() from dual"] {
        adapter.query(call).await.expect(call);
        assert_eq!(
            rows(&adapter.query(&state).await.expect("works")),
            before,
            "{call}"
        );
    }
    // No text tells what a view calls, but what makes a read a read is said anew each time, and locks are given back.
    adapter.query("select * from hides").await.expect("works");
    let after = rows(&adapter.query(&state).await.expect("works"));
    let but_the_variable = |rows: &[String]| rows[0].split_once(',').map(|(_, rest)| rest.to_owned());
    assert_eq!(but_the_variable(&after), but_the_variable(&before));
}
