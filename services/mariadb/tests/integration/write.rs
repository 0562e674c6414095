//! Changes: all of a call or nothing of it.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::mariadb::v1::mariadb_write_service_client::MariadbWriteServiceClient;
use mcp_hub_proto::mariadb::v1::*;
use mcp_hub_testing::MariaDb;
use serde_json::json;

use crate::adapter::{Adapter, Server, rows, value};

/// What takes minutes. Not SLEEP, which MySQL ends without an error.
const SLOW: &str =
    "insert into t (a) select count(*) from information_schema.collations a, information_schema.collations b,
                    information_schema.collations c, information_schema.collations d where a.id <> d.id";

/// A database of the test's own with a table, and an adapter that may write.
async fn writable(mariadb: &MariaDb, name: &str) -> (Adapter, Server) {
    Server::of(mariadb.url()).create_database(name).await;
    let url = mariadb.url_of(name);
    let server = Server::of(&url);
    server
        .run(&[
            "create table t (id int primary key auto_increment, a varchar(50)) engine = innodb",
            "insert into t values (1, 'one'), (2, 'two')",
        ])
        .await;
    (
        Adapter::start(&format!("url = '{url}'\nallow_writes = true")).await,
        server,
    )
}

fn request(statements: &[(&str, serde_json::Value)]) -> ExecuteRequest {
    let statement = |(sql, params): &(&str, serde_json::Value)| Statement {
        sql: (*sql).to_owned(),
        params: params.as_array().expect("a list").iter().map(value).collect(),
    };
    ExecuteRequest {
        statements: statements.iter().map(statement).collect(),
        ..ExecuteRequest::default()
    }
}

async fn execute(adapter: &Adapter, request: ExecuteRequest) -> Result<ExecuteResponse, Fault> {
    let mut client = MariadbWriteServiceClient::new(adapter.channel.clone());
    let response = client.execute(request).await;
    Ok(response
        .map_err(|status| Fault::from_status(&status))?
        .into_inner())
}

/// Runs a request that wants a confirmation, with it.
async fn confirmed(adapter: &Adapter, mut request: ExecuteRequest) -> Result<ExecuteResponse, Fault> {
    let fault = execute(adapter, request.clone()).await.expect_err("asks first");
    assert_eq!(fault.reason, Reason::ConfirmationRequired, "{fault:?}");
    request.confirmation = Some(fault.metadata["digest"].clone());
    execute(adapter, request).await
}

/// The column `a` of table `t`.
async fn values(server: &Server) -> String {
    server.value("select group_concat(a order by id) from t").await
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_one_transaction() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = writable(mariadb, "write_together").await;
    let done = execute(
        &adapter,
        request(&[
            ("insert into t (a) values (?), (null)", json!(["drei ä'"])),
            ("update t set a = upper(a) where id < ?;", json!([3])),
            ("select count(*) from t for update", json!([])),
            ("insert into t select last_insert_id() + 10, 'last'", json!([])),
        ]),
    )
    .await
    .expect("works");
    assert_eq!(done.committed, Some(true));
    let affected: Vec<_> = done
        .outcomes
        .iter()
        .map(|outcome| outcome.affected_rows)
        .collect();
    assert_eq!(affected, [Some(2), Some(2), Some(1), Some(1)]);
    assert_eq!(done.outcomes[0].last_insert_id, Some(3));
    assert_eq!(rows(done.outcomes[2].result.as_ref().expect("rows")), ["[4]"]);
    assert!(done.outcomes[1].result.is_none());
    assert_eq!(values(&server).await, "ONE,TWO,drei ä',last");

    let fault = execute(
        &adapter,
        request(&[
            ("insert into t values (5, 'x')", json!([])),
            ("insert into t values (5, 'x')", json!([])),
            ("insert into t values (6, 'x')", json!([])),
        ]),
    )
    .await
    .expect_err("twice the same");
    assert_eq!(fault.reason, Reason::StatementInvalid);
    assert_eq!(fault.metadata["code"], "1062");
    assert!(
        fault.message.starts_with("statement 2 of 3: Duplicate entry"),
        "{fault}"
    );
    assert!(fault.message.ends_with("(nothing was changed)"), "{fault}");
    assert_eq!(server.value("select count(*) from t").await, "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_changed_come_back_where_the_server_can() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = writable(mariadb, "write_returning").await;
    if !server.is_mariadb().await {
        return;
    }
    let done = execute(
        &adapter,
        request(&[
            (
                "insert into t (a) values (?), ('vier') returning id, a",
                json!(["drei"]),
            ),
            ("delete from t where id = 1 returning a", json!([])),
            ("replace into t values (2, 'zwei') returning *", json!([])),
        ]),
    )
    .await
    .expect("works");
    let returned = |index: usize| rows(done.outcomes[index].result.as_ref().expect("rows"));
    assert_eq!(returned(0), ["[3,\"drei\"]", "[4,\"vier\"]"]);
    assert_eq!(returned(1), ["[\"one\"]"]);
    assert_eq!(returned(2), ["[2,\"zwei\"]"]);
    assert_eq!(values(&server).await, "zwei,drei,vier");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_and_a_wrong_count_change_nothing() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = writable(mariadb, "write_nothing").await;
    let mut dry = request(&[
        ("delete from t", json!([])),
        ("insert into t values (9, 'nine')", json!([])),
    ]);
    dry.dry_run = Some(true);
    let done = execute(&adapter, dry).await.expect("runs without a confirmation");
    assert_eq!(
        (done.committed, done.outcomes[0].affected_rows),
        (Some(false), Some(2))
    );
    assert_eq!(
        done.notices,
        ["dry run: all statements ran and were rolled back, nothing was changed"]
    );
    assert_eq!(values(&server).await, "one,two");

    let mut counted = request(&[
        ("update t set a = 'x' where id > 0", json!([])),
        ("select 1", json!([])),
    ]);
    counted.expect_rows = Some(1);
    let fault = execute(&adapter, counted.clone()).await.expect_err("two rows");
    assert_eq!(fault.reason, Reason::ConditionFailed);
    assert!(fault.message.contains("changed 2 rows and not 1"), "{fault}");
    assert_eq!(values(&server).await, "one,two");
    counted.expect_rows = Some(2);
    execute(&adapter, counted).await.expect("two rows");
    assert_eq!(values(&server).await, "x,x");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_changed_alone() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = writable(mariadb, "write_schema").await;
    let create = ("create table u (a int)", json!([]));
    let done = execute(&adapter, request(std::slice::from_ref(&create)))
        .await
        .expect("works");
    assert_eq!(done.committed, Some(true));
    let insert = ("insert into t values (9, 'nine')", json!([]));
    let fault = execute(
        &adapter,
        request(&[insert, ("alter table u add b int", json!([]))]),
    )
    .await
    .expect_err("would commit the first");
    assert!(fault.message.contains("must be the only statement"), "{fault}");
    let mut dry = request(&[("alter table u add b int", json!([]))]);
    dry.dry_run = Some(true);
    let fault = execute(&adapter, dry).await.expect_err("would stay");
    assert!(fault.message.contains("can't be tried"), "{fault}");
    assert_eq!(values(&server).await, "one,two");
    let columns = "select count(*) from information_schema.columns where table_schema = 'write_schema' and table_name = 'u'";
    assert_eq!(server.value(columns).await, "1");
    let fault = execute(&adapter, request(&[create])).await.expect_err("twice");
    assert_eq!(fault.metadata["code"], "1050");
    confirmed(&adapter, request(&[("drop table u", json!([]))]))
        .await
        .expect("drops");
    assert_eq!(server.value(columns).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_transactions_is_told() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = writable(mariadb, "write_lasting").await;
    server.run(&["create table log (a int) engine = myisam"]).await;
    let insert = request(&[("insert into log values (1)", json!([]))]);
    let done = execute(&adapter, insert.clone()).await.expect("works");
    assert_eq!(done.notices.len(), 1, "{:?}", done.notices);
    assert!(
        done.notices[0].contains("write_lasting.log has no transactions"),
        "{:?}",
        done.notices
    );
    let dry = ExecuteRequest {
        dry_run: Some(true),
        ..insert
    };
    let fault = execute(&adapter, dry).await.expect_err("would stay");
    assert_eq!(fault.reason, Reason::NotSupported);
    assert_eq!(server.value("select count(*) from log").await, "1");
    let fault = execute(
        &adapter,
        request(&[
            ("insert into `write_lasting`.log values (2)", json!([])),
            ("insert into t values (1, 'again')", json!([])),
        ]),
    )
    .await
    .expect_err("fails behind the first");
    assert!(
        fault.message.contains("changes of write_lasting.log stay"),
        "{fault}"
    );
    assert_eq!(server.value("select count(*) from log").await, "2");
    // Reading it changes nothing there.
    let dry = ExecuteRequest {
        dry_run: Some(true),
        ..request(&[("insert into t (a) select a from log", json!([]))])
    };
    execute(&adapter, dry).await.expect("can be tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_destroys_wants_a_confirmation() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = writable(mariadb, "write_confirmed").await;
    let drop_it = request(&[("drop table t", json!([]))]);
    let fault = execute(&adapter, drop_it.clone()).await.expect_err("asks first");
    assert_eq!(fault.reason, Reason::ConfirmationRequired);
    assert!(
        fault.metadata["effect"].contains("`drop table t` removes"),
        "{fault:?}"
    );
    assert_eq!(server.value("select count(*) from t").await, "2");
    let digest = fault.metadata["digest"].clone();
    let other = ExecuteRequest {
        confirmation: Some(digest.clone()),
        ..request(&[("delete from t", json!([]))])
    };
    let fault = execute(&adapter, other)
        .await
        .expect_err("confirmed something else");
    assert_eq!(fault.reason, Reason::ConfirmationRequired);
    let drop_it = ExecuteRequest {
        confirmation: Some(digest),
        ..drop_it
    };
    let done = execute(&adapter, drop_it).await.expect("confirmed");
    assert_eq!(done.committed, Some(true));
    let tables = "select count(*) from information_schema.tables where table_schema = 'write_confirmed'";
    assert_eq!(server.value(tables).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_run_is_refused() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = writable(mariadb, "write_refused").await;
    for sql in [
        "commit",
        "rollback",
        "set @a = 1",
        "set global max_connections = 100",
        "create database x",
        "drop database write_refused",
        "create temporary table x (a int)",
        "create user x",
        "grant select on t to x",
        "lock tables t write",
        "load data local infile 'x' into table t",
        "select * from t into outfile 'x'",
        "select a into @a from t limit 1",
        "insert into t select 9, load_file('/etc/passwd')",
        "insert into t values (9, 'x'); insert into t values (10, 'x')",
        "insert into t values (9, 'x') /*! , (10, 'y') */",
        "update mysql.user set password = ''",
    ] {
        let fault = execute(&adapter, request(&[(sql, json!([]))]))
            .await
            .expect_err(sql);
        assert!(
            matches!(
                fault.reason,
                Reason::WriteNotAllowed
                    | Reason::StatementInvalid
                    | Reason::AccessDenied
                    | Reason::ConfirmationRequired
            ),
            "{sql}: {fault:?}"
        );
    }
    let fault = confirmed(&adapter, request(&[("delete from mysql.user", json!([]))])).await;
    assert_eq!(fault.expect_err("denied").reason, Reason::AccessDenied);
    let nothing = execute(&adapter, request(&[])).await.expect_err("nothing to do");
    assert_eq!(nothing.metadata["field"], "statements");
    let mut slow = request(&[("insert into t values (9, 'x')", json!([])), (SLOW, json!([]))]);
    slow.timeout_ms = Some(300);
    let fault = execute(&adapter, slow).await.expect_err("too long");
    assert_eq!(fault.reason, Reason::StatementTimedOut, "{fault:?}");
    assert_eq!(server.value("select count(*) from t").await, "2");
    server.stops_running("a.id <> d.id").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_writes_on_reads_still_only_read_and_with_writes_off_there_is_no_service() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = writable(mariadb, "write_reads").await;
    server
        .run(&["set global log_bin_trust_function_creators = 1"])
        .await;
    if server.is_mariadb().await {
        // MySQL does not take it by this protocol.
        let sneak = "create function sneak() returns int begin insert into t values (7, 'x'); return 1; end";
        execute(&adapter, request(&[(sneak, json!([]))]))
            .await
            .expect("creates");
        let fault = adapter.query("select sneak()").await.expect_err("READ ONLY");
        assert_eq!(
            (fault.reason, fault.metadata["code"].as_str()),
            (Reason::WriteNotAllowed, "1792")
        );
        execute(&adapter, request(&[("select sneak()", json!([]))]))
            .await
            .expect("a write may");
        assert_eq!(server.value("select count(*) from t").await, "3");
    }
    let reader = Adapter::of(&mariadb.url_of("write_reads")).await;
    let fault = execute(&reader, request(&[("select 1", json!([]))]))
        .await
        .expect_err("no such service");
    assert_eq!(fault.reason, Reason::NotSupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_database_is_not_written() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (_, server) = writable(mariadb, "write_denied").await;
    Server::of(mariadb.url()).create_database("write_vault").await;
    server.run(&["create table write_vault.s (a int)"]).await;
    let url = mariadb.url_of("write_denied");
    for settings in [
        "deny_databases = ['write_vault']",
        "allow_databases = ['write_denied']",
    ] {
        let adapter = Adapter::start(&format!("url = '{url}'\nallow_writes = true\n{settings}")).await;
        for sql in [
            "insert into `write_vault`.s values (1)",
            "insert into t select a, a from WRITE_VAULT . s",
            "create table write_vault.x (a int)",
        ] {
            let fault = execute(&adapter, request(&[(sql, json!([]))]))
                .await
                .expect_err(sql);
            assert_eq!(fault.reason, Reason::AccessDenied, "{settings}: {sql}");
        }
        let there = ExecuteRequest {
            database: Some("write_vault".to_owned()),
            ..request(&[("insert into s values (1)", json!([]))])
        };
        let fault = execute(&adapter, there).await.expect_err("denied");
        assert_eq!(fault.reason, Reason::ObjectNotFound, "{settings}");
        execute(
            &adapter,
            request(&[("update t x set a = 'x' where x.id = 1", json!([]))]),
        )
        .await
        .expect(settings);
    }
    assert_eq!(server.value("select count(*) from write_vault.s").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_goes_on_after_the_server_came_back() {
    let Some(mariadb) = MariaDb::start().await else {
        return;
    };
    let (adapter, server) = writable(&mariadb, "write_again").await;
    execute(&adapter, request(&[("insert into t values (3, 'x')", json!([]))]))
        .await
        .expect("works");
    mariadb.stop().await;
    let fault = execute(&adapter, request(&[("insert into t values (4, 'x')", json!([]))]))
        .await
        .expect_err("down");
    assert_eq!(fault.reason, Reason::DatabaseUnavailable);
    mariadb.start_again().await;
    execute(&adapter, request(&[("insert into t values (5, 'x')", json!([]))]))
        .await
        .expect("the first call works");
    assert_eq!(
        server.value("select group_concat(id order by id) from t").await,
        "1,2,3,5"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_any_name_can_be_created_once() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    let adapter = Adapter::start(&format!("url = '{}'\nallow_writes = true", mariadb.url())).await;
    let mut client = MariadbWriteServiceClient::new(adapter.channel.clone());
    let mut create = async |name: &str, character_set: Option<&str>, collation: Option<&str>| {
        let request = CreateDatabaseRequest {
            database_name: name.to_owned(),
            character_set: character_set.map(str::to_owned),
            collation: collation.map(str::to_owned),
            confirmation: None,
        };
        let response = client.create_database(request).await;
        response
            .map(tonic::Response::into_inner)
            .map_err(|status| Fault::from_status(&status))
    };
    let name = "my-`DB`; drop table x; -- ä";
    server
        .run(&[&format!("drop database if exists `{}`", name.replace('`', "``"))])
        .await;
    let created = create(name, Some("utf8mb4"), Some("utf8mb4_bin"))
        .await
        .expect("creates");
    assert_eq!(
        (
            created.database_name.as_str(),
            created.character_set.as_str(),
            created.collation.as_str()
        ),
        (name, "utf8mb4", "utf8mb4_bin")
    );
    let there = format!("select count(*) from information_schema.schemata where schema_name = '{name}'");
    assert_eq!(server.value(&there).await, "1");
    let fault = create(name, None, None).await.expect_err("twice");
    assert_eq!(fault.metadata["code"], "1007");
    for (name, character_set, reason) in [
        ("", None, Reason::ArgumentInvalid),
        ("write_x", Some("no such"), Reason::ArgumentInvalid),
        ("write_x", Some("nosuch"), Reason::StatementInvalid),
        ("mysql", None, Reason::AccessDenied),
    ] {
        let fault = create(name, character_set, None).await.expect_err(name);
        assert_eq!(fault.reason, reason, "{fault:?}");
    }
}
