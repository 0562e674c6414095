//! Changes: all of a call or nothing of it.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::postgres::v1::postgres_write_service_client::PostgresWriteServiceClient;
use mcp_hub_proto::postgres::v1::*;
use mcp_hub_testing::{PgBouncer, Postgres};
use serde_json::json;

use crate::adapter::{Adapter, Server, rows, value};

/// A database of the test's own with a table, and an adapter that may write.
async fn writable(postgres: &Postgres, name: &str) -> (Adapter, Server) {
    Server::of(postgres.url()).create_database(name).await;
    let url = postgres.url_of(name);
    let server = Server::of(&url);
    server
        .run(&[
            "create table t (id int primary key, a text)",
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
    let mut client = PostgresWriteServiceClient::new(adapter.channel.clone());
    let response = client.execute(request).await;
    Ok(response
        .map_err(|status| Fault::from_status(&status))?
        .into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_one_transaction() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, server) = writable(postgres, "write_together").await;
    let done = execute(
        &adapter,
        request(&[
            (
                "insert into t values ($1, $2), ($3, null) returning id, a",
                json!([3, "drei ä'", "4"]),
            ),
            ("update t set a = upper(a) where id < $1;", json!([3])),
            ("select count(*) from t", json!([])),
            ("create table u (a int)", json!([])),
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
    assert_eq!(affected, [Some(2), Some(2), Some(1), None]);
    assert_eq!(
        rows(done.outcomes[0].result.as_ref().expect("rows")),
        ["[3,\"drei ä'\"]", "[4,null]"]
    );
    assert_eq!(rows(done.outcomes[2].result.as_ref().expect("rows")), ["[4]"]);
    assert!(done.outcomes[1].result.is_none());
    assert_eq!(
        server.value("select string_agg(a, ',' order by id) from t").await,
        "ONE,TWO,drei ä'"
    );

    let fault = execute(
        &adapter,
        request(&[
            ("insert into t values (5)", json!([])),
            ("insert into t values (5)", json!([])),
            ("insert into t values (6)", json!([])),
        ]),
    )
    .await
    .expect_err("twice the same");
    assert_eq!(fault.reason, Reason::StatementInvalid);
    assert_eq!(fault.metadata["sqlstate"], "23505");
    assert!(
        fault.message.starts_with("statement 2 of 3: duplicate key"),
        "{fault}"
    );
    assert!(fault.message.ends_with("(nothing was changed)"), "{fault}");
    assert_eq!(server.value("select count(*) from t").await, "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_and_a_wrong_count_change_nothing() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, server) = writable(postgres, "write_nothing").await;
    server
        .run(&["create table child (t int references t deferrable initially deferred)"])
        .await;
    let mut dry = request(&[
        ("delete from t returning id", json!([])),
        ("drop table child", json!([])),
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

    let orphan = request(&[("insert into child values (99)", json!([]))]);
    let fault = execute(&adapter, orphan.clone())
        .await
        .expect_err("fails at the commit");
    assert_eq!(fault.metadata["sqlstate"], "23503");
    let dry = ExecuteRequest {
        dry_run: Some(true),
        ..orphan
    };
    let fault = execute(&adapter, dry)
        .await
        .expect_err("so it fails in a dry run");
    assert_eq!(fault.metadata["sqlstate"], "23503");

    let mut counted = request(&[
        ("update t set a = 'x' where id > 0", json!([])),
        ("select 1", json!([])),
    ]);
    counted.expect_rows = Some(1);
    let fault = execute(&adapter, counted.clone()).await.expect_err("two rows");
    assert_eq!(fault.reason, Reason::ConditionFailed);
    assert!(fault.message.contains("changed 2 rows and not 1"), "{fault}");
    assert_eq!(
        server.value("select string_agg(a, ',' order by id) from t").await,
        "one,two"
    );
    counted.expect_rows = Some(2);
    execute(&adapter, counted).await.expect("two rows");
    assert_eq!(
        server.value("select string_agg(a, ',' order by id) from t").await,
        "x,x"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_destroys_wants_a_confirmation() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, server) = writable(postgres, "write_confirmed").await;
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
    let confirmed = ExecuteRequest {
        confirmation: Some(digest),
        ..drop_it
    };
    assert_eq!(
        execute(&adapter, confirmed).await.expect("confirmed").committed,
        Some(true)
    );
    assert_eq!(server.value("select to_regclass('t') is null").await, "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_t_be_in_a_transaction_is_refused() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, server) = writable(postgres, "write_refused").await;
    for sql in [
        "commit",
        "rollback",
        "set role postgres",
        "vacuum t",
        "create database x",
        "create index concurrently i on t (a)",
        "copy t to program 'true'",
        "create temp table x (a int)",
        "select pg_read_file('PG_VERSION')",
        "insert into t values (9); insert into t values (10)",
    ] {
        let fault = execute(&adapter, request(&[(sql, json!([]))]))
            .await
            .expect_err(sql);
        assert!(
            matches!(fault.reason, Reason::WriteNotAllowed | Reason::StatementInvalid),
            "{sql}: {fault:?}"
        );
        assert!(
            fault.metadata.contains_key("hint") || sql.contains("pg_read_file"),
            "{sql}: {fault:?}"
        );
    }
    assert_eq!(
        execute(&adapter, request(&[]))
            .await
            .expect_err("nothing to do")
            .metadata["field"],
        "statements"
    );
    let mut slow = request(&[
        ("insert into t values (9)", json!([])),
        ("select pg_sleep(60) /* slow write */", json!([])),
    ]);
    slow.timeout_ms = Some(200);
    assert_eq!(
        execute(&adapter, slow).await.expect_err("too long").reason,
        Reason::StatementTimedOut
    );
    assert_eq!(server.value("select count(*) from t").await, "2");
    server.stops_running("slow write").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_writes_on_reads_still_only_read_and_with_writes_off_there_is_no_service() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, server) = writable(postgres, "write_reads").await;
    server
        .run(&["create function sneak() returns int language sql as 'insert into t values (7) returning id'"])
        .await;
    let fault = adapter.query("select sneak()").await.expect_err("READ ONLY");
    assert_eq!(
        (fault.reason, fault.metadata["sqlstate"].as_str()),
        (Reason::WriteNotAllowed, "25006")
    );
    execute(&adapter, request(&[("select sneak()", json!([]))]))
        .await
        .expect("a write may");
    assert_eq!(server.value("select count(*) from t").await, "3");

    let reader = Adapter::of(&postgres.url_of("write_reads")).await;
    let fault = execute(&reader, request(&[("select 1", json!([]))]))
        .await
        .expect_err("no such service");
    assert_eq!(fault.reason, Reason::NotSupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_schema_is_not_written() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (_, server) = writable(postgres, "write_denied").await;
    server
        .run(&["create schema vault", "create table vault.s (a int)"])
        .await;
    let url = postgres.url_of("write_denied");
    for settings in ["deny_schemas = ['vault']", "allow_schemas = ['public']"] {
        let adapter = Adapter::start(&format!("url = '{url}'\nallow_writes = true\n{settings}")).await;
        let fault = execute(
            &adapter,
            request(&[("insert into \"vault\".s values (1)", json!([]))]),
        )
        .await
        .expect_err("denied");
        assert_eq!(fault.reason, Reason::AccessDenied, "{settings}");
        execute(
            &adapter,
            request(&[("update t x set a = 'x' where x.id = 1", json!([]))]),
        )
        .await
        .expect(settings);
    }
    assert_eq!(server.value("select count(*) from vault.s").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_goes_on_after_the_server_came_back() {
    let Some(postgres) = Postgres::start().await else {
        return;
    };
    let (adapter, server) = writable(&postgres, "write_again").await;
    execute(&adapter, request(&[("insert into t values (3)", json!([]))]))
        .await
        .expect("works");
    postgres.stop().await;
    let fault = execute(&adapter, request(&[("insert into t values (4)", json!([]))]))
        .await
        .expect_err("down");
    assert_eq!(fault.reason, Reason::DatabaseUnavailable);
    postgres.start_again().await;
    execute(&adapter, request(&[("insert into t values (5)", json!([]))]))
        .await
        .expect("the first call works");
    assert_eq!(
        server
            .value("select string_agg(id::text, ',' order by id) from t")
            .await,
        "1,2,3,5"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_plans_and_the_catalogue_work_behind_a_pooler() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let Some(pooler) = PgBouncer::in_front_of(postgres).await else {
        return;
    };
    let (_, server) = writable(postgres, "write_pooled").await;
    let url = pooler.url_of("write_pooled");
    let adapter = Adapter::start(&format!("url = '{url}'\nallow_writes = true")).await;
    for id in 10..15 {
        let insert = request(&[("insert into t values ($1, $2) returning a", json!([id, "pooled"]))]);
        let done = execute(&adapter, insert).await.expect("writes");
        assert_eq!(
            rows(done.outcomes[0].result.as_ref().expect("rows")),
            [r#"["pooled"]"#]
        );
        let mut client = adapter.client.clone();
        let explained = client.explain_query(ExplainQueryRequest {
            sql: "select * from t where id = $1".to_owned(),
            ..ExplainQueryRequest::default()
        });
        let plan = explained.await.expect("explains").into_inner().plan;
        assert!(plan.iter().any(|line| line.contains("(id = $1)")), "{plan:?}");
        let listed = client.list_tables(ListTablesRequest::default());
        assert_eq!(listed.await.expect("lists").into_inner().tables.len(), 1);
    }
    assert_eq!(
        server.value("select count(*) from t where a = 'pooled'").await,
        "5"
    );
    let mut client = PostgresWriteServiceClient::new(adapter.channel.clone());
    let created = client.create_database(CreateDatabaseRequest {
        database_name: "write through a pooler".to_owned(),
        ..CreateDatabaseRequest::default()
    });
    assert_eq!(created.await.expect("creates").into_inner().owner, "postgres");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_any_name_can_be_created_once() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    server
        .run(&["drop role if exists \"Own er\"", "create role \"Own er\""])
        .await;
    let adapter = Adapter::start(&format!("url = '{}'\nallow_writes = true", postgres.url())).await;
    let mut client = PostgresWriteServiceClient::new(adapter.channel.clone());
    let mut create = async |name: &str, owner: Option<&str>| {
        let request = CreateDatabaseRequest {
            database_name: name.to_owned(),
            owner: owner.map(str::to_owned),
            confirmation: None,
        };
        let response = client.create_database(request).await;
        response
            .map(tonic::Response::into_inner)
            .map_err(|status| Fault::from_status(&status))
    };
    let name = "my-\"DB\"; drop table x; --";
    let created = create(name, Some("Own er")).await.expect("creates");
    assert_eq!(
        (created.database_name.as_str(), created.owner.as_str()),
        (name, "Own er")
    );
    assert_eq!(
        server
            .value(&format!(
                "select count(*) from pg_database where datname = '{name}'"
            ))
            .await,
        "1"
    );
    let fault = create(name, None).await.expect_err("twice");
    assert_eq!(fault.metadata["sqlstate"], "42P04");
    assert!(fault.message.contains("already exists"), "{fault}");
    assert_eq!(
        create("write_mine", None).await.expect("creates").owner,
        "postgres"
    );
    assert_eq!(
        create("x", Some("nobody"))
            .await
            .expect_err("no such role")
            .metadata["sqlstate"],
        "42704"
    );
    assert_eq!(
        create("", None).await.expect_err("no name").metadata["field"],
        "database_name"
    );
}
