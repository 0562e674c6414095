//! A collection of a test's own, and the calls that most tests make.

use std::collections::HashMap;
use std::fmt::Debug;

use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::points_client::PointsClient;
use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::{
    CollectionInfo, CreateCollection, CreateCollectionBuilder, CreateFieldIndexCollection, DeleteCollection,
    Distance, FieldType, Filter, GetCollectionInfoRequest, GetPoints, ListValue, PointId, PointStruct,
    PointsIdsList, PointsSelector, QueryPoints, RetrievedPoint, ScoredPoint, ScrollPoints, Struct,
    UpsertPoints, Value, VectorParamsBuilder, Vectors,
};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

/// The two clients, and the name of the test's collection.
pub(crate) struct Setup {
    pub(crate) collections: CollectionsClient<Channel>,
    pub(crate) points: PointsClient<Channel>,
    pub(crate) name: String,
}

impl Setup {
    /// No collection yet.
    pub(crate) async fn new(name: &str) -> Option<Self> {
        let qdrant = Qdrant::shared().await?;
        let setup = Self {
            collections: CollectionsClient::new(qdrant.channel()),
            points: PointsClient::new(qdrant.channel()),
            name: format!("contract-{name}"),
        };
        // A server that was given may have it from an earlier run.
        let old = DeleteCollection {
            collection_name: setup.name.clone(),
            timeout: None,
        };
        setup
            .collections
            .clone()
            .delete(old)
            .await
            .expect("it may be removed");
        Some(setup)
    }

    /// A collection with one unnamed vector of four numbers, compared by their dot product.
    pub(crate) async fn with_collection(name: &str) -> Option<Self> {
        let setup = Self::new(name).await?;
        let vectors = VectorParamsBuilder::new(4, Distance::Dot);
        setup
            .create(CreateCollectionBuilder::new("").vectors_config(vectors))
            .await;
        Some(setup)
    }

    /// Makes the collection.
    pub(crate) async fn create(&self, collection: impl Into<CreateCollection>) {
        let request = CreateCollection {
            collection_name: self.name.clone(),
            ..collection.into()
        };
        let response = self.collections.clone().create(request).await;
        assert!(response.expect("it is made").into_inner().result);
    }

    /// Writes points and waits for it.
    pub(crate) async fn upsert(&self, points: Vec<PointStruct>) -> Result<(), Status> {
        let request = UpsertPoints {
            collection_name: self.name.clone(),
            wait: Some(true),
            points,
            ..UpsertPoints::default()
        };
        self.points.clone().upsert(request).await.map(drop)
    }

    /// Makes an index and waits for it.
    pub(crate) async fn index(&self, field: &str, field_type: FieldType) {
        let request = CreateFieldIndexCollection {
            collection_name: self.name.clone(),
            wait: Some(true),
            field_name: field.to_owned(),
            field_type: Some(field_type.into()),
            ..CreateFieldIndexCollection::default()
        };
        self.points
            .clone()
            .create_field_index(request)
            .await
            .expect("an index");
    }

    /// The collection's information.
    pub(crate) async fn info(&self) -> CollectionInfo {
        let request = GetCollectionInfoRequest {
            collection_name: self.name.clone(),
        };
        let response = self.collections.clone().get(request).await;
        response
            .expect("it is there")
            .into_inner()
            .result
            .expect("a result")
    }

    /// Points by their ids, with all that they have.
    pub(crate) async fn get(&self, ids: Vec<PointId>) -> Vec<RetrievedPoint> {
        let request = GetPoints {
            collection_name: self.name.clone(),
            ids,
            with_payload: Some(true.into()),
            with_vectors: Some(true.into()),
            ..GetPoints::default()
        };
        let response = self.points.clone().get(request).await;
        response.expect("an answer").into_inner().result
    }

    /// The ids of the points that a filter finds, in their order.
    pub(crate) async fn matching(&self, filter: Filter) -> Vec<u64> {
        let request = ScrollPoints {
            collection_name: self.name.clone(),
            filter: Some(filter),
            limit: Some(100),
            ..ScrollPoints::default()
        };
        let response = self.points.clone().scroll(request).await.expect("an answer");
        response
            .into_inner()
            .result
            .into_iter()
            .map(|point| number(point.id))
            .collect()
    }

    /// The points that a query finds, the best first.
    pub(crate) async fn query(&self, query: impl Into<QueryPoints>) -> Result<Vec<ScoredPoint>, Status> {
        let request = QueryPoints {
            collection_name: self.name.clone(),
            ..query.into()
        };
        let response = self.points.clone().query(request).await?;
        Ok(response.into_inner().result)
    }

    /// Their ids alone.
    pub(crate) async fn found(&self, query: impl Into<QueryPoints>) -> Vec<u64> {
        let points = self.query(query).await.expect("an answer");
        points.into_iter().map(|point| number(point.id)).collect()
    }
}

/// A point with a numeric id.
pub(crate) fn point<const N: usize>(
    id: u64,
    vectors: impl Into<Vectors>,
    payload: [(&str, Value); N],
) -> PointStruct {
    PointStruct {
        id: Some(id.into()),
        vectors: Some(vectors.into()),
        payload: object(payload),
    }
}

/// Named values.
pub(crate) fn object<const N: usize>(fields: [(&str, Value); N]) -> HashMap<String, Value> {
    fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// An object as a value.
pub(crate) fn nested<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value {
        kind: Some(Kind::StructValue(Struct {
            fields: object(fields),
        })),
    }
}

/// A list of values.
pub(crate) fn list<const N: usize>(values: [Value; N]) -> Value {
    Value {
        kind: Some(Kind::ListValue(ListValue {
            values: values.into(),
        })),
    }
}

/// A numeric id.
pub(crate) fn number(id: Option<PointId>) -> u64 {
    match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Num(number)) => number,
        other => panic!("{other:?} is no numeric id"),
    }
}

/// The points with these ids.
pub(crate) fn by_ids(ids: &[u64]) -> PointsSelector {
    let ids = ids.iter().map(|id| (*id).into()).collect();
    PointsSelector {
        points_selector_one_of: Some(PointsSelectorOneOf::Points(PointsIdsList { ids })),
    }
}

/// A refusal by code and message.
#[track_caller]
pub(crate) fn refused<T: Debug>(result: Result<T, Status>, code: Code, message: &str) {
    let status = result.expect_err("a refusal");
    assert_eq!((status.code(), status.message()), (code, message));
}

/// The same for an answer of a client.
#[track_caller]
pub(crate) fn refuses<T: Debug>(result: Result<Response<T>, Status>, code: Code, message: &str) {
    refused(result.map(Response::into_inner), code, message);
}
