//! Qdrant.

use mcp_hub_e2e::{Door, Session};
use mcp_hub_testing::Qdrant;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::hub::{Hub, text};
use crate::promises::{self, Asking, Subject};

/// A collection that [`keep`] makes, of one point.
const KEPT: &str = "kept";

const SCROLL: Asking = Asking {
    tool: "scroll",
    argument: "collection",
    trial: (
        KEPT,
        || json!(["9007199254740993", {"text": "žluť", "stock": 2, "price": 2.0}]),
    ),
};

fn subject(qdrant: &Qdrant) -> Subject<'static> {
    Subject {
        key: "qdrant",
        environment: vec![
            ("QDRANT_HOST", qdrant.host().to_owned()),
            ("QDRANT_GRPC_PORT", qdrant.port().to_string()),
        ],
        asking: SCROLL,
        secrets: vec!["127.0.0.1".to_owned()],
    }
}

/// Makes the collection, by the tools that write.
async fn keep(qdrant: &Qdrant, collection: &str, payload: Value) -> Option<()> {
    let environment = [("QDRANT_URL", qdrant.url()), ("QDRANT_ALLOW_WRITES", "true")];
    let hub = Hub::start(&[], &environment).await;
    let mut session = Session::python(&Door::Http(hub.url("/mcp"))).await?;
    for (tool, arguments) in [
        ("qdrant_create_collection", json!({"collection": collection})),
        (
            "qdrant_upsert",
            json!({"collection": collection, "points": [{"id": "9007199254740993", "text": "žluť", "payload": payload}]}),
        ),
    ] {
        let result = session.call(tool, arguments).await;
        assert_ne!(result["isError"], true, "{tool}: {}", text(&result));
    }
    session.close().await;
    Some(())
}

#[tokio::test]
async fn it_joins_when_its_host_is_set() {
    let Some(qdrant) = Qdrant::start().await else {
        return;
    };
    let (statement, row) = SCROLL.trial;
    if keep(&qdrant, statement, json!({"stock": 2, "price": 2.0}))
        .await
        .is_some()
    {
        promises::it_joins(&subject(&qdrant), "Qdrant", statement, row()).await;
    }
}

#[tokio::test]
async fn one_that_is_down_is_listed_with_the_reason_and_joins_when_it_is_up() {
    let Some(qdrant) = Qdrant::start().await else {
        return;
    };
    if keep(&qdrant, KEPT, json!({"stock": 2, "price": 2.0}))
        .await
        .is_none()
    {
        return;
    }
    qdrant.stop().await;
    let subject = subject(&qdrant);
    promises::one_that_is_down_joins_when_it_is_up(&subject, async || qdrant.start_again().await).await;
}

#[tokio::test]
async fn collections_are_documents_prompts_know_them_and_a_search_tells_what_it_does() {
    let Some(qdrant) = Qdrant::start().await else {
        return;
    };
    let environment = [("QDRANT_URL", qdrant.url()), ("QDRANT_ALLOW_WRITES", "true")];
    let hub = Hub::start(&[], &environment).await;
    let Some(mut session) = Session::python(&Door::Sse(hub.url("/sse"))).await else {
        return;
    };
    for name in ["a b%", "reviews"] {
        let create = json!({"collection": name, "vectors": [{"size": 2}]});
        let made = session.call("qdrant_create_collection", create).await;
        assert_ne!(made["isError"], true, "{}", text(&made));
    }
    assert!(
        session.list_changed("resources", 10).await,
        "the list of resources has changed"
    );
    let list = session.ask("resources/list", json!({})).await;
    let resources = list["resources"].as_array().expect("a list").iter();
    let addresses: Vec<&Value> = resources.map(|resource| &resource["uri"]).collect();
    assert_eq!(addresses, ["mcphub://qdrant/a%20b%25", "mcphub://qdrant/reviews"]);
    for (address, name) in addresses.into_iter().zip(["a b%", "reviews"]) {
        let read = session.ask("resources/read", json!({"uri": address})).await;
        let shown = read["contents"][0]["text"].as_str().expect("a text");
        let resource: Value = serde_json::from_str(shown).expect("JSON");
        let told = session
            .call("qdrant_collection_info", json!({"collection": name}))
            .await;
        assert_eq!(resource, told["structuredContent"], "{address}");
    }
    let typed = json!({
        "ref": {"type": "ref/prompt", "name": "qdrant_set_up_semantic_search"},
        "argument": {"name": "collection", "value": "REV"},
    });
    let completed = session.ask("completion/complete", typed).await;
    assert_eq!(
        completed["completion"]["values"],
        json!(["reviews"]),
        "{completed}"
    );
    let explore = json!({"name": "qdrant_explore", "arguments": {}});
    let prompt = session.ask("prompts/get", explore).await;
    let said = prompt["messages"][0]["content"]["text"].as_str().expect("a text");
    assert!(said.contains("\"reviews\": 0 points; vectors: \"2 "), "{said}");
    session.close().await;

    // An endpoint that takes the text and says nothing.
    let endpoint = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", endpoint.local_addr().expect("an address"));
    let environment = [
        ("QDRANT_URL", qdrant.url()),
        ("QDRANT_EMBEDDINGS_URL", &url),
        ("QDRANT_EMBEDDINGS_MODEL", "silent"),
    ];
    let hub = Hub::start(&[], &environment).await;
    let Some(mut session) = Session::python(&Door::Http(hub.url("/mcp"))).await else {
        return;
    };
    let search = json!({"collection": "reviews", "query_text": "tent", "mode": "dense", "timeout_ms": 2_500});
    let (answer, steps) = session.call_with_progress("qdrant_search", search).await;
    assert_eq!(answer["isError"], true, "{answer}");
    assert!(
        steps.iter().any(|step| step.total == Some(2.5)
            && step.message.as_deref() == Some("1 s: embedding the text")),
        "{steps:?}"
    );
    session.close().await;
}

#[tokio::test]
async fn two_in_the_settings_file_are_two_services() {
    let (Some(orders), Some(billing)) = (Qdrant::start().await, Qdrant::start().await) else {
        return;
    };
    for (server, name) in [(&orders, "orders"), (&billing, "billing")] {
        if keep(server, KEPT, json!({"of": name})).await.is_none() {
            return;
        }
    }
    let settings = [&orders, &billing].map(|server| format!("url = \"{}\"", server.url()));
    let settings = [&*settings[0], &*settings[1]];
    let expected =
        ["orders", "billing"].map(|name| json!(["9007199254740993", {"text": "žluť", "of": name}]));
    promises::two_of_a_kind_are_two_services("qdrant", SCROLL, settings, KEPT, expected).await;
}
