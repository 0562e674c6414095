//! Collections and their aliases.

use qdrant_client::qdrant::alias_operations::Action;
use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    AliasOperations, ChangeAliases, CollectionExistsRequest, CollectionStatus, CreateAlias, CreateCollection,
    CreateCollectionBuilder, CreateFieldIndexCollection, DeleteAlias, DeleteCollection, Distance, FieldType,
    ListAliasesRequest, ListCollectionAliasesRequest, ListCollectionsRequest, Modifier,
    MultiVectorComparator, MultiVectorConfigBuilder, PayloadIndexParams, PayloadSchemaType, RenameAlias,
    SparseVectorParamsBuilder, SparseVectorsConfigBuilder, TextIndexParams, TokenizerType, UpdateCollection,
    Value, VectorParamsBuilder, VectorsConfigBuilder,
};
use tonic::Code;

use crate::setup::{Setup, object, point, refuses};

#[tokio::test]
async fn a_collection_is_described_as_it_was_made() {
    let Some(setup) = Setup::new("described").await else {
        return;
    };
    let mut vectors = VectorsConfigBuilder::default();
    vectors.add_named_vector_params("title", VectorParamsBuilder::new(4, Distance::Cosine));
    vectors.add_named_vector_params(
        "words",
        VectorParamsBuilder::new(2, Distance::Euclid)
            .multivector_config(MultiVectorConfigBuilder::new(MultiVectorComparator::MaxSim)),
    );
    let mut sparse = SparseVectorsConfigBuilder::default();
    sparse.add_named_vector_params(
        "text",
        SparseVectorParamsBuilder::default().modifier(Modifier::Idf),
    );
    let collection = CreateCollectionBuilder::new("")
        .vectors_config(vectors)
        .sparse_vectors_config(sparse);
    setup
        .create(CreateCollection {
            metadata: object([("model", "of a test".into())]),
            ..collection.build()
        })
        .await;

    let info = setup.info().await;
    assert_eq!(info.status(), CollectionStatus::Green);
    assert!(info.optimizer_status.expect("a status").ok);
    assert_eq!(info.points_count, Some(0));
    assert_eq!(info.indexed_vectors_count, Some(0));
    assert!(info.payload_schema.is_empty() && info.warnings.is_empty());
    let config = info.config.expect("a configuration");
    assert_eq!(config.metadata, object([("model", "of a test".into())]));
    assert_eq!(config.quantization_config, None);
    let hnsw = config.hnsw_config.expect("it is there");
    assert_eq!(
        (hnsw.m, hnsw.ef_construct, hnsw.full_scan_threshold),
        (Some(16), Some(100), Some(10_000))
    );
    let optimizer = config.optimizer_config.expect("it is there");
    assert_eq!(
        (optimizer.deleted_threshold, optimizer.flush_interval_sec),
        (Some(0.2), Some(5))
    );
    assert_eq!(config.wal_config.expect("it is there").wal_capacity_mb, Some(32));

    let params = config.params.expect("parameters");
    assert_eq!((params.shard_number, params.replication_factor), (1, Some(1)));
    let Some(Config::ParamsMap(named)) = params.vectors_config.and_then(|vectors| vectors.config) else {
        panic!("named vectors");
    };
    assert_eq!(named.map.len(), 2);
    let title = named.map["title"];
    assert_eq!((title.size, title.distance()), (4, Distance::Cosine));
    assert_eq!(title.multivector_config, None);
    assert!(named.map["words"].multivector_config.is_some());
    let sparse = params.sparse_vectors_config.expect("sparse vectors").map;
    assert_eq!(sparse.len(), 1);
    assert_eq!(sparse["text"].modifier(), Modifier::Idf);
}

#[tokio::test]
async fn an_unnamed_vector_has_no_map() {
    let Some(setup) = Setup::with_collection("unnamed").await else {
        return;
    };
    let params = setup.info().await.config.and_then(|config| config.params);
    let vectors = params.and_then(|params| params.vectors_config?.config);
    let Some(Config::Params(params)) = vectors else {
        panic!("{vectors:?} is not one vector");
    };
    assert_eq!((params.size, params.distance()), (4, Distance::Dot));
}

#[tokio::test]
async fn indexes_are_listed_with_their_points() {
    let Some(setup) = Setup::with_collection("indexes").await else {
        return;
    };
    setup
        .upsert(vec![
            point(
                1,
                vec![1.0, 0.0, 0.0, 0.0],
                [("city", "Berlin".into()), ("n", 1.into())],
            ),
            point(2, vec![0.0, 1.0, 0.0, 0.0], [("city", "Paris".into())]),
        ])
        .await
        .expect("it is written");
    setup.index("city", FieldType::Keyword).await;
    setup.index("n", FieldType::Integer).await;
    let text = TextIndexParams {
        tokenizer: TokenizerType::Word.into(),
        lowercase: Some(true),
        min_token_len: Some(2),
        ..TextIndexParams::default()
    };
    let request = CreateFieldIndexCollection {
        collection_name: setup.name.clone(),
        wait: Some(true),
        field_name: "title".to_owned(),
        field_type: Some(FieldType::Text.into()),
        field_index_params: Some(PayloadIndexParams {
            index_params: Some(IndexParams::TextIndexParams(text.clone())),
        }),
        ..CreateFieldIndexCollection::default()
    };
    setup
        .points
        .clone()
        .create_field_index(request)
        .await
        .expect("an index");

    let info = setup.info().await;
    assert_eq!(info.points_count, Some(2));
    let schema = info.payload_schema;
    let mut keys: Vec<_> = schema.keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["city", "n", "title"]);
    assert_eq!(
        (schema["city"].data_type(), schema["city"].points),
        (PayloadSchemaType::Keyword, Some(2))
    );
    assert_eq!(schema["city"].params, None);
    assert_eq!(
        (schema["n"].data_type(), schema["n"].points),
        (PayloadSchemaType::Integer, Some(1))
    );
    let title = schema["title"]
        .params
        .clone()
        .and_then(|params| params.index_params);
    assert_eq!(title, Some(IndexParams::TextIndexParams(text)));
}

#[tokio::test]
async fn metadata_is_changed_key_by_key() {
    let Some(setup) = Setup::with_collection("metadata").await else {
        return;
    };
    let update = async |metadata| {
        let request = UpdateCollection {
            collection_name: setup.name.clone(),
            metadata,
            ..UpdateCollection::default()
        };
        let response = setup.collections.clone().update(request).await;
        assert!(response.expect("it is changed").into_inner().result);
        setup.info().await.config.expect("a configuration").metadata
    };
    let first = update(object([("a", 1.into()), ("b", "two".into())])).await;
    assert_eq!(first, object([("a", 1.into()), ("b", "two".into())]));
    let second = update(object([("b", 2.into())])).await;
    assert_eq!(second, object([("a", 1.into()), ("b", 2.into())]));
    let null = Value {
        kind: Some(Kind::NullValue(0)),
    };
    assert_eq!(update(object([("a", null)])).await, object([("b", 2.into())]));
}

#[tokio::test]
async fn collections_are_listed_found_and_removed() {
    let Some(setup) = Setup::with_collection("listed").await else {
        return;
    };
    let mut client = setup.collections.clone();
    let exists = CollectionExistsRequest {
        collection_name: setup.name.clone(),
    };
    let response = client.collection_exists(exists.clone()).await.expect("an answer");
    assert!(response.into_inner().result.expect("a result").exists);
    let listed = client.list(ListCollectionsRequest {}).await.expect("an answer");
    let mut names = listed.into_inner().collections.into_iter();
    assert!(names.any(|collection| collection.name == setup.name));
    let delete = DeleteCollection {
        collection_name: setup.name.clone(),
        timeout: None,
    };
    let removed = client.delete(delete.clone()).await.expect("an answer");
    assert!(removed.into_inner().result);
    let again = client.delete(delete).await.expect("an answer");
    assert!(!again.into_inner().result);
    let response = client.collection_exists(exists).await.expect("an answer");
    assert!(!response.into_inner().result.expect("a result").exists);
}

#[tokio::test]
async fn an_alias_is_a_name_too() {
    let Some(setup) = Setup::with_collection("aliases").await else {
        return;
    };
    let mut client = setup.collections.clone();
    let alias = format!("{}-alias", setup.name);
    let renamed = format!("{}-renamed", setup.name);
    let change = async |action| {
        let request = ChangeAliases {
            actions: vec![AliasOperations { action: Some(action) }],
            timeout: None,
        };
        setup.collections.clone().update_aliases(request).await
    };
    let create = |collection: &str, alias: &str| {
        Action::CreateAlias(CreateAlias {
            collection_name: collection.to_owned(),
            alias_name: alias.to_owned(),
        })
    };
    change(create(&setup.name, &alias)).await.expect("it is made");
    let of_collection = ListCollectionAliasesRequest {
        collection_name: setup.name.clone(),
    };
    let aliases = client
        .list_collection_aliases(of_collection.clone())
        .await
        .expect("an answer")
        .into_inner()
        .aliases;
    assert_eq!(aliases.len(), 1);
    assert_eq!(
        (&aliases[0].alias_name, &aliases[0].collection_name),
        (&alias, &setup.name)
    );
    let all = client
        .list_aliases(ListAliasesRequest {})
        .await
        .expect("an answer");
    assert!(
        all.into_inner()
            .aliases
            .iter()
            .any(|known| known.alias_name == alias)
    );

    let by_alias = Setup {
        name: alias.clone(),
        ..Setup::new("aliases-nothing").await.expect("a server")
    };
    assert_eq!(by_alias.info().await.points_count, Some(0));
    change(Action::RenameAlias(RenameAlias {
        old_alias_name: alias.clone(),
        new_alias_name: renamed.clone(),
    }))
    .await
    .expect("it is renamed");
    refuses(
        change(Action::RenameAlias(RenameAlias {
            old_alias_name: alias.clone(),
            new_alias_name: renamed.clone(),
        }))
        .await,
        Code::NotFound,
        &format!("Not found: Alias {alias} does not exists!"),
    );
    refuses(
        change(create("contract-nowhere", &alias)).await,
        Code::NotFound,
        "Not found: Collection `contract-nowhere` doesn't exist!",
    );
    change(Action::DeleteAlias(DeleteAlias { alias_name: renamed }))
        .await
        .expect("it is removed");
    let aliases = client
        .list_collection_aliases(of_collection)
        .await
        .expect("an answer");
    assert!(aliases.into_inner().aliases.is_empty());
}
