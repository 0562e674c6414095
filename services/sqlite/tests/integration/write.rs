//! The tool that changes data.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::sqlite::v1::{ExecuteRequest, Statement};
use rusqlite::Connection;

use crate::harness::{Adapter, param, run, statements};

const SCHEMA: &str = "
    create table t (id integer primary key, a text unique);
    create table child (t_id integer not null references t (id) on delete cascade);
    create view v as select a from t;
    insert into t (a) values ('one'), ('two'), ('three');
    insert into child values (1), (1), (2);";

async fn writable() -> Adapter {
    Adapter::on_with(SCHEMA, |config| config.allow_writes = true).await
}

async fn count(adapter: &Adapter, table: &str) -> Kind {
    adapter.value(&format!("select count(*) from {table}")).await
}

#[tokio::test]
async fn without_permission_there_is_no_such_service() {
    let adapter = Adapter::on(SCHEMA).await;
    let fault = adapter
        .execute(statements(&["insert into t (a) values ('x')"]))
        .await
        .expect_err("not there");
    assert_eq!(fault.reason, Reason::NotSupported);
}

#[tokio::test]
async fn all_statements_count_or_none_does() {
    let adapter = writable().await;
    let mut request = statements(&[
        "insert into t (a) values (?1), (?2) returning id, a",
        "update t set a = 'ONE' where id = 1",
    ]);
    request.statements[0].params = vec![param(Kind::Text("four".to_owned())), param(Kind::Int(5))];
    let response = adapter.execute(request).await.expect("runs");
    assert_eq!(response.committed, Some(true));
    assert_eq!(
        response
            .outcomes
            .iter()
            .map(|outcome| outcome.affected_rows)
            .collect::<Vec<_>>(),
        [Some(2), Some(1)]
    );
    let returned = response.outcomes[0].result.as_ref().expect("rows");
    assert_eq!(returned.rows[1].values[1].kind, Some(Kind::Text("5".to_owned())));
    assert_eq!(response.outcomes[1].result, None);
    assert_eq!(count(&adapter, "t").await, Kind::Int(5));

    let fault = adapter
        .execute(statements(&[
            "insert into t (a) values ('six')",
            "insert into t (a) values ('ONE')",
        ]))
        .await
        .expect_err("twice the same");
    assert_eq!(fault.reason, Reason::StatementInvalid);
    assert_eq!(
        fault.message,
        "statement 2: UNIQUE constraint failed: t.a (nothing was changed)"
    );
    assert_eq!(count(&adapter, "t").await, Kind::Int(5));

    let fault = adapter
        .execute(statements(&[
            "insert into t (a) values ('six')",
            "insert into tt values (1)",
        ]))
        .await;
    assert_eq!(
        fault.expect_err("no table").message,
        "statement 2: no such table: tt (nothing was changed)"
    );
    let fault = adapter
        .execute(statements(&["insert into child values (99)"]))
        .await
        .expect_err("no parent");
    assert_eq!(
        fault.message,
        "FOREIGN KEY constraint failed (nothing was changed)"
    );
    assert_eq!(count(&adapter, "t").await, Kind::Int(5));
}

#[tokio::test]
async fn a_dry_run_tells_and_changes_nothing() {
    let adapter = writable().await;
    let request = ExecuteRequest {
        dry_run: Some(true),
        ..statements(&[
            "delete from child",
            "drop table child",
            "create table x (a)",
            "insert into x values (1), (2)",
            "select count(*) from x",
        ])
    };
    let response = adapter.execute(request).await.expect("runs");
    assert_eq!(response.committed, Some(false));
    assert_eq!(
        response
            .outcomes
            .iter()
            .map(|outcome| outcome.affected_rows)
            .collect::<Vec<_>>(),
        [Some(3), None, None, Some(2), None]
    );
    let counted = response.outcomes[4].result.as_ref().expect("rows");
    assert_eq!(counted.rows[0].values[0].kind, Some(Kind::Int(2)));
    assert_eq!(count(&adapter, "child").await, Kind::Int(3));
}

#[tokio::test]
async fn another_number_of_rows_than_expected_rolls_back() {
    let adapter = writable().await;
    let request = |expected| ExecuteRequest {
        expect_rows: Some(expected),
        ..statements(&[
            "update t set a = a || '!' where id < 3",
            "insert into child values (3)",
        ])
    };
    let fault = adapter.execute(request(2)).await.expect_err("three");
    assert_eq!(fault.reason, Reason::ConditionFailed);
    assert_eq!(
        fault.message,
        "the statements changed 3 rows, not 2: nothing was changed"
    );
    assert_eq!(count(&adapter, "child").await, Kind::Int(3));
    adapter.execute(request(3)).await.expect("three");
    assert_eq!(count(&adapter, "child").await, Kind::Int(4));
}

#[tokio::test]
async fn what_destroys_needs_a_confirmation() {
    let adapter = writable().await;
    for (sql, effect) in [
        ("delete from t", "This deletes all 3 rows of t."),
        ("delete from t where true", "This deletes all 3 rows of t."),
        (
            "delete from t where id in (select id from t)",
            "This deletes all 3 rows of t.",
        ),
        (
            "with x as (select 1) delete from child returning *",
            "This deletes all 3 rows of child.",
        ),
        ("update t set a = id || 'x'", "This changes all 3 rows of t."),
        (
            "update t set a = id || 'y' where 1 = 1",
            "This changes all 3 rows of t.",
        ),
        ("drop table child", "This drops the table child with 3 rows."),
        ("drop view v", "This drops the view v."),
    ] {
        let fault = adapter.execute(statements(&[sql])).await.expect_err("asks first");
        assert_eq!(fault.reason, Reason::ConfirmationRequired, "{sql}: {fault}");
        assert_eq!(fault.metadata["effect"], effect);
        assert_eq!(
            adapter.value("select count(*) from t where a = 'one'").await,
            Kind::Int(1)
        );
        assert_eq!(count(&adapter, "child").await, Kind::Int(3));
        let wrong = ExecuteRequest {
            confirmation: Some("0000000000000000".to_owned()),
            ..statements(&[sql])
        };
        assert_eq!(
            adapter.execute(wrong).await.expect_err("asks again").reason,
            Reason::ConfirmationRequired
        );
    }
    // A part of the rows, or the one row that there is, or what comes of a foreign key, is no destruction of a table.
    run(
        &adapter.path(),
        "create table one (a); insert into one values (1); create table two (a, b); insert into two values (1, 1)",
    );
    for sql in [
        "delete from t where id = 1",
        "update one set a = 2",
        "delete from one",
        "insert into t (id, a) values (2, 'zwei') on conflict do update set a = excluded.a",
        "alter table two add column c",
        "create temp table scratch as select * from t",
    ] {
        let response = adapter.execute(statements(&[sql])).await;
        assert!(response.is_ok(), "{sql}: {response:?}");
    }
    assert_eq!(count(&adapter, "child").await, Kind::Int(1));

    let fault = adapter
        .execute(statements(&["alter table two drop column b"]))
        .await
        .expect_err("asks first");
    assert_eq!(
        fault.metadata["effect"],
        "This drops the column b of the table two."
    );
    for sql in ["alter table two drop column b", "delete from t", "drop table t"] {
        let fault = adapter.execute(statements(&[sql])).await.expect_err("asks first");
        let confirmed = ExecuteRequest {
            confirmation: Some(fault.metadata["digest"].clone()),
            ..statements(&[sql])
        };
        let response = adapter.execute(confirmed).await.expect("goes ahead");
        assert_eq!(response.committed, Some(true), "{sql}");
    }
    assert_eq!(
        adapter
            .query("select * from t")
            .await
            .expect_err("is gone")
            .message,
        "no such table: t"
    );
}

#[tokio::test]
async fn also_a_writer_reaches_no_other_file_and_no_pragma() {
    let adapter = writable().await;
    let before = std::fs::read(adapter.path()).expect("reads");
    for sql in [
        "attach 'x.db' as x",
        "detach main",
        "vacuum",
        "vacuum into '/tmp/copy-of-the-shop.db'",
        "select load_extension('x')",
        "insert into t (a) values (load_extension('x'))",
        "create trigger x after insert on t begin select load_extension('x'); end; insert into t (a) values ('x')",
        "pragma writable_schema = on",
        "pragma foreign_keys = off",
        "pragma journal_mode = wal",
        "pragma user_version = 9",
        "commit",
        "rollback",
        "begin",
        "savepoint x",
        "insert into sqlite_schema values ('table', 'x', 'x', 2, 'create table x (a)')",
        "insert into t (a) values ('x'); commit",
        "insert or rollback into t (id) values (1)",
    ] {
        let fault = adapter
            .execute(statements(&["insert into t (a) values ('first')", sql]))
            .await
            .expect_err(sql);
        assert!(
            matches!(fault.reason, Reason::WriteNotAllowed | Reason::StatementInvalid),
            "{sql}: {fault:?}"
        );
        assert!(fault.message.starts_with("statement 2: "), "{fault}");
    }
    assert!(
        std::fs::read(adapter.path()).expect("reads") == before,
        "the file has changed"
    );
    let fault = adapter
        .execute(ExecuteRequest::default())
        .await
        .expect_err("nothing to do");
    assert_eq!(fault.metadata["field"], "statements");
}

#[tokio::test]
async fn reads_stay_reads_and_a_temporary_table_ends_with_its_call() {
    let adapter = writable().await;
    adapter
        .query("insert into t (a) values ('x')")
        .await
        .expect_err("this one reads");
    let request = statements(&[
        "create temp table t (a)",
        "insert into temp.t values (9)",
        "select a from t",
    ]);
    let response = adapter.execute(request).await.expect("runs");
    let rows = &response.outcomes[2].result.as_ref().expect("rows").rows;
    assert_eq!(rows[0].values[0].kind, Some(Kind::Int(9)));
    let response = adapter
        .execute(statements(&["select count(*) from t"]))
        .await
        .expect("runs");
    let rows = &response.outcomes[0].result.as_ref().expect("rows").rows;
    assert_eq!(rows[0].values[0].kind, Some(Kind::Int(3)), "the real table again");
}

#[tokio::test]
async fn a_locked_file_and_a_slow_statement_change_nothing() {
    let adapter = writable().await;
    let other = Connection::open(adapter.path()).expect("opens");
    other.execute_batch("begin immediate").expect("locks");
    let fault = adapter
        .execute(statements(&["insert into t (a) values ('x')"]))
        .await
        .expect_err("locked");
    assert_eq!(fault.reason, Reason::DatabaseBusy);
    other.execute_batch("rollback").expect("unlocks");

    let endless =
        "insert into child with recursive n(i) as (select 1 union all select i + 1 from n) select 1 from n";
    let request = ExecuteRequest {
        timeout_ms: Some(200),
        ..statements(&["insert into t (a) values ('x')", endless])
    };
    let fault = adapter.execute(request).await.expect_err("too slow");
    assert_eq!(
        (fault.reason, fault.metadata["timeout_ms"].as_str()),
        (Reason::StatementTimedOut, "200")
    );

    let call = adapter.execute(statements(&["insert into t (a) values ('x')", endless]));
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(300), call)
            .await
            .is_err(),
        "it should still run"
    );
    // The one connection that writes is free again, and so is the file.
    let response = adapter
        .execute(statements(&["insert into t (a) values ('y')"]))
        .await
        .expect("runs");
    assert_eq!(response.committed, Some(true));
    assert_eq!(count(&adapter, "t").await, Kind::Int(4));
}

#[tokio::test]
async fn the_time_limit_is_each_statements_own() {
    let adapter = writable().await;
    let slow = "select max(i) from (with recursive n(i) as (select 1 union all select i + 1 from n limit 300000) select i from n)";
    let request = ExecuteRequest {
        timeout_ms: Some(60_000),
        statements: (0..3)
            .map(|_| Statement {
                sql: slow.to_owned(),
                params: vec![],
            })
            .collect(),
        ..ExecuteRequest::default()
    };
    let response = adapter.execute(request).await.expect("runs");
    assert_eq!(response.notices, ["timeout_ms was lowered from 60000 to 55000"]);
}
