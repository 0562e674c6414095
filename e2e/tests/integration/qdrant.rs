//! Qdrant.

use mcp_hub_e2e::{Door, Session};
use mcp_hub_testing::Qdrant;
use serde_json::{Value, json};

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
