//! The RPCs: requests in, responses out. What they do stands in the modules that they call; there is no SQL here.

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::grpc::{answer, remaining};
use mcp_hub_chassis::resource::Changed;
use mcp_hub_chassis::stream::Stream;
use mcp_hub_proto::postgres::v1::postgres_prompt_service_server::PostgresPromptService;
use mcp_hub_proto::postgres::v1::postgres_service_server::PostgresService;
use mcp_hub_proto::postgres::v1::postgres_write_service_server::PostgresWriteService;
use mcp_hub_proto::postgres::v1::{
    CreateDatabaseRequest, CreateDatabaseResponse, DescribeTableRequest, DescribeTableResponse,
    ExecuteRequest, ExecuteResponse, ExplainQueryRequest, ExplainQueryResponse, ExplainSlowQueryRequest,
    ExplainSlowQueryResponse, ExploreRequest, ExploreResponse, FollowQueryRequest, FollowQueryResponse,
    ListDatabasesRequest, ListDatabasesResponse, ListTablesRequest, ListTablesResponse, QueryRequest,
    QueryResponse, SearchObjectsRequest, SearchObjectsResponse, StreamQueryRequest, StreamQueryResponse,
};
use tonic::{Request, Response, Status};

use crate::database::Database;
use crate::{catalogue, explain, prompts, query, write};

/// All services: cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    lifecycle: Lifecycle,
    /// Told of writes that may have changed the list of resources.
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
impl PostgresService for Service {
    type StreamQueryStream = Stream<StreamQueryResponse>;

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<QueryResponse>, Status> {
        let remaining = remaining(&request);
        answer(query::query(&self.database, request.into_inner(), remaining).await)
    }

    type FollowQueryStream = Stream<FollowQueryResponse>;

    async fn follow_query(
        &self,
        request: Request<FollowQueryRequest>,
    ) -> Result<Response<Self::FollowQueryStream>, Status> {
        let remaining = remaining(&request);
        let database = self.database.clone();
        answer(query::follow(
            database,
            request.into_inner(),
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

    async fn list_databases(
        &self,
        _request: Request<ListDatabasesRequest>,
    ) -> Result<Response<ListDatabasesResponse>, Status> {
        answer(catalogue::list_databases(&self.database).await)
    }

    async fn list_tables(
        &self,
        request: Request<ListTablesRequest>,
    ) -> Result<Response<ListTablesResponse>, Status> {
        answer(catalogue::list_tables(&self.database, request.get_ref()).await)
    }

    async fn describe_table(
        &self,
        request: Request<DescribeTableRequest>,
    ) -> Result<Response<DescribeTableResponse>, Status> {
        answer(catalogue::describe_table(&self.database, request.get_ref()).await)
    }

    async fn search_objects(
        &self,
        request: Request<SearchObjectsRequest>,
    ) -> Result<Response<SearchObjectsResponse>, Status> {
        answer(catalogue::search_objects(&self.database, request.get_ref()).await)
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
impl PostgresWriteService for Service {
    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<ExecuteResponse>, Status> {
        let remaining = remaining(&request);
        answer(write::execute(&self.database, &self.changed, request.get_ref(), remaining).await)
    }

    async fn create_database(
        &self,
        request: Request<CreateDatabaseRequest>,
    ) -> Result<Response<CreateDatabaseResponse>, Status> {
        let remaining = remaining(&request);
        answer(write::create_database(&self.database, request.get_ref(), remaining).await)
    }
}

#[tonic::async_trait]
impl PostgresPromptService for Service {
    async fn explore(&self, request: Request<ExploreRequest>) -> Result<Response<ExploreResponse>, Status> {
        answer(prompts::explore(&self.database, request.get_ref()).await)
    }

    async fn explain_slow_query(
        &self,
        request: Request<ExplainSlowQueryRequest>,
    ) -> Result<Response<ExplainSlowQueryResponse>, Status> {
        answer(prompts::explain_slow_query(&self.database, request.get_ref()).await)
    }
}
