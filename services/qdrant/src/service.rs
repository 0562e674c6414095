//! The RPCs: requests in, responses out. What they do stands in the modules that they call; nothing here knows how Qdrant is asked.

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::grpc::{answer, remaining};
use mcp_hub_chassis::resource::Changed;
use mcp_hub_chassis::stream::Stream;
use mcp_hub_proto::qdrant::v1::qdrant_prompt_service_server::QdrantPromptService;
use mcp_hub_proto::qdrant::v1::qdrant_service_server::QdrantService;
use mcp_hub_proto::qdrant::v1::qdrant_write_service_server::QdrantWriteService;
use mcp_hub_proto::qdrant::v1::{
    CollectionInfoRequest, CollectionInfoResponse, CountRequest, CountResponse, CreateCollectionRequest,
    CreateCollectionResponse, CreatePayloadIndexRequest, CreatePayloadIndexResponse, DeletePointsRequest,
    DeletePointsResponse, ExploreRequest, ExploreResponse, FollowCountRequest, FollowCountResponse,
    FollowScrollRequest, FollowScrollResponse, FollowSearchRequest, FollowSearchResponse, GetPointsRequest,
    GetPointsResponse, ListCollectionsRequest, ListCollectionsResponse, ScrollRequest, ScrollResponse,
    SearchRequest, SearchResponse, SetUpSemanticSearchRequest, SetUpSemanticSearchResponse,
    StreamScrollRequest, StreamScrollResponse, UpdatePayloadRequest, UpdatePayloadResponse, UpsertRequest,
    UpsertResponse,
};
use tonic::{Request, Response, Status};

use crate::database::Database;
use crate::embedding::Embeddings;
use crate::{collection, count, points, prompts, scroll, search, write};

/// The three services: cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    embeddings: Embeddings,
    lifecycle: Lifecycle,
    /// Told when a write may have made a collection.
    changed: Changed,
}

impl Service {
    pub(crate) fn new(
        database: Database,
        embeddings: Embeddings,
        lifecycle: Lifecycle,
        changed: Changed,
    ) -> Self {
        Self {
            database,
            embeddings,
            lifecycle,
            changed,
        }
    }
}

#[tonic::async_trait]
impl QdrantService for Service {
    type FollowSearchStream = Stream<FollowSearchResponse>;
    type FollowScrollStream = Stream<FollowScrollResponse>;
    type FollowCountStream = Stream<FollowCountResponse>;
    type StreamScrollStream = Stream<StreamScrollResponse>;

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

    async fn follow_search(
        &self,
        request: Request<FollowSearchRequest>,
    ) -> Result<Response<Self::FollowSearchStream>, Status> {
        let remaining = remaining(&request);
        let request = request.into_inner().search.unwrap_or_default();
        answer(search::follow(
            self.database.clone(),
            self.embeddings.clone(),
            request,
            remaining,
            &self.lifecycle,
        ))
    }

    async fn scroll(&self, request: Request<ScrollRequest>) -> Result<Response<ScrollResponse>, Status> {
        let remaining = remaining(&request);
        answer(scroll::scroll(&self.database, request.get_ref(), remaining).await)
    }

    async fn follow_scroll(
        &self,
        request: Request<FollowScrollRequest>,
    ) -> Result<Response<Self::FollowScrollStream>, Status> {
        let remaining = remaining(&request);
        let request = request.into_inner().scroll.unwrap_or_default();
        answer(scroll::follow(
            self.database.clone(),
            request,
            remaining,
            &self.lifecycle,
        ))
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

    async fn follow_count(
        &self,
        request: Request<FollowCountRequest>,
    ) -> Result<Response<Self::FollowCountStream>, Status> {
        let remaining = remaining(&request);
        let request = request.into_inner().count.unwrap_or_default();
        answer(count::follow(
            self.database.clone(),
            request,
            remaining,
            &self.lifecycle,
        ))
    }
}

#[tonic::async_trait]
impl QdrantPromptService for Service {
    async fn explore(&self, request: Request<ExploreRequest>) -> Result<Response<ExploreResponse>, Status> {
        let messages = prompts::explore(&self.database, &self.embeddings, request.get_ref()).await;
        answer(Ok(ExploreResponse { messages }))
    }

    async fn set_up_semantic_search(
        &self,
        request: Request<SetUpSemanticSearchRequest>,
    ) -> Result<Response<SetUpSemanticSearchResponse>, Status> {
        let messages =
            prompts::set_up_semantic_search(&self.database, &self.embeddings, request.get_ref()).await;
        answer(Ok(SetUpSemanticSearchResponse { messages }))
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
        let created =
            write::create_collection(&self.database, &self.embeddings, request.get_ref(), remaining).await;
        // Also when it failed: a call whose answer was lost may have made it.
        self.changed.perhaps();
        answer(created)
    }

    async fn create_payload_index(
        &self,
        request: Request<CreatePayloadIndexRequest>,
    ) -> Result<Response<CreatePayloadIndexResponse>, Status> {
        let remaining = remaining(&request);
        answer(write::create_payload_index(&self.database, request.get_ref(), remaining).await)
    }
}
