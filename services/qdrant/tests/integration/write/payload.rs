//! `UpdatePayload`: keys are set, replaced and deleted, and nothing else is touched.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::qdrant::v1::UpdatePayloadRequest;
use mcp_hub_testing::Qdrant;
use serde_json::{Value as Json, json};

use super::{Writable, digest, numbered};
use crate::adapter::{assert_fault, value};

fn change(collection: &str, json: &Json) -> UpdatePayloadRequest {
    let ids = json.get("ids").and_then(Json::as_array);
    let keys = json.get("delete_keys").and_then(Json::as_array);
    UpdatePayloadRequest {
        collection: collection.to_owned(),
        ids: ids.into_iter().flatten().map(value).collect(),
        filter: json.get("filter").map(value),
        set: json.get("set").map(value),
        overwrite: json.get("overwrite").and_then(Json::as_bool),
        delete_keys: keys
            .into_iter()
            .flatten()
            .map(|key| key.as_str().expect("a key").to_owned())
            .collect(),
        dry_run: json.get("dry_run").and_then(Json::as_bool),
        confirmation: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_set_replaced_and_deleted() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.filled("payload_keys", numbered(4)).await;
    for (request, matched) in [
        (json!({"ids": [1, 2], "set": {"a": {"b": 1}, "c": "x"}}), 2),
        (json!({"ids": [1], "delete_keys": ["a.b", "n"]}), 1),
        (json!({"ids": [2], "set": {"d": [1]}, "delete_keys": ["a"]}), 1),
        (
            json!({"filter": {"n": 3}, "set": {"z": true}, "overwrite": true, "dry_run": true}),
            1,
        ),
        (json!({"ids": [4], "set": {"only": 1}, "overwrite": true}), 1),
        (json!({"filter": {"n": {"gte": 3}}, "set": {"late": true}}), 1),
    ] {
        let done = hub.update(change("payload_keys", &request)).await;
        let done = done.unwrap_or_else(|fault| panic!("{request}: {fault:?}"));
        let dry_run = request.get("dry_run").is_some();
        assert_eq!(
            (done.matched, done.committed),
            (Some(matched), Some(!dry_run)),
            "{request}"
        );
        assert_eq!(done.notices.len(), usize::from(dry_run), "{done:?}");
    }
    let payloads = hub.payloads("payload_keys").await;
    let payloads: Vec<Json> = payloads.into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(
        payloads,
        [
            json!({"a": {}, "c": "x"}),
            json!({"n": 2, "c": "x", "d": [1]}),
            json!({"n": 3, "late": true}),
            json!({"only": 1}),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_finds_the_same_points_for_both_changes() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    let points = (1..=3).map(|n| json!({"id": n, "vector": [1, n], "payload": {"state": "old", "old": n}}));
    hub.filled("payload_order", points.collect()).await;
    // Whatever came first in another order would hide the points from the second.
    let set = json!({"filter": {"state": "old"}, "set": {"state": "new"}, "delete_keys": ["old"]});
    assert_eq!(
        hub.update(change("payload_order", &set))
            .await
            .expect("works")
            .matched,
        Some(3)
    );
    let deleted = json!({"filter": {"state": "new"}, "set": {"new": 1}, "delete_keys": ["state"]});
    assert_eq!(
        hub.update(change("payload_order", &deleted))
            .await
            .expect("works")
            .matched,
        Some(3)
    );
    for (_, payload) in hub.payloads("payload_order").await {
        assert_eq!(payload, json!({"new": 1}));
    }
    let both = json!({"filter": {"a": 1, "b": 1}, "set": {"a": 2}, "delete_keys": ["b"]});
    let result = hub.update(change("payload_order", &both)).await;
    assert_fault(result, Reason::ArgumentInvalid, "give the ids of the points");
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_no_points_are_told() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.filled("payload_missing", numbered(2)).await;
    let request = json!({"ids": [1, 98, 1, 99], "set": {"a": 1}});
    let done = hub
        .update(change("payload_missing", &request))
        .await
        .expect("the others are changed");
    assert_eq!((done.matched, done.committed), (Some(1), Some(true)));
    assert_eq!(done.notices, ["2 ids are no points of `payload_missing`: 98, 99"]);
    let request = json!({"ids": [98], "set": {"a": 1}});
    let done = hub
        .update(change("payload_missing", &request))
        .await
        .expect("nothing to do");
    assert_eq!((done.matched, done.committed), (Some(0), Some(false)));
    assert_eq!(done.notices[1], "there was nothing to change");
    let payloads = hub.payloads("payload_missing").await;
    assert_eq!(payloads[0].1, json!({"n": 1, "a": 1}));
    assert_eq!(payloads[1].1, json!({"n": 2}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_touches_everything_wants_a_confirmation() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.filled("payload_all", numbered(3)).await;
    let mut all = change("payload_all", &json!({"filter": {}, "set": {"a": 1}}));
    let effect = "This changes the payload of all 3 points of `payload_all`.";
    all.confirmation = Some(digest(hub.update(all.clone()).await, effect));
    let nothing_yet = hub.payloads("payload_all").await;
    assert!(nothing_yet.iter().all(|(_, payload)| payload.get("a").is_none()));
    let mut other = all.clone();
    other.set = Some(value(&json!({"a": 2})));
    digest(hub.update(other).await, effect);
    assert_eq!(hub.update(all).await.expect("confirmed").matched, Some(3));

    // Qdrant's own form, and empty clauses: all points as well.
    let nested = change(
        "payload_all",
        &json!({"filter": {"must": [{"must": []}]}, "set": {"a": 3}}),
    );
    if let Ok(done) = hub.update(nested).await {
        panic!("changed without being asked: {done:?}");
    }
    let overwrite = change(
        "payload_all",
        &json!({"filter": {"n": 1}, "set": {}, "overwrite": true}),
    );
    let effect = "This replaces the whole payload of 1 point of `payload_all` that matches the filter.";
    digest(hub.update(overwrite).await, effect);
    for (_, payload) in hub.payloads("payload_all").await {
        assert_eq!(payload["a"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_change_changes_nothing() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.filled("payload_wrong", numbered(1)).await;
    for (request, part) in [
        (
            json!({"set": {"a": 1}}),
            "give the ids of the points, or a filter",
        ),
        (
            json!({"ids": [1], "filter": {"n": 1}, "set": {"a": 1}}),
            "not both",
        ),
        (json!({"ids": ["x"], "set": {"a": 1}}), "an id is"),
        (json!({"ids": [1]}), "nothing to change"),
        (json!({"ids": [1], "set": [1]}), "set: a JSON object is needed"),
        (
            json!({"ids": [1], "set": {"a": 1}, "delete_keys": ["a"]}),
            "both in set and in delete_keys",
        ),
        (
            json!({"ids": [1], "set": {"a": 1}, "delete_keys": ["b..c"]}),
            "delete_keys",
        ),
        (json!({"ids": [1], "overwrite": true}), "overwrite needs set"),
        (
            json!({"ids": [1], "set": {"a": 1}, "overwrite": true, "delete_keys": ["n"]}),
            "whole payload",
        ),
        (json!({"filter": {"n": {"nope": 1}}, "set": {"a": 1}}), "nope"),
    ] {
        let result = hub.update(change("payload_wrong", &request)).await;
        assert_fault(result, Reason::ArgumentInvalid, part);
    }
    assert_eq!(
        hub.payloads("payload_wrong").await,
        [("1".to_owned(), json!({"n": 1}))]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_text_leaves_its_vectors_and_says_so() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    let create = mcp_hub_proto::qdrant::v1::CreateCollectionRequest {
        collection: "payload_text".to_owned(),
        ..Default::default()
    };
    hub.create(create).await.expect("created");
    hub.upsert("payload_text", json!([{"id": 1, "text": "a tent"}]))
        .await
        .expect("written");
    let done = hub
        .update(change(
            "payload_text",
            &json!({"ids": [1], "set": {"text": "a bag"}}),
        ))
        .await;
    assert_eq!(
        done.expect("changed").notices,
        ["vectors that were made of `text` are as before: upsert makes them anew"]
    );
    let done = hub
        .update(change("payload_text", &json!({"ids": [1], "set": {"n": 1}})))
        .await;
    assert_eq!(done.expect("changed").notices, [""; 0]);
}
