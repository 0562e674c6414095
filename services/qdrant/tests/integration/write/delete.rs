//! `DeletePoints`: nothing goes that nobody has looked at.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::qdrant::v1::DeletePointsRequest;
use mcp_hub_testing::Qdrant;
use serde_json::{Value as Json, json};

use super::{Writable, digest, numbered};
use crate::adapter::{assert_fault, value};

fn delete(collection: &str, ids: &Json, filter: Option<&Json>) -> DeletePointsRequest {
    DeletePointsRequest {
        collection: collection.to_owned(),
        ids: ids.as_array().expect("a list").iter().map(value).collect(),
        filter: filter.map(value),
        ..DeletePointsRequest::default()
    }
}

fn really(request: &DeletePointsRequest, confirmation: Option<&str>) -> DeletePointsRequest {
    DeletePointsRequest {
        dry_run: Some(false),
        confirmation: confirmation.map(str::to_owned),
        ..request.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_word_it_only_counts() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.filled("delete_count", numbered(5)).await;
    let some = delete("delete_count", &json!([]), Some(&json!({"n": {"gt": 2}})));
    let done = hub.delete(some).await.expect("counts");
    assert_eq!((done.matched, done.committed), (Some(3), Some(false)));
    assert_eq!(
        done.notices,
        [
            "dry run: nothing was deleted; with dry_run false it deletes 3 points of `delete_count` that match the filter; \
          you will be asked to confirm it"
        ]
    );
    let done = hub
        .delete(delete("delete_count", &json!([1, 9]), None))
        .await
        .expect("counts");
    assert_eq!((done.matched, done.committed), (Some(1), Some(false)));
    assert_eq!(
        done.notices,
        [
            "1 id is no point of `delete_count`: 9",
            "dry run: nothing was deleted; with dry_run false it deletes 1 point of `delete_count`"
        ]
    );
    assert_eq!(hub.server.count("delete_count").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn few_points_go_by_their_ids() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.filled("delete_ids", numbered(150)).await;
    let few = delete("delete_ids", &json!([3, 4, 999]), None);
    let done = hub.delete(really(&few, None)).await.expect("deletes");
    assert_eq!((done.matched, done.committed), (Some(2), Some(true)));
    assert_eq!(done.notices, ["1 id is no point of `delete_ids`: 999"]);
    let done = hub.delete(really(&few, None)).await.expect("again");
    assert_eq!((done.matched, done.committed), (Some(0), Some(false)));
    assert_eq!(hub.server.count("delete_ids").await, 148);
    let many: Json = (5..=105).map(|n| json!(n)).collect();
    let many = delete("delete_ids", &many, None);
    let confirmation = digest(
        hub.delete(really(&many, None)).await,
        "This deletes 101 points of `delete_ids` for good.",
    );
    assert_eq!(hub.server.count("delete_ids").await, 148);
    let done = hub
        .delete(really(&many, Some(&confirmation)))
        .await
        .expect("confirmed");
    assert_eq!((done.matched, done.committed), (Some(101), Some(true)));
    assert_eq!(hub.server.count("delete_ids").await, 47);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_confirmed_with_the_count_that_was_seen() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.filled("delete_filter", numbered(6)).await;
    let some = delete("delete_filter", &json!([]), Some(&json!({"n": {"gte": 4}})));
    let effect =
        |count| format!("This deletes {count} points of `delete_filter` that match the filter for good.");
    let old = digest(hub.delete(really(&some, None)).await, &effect(3));
    // What was confirmed is this filter, and no other.
    let other = delete("delete_filter", &json!([]), Some(&json!({"n": {"gte": 3}})));
    digest(hub.delete(really(&other, Some(&old))).await, &effect(4));
    // The count has changed since.
    let more = json!([{"id": 7, "vector": [1, 1], "payload": {"n": 7}}]);
    hub.upsert("delete_filter", more).await.expect("written");
    let new = digest(hub.delete(really(&some, Some(&old))).await, &effect(4));
    assert_eq!(hub.server.count("delete_filter").await, 7);
    let done = hub.delete(really(&some, Some(&new))).await.expect("confirmed");
    assert_eq!((done.matched, done.committed), (Some(4), Some(true)));
    assert!(done.notices[0].contains("counted just before"), "{done:?}");
    assert_eq!(hub.server.count("delete_filter").await, 3);
    let done = hub
        .delete(really(&some, Some(&new)))
        .await
        .expect("nothing is left");
    assert_eq!((done.matched, done.committed), (Some(0), Some(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_called_so() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.filled("delete_all", numbered(3)).await;
    let all = delete("delete_all", &json!([]), Some(&json!({})));
    let effect = "This deletes all 3 points of `delete_all` for good.";
    let confirmation = digest(hub.delete(really(&all, None)).await, effect);
    assert_eq!(hub.server.count("delete_all").await, 3);
    let done = hub
        .delete(really(&all, Some(&confirmation)))
        .await
        .expect("confirmed");
    assert_eq!(done.matched, Some(3));
    assert_eq!(hub.server.count("delete_all").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_moved_is_confirmed_anew() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.filled("delete_alias_a", numbered(2)).await;
    hub.filled("delete_alias_b", numbered(2)).await;
    hub.server.alias("delete_alias_a", "delete_alias").await;
    let all = delete("delete_alias", &json!([]), Some(&json!({})));
    let a = digest(
        hub.delete(really(&all, None)).await,
        "This deletes all 2 points of `delete_alias_a` for good.",
    );
    hub.server.unalias("delete_alias").await;
    hub.server.alias("delete_alias_b", "delete_alias").await;
    let b = digest(
        hub.delete(really(&all, Some(&a))).await,
        "This deletes all 2 points of `delete_alias_b` for good.",
    );
    hub.delete(really(&all, Some(&b))).await.expect("confirmed");
    assert_eq!(hub.server.count("delete_alias_a").await, 2);
    assert_eq!(hub.server.count("delete_alias_b").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_call_deletes_nothing() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.filled("delete_wrong", numbered(2)).await;
    for (ids, filter, part) in [
        (json!([]), None, "give the ids of the points, or a filter"),
        (json!([1]), Some(json!({"n": 1})), "not both"),
        (json!(["1; drop"]), None, "an id is"),
        (json!([1.5]), None, "an id is"),
        (json!([]), Some(json!({"n": {"$where": "1"}})), "where"),
        (json!([]), Some(json!({"must": [{"key": "n"}]})), ""),
        (json!([]), Some(json!("n = 1")), ""),
        (json!([]), Some(json!([])), ""),
    ] {
        let request = really(&delete("delete_wrong", &ids, filter.as_ref()), None);
        assert_fault(hub.delete(request).await, Reason::ArgumentInvalid, part);
    }
    let nowhere = really(&delete("delete_nowhere", &json!([1]), None), None);
    assert_fault(
        hub.delete(nowhere).await,
        Reason::ObjectNotFound,
        "delete_nowhere",
    );
    assert_eq!(hub.server.count("delete_wrong").await, 2);
}
