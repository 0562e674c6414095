//! Names that begin with what was typed.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::completion::v1::completion_service_client::CompletionServiceClient;
use mcp_hub_proto::completion::v1::{CompleteRequest, CompleteResponse};
use mcp_hub_testing::Neo4j;

use crate::adapter::{Adapter, Server, settings};

async fn ask(adapter: &Adapter, request: CompleteRequest) -> Result<CompleteResponse, Fault> {
    let mut client = CompletionServiceClient::new(adapter.channel.clone());
    let response = client.complete(request).await;
    Ok(response
        .map_err(|status| Fault::from_status(&status))?
        .into_inner())
}

/// The values of a variable of an address.
async fn values(adapter: &Adapter, uri_template: &str, argument: &str, value: &str) -> Vec<String> {
    let request = CompleteRequest {
        uri_template: uri_template.to_owned(),
        argument: argument.to_owned(),
        value: value.to_owned(),
        ..CompleteRequest::default()
    };
    ask(adapter, request).await.expect("answers").values
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_and_types_are_completed_in_any_case() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    Server::of(neo4j)
        .run(&[
            "CREATE (:TypedPerson)-[:TYPED_KNOWS]->(:typedFilm {typedProperty: 1})",
            "CREATE (:`Typed/` `new\nline\" 'x'`)-[:`TYPED %`]->(:`Žluť typed`)"
                .replace("` `", " ")
                .as_str(),
        ])
        .await;
    let adapter = Adapter::of(neo4j).await;
    let labels = ["Typed/ new\nline\" 'x'", "TypedPerson", "typedFilm"];
    assert_eq!(values(&adapter, "labels/{label}", "label", "tYPed").await, labels);
    assert_eq!(
        values(&adapter, "labels/{label}", "label", "žLUť").await,
        ["Žluť typed"]
    );
    assert_eq!(
        values(&adapter, "relationships/{type}", "type", "typed").await,
        ["TYPED %", "TYPED_KNOWS"]
    );
    for nothing in ["yped", "%", "Typed.*", "' OR 1=1", "\\", "\0", "TypedPersonX"] {
        assert!(
            values(&adapter, "labels/{label}", "label", nothing)
                .await
                .is_empty(),
            "{nothing:?}"
        );
    }
    let of_a_prompt = CompleteRequest {
        prompt: "explore_graph".to_owned(),
        argument: "label".to_owned(),
        value: "typedp".to_owned(),
        ..CompleteRequest::default()
    };
    assert_eq!(
        ask(&adapter, of_a_prompt).await.expect("answers").values,
        ["TypedPerson"]
    );
    for (template, argument) in [
        ("labels/{label}", "type"),
        ("labels/{label}{?database}", "label"),
        ("relationships/{type}", "property"),
    ] {
        assert!(
            values(&adapter, template, argument, "").await.is_empty(),
            "{template} {argument}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_are_those_that_a_call_may_name() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::start(&format!("{}\ndatabases = ['Other', 'neo4j']", settings(neo4j))).await;
    adapter.serving().await;
    let template = "labels/{label}{?database}";
    assert_eq!(
        values(&adapter, template, "database", "").await,
        ["neo4j", "Other"]
    );
    assert_eq!(values(&adapter, template, "database", "oTH").await, ["Other"]);
    let request = |database: &str| CompleteRequest {
        uri_template: template.to_owned(),
        argument: "label".to_owned(),
        arguments: [("database".to_owned(), database.to_owned())].into(),
        ..CompleteRequest::default()
    };
    ask(&adapter, request("neo4j")).await.expect("may be named");
    let fault = ask(&adapter, request("system"))
        .await
        .expect_err("may not be named");
    assert_eq!(fault.reason, Reason::ObjectNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_told() {
    let adapter = Adapter::start("uri = 'bolt://127.0.0.1:1'").await;
    let request = CompleteRequest {
        uri_template: "labels/{label}".to_owned(),
        argument: "label".to_owned(),
        ..CompleteRequest::default()
    };
    let fault = ask(&adapter, request).await.expect_err("is down");
    assert_eq!(fault.reason, Reason::DatabaseUnavailable);
}
