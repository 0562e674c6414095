//! The RPCs: requests in, responses out. What they do stands in the modules that they call; there is no Cypher here.

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::grpc::{answer, remaining};
use mcp_hub_chassis::resource::Changed;
use mcp_hub_chassis::stream::Stream;
use mcp_hub_proto::neo4j::v1::neo4j_prompt_service_server::Neo4jPromptService;
use mcp_hub_proto::neo4j::v1::neo4j_service_server::Neo4jService;
use mcp_hub_proto::neo4j::v1::neo4j_write_service_server::Neo4jWriteService;
use mcp_hub_proto::neo4j::v1::{
    ExecuteRequest, ExecuteResponse, ExplainQueryRequest, ExplainQueryResponse, ExplainSlowQueryRequest,
    ExplainSlowQueryResponse, ExploreGraphRequest, ExploreGraphResponse, FollowQueryRequest,
    FollowQueryResponse, GetRelationshipsRequest, GetRelationshipsResponse, ListNodesRequest,
    ListNodesResponse, QueryRequest, QueryResponse, SchemaRequest, SchemaResponse, SearchRequest,
    SearchResponse, StreamQueryRequest, StreamQueryResponse,
};
use tonic::{Request, Response, Status};

use crate::database::Database;
use crate::{catalogue, explain, prompts, query, search, write};

/// The three services: cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    lifecycle: Lifecycle,
    /// Told when a write may have changed which labels and relationship types there are.
    changed: Changed,
}

impl Service {
    pub(crate) fn new(database: Database, lifecycle: Lifecycle, changed: Changed) -> Self {
        Self {
            database,
            lifecycle,
            changed,
        }
    }
}

#[tonic::async_trait]
impl Neo4jService for Service {
    type FollowQueryStream = Stream<FollowQueryResponse>;
    type StreamQueryStream = Stream<StreamQueryResponse>;

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<QueryResponse>, Status> {
        let remaining = remaining(&request);
        answer(query::query(&self.database, request.into_inner(), remaining).await)
    }

    async fn follow_query(
        &self,
        request: Request<FollowQueryRequest>,
    ) -> Result<Response<Self::FollowQueryStream>, Status> {
        let remaining = remaining(&request);
        let query = request.into_inner().query.unwrap_or_default();
        answer(query::follow(
            self.database.clone(),
            query,
            remaining,
            &self.lifecycle,
        ))
    }

    async fn stream_query(
        &self,
        request: Request<StreamQueryRequest>,
    ) -> Result<Response<Self::StreamQueryStream>, Status> {
        let remaining = remaining(&request);
        let database = self.database.clone();
        answer(query::stream(
            database,
            request.into_inner(),
            remaining,
            &self.lifecycle,
        ))
    }

    async fn schema(&self, request: Request<SchemaRequest>) -> Result<Response<SchemaResponse>, Status> {
        let remaining = remaining(&request);
        answer(catalogue::schema(&self.database, request.get_ref(), remaining).await)
    }

    async fn list_nodes(
        &self,
        request: Request<ListNodesRequest>,
    ) -> Result<Response<ListNodesResponse>, Status> {
        let remaining = remaining(&request);
        answer(catalogue::list_nodes(&self.database, request.get_ref(), remaining).await)
    }

    async fn get_relationships(
        &self,
        request: Request<GetRelationshipsRequest>,
    ) -> Result<Response<GetRelationshipsResponse>, Status> {
        let remaining = remaining(&request);
        answer(catalogue::get_relationships(&self.database, request.get_ref(), remaining).await)
    }

    async fn search(&self, request: Request<SearchRequest>) -> Result<Response<SearchResponse>, Status> {
        let remaining = remaining(&request);
        answer(search::search(&self.database, request.get_ref(), remaining).await)
    }

    async fn explain_query(
        &self,
        request: Request<ExplainQueryRequest>,
    ) -> Result<Response<ExplainQueryResponse>, Status> {
        let remaining = remaining(&request);
        answer(explain::explain_query(&self.database, request.get_ref(), remaining).await)
    }
}

#[tonic::async_trait]
impl Neo4jWriteService for Service {
    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<ExecuteResponse>, Status> {
        let remaining = remaining(&request);
        answer(write::execute(&self.database, request.get_ref(), remaining, &self.changed).await)
    }
}

#[tonic::async_trait]
impl Neo4jPromptService for Service {
    async fn explore_graph(
        &self,
        request: Request<ExploreGraphRequest>,
    ) -> Result<Response<ExploreGraphResponse>, Status> {
        answer(Ok(prompts::explore_graph(&self.database, request.get_ref()).await))
    }

    async fn explain_slow_query(
        &self,
        request: Request<ExplainSlowQueryRequest>,
    ) -> Result<Response<ExplainSlowQueryResponse>, Status> {
        answer(prompts::explain_slow_query(&self.database, request.get_ref()).await)
    }
}
