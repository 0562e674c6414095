//! Nothing that a caller of a reading tool sends changes the file, or reaches another one.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::sqlite::v1::{ExplainQueryRequest, QueryRequest, StreamQueryRequest};
use tokio_stream::StreamExt as _;

use crate::harness::Adapter;

const SCHEMA: &str = "
    create table t (id integer primary key, a text, b);
    create table parent (id integer primary key);
    create table child (parent_id references parent (id) on delete cascade);
    create view v as select a from t;
    create trigger v_insert instead of insert on v begin insert into t (a) values (new.a); end;
    create trigger t_delete after delete on t begin delete from parent; end;
    create index t_a on t (a);
    create virtual table f using fts5 (body);
    create virtual table f4 using fts4 (body);
    create virtual table box using rtree (id, x0, x1);
    insert into t (a, b) values ('one', 1), ('two', 2);
    insert into parent values (1), (2);
    insert into f values ('some text'); insert into f4 values ('some text'); insert into box values (1, 0.0, 2.0);
    pragma user_version = 3;";

/// Each must be refused, whatever SQLite thinks of it.
const REFUSED: &[&str] = &[
    // Plain writes.
    "insert into t (a) values ('x')",
    "insert into t (a) select a from t",
    "insert or replace into t (id) values (1)",
    "replace into t (id) values (1)",
    "update t set a = 'x'",
    "update or ignore t set id = 1",
    "delete from t",
    "delete from t where id = 1 returning *",
    "insert into t (a) values ('x') returning id",
    "insert into t (id) values (1) on conflict do update set a = 'x'",
    "insert into v values ('x')",
    // Behind something that reads.
    "with x as (select 1) insert into t (a) select * from x",
    "with x as (select 1) update t set a = 'x'",
    "with recursive x(i) as (select 1 union all select i + 1 from x limit 3) delete from t where id in x",
    "/* select */ delete from t",
    "-- select\ndelete from t",
    "\u{feff}delete from t",
    "select 1; delete from t",
    "select 1;\n\ndelete from t;",
    "select 1 /* ; */ ; drop table t",
    "explain delete from t",
    "explain query plan delete from t",
    "explain insert into t (a) values ('x')",
    "explain drop table t",
    "values (1); drop table t",
    // The schema.
    "create table x (a)",
    "create table if not exists t (a)",
    "create table x as select * from t",
    "create temp table x (a)",
    "create temporary view x as select 1",
    "create temp trigger x after insert on t begin delete from t; end",
    "create view x as select 1",
    "create index x on t (b)",
    "create unique index x on t (b)",
    "create trigger x after insert on t begin delete from t; end",
    "create virtual table x using fts5 (a)",
    "create virtual table temp.x using fts5 (a)",
    "drop table t",
    "drop table if exists nowhere; drop table t",
    "drop view v",
    "drop index t_a",
    "drop trigger t_delete",
    "drop table f",
    "alter table t rename to u",
    "alter table t add column c",
    "alter table t drop column b",
    "alter table t rename column b to c",
    "reindex",
    "reindex t",
    "analyze",
    "analyze t",
    "insert into sqlite_master values ('table', 'x', 'x', 2, 'create table x (a)')",
    "update sqlite_schema set sql = ''",
    "delete from sqlite_master",
    // Other files.
    "attach ':memory:' as x",
    "attach database '/tmp/other.db' as x",
    "attach 'file:other.db?mode=rwc' as x",
    "detach main",
    "vacuum",
    "vacuum main",
    "vacuum into '/tmp/copy-of-the-shop.db'",
    // Transactions.
    "begin",
    "begin immediate",
    "begin exclusive",
    "commit",
    "end transaction",
    "rollback",
    "savepoint s",
    "release s",
    "rollback to s",
    // Pragmas that change something, or tell where the file is.
    "pragma writable_schema = on",
    "pragma writable_schema",
    "pragma query_only = off",
    "pragma query_only(0)",
    "pragma main.query_only = 0",
    "pragma trusted_schema = on",
    "pragma journal_mode = delete",
    "pragma journal_mode = wal",
    "pragma journal_mode",
    "pragma main.journal_mode = off",
    "pragma locking_mode = exclusive",
    "pragma synchronous = off",
    "pragma user_version = 9",
    "pragma user_version(9)",
    "pragma application_id = 9",
    "pragma schema_version = 9",
    "pragma data_version = 9",
    "pragma encoding = 'UTF-16'",
    "pragma page_size = 512",
    "pragma auto_vacuum = 1",
    "pragma incremental_vacuum",
    "pragma wal_checkpoint(truncate)",
    "pragma optimize",
    "pragma foreign_keys = off",
    "pragma ignore_check_constraints = on",
    "pragma recursive_triggers = on",
    "pragma temp_store = file",
    "pragma temp_store_directory = '/tmp'",
    "pragma data_store_directory = '/tmp'",
    "pragma hard_heap_limit = 1",
    "pragma soft_heap_limit = 1",
    "pragma mmap_size = 1000000000",
    "pragma cache_size = 1000000",
    "pragma max_page_count = 1",
    "pragma busy_timeout = 100000000",
    "pragma threads = 8",
    "pragma case_sensitive_like = on",
    "pragma cell_size_check = on",
    "pragma shrink_memory",
    "pragma key = 'x'",
    "pragma database_list",
    "select * from pragma_database_list",
    "select file from pragma_database_list()",
    "explain pragma writable_schema = on",
    // Functions that reach out.
    "select load_extension('/tmp/x.so')",
    "select load_extension('/tmp/x.so', 'init')",
    "select \"load_extension\"('/tmp/x.so')",
    "select LOAD_EXTENSION(a) from t",
    "with x as (select load_extension('x')) select * from x",
    "select 1 where load_extension('x')",
    "select 1 order by load_extension('x')",
    "select fts3_tokenizer('simple')",
    "select fts3_tokenizer('simple', x'0000000000000000')",
    "select readfile('/etc/hostname')",
    "select writefile('/tmp/x', 'x')",
    "select edit('x')",
    "select sqlite_log(1, 'x')",
    "select * from fsdir('/')",
    // The insides of virtual tables, and their commands.
    "insert into f values ('x')",
    "insert into f (f) values ('rebuild')",
    "insert into f (f) values ('delete-all')",
    "insert into f4 (f4) values ('optimize')",
    "select optimize(f4) from f4",
    "insert into f_data values (1, x'00')",
    "update box_node set data = x'00'",
    "delete from box",
];

/// What looks alike and is fine.
const ALLOWED: &[&str] = &[
    "select 'delete from t; drop table t' -- insert",
    "select * from v",
    "select count(*) from f where f match 'text'",
    "select body from f4 where body match 'text'",
    "select id from box where x0 < 1",
    "with x as (select 1) select * from x",
    "values (1), (2)",
    "explain select * from t",
    "explain query plan select * from t",
    "pragma table_info(t)",
    "pragma table_info = 't'",
    "pragma foreign_key_list('child')",
    "pragma user_version",
    "pragma integrity_check",
    "select name from pragma_table_xinfo('t')",
    "select * from pragma_compile_options",
    "select * from sqlite_schema",
    "select * from dbstat",
    "select replace('a', 'a', 'b'), changes(), last_insert_rowid(), random() is not null",
    "select json_each.value from json_each('[1, 2]')",
    "select 1 as \"drop\", 2 as [delete], 3 as `insert`",
];

#[tokio::test]
async fn the_corpus_changes_nothing() {
    let adapter = Adapter::on(SCHEMA).await;
    let before = std::fs::read(adapter.path()).expect("reads");
    for sql in REFUSED {
        let fault = adapter.query(sql).await.expect_err(sql);
        assert!(
            matches!(fault.reason, Reason::WriteNotAllowed | Reason::StatementInvalid),
            "{sql}: {fault:?}"
        );
        let request = StreamQueryRequest {
            sql: (*sql).to_owned(),
            ..StreamQueryRequest::default()
        };
        let mut stream = adapter
            .reader()
            .stream_query(request)
            .await
            .expect("starts")
            .into_inner();
        assert!(stream.next().await.expect("an end").is_err(), "{sql}");
        // A plan of something that reads what it must not is no harm: nothing runs.
        if !sql.starts_with("select") {
            let request = ExplainQueryRequest {
                sql: (*sql).to_owned(),
                ..ExplainQueryRequest::default()
            };
            assert!(adapter.reader().explain_query(request).await.is_err(), "{sql}");
        }
    }
    for sql in ALLOWED {
        let result = adapter.query(sql).await;
        assert!(result.is_ok(), "{sql}: {result:?}");
    }
    assert_eq!(adapter.value("select count(*) from t").await, Kind::Int(2));
    assert!(
        std::fs::read(adapter.path()).expect("reads") == before,
        "the file has changed"
    );
    let folder = adapter.path().parent().expect("a folder").to_owned();
    let files: Vec<_> = std::fs::read_dir(folder)
        .expect("lists")
        .map(|file| file.expect("a file").file_name())
        .collect();
    assert_eq!(files, ["the shop.db"]);
    assert!(!std::path::Path::new("/tmp/copy-of-the-shop.db").exists());
}

#[tokio::test]
async fn a_refusal_says_what_and_what_to_do_instead() {
    let adapter = Adapter::on(SCHEMA).await;
    for (sql, message, hint) in [
        (
            "delete from t",
            "DELETE from t is not allowed",
            "this service only reads: its operator has not allowed writes (SQLITE_ALLOW_WRITES)",
        ),
        (
            "create table x (a)",
            "changing the schema is not allowed",
            "this service only reads: its operator has not allowed writes (SQLITE_ALLOW_WRITES)",
        ),
        (
            "attach 'x' as y",
            "ATTACH (or VACUUM) is not allowed",
            "no tool of this service does this",
        ),
        (
            "pragma journal_mode = wal",
            "PRAGMA journal_mode is not allowed",
            "no tool of this service does this",
        ),
        (
            "select load_extension('x')",
            "the function load_extension is not allowed",
            "no tool of this service does this",
        ),
    ] {
        let fault = adapter.query(sql).await.expect_err("refused");
        assert_eq!(
            (fault.reason, fault.message.as_str()),
            (Reason::WriteNotAllowed, message)
        );
        assert_eq!(fault.metadata["hint"], hint);
    }
    let adapter = Adapter::on_with(SCHEMA, |config| config.allow_writes = true).await;
    let fault = adapter
        .query("update t set a = 1")
        .await
        .expect_err("refused here too");
    assert_eq!(fault.message, "UPDATE of t is not allowed");
    assert_eq!(fault.metadata["hint"], "this tool only reads: use shop_execute");
}

#[tokio::test]
async fn one_callers_statement_leaves_nothing_for_the_next() {
    let adapter = Adapter::on_with(SCHEMA, |config| config.pool_size = Some(1)).await;
    for sql in [
        "create temp table x (a)",
        "pragma case_sensitive_like = on",
        "begin",
        "pragma query_only = 0",
    ] {
        adapter.query(sql).await.expect_err("refused");
    }
    assert_eq!(adapter.value("select 'A' like 'a'").await, Kind::Int(1));
    assert_eq!(
        adapter.value("select count(*) from sqlite_temp_schema").await,
        Kind::Int(0)
    );
    adapter.query("delete from t").await.expect_err("still refused");
}

/// SQLite may get new functions with a new version; then this fails, and someone decides about them in `guard`.
#[tokio::test]
async fn every_function_of_this_sqlite_has_been_judged() {
    let adapter = Adapter::on("").await;
    let request = QueryRequest {
        sql: "select group_concat(distinct name order by name) from pragma_function_list".to_owned(),
        ..QueryRequest::default()
    };
    let result = adapter.ask(request).await.expect("answers");
    let Some(Kind::Text(names) | Kind::Cut(mcp_hub_proto::data::v1::Cut { text: names, .. })) =
        &result.rows[0].values[0].kind
    else {
        panic!("no names");
    };
    insta::assert_snapshot!(names.replace(',', "\n"));
}
