//! What is near a given vector, or like other points.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::Value;
use mcp_hub_proto::qdrant::v1::SearchRequest;
use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant::{Distance, Modifier};
use serde_json::json;

use super::{ids, scores, search, vector};
use crate::adapter::{Adapter, assert_fault, value};
use crate::search_collections::{
    Collection, TEXT, dense, meaning, multi, named, point, reviews, sparse, unnamed,
};

fn like(collection: &str, like: &[u64], unlike: &[u64]) -> SearchRequest {
    let ids = |ids: &[u64]| -> Vec<Value> { ids.iter().map(|id| value(&json!(id))).collect() };
    SearchRequest {
        collection: collection.to_owned(),
        like_ids: ids(like),
        unlike_ids: ids(unlike),
        ..SearchRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_distance_is_the_lower_the_better() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let at = |x: f32| unnamed(dense(vec![x, 0.0]));
    let points = (1..=4_u8)
        .map(|x| point(x.into(), at(x.into()), &json!({})))
        .collect();
    let collection = Collection::new("search_euclid").dense("", 2, Distance::Euclid);
    collection.create(qdrant, points).await;
    let near = SearchRequest {
        score_threshold: Some(2.5),
        ..vector("search_euclid", &json!([0, 0]))
    };
    let found = search(&adapter, near).await.expect("works");
    assert_eq!((ids(&found), scores(&found)), (vec![1, 2], vec![1.0, 2.0]));
    assert_eq!(
        found.notices,
        ["score is a distance (euclid): the lower the better"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_vector_goes_where_it_fits() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let all = |x: f32| {
        named([
            ("flat", dense(vec![x, 1.0])),
            ("solid", dense(vec![x, 0.0, 1.0])),
            ("tokens", multi(&[&[x, 1.0, 0.0, 0.0], &[0.0, 0.0, 1.0, 0.0]])),
            ("tags", sparse(&[7, 4_000_000_000], &[x, 1.0])),
        ])
    };
    let points = vec![point(1, all(-1.0), &json!({})), point(2, all(3.0), &json!({}))];
    let collection = Collection::new("search_vectors")
        .dense("flat", 2, Distance::Dot)
        .dense("solid", 3, Distance::Cosine)
        .multi("tokens", 4)
        .sparse("tags", Modifier::None);
    collection.create(qdrant, points).await;
    for (given, expected) in [
        (json!([1, 0]), vec![(2, 3.0), (1, -1.0)]),
        (json!([0, 0, 1]), vec![(1, 0.707_106_77), (2, 0.316_227_76)]),
        (
            json!([[0, 1, 0, 0], [0, 0, 1, 0]]),
            vec![(1, 1.707_106_8), (2, 1.316_227_8)],
        ),
        (json!([0, 0, 2, 0]), vec![(1, 1.0), (2, 1.0)]),
        (
            json!({"indices": [4_000_000_000_u64, 7], "values": [0.5, 1]}),
            vec![(2, 3.5), (1, -0.5)],
        ),
    ] {
        let found = search(&adapter, vector("search_vectors", &given)).await;
        let found = found.unwrap_or_else(|fault| panic!("{given}: {fault}"));
        let mut matches: Vec<(u64, f64)> = ids(&found).into_iter().zip(scores(&found)).collect();
        // Those of the same score come in any order.
        if scores(&found)[0].to_bits() == scores(&found)[1].to_bits() {
            matches.sort_by_key(|(id, _)| *id);
        }
        for ((id, score), (expected_id, expected_score)) in matches.iter().zip(&expected) {
            assert_eq!(id, expected_id, "{given}: {matches:?}");
            assert!((score - expected_score).abs() < 1e-5, "{given}: {matches:?}");
        }
        assert_eq!(matches.len(), 2, "{given}");
    }
    let wrong = |using: Option<&str>, given: serde_json::Value| SearchRequest {
        using: using.map(str::to_owned),
        ..vector("search_vectors", &given)
    };
    for (request, reason, part) in [
        (
            wrong(None, json!([1, 2, 3, 4, 5])),
            Reason::ArgumentInvalid,
            "dense with 5 dimensions; there are: flat (2), solid (3)",
        ),
        (
            wrong(Some("flat"), json!([1, 2, 3])),
            Reason::ArgumentInvalid,
            "flat (2) is not",
        ),
        (
            wrong(Some("solids"), json!([1, 2, 3])),
            Reason::ObjectNotFound,
            "no vector named `solids`",
        ),
        (
            wrong(None, json!([0, 0, 0])),
            Reason::ArgumentInvalid,
            "all zeros",
        ),
        (
            wrong(None, json!(["a"])),
            Reason::ArgumentInvalid,
            "item 0 is no number",
        ),
        (wrong(None, json!([])), Reason::ArgumentInvalid, "empty"),
        (
            wrong(None, json!({"indices": [1, 1], "values": [1, 2]})),
            Reason::ArgumentInvalid,
            "stands twice",
        ),
    ] {
        assert_fault(search(&adapter, request).await, reason, part);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_found_by_points() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let mut points = reviews(|text| named([("body", meaning(text))]));
    points.push(point(7, named([]), &json!({"text": "no vector"})));
    let collection = Collection::new("search_like").dense("body", TEXT, Distance::Cosine);
    collection.create(qdrant, points).await;
    let found = search(&adapter, like("search_like", &[3], &[]))
        .await
        .expect("works");
    // 1 and 3 share "the tent" and "in"; 6 shares "tent" and "pole".
    assert!(
        ids(&found)[..2].contains(&1) && !ids(&found).contains(&3),
        "{found:?}"
    );
    let found = search(&adapter, like("search_like", &[3], &[1]))
        .await
        .expect("works");
    assert!(!ids(&found).contains(&1) && ids(&found)[0] == 6, "{found:?}");
    let fault = assert_fault(
        search(&adapter, like("search_like", &[3, 77], &[78])).await,
        Reason::ObjectNotFound,
        "`search_like` has no point 77, 78",
    );
    assert_eq!(fault.metadata.get("field"), None);
    let found = search(&adapter, like("search_like", &[3, 7], &[]))
        .await
        .expect("works");
    assert_eq!(
        found.notices,
        ["point 7 has no vector `body` and counts for nothing"]
    );
    assert_fault(
        search(&adapter, like("search_like", &[7], &[])).await,
        Reason::ArgumentInvalid,
        "point 7 has no vector `body`: name another",
    );
    assert_fault(
        search(&adapter, like("search_like", &[3], &[3])).await,
        Reason::ArgumentInvalid,
        "point 3 stands in like_ids and in unlike_ids",
    );
    assert_fault(
        search(&adapter, like("search_like", &vec![1; 101], &[])).await,
        Reason::ArgumentInvalid,
        "at most 100",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_found_that_are_unlike_others() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let collection = Collection::new("search_unlike").dense("", TEXT, Distance::Cosine);
    collection
        .create(qdrant, reviews(|text| unnamed(meaning(text))))
        .await;
    let unlike = search(&adapter, like("search_unlike", &[], &[3])).await;
    let unlike = unlike.expect("works");
    let found = ids(&unlike);
    // 4 shares no word with it, 1 the most.
    assert_eq!(
        (found.len(), found.first(), found.last()),
        (5, Some(&4), Some(&1)),
        "{unlike:?}"
    );
    assert!(unlike.notices[0].contains("how unlike"), "{unlike:?}");
}
