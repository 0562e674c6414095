//! The RPCs: requests in, responses out. What they do stands in the modules that they call; nothing here knows how Qdrant is asked.

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::grpc::{answer, remaining};
use mcp_hub_proto::qdrant::v1::qdrant_service_server::QdrantService;
use mcp_hub_proto::qdrant::v1::qdrant_write_service_server::QdrantWriteService;
use mcp_hub_proto::qdrant::v1::{
    CollectionInfoRequest, CollectionInfoResponse, CountRequest, CountResponse, CreateCollectionRequest,
    CreateCollectionResponse, CreatePayloadIndexRequest, CreatePayloadIndexResponse, DeletePointsRequest,
    DeletePointsResponse, GetPointsRequest, GetPointsResponse, ListCollectionsRequest,
    ListCollectionsResponse, ScrollRequest, ScrollResponse, SearchRequest, SearchResponse,
    StreamScrollRequest, StreamScrollResponse, UpdatePayloadRequest, UpdatePayloadResponse, UpsertRequest,
    UpsertResponse,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::database::Database;
use crate::embedding::Embeddings;
use crate::{collection, count, points, scroll, search, write};

/// Both services: cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    embeddings: Embeddings,
    lifecycle: Lifecycle,
}

impl Service {
    pub(crate) fn new(database: Database, embeddings: Embeddings, lifecycle: Lifecycle) -> Self {
        Self {
            database,
            embeddings,
            lifecycle,
        }
    }
}

#[tonic::async_trait]
impl QdrantService for Service {
    type StreamScrollStream = ReceiverStream<Result<StreamScrollResponse, Status>>;

    async fn list_collections(
        &self,
        request: Request<ListCollectionsRequest>,
    ) -> Result<Response<ListCollectionsResponse>, Status> {
        let remaining = remaining(&request);
        answer(collection::list_collections(&self.database, request.get_ref(), remaining).await)
    }

    async fn collection_info(
        &self,
        request: Request<CollectionInfoRequest>,
    ) -> Result<Response<CollectionInfoResponse>, Status> {
        let remaining = remaining(&request);
        answer(
            collection::collection_info(&self.database, &self.embeddings, request.get_ref(), remaining).await,
        )
    }

    async fn search(&self, request: Request<SearchRequest>) -> Result<Response<SearchResponse>, Status> {
        let remaining = remaining(&request);
        answer(search::search(&self.database, &self.embeddings, request.get_ref(), remaining).await)
    }

    async fn scroll(&self, request: Request<ScrollRequest>) -> Result<Response<ScrollResponse>, Status> {
        let remaining = remaining(&request);
        answer(scroll::scroll(&self.database, request.get_ref(), remaining).await)
    }

    async fn stream_scroll(
        &self,
        request: Request<StreamScrollRequest>,
    ) -> Result<Response<Self::StreamScrollStream>, Status> {
        let remaining = remaining(&request);
        let database = self.database.clone();
        answer(scroll::stream(
            database,
            request.into_inner(),
            remaining,
            &self.lifecycle,
        ))
    }

    async fn get_points(
        &self,
        request: Request<GetPointsRequest>,
    ) -> Result<Response<GetPointsResponse>, Status> {
        let remaining = remaining(&request);
        answer(points::get_points(&self.database, request.get_ref(), remaining).await)
    }

    async fn count(&self, request: Request<CountRequest>) -> Result<Response<CountResponse>, Status> {
        let remaining = remaining(&request);
        answer(count::count(&self.database, request.get_ref(), remaining).await)
    }
}

#[tonic::async_trait]
impl QdrantWriteService for Service {
    async fn upsert(&self, request: Request<UpsertRequest>) -> Result<Response<UpsertResponse>, Status> {
        let remaining = remaining(&request);
        answer(write::upsert(&self.database, &self.embeddings, request.get_ref(), remaining).await)
    }

    async fn update_payload(
        &self,
        request: Request<UpdatePayloadRequest>,
    ) -> Result<Response<UpdatePayloadResponse>, Status> {
        let remaining = remaining(&request);
        answer(write::update_payload(&self.database, &self.embeddings, request.get_ref(), remaining).await)
    }

    async fn delete_points(
        &self,
        request: Request<DeletePointsRequest>,
    ) -> Result<Response<DeletePointsResponse>, Status> {
        let remaining = remaining(&request);
        answer(write::delete_points(&self.database, request.get_ref(), remaining).await)
    }

    async fn create_collection(
        &self,
        request: Request<CreateCollectionRequest>,
    ) -> Result<Response<CreateCollectionResponse>, Status> {
        let remaining = remaining(&request);
        answer(write::create_collection(&self.database, &self.embeddings, request.get_ref(), remaining).await)
    }

    async fn create_payload_index(
        &self,
        request: Request<CreatePayloadIndexRequest>,
    ) -> Result<Response<CreatePayloadIndexResponse>, Status> {
        let remaining = remaining(&request);
        answer(write::create_payload_index(&self.database, request.get_ref(), remaining).await)
    }
}
