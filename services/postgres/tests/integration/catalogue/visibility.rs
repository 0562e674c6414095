//! What is shown to whom: lists of schemas, rights of the role.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_as_if_it_were_not_there() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (_, server) = shop(postgres, "catalogue_denied").await;
    server
        .run(&[
            "create schema vault",
            "create table vault.secrets (order_id int references shop.orders)",
        ])
        .await;
    let url = postgres.url_of("catalogue_denied");
    for settings in ["deny_schemas = ['vault']", "allow_schemas = ['shop', 'public']"] {
        let adapter = Adapter::start(&format!("url = '{url}'\n{settings}")).await;
        let all = list(&adapter, ListTablesRequest::default()).await.expect("lists");
        assert!(
            !names(&all.tables).iter().any(|name| name.contains("vault")),
            "{settings}"
        );
        let asked = ListTablesRequest {
            schema: Some("vault".to_owned()),
            ..ListTablesRequest::default()
        };
        assert_eq!(
            list(&adapter, asked).await.expect_err("denied").reason,
            Reason::ObjectNotFound
        );
        let fault = describe(&adapter, "secrets", Some("vault"))
            .await
            .expect_err("denied");
        assert_eq!(
            (fault.reason, fault.metadata.get("did_you_mean")),
            (Reason::ObjectNotFound, None),
            "{settings}"
        );
        let orders = describe(&adapter, "orders", Some("shop"))
            .await
            .expect("describes");
        assert!(
            orders
                .referenced_by
                .iter()
                .all(|key| !key.table.contains("vault")),
            "{settings}"
        );
        assert!(
            search(&adapter, "secret", &[]).await.objects.is_empty(),
            "{settings}"
        );
        assert!(
            search(&adapter, "vault", &[]).await.objects.is_empty(),
            "{settings}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_can_t_be_read_by_a_statement() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (_, server) = shop(postgres, "catalogue_unread").await;
    server
        .run(&[
            "create schema vault",
            "create table vault.secrets (id int)",
            "create table vault.hidden (a int)",
            "create function vault.peek() returns int language sql as 'select 1'",
            "alter database catalogue_unread set search_path = public, vault",
        ])
        .await;
    let url = postgres.url_of("catalogue_unread");
    for settings in ["deny_schemas = ['vault']", "allow_schemas = ['shop', 'public']"] {
        let adapter = Adapter::start(&format!("url = '{url}'\n{settings}")).await;
        for sql in [
            "select * from vault.secrets",
            "table \"vault\".secrets",
            "select (select count(*) from U&\"v\\0061ult\".secrets)",
            "with secrets as (select * from vault.secrets) select * from secrets",
            "select vault.peek()",
            "explain select * from vault.secrets",
            // The search path leads there, also from inside a query of that name.
            "select * from hidden",
            "with hidden as (select * from hidden) select * from hidden",
        ] {
            let fault = adapter.query(sql).await.expect_err(sql);
            assert_eq!(fault.reason, Reason::AccessDenied, "{settings}: {sql}: {fault:?}");
        }
        let plan = ExplainQueryRequest {
            sql: "select * from hidden".to_owned(),
            ..ExplainQueryRequest::default()
        };
        let status = adapter
            .client
            .clone()
            .explain_query(plan)
            .await
            .expect_err("denied");
        assert_eq!(Fault::from_status(&status).reason, Reason::AccessDenied);
        for sql in [
            "select count(*) from shop.orders",
            "select count(*) from pg_class, information_schema.tables",
            "select vault.id from shop.orders vault",
            "with hidden as (select 1) select * from hidden",
        ] {
            let result = adapter.query(sql).await;
            result.unwrap_or_else(|fault| panic!("{settings}: {sql}: {fault:?}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_sees_little_gets_what_it_may_see() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (_, server) = shop(postgres, "catalogue_little").await;
    server
        .run(&[
            "drop role if exists catalogue_reader",
            "create role catalogue_reader login",
            "grant usage on schema shop to catalogue_reader",
            "grant select on shop.orders to catalogue_reader",
            "grant select (email) on shop.customers to catalogue_reader",
        ])
        .await;
    let url = postgres.url_of("catalogue_little");
    let adapter = Adapter::start(&format!("url = '{url}'\nuser = 'catalogue_reader'")).await;
    let all = list(&adapter, ListTablesRequest::default()).await.expect("lists");
    assert_eq!(names(&all.tables), ["shop.customers", "shop.orders"]);
    assert_eq!(all.notices, ["6 more are left out: the role may not read them"]);
    assert_eq!(
        describe(&adapter, "shop.orders", None)
            .await
            .expect("describes")
            .columns
            .len(),
        7
    );
    assert!(!search(&adapter, "orders", &[]).await.objects.is_empty());
    adapter
        .client
        .clone()
        .list_databases(ListDatabasesRequest {})
        .await
        .expect("lists");
}
