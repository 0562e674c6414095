//! What is shown to whom: lists of databases, rights of the account.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_as_if_it_were_not_there() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    // First, because one that a stopped test left refers to the shop.
    Server::of(mariadb.url()).create_database("catalogue_vault").await;
    let (_, server) = shop(mariadb, "catalogue_denied").await;
    server
        .run(&[
            "create table catalogue_vault.concealed (id bigint unsigned, foreign key (id) references catalogue_denied.orders (id))",
        ])
        .await;
    let url = mariadb.url_of("catalogue_denied");
    for settings in [
        "deny_databases = ['catalogue_vault']",
        "allow_databases = ['catalogue_denied']",
    ] {
        let adapter = Adapter::start(&format!("url = '{url}'\n{settings}")).await;
        let response = adapter
            .client
            .clone()
            .list_databases(ListDatabasesRequest {})
            .await;
        let databases = response.expect("lists").into_inner().databases;
        assert!(
            databases
                .iter()
                .all(|database| database.name != "catalogue_vault"),
            "{settings}"
        );
        let asked = ListTablesRequest {
            database: Some("catalogue_vault".to_owned()),
            ..ListTablesRequest::default()
        };
        let fault = list(&adapter, asked).await.expect_err("denied");
        assert_eq!(fault.reason, Reason::ObjectNotFound);
        assert!(!format!("{:?}", fault.metadata).contains("vault"), "{fault:?}");
        for (table, database) in [
            ("concealed", Some("catalogue_vault")),
            ("concealed", None),
            ("catalogue_vault.concealed", None),
        ] {
            let fault = describe(&adapter, table, database).await.expect_err("denied");
            assert_eq!(fault.reason, Reason::ObjectNotFound, "{settings}: {table}");
            assert!(
                !format!("{:?}", fault.metadata).contains("concealed"),
                "{fault:?}"
            );
        }
        let orders = describe(&adapter, "orders", None).await.expect("describes");
        assert_eq!(
            orders.referenced_by.len(),
            1,
            "{settings}: {:?}",
            orders.referenced_by
        );
        for pattern in ["concealed", "catalogue_vault"] {
            assert!(
                search(&adapter, pattern, &[], None).await.objects.is_empty(),
                "{settings}"
            );
        }
    }
    server.run(&["drop database catalogue_vault"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_can_t_be_read_by_a_statement() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (_, server) = shop(mariadb, "catalogue_unread").await;
    server.create_database("catalogue_hidden").await;
    server
        .run(&["create table catalogue_hidden.secrets (id int)"])
        .await;
    let url = mariadb.url_of("catalogue_unread");
    for settings in [
        "deny_databases = ['catalogue_hidden']",
        "allow_databases = ['catalogue_unread']",
    ] {
        let adapter = Adapter::start(&format!("url = '{url}'\n{settings}")).await;
        for sql in [
            "select * from catalogue_hidden.secrets",
            "select * from `catalogue_hidden` . `secrets`",
            "select (select count(*) from catalogue_hidden/**/.secrets)",
            "with secrets as (select * from catalogue_hidden.secrets) select * from secrets",
            "select catalogue_hidden.peek()",
            "explain select * from catalogue_hidden.secrets",
            "describe catalogue_hidden.secrets",
            "show tables from catalogue_hidden",
            "show create table catalogue_hidden.secrets",
            "show columns in secrets in catalogue_hidden",
        ] {
            let fault = adapter.query(sql).await.expect_err(sql);
            assert_eq!(fault.reason, Reason::AccessDenied, "{settings}: {sql}: {fault:?}");
        }
        for sql in [
            "select count(*) from catalogue_unread.orders",
            "select count(*) from information_schema.tables",
            "select x.id from orders x",
            "select 'catalogue_hidden.secrets'",
        ] {
            let result = adapter.query(sql).await;
            result.unwrap_or_else(|fault| panic!("{settings}: {sql}: {fault:?}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_sees_little_gets_what_it_may_see() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (_, server) = shop(mariadb, "catalogue_little").await;
    server.create_user("little").await;
    server
        .run(&[
            "grant select on catalogue_little.orders to 'little'@'%'",
            "grant select (email) on catalogue_little.customers to 'little'@'%'",
        ])
        .await;
    let url = mariadb.address().url_as("little", "little", "catalogue_little");
    let adapter = Adapter::of(&url).await;
    let all = list(&adapter, ListTablesRequest::default()).await.expect("lists");
    assert_eq!(
        names(&all.tables),
        [
            "table catalogue_little.customers",
            "table catalogue_little.orders"
        ]
    );
    let orders = describe(&adapter, "orders", None).await.expect("describes");
    assert_eq!((orders.columns.len(), orders.foreign_keys.len()), (8, 1));
    let customers = describe(&adapter, "customers", None).await.expect("describes");
    assert_eq!(customers.columns.len(), 1);
    assert!(!search(&adapter, "orders", &[], None).await.objects.is_empty());
    let response = adapter
        .client
        .clone()
        .list_databases(ListDatabasesRequest {})
        .await;
    assert_eq!(response.expect("lists").into_inner().databases.len(), 1);
}
