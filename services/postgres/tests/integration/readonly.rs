//! Reading is reading: the server itself refuses writes, whatever the guard lets through, and the role's rights are told.

use std::time::Duration;

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_chassis::{Lifecycle, answer::Caps};
use mcp_hub_postgres::database::Database;
use mcp_hub_proto::adapter::v1::Mode;
use mcp_hub_testing::{PgBouncer, Postgres, eventually};

use crate::adapter::{Adapter, SEEN, SOON, Server, config};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that the guard would never let through, past the guard.
const WRITES: &[&str] = &[
    "create table forbidden (n int)",
    "insert into victim values (2)",
    "update victim set n = 3",
    "delete from victim",
    "truncate victim",
    "drop table victim",
    "select nextval('victims')",
    "select * from victim for update",
    "with gone as (delete from victim returning *) select * from gone",
    "select writes()",
    "do $$ begin delete from victim; end $$",
    "explain analyze insert into victim values (2)",
    "select set_config('transaction_read_only', 'off', false)",
    "create temp table t as select 1",
    "grant all on victim to public",
    "comment on table victim is 'x'",
    "refresh materialized view victims_view",
    "vacuum victim",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_session_refuses_writes_when_the_guard_does_not() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let Some(pooler) = PgBouncer::in_front_of(postgres).await else {
        return;
    };
    Server::of(postgres.url()).create_database("victims").await;
    let direct = postgres.url_of("victims");
    let server = Server::of(&direct);
    server
        .run(&[
            "create table victim (n int)",
            "insert into victim values (1)",
            "create sequence victims",
            "create materialized view victims_view as select 1 as n",
            "create function writes() returns int language plpgsql as $$ begin insert into victim values (9); return 1; end $$",
        ])
        .await;
    for url in [direct.clone(), pooler.url_of("victims")] {
        let database = Database::new(config(&format!("url = '{url}'")), "bypass", Lifecycle::new());
        for sql in WRITES {
            let mut transaction = database.read(None, TIMEOUT).await.expect("a transaction");
            let error = transaction
                .run(SEEN, sql, &[], Caps::default())
                .await
                .expect_err(sql);
            assert!(
                matches!(
                    Fault::from(error).reason,
                    Reason::WriteNotAllowed | Reason::StatementInvalid
                ),
                "{sql}"
            );
        }
        // Statements that try to leave the transaction or to lift its limits have no effect on the next one.
        for sql in [
            "commit",
            "rollback",
            "begin read write",
            "set transaction read write",
            "set default_transaction_read_only = off",
            "set session characteristics as transaction read write",
            "reset all",
            "discard all",
        ] {
            let mut transaction = database.read(None, TIMEOUT).await.expect("a transaction");
            let _ = transaction.run(SEEN, sql, &[], Caps::default()).await;
            drop(transaction);
            let mut transaction = database.read(None, TIMEOUT).await.expect("a transaction");
            let error = transaction
                .run(SEEN, "delete from victim", &[], Caps::default())
                .await
                .expect_err(sql);
            assert_eq!(Fault::from(error).reason, Reason::WriteNotAllowed, "{sql}");
        }
    }
    assert_eq!(
        server.value("select count(*) || ' ' || sum(n) from victim").await,
        "1 1"
    );
    assert_eq!(
        server
            .value("select last_value || ' ' || is_called from victims")
            .await,
        "1 false"
    );
    assert_eq!(server.value("select to_regclass('forbidden')::text").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_as_new_after_each_call() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    server
        .run(&[
            "create or replace function changes() returns text language plpgsql as $$ begin
                    perform set_config('search_path', 'nowhere', false);
                    perform set_config('statement_timeout', '0', false);
                    perform set_config('TimeZone', 'Asia/Tokyo', false);
                    execute 'prepare stays as select 1';
                    return 'changed';
                end $$",
        ])
        .await;
    let adapter = Adapter::start(&format!("url = '{}'\npool_size = 1", postgres.url())).await;
    let state = "select current_setting('search_path'), current_setting('statement_timeout'), \
                 current_setting('TimeZone'), (select count(*) from pg_prepared_statements)";
    let before = adapter.query(state).await.expect("works").rows;
    adapter.query("select changes()").await.expect("works");
    assert_eq!(adapter.query(state).await.expect("works").rows, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rights_than_needed_are_told() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    server.create_database("posture").await;
    let url = postgres.url_of("posture");
    Server::of(&url)
        .run(&[
            "drop role if exists reader",
            "drop role if exists mighty",
            "create role reader login",
            "create role mighty login createrole bypassrls",
            "grant pg_execute_server_program to mighty",
            "create table one (n int)",
            "create table two (n int)",
            "grant select on one, two to reader, mighty",
            "grant insert on one, two to mighty",
            "revoke create on schema public from public",
        ])
        .await;
    let posture = async |user: &str| {
        let adapter = Adapter::start(&format!("url = '{url}'\nuser = '{user}'")).await;
        let status = adapter.serving().await;
        assert_eq!(status.mode(), Mode::ReadOnly);
        assert_eq!(status.database, "posture");
        status.posture
    };
    assert_eq!(posture("reader").await, Vec::<String>::new());
    let sentences = eventually(SOON, async || {
        let sentences = posture("mighty").await;
        (!sentences.is_empty()).then_some(sentences)
    })
    .await;
    assert_eq!(
        sentences,
        [
            "The role bypasses row-level security.",
            "The role may create roles.",
            "The role is a member of pg_execute_server_program.",
            "The role may write 2 tables (public.one and others); reading needs SELECT only.",
        ]
    );
    let sentences = eventually(SOON, async || {
        let sentences = posture("postgres").await;
        (!sentences.is_empty()).then_some(sentences)
    })
    .await;
    assert!(
        sentences[0].starts_with("The role is a superuser"),
        "{sentences:?}"
    );
}
