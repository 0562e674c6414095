//! Names that begin with what was typed.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::completion::v1::completion_service_client::CompletionServiceClient;
use mcp_hub_proto::completion::v1::{CompleteRequest, CompleteResponse};
use mcp_hub_testing::MariaDb;

use crate::adapter::{Adapter, Server};

const TEMPLATE: &str = "{schema}/{table}";

async fn ask(adapter: &Adapter, request: CompleteRequest) -> Result<CompleteResponse, Fault> {
    let mut client = CompletionServiceClient::new(adapter.channel.clone());
    let response = client.complete(request).await;
    Ok(response
        .map_err(|status| Fault::from_status(&status))?
        .into_inner())
}

/// The values of a variable of an address.
async fn values(adapter: &Adapter, argument: &str, value: &str, schema: Option<&str>) -> Vec<String> {
    let request = CompleteRequest {
        uri_template: TEMPLATE.to_owned(),
        argument: argument.to_owned(),
        value: value.to_owned(),
        arguments: schema
            .map(|schema| ("schema".to_owned(), schema.to_owned()))
            .into_iter()
            .collect(),
        ..CompleteRequest::default()
    };
    ask(adapter, request).await.expect("answers").values
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_and_tables_are_completed_in_any_case() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    for name in ["typed_one", "typed_Two", "typed_vault"] {
        server.create_database(name).await;
    }
    server
        .run(&[
            "create table typed_one.orders (a int)",
            "create table typed_one.Order_items (a int)",
            "create view typed_one.`order's \"new\nview\"` as select 1",
            "create table typed_one.`Žluť` (a int)",
            "create table typed_one.`%` (a int)",
            "create table typed_Two.other (a int)",
            "create table typed_vault.orders_of_others (a int)",
        ])
        .await;
    let adapter = Adapter::start(&format!(
        "url = '{}'\ndeny_databases = ['typed_vault']",
        mariadb.url_of("typed_one")
    ))
    .await;
    assert_eq!(
        values(&adapter, "schema", "TYPED_", None).await,
        ["typed_one", "typed_Two"],
        "the connected one first"
    );
    let orders = ["Order_items", "order's \"new\nview\"", "orders"];
    assert_eq!(values(&adapter, "table", "oRD", Some("typed_one")).await, orders);
    assert_eq!(
        values(&adapter, "table", "ord", None).await,
        orders,
        "of the connected one"
    );
    assert_eq!(values(&adapter, "table", "", Some("typed_Two")).await, ["other"]);
    assert_eq!(
        values(&adapter, "table", "žLU", Some("typed_one")).await,
        ["Žluť"]
    );
    // Signs of patterns are letters.
    assert_eq!(values(&adapter, "table", "%", Some("typed_one")).await, ["%"]);
    for nothing in ["_", "zlu", "rder", "' or '1'='1", "\\", "\0"] {
        assert!(
            values(&adapter, "table", nothing, Some("typed_one"))
                .await
                .is_empty(),
            "{nothing:?}"
        );
    }
    for schema in ["typed_vault", "typed_none", "typed_one' or 1=1 -- "] {
        assert!(
            values(&adapter, "table", "", Some(schema)).await.is_empty(),
            "{schema}"
        );
    }
    let of_a_prompt = CompleteRequest {
        prompt: "explore".to_owned(),
        argument: "database".to_owned(),
        value: "typed_t".to_owned(),
        ..CompleteRequest::default()
    };
    assert_eq!(
        ask(&adapter, of_a_prompt).await.expect("answers").values,
        ["typed_Two"]
    );
    let unknown = CompleteRequest {
        prompt: "explain_slow_query".to_owned(),
        argument: "sql".to_owned(),
        value: "sel".to_owned(),
        ..CompleteRequest::default()
    };
    assert_eq!(
        ask(&adapter, unknown).await.expect("answers").values,
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_shown_what_it_may_see() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.create_database("completed_for_some").await;
    server.create_user("completer").await;
    server
        .run(&[
            "create table completed_for_some.seen (a int)",
            "create table completed_for_some.unseen (a int)",
            "grant select on completed_for_some.seen to 'completer'@'%'",
        ])
        .await;
    let settings = format!(
        "host = '127.0.0.1'\nport = {}\nuser = 'completer'\npassword = 'completer'",
        mariadb.port()
    );
    let adapter = Adapter::start(&settings).await;
    assert_eq!(values(&adapter, "schema", "", None).await, ["completed_for_some"]);
    assert_eq!(
        values(&adapter, "table", "", None).await,
        ["seen"],
        "of all that can be asked"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_cut_and_it_is_said() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.create_database("completed_many").await;
    let tables =
        (0..150).map(|number| format!("create table completed_many.t{number:03} (a int) engine = memory"));
    server
        .raw(&tables.collect::<Vec<_>>().join(";"))
        .await
        .expect("creates");
    let adapter = Adapter::of(&mariadb.url_of("completed_many")).await;
    let request = CompleteRequest {
        uri_template: TEMPLATE.to_owned(),
        argument: "table".to_owned(),
        value: "T".to_owned(),
        ..CompleteRequest::default()
    };
    let response = ask(&adapter, request).await.expect("answers");
    assert_eq!((response.values.len(), response.has_more), (100, true));
    assert_eq!(response.values[99], "t099");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_told() {
    let adapter = Adapter::of("mysql://root@127.0.0.1:1/app").await;
    let request = CompleteRequest {
        uri_template: TEMPLATE.to_owned(),
        argument: "schema".to_owned(),
        ..CompleteRequest::default()
    };
    let fault = ask(&adapter, request).await.expect_err("is down");
    assert_eq!(fault.reason, Reason::DatabaseUnavailable);
}
