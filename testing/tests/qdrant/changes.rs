//! Changes that Qdrant refuses, and what is left of the points.

use std::collections::HashMap;

use qdrant_client::qdrant::vectors_output::VectorsOptions;
use qdrant_client::qdrant::{
    CollectionExistsRequest, CreateCollection, CreateCollectionBuilder, CreateFieldIndexCollection,
    DeleteCollection, DeletePoints, Distance, FieldType, NamedVectors, PointVectors, PointsSelector,
    SetPayloadPoints, SparseVectorParamsBuilder, SparseVectorsConfigBuilder, UpdatePointVectors, Vector,
    VectorParamsBuilder, Vectors, VectorsConfigBuilder,
};
use tonic::Code::{InvalidArgument, NotFound};

use crate::setup::{Setup, by_ids, object, point, refused, refuses};

fn named(name: &str, vector: impl Into<Vector>) -> Vectors {
    Vectors::from(NamedVectors {
        vectors: [(name.to_owned(), vector.into())].into(),
    })
}

async fn two_kinds(name: &str) -> Option<Setup> {
    let setup = Setup::new(name).await?;
    let mut vectors = VectorsConfigBuilder::default();
    vectors.add_named_vector_params("dense", VectorParamsBuilder::new(2, Distance::Cosine));
    let mut sparse = SparseVectorsConfigBuilder::default();
    sparse.add_named_vector_params("text", SparseVectorParamsBuilder::default());
    setup
        .create(
            CreateCollectionBuilder::new("")
                .vectors_config(vectors)
                .sparse_vectors_config(sparse),
        )
        .await;
    Some(setup)
}

#[tokio::test]
async fn vectors_of_the_wrong_kind() {
    let Some(setup) = two_kinds("kinds").await else {
        return;
    };
    let sparse = "Wrong input: Conversion between sparse and regular vectors failed";
    let multi = "Wrong input: Conversion between multi and regular vectors failed";
    let length = "Wrong input: Vector dimension error: expected dim: 2, got 3 for vector 'dense'";
    for (vectors, message) in [
        (named("text", vec![1.0, 0.0]), sparse),
        (named("dense", vec![(1_u32, 1.0)]), sparse),
        (named("dense", vec![vec![1.0, 0.0]]), multi),
        (named("dense", vec![1.0, 0.0, 0.0]), length),
        (
            Vectors::from(vec![1.0, 0.0]),
            "Wrong input: Not existing vector name error: ",
        ),
        (
            Vectors::from(Vector::from(vec![(1_u32, 1.0)])),
            "Sparse vector must be named",
        ),
        (Vectors::default(), "No Vector Provided"),
    ] {
        refused(
            setup.upsert(vec![point(1, vectors, [])]).await,
            InvalidArgument,
            message,
        );
    }
}

/// Lengths are checked before a write begins. Kinds are not: one of the wrong kind may leave a point without its vectors.
#[tokio::test]
async fn a_wrong_length_changes_nothing() {
    let Some(setup) = two_kinds("begun").await else {
        return;
    };
    let whole = named("text", vec![(1_u32, 1.0)]);
    setup
        .upsert(vec![point(1, whole, [])])
        .await
        .expect("it is written");
    let long = named("dense", vec![1.0, 0.0, 0.0]);
    setup
        .upsert(vec![point(1, long, [])])
        .await
        .expect_err("a wrong length");
    let point = setup.get(vec![1.into()]).await.pop().expect("a point");
    let Some(VectorsOptions::Vectors(left)) = point.vectors.and_then(|vectors| vectors.vectors_options)
    else {
        panic!("named vectors");
    };
    assert!(left.vectors.contains_key("text"));
}

#[tokio::test]
async fn nothing_to_do() {
    let Some(setup) = Setup::with_collection("nothing").await else {
        return;
    };
    let empty = "Bad request: Empty update request";
    refused(setup.upsert(vec![]).await, InvalidArgument, empty);
    let delete = |points| DeletePoints {
        collection_name: setup.name.clone(),
        wait: Some(true),
        points,
        ..DeletePoints::default()
    };
    let mut client = setup.points.clone();
    refuses(
        client.delete(delete(Some(by_ids(&[])))).await,
        InvalidArgument,
        empty,
    );
    refuses(
        client.delete(delete(None)).await,
        InvalidArgument,
        "PointSelector is missing",
    );
    refuses(
        client.delete(delete(Some(PointsSelector::default()))).await,
        InvalidArgument,
        "Malformed PointsSelector type",
    );
}

#[tokio::test]
async fn points_that_are_not_there_can_not_be_changed() {
    let Some(setup) = Setup::with_collection("absent").await else {
        return;
    };
    let missing = "Not found: No point with id 99 found";
    let set = SetPayloadPoints {
        collection_name: setup.name.clone(),
        wait: Some(true),
        payload: object([("x", 1.into())]),
        points_selector: Some(by_ids(&[99])),
        ..SetPayloadPoints::default()
    };
    let mut client = setup.points.clone();
    refuses(client.set_payload(set.clone()).await, NotFound, missing);
    refuses(client.overwrite_payload(set).await, NotFound, missing);
    let update = UpdatePointVectors {
        collection_name: setup.name.clone(),
        wait: Some(true),
        points: vec![PointVectors {
            id: Some(99.into()),
            vectors: Some(vec![1.0; 4].into()),
        }],
        ..UpdatePointVectors::default()
    };
    refuses(client.update_vectors(update).await, NotFound, missing);
}

#[tokio::test]
async fn indexes_of_no_type() {
    let Some(setup) = Setup::with_collection("index-types").await else {
        return;
    };
    let index = async |field: &str, field_type| {
        let request = CreateFieldIndexCollection {
            collection_name: setup.name.clone(),
            wait: Some(true),
            field_name: field.to_owned(),
            field_type,
            ..CreateFieldIndexCollection::default()
        };
        setup.points.clone().create_field_index(request).await
    };
    refuses(
        index("a", None).await,
        InvalidArgument,
        "cannot convert field_type",
    );
    refuses(
        index("a", Some(99)).await,
        InvalidArgument,
        "Bad request: Can't auto-detect field type, please specify `field_schema` in the request",
    );
    refuses(
        index("", Some(FieldType::Keyword.into())).await,
        InvalidArgument,
        "Validation error in body: [field_name: value \"\" invalid, must be at least 1 characters]",
    );
    refuses(
        index("a[", Some(FieldType::Keyword.into())).await,
        InvalidArgument,
        "Invalid json path: 'a['",
    );
    for field_type in [FieldType::Integer, FieldType::Integer, FieldType::Keyword] {
        index("a", Some(field_type.into()))
            .await
            .expect("a second index takes the place of the first");
    }
}

#[tokio::test]
async fn collections_of_no_size() {
    let Some(setup) = Setup::new("sizes").await else {
        return;
    };
    let create = async |vectors: qdrant_client::qdrant::VectorsConfig| {
        let request = CreateCollection {
            collection_name: setup.name.clone(),
            ..CreateCollectionBuilder::new("").vectors_config(vectors).build()
        };
        setup.collections.clone().create(request).await
    };
    let bounds = "invalid, must be from 1 to 65536]";
    for size in [0, 70_000] {
        refuses(
            create(VectorParamsBuilder::new(size, Distance::Dot).into()).await,
            InvalidArgument,
            &format!("Validation error in body: [vectors_config.config.size: value {size} {bounds}"),
        );
    }
    let named = HashMap::from([("a".to_owned(), VectorParamsBuilder::new(0, Distance::Dot).build())]);
    let mut several = VectorsConfigBuilder::default();
    for (name, params) in named {
        several.add_named_vector_params(&name, params);
    }
    refuses(
        create(several.into()).await,
        InvalidArgument,
        &format!("Validation error in body: [vectors_config.config.map.[].size: value 0 {bounds}"),
    );
}

/// An alias serves for everything but the end of a collection.
#[tokio::test]
async fn a_collection_is_removed_by_its_own_name() {
    use qdrant_client::qdrant::alias_operations::Action;
    use qdrant_client::qdrant::{AliasOperations, ChangeAliases, CreateAlias};

    let Some(setup) = Setup::with_collection("own-name").await else {
        return;
    };
    let alias = format!("{}-alias", setup.name);
    let create = CreateAlias {
        collection_name: setup.name.clone(),
        alias_name: alias.clone(),
    };
    let mut client = setup.collections.clone();
    client
        .update_aliases(ChangeAliases {
            actions: vec![AliasOperations {
                action: Some(Action::CreateAlias(create)),
            }],
            timeout: None,
        })
        .await
        .expect("an alias");
    let delete = DeleteCollection {
        collection_name: alias,
        timeout: None,
    };
    assert!(
        !client
            .delete(delete)
            .await
            .expect("an answer")
            .into_inner()
            .result
    );
    let exists = CollectionExistsRequest {
        collection_name: setup.name.clone(),
    };
    let exists = client
        .collection_exists(exists)
        .await
        .expect("an answer")
        .into_inner();
    assert!(exists.result.expect("a result").exists);
}
