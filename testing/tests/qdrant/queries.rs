//! Searches.

use std::collections::HashMap;

use qdrant_client::qdrant::group_id::Kind;
use qdrant_client::qdrant::{
    Condition, ContextInput, ContextInputPair, Direction, DiscoverInput, FieldType, Filter, Fusion,
    LookupLocation, Mmr, NearestInputWithMmr, OrderBy, PrefetchQuery, Query, QueryBatchPoints,
    QueryPointGroups, QueryPoints, RecommendInput, RecommendStrategy, Rrf, Sample, VectorInput,
    WithPayloadSelector, query::Variant, vectors_output::VectorsOptions,
    with_payload_selector::SelectorOptions,
};

use crate::setup::{Setup, list, nested, number, point};

fn query(variant: Variant) -> QueryPoints {
    QueryPoints {
        query: Some(Query {
            variant: Some(variant),
        }),
        ..QueryPoints::default()
    }
}

fn nearest(vector: impl Into<VectorInput>) -> QueryPoints {
    query(Variant::Nearest(vector.into()))
}

fn by_id(id: u64) -> VectorInput {
    VectorInput::new_id(id)
}

/// Four points that lie on the axes, each a bit further from the origin than the one before.
async fn axes(name: &str) -> Option<Setup> {
    let setup = Setup::with_collection(name).await?;
    setup
        .upsert(vec![
            point(
                1,
                vec![1.0, 0.0, 0.0, 0.0],
                [("n", 1.into()), ("kind", "odd".into())],
            ),
            point(
                2,
                vec![0.9, 2.0, 0.0, 0.0],
                [("n", 2.into()), ("kind", "even".into())],
            ),
            point(
                3,
                vec![0.8, 0.0, 3.0, 0.0],
                [("n", 3.into()), ("kind", "odd".into())],
            ),
            point(
                4,
                vec![0.7, 0.0, 0.0, 4.0],
                [("n", 4.into()), ("kind", "even".into())],
            ),
        ])
        .await
        .expect("it is written");
    Some(setup)
}

#[tokio::test]
async fn the_nearest_come_first() {
    let Some(setup) = axes("nearest").await else {
        return;
    };
    let first = vec![1.0, 0.0, 0.0, 0.0];
    let points = setup.query(nearest(first.clone())).await.expect("an answer");
    let scores: Vec<_> = points.iter().map(|point| point.score).collect();
    assert_eq!(scores, [1.0, 0.9, 0.8, 0.7]);
    assert!(
        points
            .iter()
            .all(|point| point.payload.is_empty() && point.vectors.is_none())
    );
    let page = QueryPoints {
        limit: Some(2),
        offset: Some(1),
        ..nearest(first.clone())
    };
    assert_eq!(setup.found(page).await, [2, 3]);
    let good = QueryPoints {
        score_threshold: Some(0.85),
        ..nearest(first.clone())
    };
    assert_eq!(setup.found(good).await, [1, 2]);
    let even = QueryPoints {
        filter: Some(Filter::must([Condition::matches("kind", "even".to_owned())])),
        ..nearest(first.clone())
    };
    assert_eq!(setup.found(even).await, [2, 4]);

    let all = QueryPoints {
        limit: Some(1),
        with_payload: Some(true.into()),
        with_vectors: Some(true.into()),
        ..nearest(first.clone())
    };
    let point = setup.query(all).await.expect("an answer").remove(0);
    assert_eq!(point.payload.len(), 2);
    assert!(matches!(
        point.vectors.and_then(|vectors| vectors.vectors_options),
        Some(VectorsOptions::Vector(_))
    ));
}

#[tokio::test]
async fn a_part_of_the_payload_may_be_asked_for() {
    let Some(setup) = Setup::with_collection("selected").await else {
        return;
    };
    let deep = nested([("a", 1.into()), ("b", 2.into())]);
    setup
        .upsert(vec![point(1, vec![1.0; 4], [("x", 1.into()), ("deep", deep)])])
        .await
        .expect("it is written");
    let selected = async |selector| {
        let query = QueryPoints {
            with_payload: Some(WithPayloadSelector {
                selector_options: Some(selector),
            }),
            ..nearest(vec![1.0; 4])
        };
        setup.query(query).await.expect("an answer").remove(0).payload
    };
    let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        selected(SelectorOptions::Include(keys(&["deep.a"]).into())).await,
        HashMap::from([("deep".to_owned(), nested([("a", 1.into())]))])
    );
    assert_eq!(
        selected(SelectorOptions::Exclude(keys(&["deep.a", "x"]).into())).await,
        HashMap::from([("deep".to_owned(), nested([("b", 2.into())]))])
    );
}

#[tokio::test]
async fn a_point_is_no_answer_to_itself() {
    let Some(setup) = axes("by-id").await else {
        return;
    };
    assert_eq!(setup.found(nearest(by_id(1))).await, [2, 3, 4]);
    let other = axes("by-id-elsewhere").await.expect("a server");
    let elsewhere = QueryPoints {
        lookup_from: Some(LookupLocation {
            collection_name: other.name,
            ..LookupLocation::default()
        }),
        ..nearest(by_id(1))
    };
    assert_eq!(setup.found(elsewhere).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn liked_points_lead_to_others() {
    let Some(setup) = axes("recommend").await else {
        return;
    };
    let recommend = |strategy: Option<RecommendStrategy>, negative: Vec<VectorInput>| {
        query(Variant::Recommend(RecommendInput {
            positive: vec![by_id(1)],
            negative,
            strategy: strategy.map(Into::into),
        }))
    };
    assert_eq!(setup.found(recommend(None, vec![])).await, [2, 3, 4]);
    let points = setup
        .query(recommend(None, vec![by_id(2)]))
        .await
        .expect("an answer");
    // Twice the first less the second is [1.1, -2, 0, 0].
    let scores: Vec<_> = points.iter().map(|point| point.score).collect();
    assert!(
        (scores[0] - 0.88).abs() < 1e-6 && (scores[1] - 0.77).abs() < 1e-6,
        "{scores:?}"
    );
    let ids: Vec<_> = points.into_iter().map(|point| number(point.id)).collect();
    assert_eq!(ids, [3, 4]);
    for strategy in [RecommendStrategy::BestScore, RecommendStrategy::SumScores] {
        assert_eq!(setup.found(recommend(Some(strategy), vec![])).await, [2, 3, 4]);
    }
}

#[tokio::test]
async fn pairs_and_targets_steer() {
    let Some(setup) = axes("discover").await else {
        return;
    };
    let context = || ContextInput {
        pairs: vec![ContextInputPair {
            positive: Some(vec![0.0, 0.0, 1.0, 0.0].into()),
            negative: Some(vec![0.0, 1.0, 0.0, 0.0].into()),
        }],
    };
    let discover = Variant::Discover(DiscoverInput {
        target: Some(vec![1.0, 0.0, 0.0, 0.0].into()),
        context: Some(context()),
    });
    let found = setup.found(query(discover)).await;
    assert_eq!((found[0], found[3]), (3, 2));
    let found = setup.found(query(Variant::Context(context()))).await;
    assert_eq!(found.len(), 4);
    assert_eq!(found[3], 2, "the one on the wrong side is last");
}

#[tokio::test]
async fn prefetches_are_fused_or_scored_again() {
    let Some(setup) = axes("fusion").await else {
        return;
    };
    let prefetch = |vector: [f32; 4], limit| PrefetchQuery {
        query: nearest(vector.to_vec()).query,
        limit: Some(limit),
        ..PrefetchQuery::default()
    };
    let two = || {
        vec![
            prefetch([1.0, 0.0, 0.0, 0.0], 2),
            prefetch([0.0, 1.0, 0.0, 0.0], 1),
        ]
    };
    // Ranks 1 and 2 of the first, rank 1 of the second: 1/(2+0) and 1/(2+1) + 1/(2+0).
    let rrf = QueryPoints {
        prefetch: two(),
        ..query(Variant::Fusion(Fusion::Rrf.into()))
    };
    let points = setup.query(rrf).await.expect("an answer");
    let scored: Vec<_> = points
        .into_iter()
        .map(|point| (number(point.id), point.score))
        .collect();
    assert_eq!(scored.len(), 2);
    assert_eq!((scored[0].0, scored[1].0), (2, 1));
    assert!((scored[0].1 - 0.833_333).abs() < 1e-5, "{scored:?}");
    assert!((scored[1].1 - 0.5).abs() < 1e-6, "{scored:?}");

    let weighted = QueryPoints {
        prefetch: two(),
        ..query(Variant::Rrf(Rrf {
            k: Some(1),
            weights: vec![10.0, 0.1],
        }))
    };
    assert_eq!(setup.found(weighted).await[0], 1);
    let dbsf = QueryPoints {
        prefetch: vec![
            prefetch([1.0, 0.0, 0.0, 0.0], 4),
            prefetch([0.0, 1.0, 0.0, 0.0], 4),
        ],
        ..query(Variant::Fusion(Fusion::Dbsf.into()))
    };
    assert_eq!(setup.found(dbsf).await[0], 2);
    let again = QueryPoints {
        prefetch: vec![prefetch([1.0, 0.0, 0.0, 0.0], 3)],
        ..nearest(vec![0.0, 0.0, 1.0, 1.0])
    };
    assert_eq!(setup.found(again).await[0], 3, "the fourth was not fetched");
}

#[tokio::test]
async fn points_are_ordered_sampled_and_diverse() {
    let Some(setup) = axes("ordered").await else {
        return;
    };
    setup.index("n", FieldType::Integer).await;
    let ordered = query(Variant::OrderBy(OrderBy {
        key: "n".to_owned(),
        direction: Some(Direction::Desc.into()),
        start_from: None,
    }));
    assert_eq!(setup.found(ordered).await, [4, 3, 2, 1]);
    let sample = QueryPoints {
        limit: Some(3),
        ..query(Variant::Sample(Sample::Random.into()))
    };
    let mut sampled = setup.found(sample).await;
    sampled.sort_unstable();
    sampled.dedup();
    assert_eq!(sampled.len(), 3);
    let diverse = query(Variant::NearestWithMmr(NearestInputWithMmr {
        nearest: Some(vec![1.0, 0.0, 0.0, 0.0].into()),
        mmr: Some(Mmr {
            diversity: Some(0.5),
            candidates_limit: Some(4),
        }),
    }));
    let found = setup.found(diverse).await;
    assert_eq!(found.len(), 4);
    assert_eq!(
        setup.found(QueryPoints::default()).await,
        [1, 2, 3, 4],
        "no query is a scroll"
    );
}

#[tokio::test]
async fn several_queries_go_in_one_call() {
    let Some(setup) = axes("batch").await else {
        return;
    };
    let one = |vector: [f32; 4]| QueryPoints {
        collection_name: setup.name.clone(),
        limit: Some(1),
        ..nearest(vector.to_vec())
    };
    let request = QueryBatchPoints {
        collection_name: setup.name.clone(),
        query_points: vec![one([1.0, 0.0, 0.0, 0.0]), one([0.0, 1.0, 0.0, 0.0])],
        ..QueryBatchPoints::default()
    };
    let response = setup
        .points
        .clone()
        .query_batch(request)
        .await
        .expect("an answer");
    let results = response.into_inner().result.into_iter();
    let ids: Vec<_> = results
        .map(|result| number(result.result[0].id.clone()))
        .collect();
    assert_eq!(ids, [1, 2]);
}

#[tokio::test]
async fn groups_hold_the_best_of_each_value() {
    let Some(setup) = Setup::with_collection("groups").await else {
        return;
    };
    let at = |x: f32| vec![x, 0.0, 0.0, 0.0];
    setup
        .upsert(vec![
            point(1, at(0.9), [("doc", "a".into())]),
            point(2, at(0.8), [("doc", "a".into())]),
            point(3, at(0.7), [("doc", "a".into())]),
            point(4, at(0.6), [("doc", list(["b".into(), "a".into()]))]),
            point(5, at(0.5), [("doc", 7.into())]),
            point(6, at(0.4), []),
        ])
        .await
        .expect("it is written");
    let request = QueryPointGroups {
        collection_name: setup.name.clone(),
        query: nearest(at(1.0)).query,
        group_by: "doc".to_owned(),
        group_size: Some(2),
        limit: Some(5),
        with_payload: Some(true.into()),
        ..QueryPointGroups::default()
    };
    let response = setup
        .points
        .clone()
        .query_groups(request)
        .await
        .expect("an answer");
    let groups = response.into_inner().result.expect("groups").groups;
    let groups: Vec<_> = groups
        .into_iter()
        .map(|group| {
            assert!(group.hits.iter().all(|hit| hit.payload.contains_key("doc")));
            let hits = group
                .hits
                .into_iter()
                .map(|hit| number(hit.id))
                .collect::<Vec<_>>();
            (group.id.and_then(|id| id.kind).expect("a value"), hits)
        })
        .collect();
    let text = |text: &str| Kind::StringValue(text.to_owned());
    assert_eq!(
        groups,
        [
            (text("a"), vec![1, 2]),
            (text("b"), vec![4]),
            (Kind::UnsignedValue(7), vec![5])
        ]
    );
}
