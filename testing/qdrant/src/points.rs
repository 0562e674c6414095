//! The service `qdrant.Points`.

mod batch;
mod query;
mod read;
mod write;

use std::sync::Arc;

use qdrant_client::qdrant as api;
use qdrant_client::qdrant::points_server::Points;
use tonic::{Request, Response, Status};

use crate::error::{Error, Result, blocking};
use crate::storage::Storage;

/// Reads and writes points.
pub(crate) struct Service {
    storage: Arc<Storage>,
}

impl Service {
    pub(crate) fn new(storage: Arc<Storage>) -> Self {
        Self { storage }
    }

    /// One request, away from the runtime's threads.
    async fn run<Q, A>(
        &self,
        request: Request<Q>,
        work: fn(&Storage, Q) -> Result<A>,
    ) -> Result<Response<A>, Status>
    where
        Q: Send + 'static,
        A: Send + 'static,
    {
        let storage = self.storage.clone();
        let request = request.into_inner();
        blocking(move || work(&storage, request)).await
    }
}

/// What the stand-in leaves to Qdrant.
fn not_here(what: &'static str) -> Status {
    Error::Unimplemented(what).into()
}

/// The methods that are one function each, and those that are none.
macro_rules! points {
    ($($name:ident: $request:ident => $response:ident, $work:expr;)* ; $($missing:ident: $missing_request:ident => $missing_response:ident;)*) => {
        #[tonic::async_trait]
        impl Points for Service {
            $(async fn $name(&self, request: Request<api::$request>) -> Result<Response<api::$response>, Status> {
                self.run(request, $work).await
            })*
            $(async fn $missing(&self, _request: Request<api::$missing_request>) -> Result<Response<api::$missing_response>, Status> {
                Err(not_here(stringify!($missing)))
            })*
        }
    };
}

points! {
    upsert: UpsertPoints => PointsOperationResponse, write::upsert;
    delete: DeletePoints => PointsOperationResponse, write::delete;
    update_vectors: UpdatePointVectors => PointsOperationResponse, write::update_vectors;
    delete_vectors: DeletePointVectors => PointsOperationResponse, write::delete_vectors;
    set_payload: SetPayloadPoints => PointsOperationResponse, write::set_payload;
    overwrite_payload: SetPayloadPoints => PointsOperationResponse, write::overwrite_payload;
    delete_payload: DeletePayloadPoints => PointsOperationResponse, write::delete_payload;
    clear_payload: ClearPayloadPoints => PointsOperationResponse, write::clear_payload;
    update_batch: UpdateBatchPoints => UpdateBatchResponse, batch::update_batch;
    create_field_index: CreateFieldIndexCollection => PointsOperationResponse, write::create_field_index;
    delete_field_index: DeleteFieldIndexCollection => PointsOperationResponse, write::delete_field_index;
    get: GetPoints => GetResponse, read::get;
    scroll: ScrollPoints => ScrollResponse, read::scroll;
    count: CountPoints => CountResponse, read::count;
    facet: FacetCounts => FacetResponse, read::facet;
    query: QueryPoints => QueryResponse, query::query;
    query_batch: QueryBatchPoints => QueryBatchResponse, query::query_batch;
    query_groups: QueryPointGroups => QueryGroupsResponse, query::query_groups;
    ;
    create_vector_name: CreateVectorNameRequest => PointsOperationResponse;
    delete_vector_name: DeleteVectorNameRequest => PointsOperationResponse;
    search: SearchPoints => SearchResponse;
    search_batch: SearchBatchPoints => SearchBatchResponse;
    search_groups: SearchPointGroups => SearchGroupsResponse;
    recommend: RecommendPoints => RecommendResponse;
    recommend_batch: RecommendBatchPoints => RecommendBatchResponse;
    recommend_groups: RecommendPointGroups => RecommendGroupsResponse;
    discover: DiscoverPoints => DiscoverResponse;
    discover_batch: DiscoverBatchPoints => DiscoverBatchResponse;
    search_matrix_pairs: SearchMatrixPoints => SearchMatrixPairsResponse;
    search_matrix_offsets: SearchMatrixPoints => SearchMatrixOffsetsResponse;
}
