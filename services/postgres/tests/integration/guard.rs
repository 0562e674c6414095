//! The corpus on a real server, through the adapter, as superuser: nobody but the guard and READ ONLY stands between.

use std::time::Duration;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Lifecycle, answer::Caps};
use mcp_hub_postgres::database::Database;
use mcp_hub_proto::postgres::v1::QueryRequest;
use mcp_hub_testing::Postgres;

use crate::adapter::{Adapter, SEEN, Server, config, rows};
use crate::corpus::{MUST_ALLOW, MUST_ALLOW_NEWER, MUST_REJECT};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_corpus_passes() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    for sql in MUST_REJECT {
        let fault = adapter.query(sql).await.expect_err(sql);
        assert!(
            matches!(
                fault.reason,
                Reason::WriteNotAllowed | Reason::StatementInvalid | Reason::ArgumentInvalid
            ),
            "{sql}: {fault:?}"
        );
        // A caller must be able to act on it.
        assert!(fault.message.len() > 10, "{sql}: {fault:?}");
    }
}

/// What must be allowed is SQL to the server too: it may miss a table, but never finds a syntax error, and never refuses it as a write.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_allowed_reaches_the_server() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let mut refused = Vec::new();
    for (sql, may_be_unknown) in MUST_ALLOW
        .iter()
        .map(|sql| (sql, false))
        .chain(MUST_ALLOW_NEWER.iter().map(|sql| (sql, true)))
    {
        if let Err(fault) = adapter.query(sql).await {
            let sqlstate = fault.metadata.get("sqlstate").map(String::as_str);
            let is_unknown = sqlstate == Some("42601");
            if fault.reason == Reason::WriteNotAllowed || is_unknown && !may_be_unknown {
                refused.push(format!("{sql}: {fault:?}"));
            }
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Which statements of the corpus READ ONLY would have let through: the list is the reason why there is a guard.
#[tokio::test(flavor = "multi_thread")]
async fn read_only_alone_is_not_enough() {
    // Its own server: some of these act on the whole of it.
    let Some(postgres) = Postgres::start().await else {
        return;
    };
    let server = Server::of(postgres.url());
    server
        .run(&[
            "create table t (id int, a int)",
            "create table u (id int, a int)",
            "create index i on t (a)",
            "create sequence s",
            "create extension if not exists dblink",
        ])
        .await;
    let mut through = Vec::new();
    for sql in MUST_REJECT {
        // A session each: some of these leave something behind.
        let database = Database::new(
            config(&format!("url = '{}'", postgres.url())),
            "corpus",
            Lifecycle::new(),
        );
        let limit = Duration::from_secs(20);
        let mut transaction = database.read(None, limit).await.expect("a transaction");
        if transaction.run(SEEN, sql, &[], Caps::default()).await.is_ok() {
            through.push(*sql);
        }
    }
    for sql in [
        "select pg_read_file('PG_VERSION')",
        "select U&\"pg_re\\0061d_file\"('PG_VERSION')",
        "select ('PG_VERSION'::text).pg_read_file",
        "select x.pg_read_file from unnest(array['PG_VERSION']) x",
        "select pg_advisory_lock(1)",
        "select pg_switch_wal()",
        "copy (select 1) to program 'cat >/dev/null'",
        "set statement_timeout = 0",
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
        "create table u (a int)",
        "select nextval('s')",
    ] {
        assert!(!through.contains(&sql), "{sql}");
    }
    assert!(through.len() >= 40, "{}: {through:#?}", through.len());
}

/// The server knows best which of its functions are not for everybody. Those that a read may call all the same have been looked at: they
/// tell about the server and change nothing.
#[tokio::test(flavor = "multi_thread")]
async fn functions_that_are_not_for_everybody_have_been_looked_at() {
    const HARMLESS: [&str; 9] = [
        "pg_config",
        "pg_current_logfile",
        "pg_get_aios",
        "pg_get_backend_memory_contexts",
        "pg_get_process_memory_contexts",
        "pg_get_shmem_allocations",
        "pg_get_shmem_allocations_numa",
        "pg_show_replication_origin_status",
        "pg_stat_have_stats",
    ];
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let request = QueryRequest {
        sql: "select distinct proname::text from pg_proc
               where pronamespace = 'pg_catalog'::regnamespace and not has_function_privilege('public', oid, 'execute')"
            .to_owned(),
        limit: Some(1000),
        ..QueryRequest::default()
    };
    let names = rows(&adapter.ask(request).await.expect("works"));
    assert!(names.len() > 30, "{names:?}");
    for name in names.iter().map(|row| row.trim_matches(['[', ']', '"'])) {
        let refused = match adapter.query(&format!("select {name}()")).await {
            Err(fault) => fault.reason == Reason::WriteNotAllowed,
            Ok(_) => false,
        };
        assert_ne!(refused, HARMLESS.contains(&name), "{name}");
    }
}
