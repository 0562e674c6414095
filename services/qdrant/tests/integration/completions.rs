//! What may be typed for an argument or a variable.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::completion::v1::completion_service_client::CompletionServiceClient;
use mcp_hub_proto::completion::v1::{CompleteRequest, CompleteResponse};
use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant as q;
use qdrant_client::qdrant::{Distance, Modifier};
use serde_json::json;

use crate::adapter::{Adapter, Server, answer, assert_fault, settings};
use crate::fake::{Fake, message};
use crate::search_collections::{Collection, TEXT, meaning, named, point, words};

async fn complete(adapter: &Adapter, request: CompleteRequest) -> Result<CompleteResponse, Fault> {
    let mut client = CompletionServiceClient::new(adapter.channel.clone());
    answer(client.complete(request).await)
}

/// An argument of the prompt that sets up search, for a collection.
async fn of_prompt(adapter: &Adapter, collection: &str, argument: &str, value: &str) -> Vec<String> {
    let request = CompleteRequest {
        prompt: "set_up_semantic_search".to_owned(),
        argument: argument.to_owned(),
        value: value.to_owned(),
        arguments: [("collection".to_owned(), collection.to_owned())].into(),
        ..CompleteRequest::default()
    };
    complete(adapter, request).await.expect("answers").values
}

/// The variable of the template.
fn of_template(value: &str) -> CompleteRequest {
    CompleteRequest {
        uri_template: "{collection}".to_owned(),
        argument: "collection".to_owned(),
        value: value.to_owned(),
        ..CompleteRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_are_named_by_all_their_names_unless_they_are_hidden() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let server = Server::of(qdrant);
    for name in ["typed_one", "typed_secret", "Typed Two"] {
        server.with_vectors_of_two(name).await;
    }
    server.alias("typed_one", "typed_alias").await;
    server.alias("typed_secret", "typed_secret_alias").await;
    let lists = "deny_collections = ['typed_secret']";
    let adapter = Adapter::start(&format!("{}\n{lists}", settings(qdrant))).await;
    let typed = complete(&adapter, of_template("TYPED")).await.expect("answers");
    assert_eq!(typed.values, ["Typed Two", "typed_one", "typed_alias"]);
    assert!(!typed.has_more);
    assert_eq!(
        of_prompt(&adapter, "", "collection", "typed_o").await,
        ["typed_one"]
    );
    let open = Adapter::of(qdrant).await;
    let typed = complete(&open, of_template("typed_s")).await.expect("answers");
    assert_eq!(typed.values, ["typed_secret", "typed_secret_alias"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_has_vectors_and_keys_with_texts() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let long = "one two three four five six seven eight nine ten";
    Collection::new("shaped")
        .dense("body", TEXT, Distance::Cosine)
        .dense("title", TEXT, Distance::Cosine)
        .sparse("words", Modifier::Idf)
        .create(
            qdrant,
            vec![point(
                1,
                named([("body", meaning(long)), ("words", words(long))]),
                &json!({"brand": "x", "text": long, "price": 3, "sold": "2024-01-31T00:00:00Z"}),
            )],
        )
        .await;
    let vectors = async |value: &str| of_prompt(&adapter, "shaped", "vector", value).await;
    assert_eq!(vectors("").await, ["body", "title", "words"]);
    assert_eq!(vectors("T").await, ["title"]);
    // Long texts first, and no numbers or times.
    let keys = of_prompt(&adapter, "shaped", "text_key", "").await;
    assert_eq!(keys, ["text", "brand"]);
    // A collection that is not there has nothing, and neither has no collection.
    for collection in ["typed_nothing", ""] {
        assert!(
            of_prompt(&adapter, collection, "vector", "").await.is_empty(),
            "{collection}"
        );
        assert!(
            of_prompt(&adapter, collection, "text_key", "").await.is_empty(),
            "{collection}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_are_given_in_part() {
    let collections = (0..150).map(|number| q::CollectionDescription {
        name: format!("many_{number:03}"),
    });
    let reply = message(&q::ListCollectionsResponse {
        collections: collections.collect(),
        time: 0.0,
    });
    let fake = Fake::start("1.18.0", &[("List", reply)]).await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    let typed = complete(&adapter, of_template("")).await.expect("answers");
    assert_eq!((typed.values.len(), typed.has_more), (100, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_it_is_told() {
    let adapter = Adapter::start("url = 'http://127.0.0.1:1'").await;
    let told = complete(&adapter, of_template("")).await;
    assert_fault(told, Reason::DatabaseUnavailable, "connection refused");
}
