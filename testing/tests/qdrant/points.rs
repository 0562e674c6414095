//! Points: written, read, changed, counted.

use std::collections::HashMap;

use qdrant_client::qdrant::facet_value::Variant;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::vector_output::Vector as Output;
use qdrant_client::qdrant::vectors_output::VectorsOptions;
use qdrant_client::qdrant::{
    ClearPayloadPoints, Condition, CountPoints, CreateCollectionBuilder, DeletePayloadPoints,
    DeletePointVectors, DeletePoints, Direction, Distance, FacetCounts, FieldType, Filter, NamedVectors,
    OrderBy, PointId, PointVectors, PointsSelector, ScrollPoints, SetPayloadPoints,
    SparseVectorParamsBuilder, SparseVectorsConfigBuilder, UpdatePointVectors, UpdateStatus, UpsertPoints,
    Value, Vector, VectorParamsBuilder, Vectors, VectorsConfigBuilder, VectorsSelector,
};

use crate::setup::{Setup, by_ids, list, nested, number, object, point};

async fn payload(setup: &Setup, id: u64) -> HashMap<String, Value> {
    let mut points = setup.get(vec![id.into()]).await;
    points.pop().expect("a point").payload
}

fn by_filter(filter: Filter) -> PointsSelector {
    PointsSelector {
        points_selector_one_of: Some(PointsSelectorOneOf::Filter(filter)),
    }
}

async fn count(setup: &Setup) -> u64 {
    let request = CountPoints {
        collection_name: setup.name.clone(),
        exact: Some(true),
        ..CountPoints::default()
    };
    let response = setup.points.clone().count(request).await;
    response
        .expect("an answer")
        .into_inner()
        .result
        .expect("a count")
        .count
}

#[tokio::test]
async fn every_kind_of_value_comes_back() {
    let Some(setup) = Setup::with_collection("values").await else {
        return;
    };
    let uuid = "550e8400-e29b-41d4-a716-446655440000";
    let all = [
        ("text", "füß 🦀".into()),
        ("integer", i64::MIN.into()),
        ("double", 0.1.into()),
        ("whole", 2.0.into()),
        ("flag", true.into()),
        (
            "null",
            Value {
                kind: Some(qdrant_client::qdrant::value::Kind::NullValue(0)),
            },
        ),
        ("list", list([1.into(), "two".into()])),
        ("object", nested([("deep", nested([("er", 1.into())]))])),
    ];
    let mut written = point(7, vec![1.0, 2.0, 3.0, 4.0], all.clone());
    written.id = Some(uuid.into());
    setup.upsert(vec![written]).await.expect("it is written");
    let mut points = setup
        .get(vec![PointId::from(uuid.to_uppercase()), 5.into()])
        .await;
    assert_eq!(points.len(), 1, "what is not there is left out");
    let point = points.pop().expect("a point");
    assert_eq!(
        point.id.and_then(|id| id.point_id_options),
        Some(PointIdOptions::Uuid(uuid.to_owned()))
    );
    assert_eq!(point.payload, object(all));
    let Some(VectorsOptions::Vector(vector)) = point.vectors.and_then(|vectors| vectors.vectors_options)
    else {
        panic!("one vector");
    };
    let Output::Dense(vector) = vector.into_vector() else {
        panic!("a dense vector");
    };
    assert_eq!(vector.data, [1.0, 2.0, 3.0, 4.0]);
}

#[tokio::test]
async fn a_point_has_several_vectors_and_may_lose_some() {
    let Some(setup) = Setup::new("vectors").await else {
        return;
    };
    let mut vectors = VectorsConfigBuilder::default();
    vectors.add_named_vector_params("unit", VectorParamsBuilder::new(2, Distance::Cosine));
    vectors.add_named_vector_params("plain", VectorParamsBuilder::new(2, Distance::Euclid));
    let mut sparse = SparseVectorsConfigBuilder::default();
    sparse.add_named_vector_params("text", SparseVectorParamsBuilder::default());
    setup
        .create(
            CreateCollectionBuilder::new("")
                .vectors_config(vectors)
                .sparse_vectors_config(sparse),
        )
        .await;
    let all: HashMap<String, Vector> = [
        ("unit".to_owned(), vec![3.0, 4.0].into()),
        ("plain".to_owned(), vec![3.0, 4.0].into()),
        ("text".to_owned(), Vector::from(vec![(9_u32, 0.5), (3, 2.0)])),
    ]
    .into();
    let vectors = Vectors::from(NamedVectors { vectors: all });
    setup
        .upsert(vec![point(1, vectors, [])])
        .await
        .expect("it is written");

    let named = async || {
        let point = setup.get(vec![1.into()]).await.pop().expect("a point");
        match point.vectors.and_then(|vectors| vectors.vectors_options) {
            Some(VectorsOptions::Vectors(named)) => named.vectors,
            other => panic!("{other:?} is no map"),
        }
    };
    let dense = |vectors: &HashMap<String, qdrant_client::qdrant::VectorOutput>, name: &str| match vectors
        [name]
        .clone()
        .into_vector()
    {
        Output::Dense(vector) => vector.data,
        other => panic!("{other:?} is not dense"),
    };
    let vectors = named().await;
    assert_eq!(dense(&vectors, "unit"), [0.6, 0.8], "cosine keeps unit vectors");
    assert_eq!(dense(&vectors, "plain"), [3.0, 4.0]);
    let Output::Sparse(text) = vectors["text"].clone().into_vector() else {
        panic!("a sparse vector");
    };
    assert_eq!((text.indices, text.values), (vec![3, 9], vec![2.0, 0.5]));

    let update = UpdatePointVectors {
        collection_name: setup.name.clone(),
        wait: Some(true),
        points: vec![PointVectors {
            id: Some(1.into()),
            vectors: Some(Vectors::from(HashMap::from([(
                "plain".to_owned(),
                vec![1.0, 1.0],
            )]))),
        }],
        ..UpdatePointVectors::default()
    };
    setup
        .points
        .clone()
        .update_vectors(update)
        .await
        .expect("it is written");
    let delete = DeletePointVectors {
        collection_name: setup.name.clone(),
        wait: Some(true),
        points_selector: Some(by_ids(&[1])),
        vectors: Some(VectorsSelector {
            names: vec!["text".to_owned()],
        }),
        ..DeletePointVectors::default()
    };
    setup
        .points
        .clone()
        .delete_vectors(delete)
        .await
        .expect("it is removed");
    let vectors = named().await;
    assert_eq!(dense(&vectors, "plain"), [1.0, 1.0]);
    assert!(!vectors.contains_key("text"));
}

#[tokio::test]
async fn payloads_are_merged_replaced_and_cleared() {
    let Some(setup) = Setup::with_collection("payloads").await else {
        return;
    };
    setup
        .upsert(vec![point(
            1,
            vec![1.0; 4],
            [("a", 1.into()), ("deep", nested([("x", 1.into())]))],
        )])
        .await
        .expect("it is written");
    let set = SetPayloadPoints {
        collection_name: setup.name.clone(),
        wait: Some(true),
        payload: object([("b", 2.into())]),
        points_selector: Some(by_ids(&[1])),
        ..SetPayloadPoints::default()
    };
    let mut client = setup.points.clone();
    let response = client.set_payload(set.clone()).await.expect("it is written");
    let result = response.into_inner().result.expect("a result");
    assert_eq!(result.status(), UpdateStatus::Completed);
    assert!(result.operation_id.is_some());
    let deep = || nested([("x", 1.into())]);
    assert_eq!(
        payload(&setup, 1).await,
        object([("a", 1.into()), ("b", 2.into()), ("deep", deep())])
    );
    let inside = SetPayloadPoints {
        key: Some("deep".to_owned()),
        ..set.clone()
    };
    client.set_payload(inside).await.expect("it is written");
    let both = || nested([("x", 1.into()), ("b", 2.into())]);
    assert_eq!(payload(&setup, 1).await["deep"], both());

    let delete = DeletePayloadPoints {
        collection_name: setup.name.clone(),
        wait: Some(true),
        keys: vec!["a".to_owned(), "deep.x".to_owned()],
        points_selector: Some(by_filter(Filter::must([Condition::matches("b", 2)]))),
        ..DeletePayloadPoints::default()
    };
    client.delete_payload(delete).await.expect("it is written");
    assert_eq!(
        payload(&setup, 1).await,
        object([("b", 2.into()), ("deep", nested([("b", 2.into())]))])
    );
    let replace = SetPayloadPoints {
        payload: object([("c", 3.into())]),
        ..set
    };
    client.overwrite_payload(replace).await.expect("it is written");
    assert_eq!(payload(&setup, 1).await, object([("c", 3.into())]));
    let clear = ClearPayloadPoints {
        collection_name: setup.name.clone(),
        wait: Some(true),
        points: Some(by_ids(&[1])),
        ..ClearPayloadPoints::default()
    };
    client.clear_payload(clear).await.expect("it is written");
    assert_eq!(payload(&setup, 1).await, object([]));
}

#[tokio::test]
async fn points_are_removed_by_id_and_by_filter() {
    let Some(setup) = Setup::with_collection("removed").await else {
        return;
    };
    let points = (1..=5).map(|id| point(id, vec![1.0; 4], [("n", (id.cast_signed()).into())]));
    setup.upsert(points.collect()).await.expect("it is written");
    assert_eq!(count(&setup).await, 5);
    let delete = |points| DeletePoints {
        collection_name: setup.name.clone(),
        wait: Some(true),
        points,
        ..DeletePoints::default()
    };
    let mut client = setup.points.clone();
    client
        .delete(delete(Some(by_ids(&[1, 99]))))
        .await
        .expect("what is not there does no harm");
    assert_eq!(count(&setup).await, 4);
    let small = Filter::must([Condition::range(
        "n",
        qdrant_client::qdrant::Range {
            lte: Some(3.0),
            ..<_>::default()
        },
    )]);
    client
        .delete(delete(Some(by_filter(small))))
        .await
        .expect("it is removed");
    assert_eq!(count(&setup).await, 2);
}

#[tokio::test]
async fn a_scroll_goes_page_by_page() {
    let Some(setup) = Setup::with_collection("scroll").await else {
        return;
    };
    let points = (1..=5).map(|id| point(id, vec![1.0; 4], [("n", (10 - id.cast_signed()).into())]));
    setup.upsert(points.collect()).await.expect("it is written");
    let mut offset = None;
    let mut seen = Vec::new();
    loop {
        let request = ScrollPoints {
            collection_name: setup.name.clone(),
            limit: Some(2),
            offset: offset.take(),
            ..ScrollPoints::default()
        };
        let page = setup
            .points
            .clone()
            .scroll(request)
            .await
            .expect("a page")
            .into_inner();
        assert!(page.result.iter().all(|point| point.vectors.is_none()));
        assert!(page.result.iter().all(|point| point.payload.contains_key("n")));
        seen.push(
            page.result
                .into_iter()
                .map(|point| number(point.id))
                .collect::<Vec<_>>(),
        );
        offset = page.next_page_offset;
        if offset.is_none() {
            break;
        }
    }
    assert_eq!(seen, [vec![1, 2], vec![3, 4], vec![5]]);

    setup.index("n", FieldType::Integer).await;
    let ordered = ScrollPoints {
        collection_name: setup.name.clone(),
        limit: Some(3),
        with_payload: Some(false.into()),
        order_by: Some(OrderBy {
            key: "n".to_owned(),
            direction: Some(Direction::Desc.into()),
            start_from: None,
        }),
        ..ScrollPoints::default()
    };
    let page = setup
        .points
        .clone()
        .scroll(ordered)
        .await
        .expect("a page")
        .into_inner();
    assert_eq!(page.next_page_offset, None, "an order has no offset");
    assert!(page.result.iter().all(|point| point.payload.is_empty()));
    assert!(page.result.iter().all(|point| point.order_value.is_some()));
    let ids: Vec<_> = page.result.into_iter().map(|point| number(point.id)).collect();
    assert_eq!(ids, [1, 2, 3]);
}

#[tokio::test]
async fn values_are_counted() {
    let Some(setup) = Setup::with_collection("facet").await else {
        return;
    };
    setup
        .upsert(vec![
            point(
                1,
                vec![1.0; 4],
                [("tag", list(["a".into(), "b".into()])), ("n", 1.into())],
            ),
            point(2, vec![1.0; 4], [("tag", "a".into()), ("n", 1.into())]),
            point(3, vec![1.0; 4], [("n", 2.into())]),
        ])
        .await
        .expect("it is written");
    setup.index("tag", FieldType::Keyword).await;
    setup.index("n", FieldType::Integer).await;
    let facet = async |key: &str, exact| {
        let request = FacetCounts {
            collection_name: setup.name.clone(),
            key: key.to_owned(),
            exact: Some(exact),
            ..FacetCounts::default()
        };
        let response = setup.points.clone().facet(request).await.expect("an answer");
        let hits = response.into_inner().hits.into_iter();
        let hits = hits.map(|hit| {
            (
                hit.value.and_then(|value| value.variant).expect("a value"),
                hit.count,
            )
        });
        hits.collect::<Vec<_>>()
    };
    for exact in [false, true] {
        let text = |text: &str| Variant::StringValue(text.to_owned());
        assert_eq!(facet("tag", exact).await, [(text("a"), 2), (text("b"), 1)]);
        let number = Variant::IntegerValue;
        assert_eq!(facet("n", exact).await, [(number(1), 2), (number(2), 1)]);
    }
}

#[tokio::test]
async fn a_write_that_is_not_waited_for_is_acknowledged() {
    let Some(setup) = Setup::with_collection("acknowledged").await else {
        return;
    };
    let request = UpsertPoints {
        collection_name: setup.name.clone(),
        points: vec![point(1, vec![1.0; 4], [])],
        ..UpsertPoints::default()
    };
    let response = setup.points.clone().upsert(request).await.expect("an answer");
    let result = response.into_inner().result.expect("a result");
    assert_eq!(result.status(), UpdateStatus::Acknowledged);
}
