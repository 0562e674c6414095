//! What Qdrant refuses, with which code and in which words: the adapter tells a model what to do by them.

use std::collections::HashMap;

use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::{
    Condition, CreateCollection, CreateCollectionBuilder, Distance, Document, FacetCounts, FieldCondition,
    Filter, Fusion, GetPoints, LookupLocation, NamedVectors, OrderBy, PrefetchQuery, Query, QueryBatchPoints,
    QueryPoints, RecommendInput, ScrollPoints, Vector, VectorInput, VectorParamsBuilder,
};
use tonic::Code::{self, InvalidArgument, NotFound};

use crate::setup::{Setup, point, refused, refuses};

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

#[tokio::test]
async fn no_such_collection() {
    let Some(setup) = Setup::new("nowhere").await else {
        return;
    };
    let missing = "Not found: Collection `contract-nowhere` doesn't exist!";
    refused(setup.query(nearest(vec![1.0])).await, NotFound, missing);
    refused(
        setup.upsert(vec![point(1, vec![1.0], [])]).await,
        NotFound,
        missing,
    );
    let get = GetPoints {
        collection_name: setup.name.clone(),
        ids: vec![1.into()],
        ..GetPoints::default()
    };
    refuses(setup.points.clone().get(get).await, NotFound, missing);
    let info = qdrant_client::qdrant::GetCollectionInfoRequest {
        collection_name: setup.name.clone(),
    };
    refuses(setup.collections.clone().get(info).await, NotFound, missing);
}

#[tokio::test]
async fn names_of_collections() {
    let Some(setup) = Setup::with_collection("names").await else {
        return;
    };
    let create = async |name: &str| {
        let vectors = VectorParamsBuilder::new(4, Distance::Dot);
        let request = CreateCollection {
            collection_name: name.to_owned(),
            ..CreateCollectionBuilder::new("").vectors_config(vectors).build()
        };
        setup.collections.clone().create(request).await
    };
    refuses(
        create(&setup.name).await,
        Code::AlreadyExists,
        "Wrong input: Collection `contract-names` already exists!",
    );
    refuses(
        create("a/b").await,
        InvalidArgument,
        "Validation error in body: [collection_name: collection name cannot contain \"/\" char]",
    );
    refuses(
        create("").await,
        InvalidArgument,
        "Validation error in body: [collection_name: value \"\" invalid, must be from 1 to 255 characters]",
    );
}

#[tokio::test]
async fn vectors_that_do_not_fit() {
    let Some(setup) = Setup::with_collection("dimensions").await else {
        return;
    };
    let dimension = "Wrong input: Vector dimension error: expected dim: 4, got 3";
    refused(
        setup.upsert(vec![point(1, vec![1.0; 3], [])]).await,
        InvalidArgument,
        dimension,
    );
    refused(
        setup.query(nearest(vec![1.0; 3])).await,
        InvalidArgument,
        dimension,
    );
    let name = "Wrong input: Not existing vector name error: nobody";
    let named = HashMap::from([("nobody".to_owned(), vec![1.0; 4])]);
    refused(
        setup.upsert(vec![point(1, named, [])]).await,
        InvalidArgument,
        name,
    );
    let using = QueryPoints {
        using: Some("nobody".to_owned()),
        ..nearest(vec![1.0; 4])
    };
    refused(setup.query(using).await, InvalidArgument, name);
    let sparse = Vector::from(vec![(1_u32, 1.0), (1, 2.0)]);
    let named = NamedVectors {
        vectors: [("text".to_owned(), sparse)].into(),
    };
    refused(
        setup.upsert(vec![point(1, named, [])]).await,
        InvalidArgument,
        "Validation error in body: [points[0].vectors.vectors_options.vectors.[].indices: Validation error: must be unique \
         [{}]]",
    );
}

#[tokio::test]
async fn points_that_are_not_there() {
    let Some(setup) = Setup::with_collection("missing").await else {
        return;
    };
    let missing = "Not found: No point with id 9 found";
    refused(
        setup.query(nearest(VectorInput::new_id(9_u64))).await,
        NotFound,
        missing,
    );
    let recommend = query(Variant::Recommend(RecommendInput {
        positive: vec![VectorInput::new_id(9_u64)],
        ..RecommendInput::default()
    }));
    refused(setup.query(recommend).await, NotFound, missing);
    let recommend = query(Variant::Recommend(RecommendInput::default()));
    refused(
        setup.query(recommend).await,
        InvalidArgument,
        "Wrong input: Positive vectors should not be empty with `average` strategy",
    );
}

#[tokio::test]
async fn ids_that_are_none() {
    let Some(setup) = Setup::with_collection("ids").await else {
        return;
    };
    let mut bad = point(1, vec![1.0; 4], []);
    bad.id = Some("not-a-uuid".into());
    refused(
        setup.upsert(vec![bad]).await,
        InvalidArgument,
        "Unable to parse UUID: not-a-uuid",
    );
}

#[tokio::test]
async fn queries_that_make_no_sense() {
    let Some(setup) = Setup::with_collection("senseless").await else {
        return;
    };
    let limit = QueryPoints {
        limit: Some(0),
        ..nearest(vec![1.0; 4])
    };
    refused(
        setup.query(limit).await,
        InvalidArgument,
        "Validation error in body: [limit: value 0 invalid, must be 1 or larger]",
    );
    let prefetch = || {
        vec![PrefetchQuery {
            query: nearest(vec![1.0; 4]).query,
            ..PrefetchQuery::default()
        }]
    };
    let unmerged = QueryPoints {
        prefetch: prefetch(),
        ..QueryPoints::default()
    };
    refused(
        setup.query(unmerged).await,
        InvalidArgument,
        "Bad request: A query is needed to merge the prefetches. Can't have prefetches without defining a query.",
    );
    let using = QueryPoints {
        prefetch: prefetch(),
        using: Some("x".to_owned()),
        ..query(Variant::Fusion(Fusion::Rrf.into()))
    };
    refused(
        setup.query(using).await,
        InvalidArgument,
        "Bad request: Fusion queries cannot be combined with the 'using' field.",
    );
    let alone = query(Variant::Fusion(Fusion::Rrf.into()));
    refused(
        setup.query(alone).await,
        InvalidArgument,
        "Wrong input: Validation failed: cannot apply Fusion without prefetches",
    );
    let elsewhere = QueryPoints {
        lookup_from: Some(LookupLocation {
            collection_name: "contract-nowhere".to_owned(),
            ..LookupLocation::default()
        }),
        ..nearest(VectorInput::new_id(1_u64))
    };
    refused(
        setup.query(elsewhere).await,
        NotFound,
        "Not found: Collection contract-nowhere not found",
    );
    let batch = QueryBatchPoints {
        collection_name: setup.name.clone(),
        query_points: vec![nearest(vec![1.0; 4])],
        ..QueryBatchPoints::default()
    };
    refuses(
        setup.points.clone().query_batch(batch).await,
        InvalidArgument,
        "Validation error in body: [query_points[0].collection_name: value \"\" invalid, must be from 1 to 255 characters]",
    );
    let threshold = QueryPoints {
        score_threshold: Some(0.5),
        ..QueryPoints::default()
    };
    refused(
        setup.query(threshold).await,
        InvalidArgument,
        "Bad request: A query is needed to use the score_threshold. Can't have score_threshold without defining a query.",
    );
}

#[tokio::test]
async fn what_needs_an_index() {
    let Some(setup) = Setup::with_collection("unindexed").await else {
        return;
    };
    let order = ScrollPoints {
        collection_name: setup.name.clone(),
        order_by: Some(OrderBy {
            key: "n".to_owned(),
            ..OrderBy::default()
        }),
        ..ScrollPoints::default()
    };
    refuses(
        setup.points.clone().scroll(order).await,
        InvalidArgument,
        "Wrong input: No range index for `order_by` key: `n`. Please create one to use `order_by`. Check \
         https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas support Range \
         conditions",
    );
    setup
        .upsert(vec![point(1, vec![1.0; 4], [("n", 1.into())])])
        .await
        .expect("it is written");
    for exact in [false, true] {
        let facet = FacetCounts {
            collection_name: setup.name.clone(),
            key: "n".to_owned(),
            exact: Some(exact),
            ..FacetCounts::default()
        };
        refuses(
            setup.points.clone().facet(facet).await,
            InvalidArgument,
            "Wrong input: No appropriate index for faceting: `n`. Please create one to facet on this field. Check \
             https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas support \
             Match conditions",
        );
    }
}

#[tokio::test]
async fn paths_and_conditions_that_are_none() {
    let Some(setup) = Setup::with_collection("paths").await else {
        return;
    };
    let scroll = async |filter| {
        let request = ScrollPoints {
            collection_name: setup.name.clone(),
            filter: Some(filter),
            ..ScrollPoints::default()
        };
        setup.points.clone().scroll(request).await
    };
    let path = Condition::matches("a[", 1);
    refuses(
        scroll(Filter::must([path])).await,
        InvalidArgument,
        "Invalid json path: 'a['",
    );
    let nothing = FieldCondition {
        key: "a".to_owned(),
        ..FieldCondition::default()
    };
    refuses(
        scroll(Filter::should([Condition::matches("a", 1), nothing.into()])).await,
        InvalidArgument,
        "Validation error in body: [filter.should[1].condition_one_of.match: Validation error: At least one field \
         condition must be specified [{}]]",
    );
    let page = ScrollPoints {
        collection_name: setup.name.clone(),
        limit: Some(0),
        ..ScrollPoints::default()
    };
    refuses(
        setup.points.clone().scroll(page).await,
        InvalidArgument,
        "Validation error in body: [limit: value 0 invalid, must be 1 or larger]",
    );
    let page = ScrollPoints {
        collection_name: setup.name.clone(),
        offset: Some(1.into()),
        order_by: Some(OrderBy {
            key: "n".to_owned(),
            ..OrderBy::default()
        }),
        ..ScrollPoints::default()
    };
    refuses(
        setup.points.clone().scroll(page).await,
        InvalidArgument,
        "Wrong input: Cannot use an `offset` when using `order_by`. The alternative for paging is to use \
         `order_by.start_from` and a filter to exclude the IDs that you've already seen for the `order_by.start_from` value",
    );
}

#[tokio::test]
async fn models_that_the_server_does_not_have() {
    let Some(setup) = Setup::with_collection("models").await else {
        return;
    };
    let document = || Document {
        text: "a text".to_owned(),
        model: "sentence-transformers/all-minilm-l6-v2".to_owned(),
        options: HashMap::new(),
    };
    let reason = "Service internal error: InferenceService URL not configured - please provide valid address in config";
    refused(
        setup.upsert(vec![point(1, Vector::from(document()), [])]).await,
        Code::Internal,
        reason,
    );
    refused(
        setup.query(nearest(document())).await,
        Code::Internal,
        &format!("Inference error: {reason}"),
    );
}
