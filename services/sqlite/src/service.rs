//! The RPCs: arguments in, answers out. No SQL here.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::Caps;
use mcp_hub_chassis::arguments::{Bounds, FOLLOWED_TIMEOUT_MS, QueryLimits, TIMEOUT_MS};
use mcp_hub_chassis::progress::{self, Counter};
use mcp_hub_chassis::resource::Changed;
use mcp_hub_chassis::stream::Stream as Following;
use mcp_hub_chassis::{Fault, Lifecycle, grpc};
use mcp_hub_proto::adapter::v1::{GetStatusResponse, Mode, Pool, State};
use mcp_hub_proto::data::v1::ResultSet;
use mcp_hub_proto::sqlite::v1::sqlite_prompt_service_server::SqlitePromptService;
use mcp_hub_proto::sqlite::v1::sqlite_service_server::SqliteService;
use mcp_hub_proto::sqlite::v1::sqlite_write_service_server::SqliteWriteService;
use mcp_hub_proto::sqlite::v1::{
    DescribeTableRequest, DescribeTableResponse, ExecuteRequest, ExecuteResponse, ExplainQueryRequest,
    ExplainQueryResponse, ExplainSlowQueryRequest, ExplainSlowQueryResponse, ExploreRequest, ExploreResponse,
    FollowQueryRequest, FollowQueryResponse, ListTablesRequest, ListTablesResponse, QueryRequest,
    QueryResponse, SearchObjectsRequest, SearchObjectsResponse, StreamQueryRequest, StreamQueryResponse,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Sleep;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::config::Config;
use crate::database::{CancelOnDrop, Database, Session, Stop};
use crate::error::Error;
use crate::query::{Page, Query};
use crate::{catalogue, explain, prompts, query, write};

/// How many batches of a stream may wait for the receiver.
const BATCHES_AHEAD: usize = 2;

/// The adapter's services, cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    database: Database,
    description: String,
    allow_writes: bool,
    lifecycle: Lifecycle,
    /// Told of writes that changed the schema, and with it perhaps the list of resources.
    changed: Changed,
}

impl Service {
    /// The services in front of the file that `config` names.
    pub(crate) fn new(config: &Config, name: &str, lifecycle: Lifecycle, changed: Changed) -> Self {
        Self {
            database: Database::new(config, name),
            lifecycle,
            changed,
            description: config.description.clone().unwrap_or_default(),
            allow_writes: config.allow_writes,
        }
    }

    /// The file.
    pub(crate) fn database(&self) -> Database {
        self.database.clone()
    }

    async fn read<T, F>(&self, limit: Duration, work: F) -> Result<Response<T>, Status>
    where
        F: FnOnce(&Session<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        Ok(Response::new(
            self.database.read(limit, work).await.map_err(Fault::from)?,
        ))
    }
}

#[tonic::async_trait]
impl SqliteService for Service {
    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<QueryResponse>, Status> {
        let (limit, question) = Question::of(request.into_inner(), TIMEOUT_MS, None)?;
        self.read(limit, move |session| {
            question.answer(session, &Counter::default())
        })
        .await
    }

    type FollowQueryStream = Following<FollowQueryResponse>;

    async fn follow_query(
        &self,
        request: Request<FollowQueryRequest>,
    ) -> Result<Response<Self::FollowQueryStream>, Status> {
        let remaining = grpc::remaining(&request);
        // Without a query there is no statement either, which is said of it.
        let request = request.into_inner().query.unwrap_or_default();
        let (limit, question) = Question::of(request, FOLLOWED_TIMEOUT_MS, remaining)?;
        let database = self.database.clone();
        let message = |progress, response| FollowQueryResponse { progress, response };
        let stream = progress::follow(&self.lifecycle, limit, message, move |counter| async move {
            let answer = database.read(limit, move |session| question.answer(session, &counter));
            Ok(answer.await?)
        });
        Ok(Response::new(stream))
    }

    type StreamQueryStream = Batches;

    async fn stream_query(&self, request: Request<StreamQueryRequest>) -> Result<Response<Batches>, Status> {
        let deadline = grpc::timeout(request.metadata());
        let request = request.into_inner();
        let limit = match (request.timeout_ms, deadline) {
            (Some(0), _) => return Err(Fault::argument("timeout_ms", "timeout_ms must be at least 1").into()),
            (Some(ms), deadline) => {
                let own = Duration::from_millis(ms.into());
                Some(deadline.map_or(own, |deadline| deadline.min(own)))
            }
            (None, deadline) => deadline,
        };
        let rows = request.limit.map(u64::from);
        let query = Query {
            sql: request.sql,
            params: request.params,
        };
        let stop = Stop::new(limit);
        let cancel = CancelOnDrop::new(&stop);
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let runtime = tokio::runtime::Handle::current();
        let work = move |session: &Session<'_>| {
            query::batches(session, &query, rows, |batch| {
                let sent = async {
                    match session.stop().deadline() {
                        None => sender.send(batch).await.is_ok(),
                        Some(deadline) => matches!(
                            tokio::time::timeout_at(deadline.into(), sender.send(batch)).await,
                            Ok(Ok(()))
                        ),
                    }
                };
                if runtime.block_on(sent) {
                    return Ok(());
                }
                // Nobody listens any more, or nobody listened in time.
                session.stop().expire();
                Err(session.stop().reason())
            })
        };
        let task = self.database.spawn_read(&stop, work).await.map_err(Fault::from)?;
        let timer = stop
            .deadline()
            .map(|deadline| Box::pin(tokio::time::sleep_until(deadline.into())));
        Ok(Response::new(Batches {
            receiver,
            task: Some(task),
            timer,
            stop,
            _cancel: cancel,
        }))
    }

    async fn list_tables(
        &self,
        request: Request<ListTablesRequest>,
    ) -> Result<Response<ListTablesResponse>, Status> {
        let request = request.into_inner();
        self.read(catalogue::LIMIT_OF_TIME, move |session| {
            catalogue::list(session, &request)
        })
        .await
    }

    async fn describe_table(
        &self,
        request: Request<DescribeTableRequest>,
    ) -> Result<Response<DescribeTableResponse>, Status> {
        let request = request.into_inner();
        self.read(catalogue::LIMIT_OF_TIME, move |session| {
            catalogue::describe::describe(session, &request.table_name)
        })
        .await
    }

    async fn search_objects(
        &self,
        request: Request<SearchObjectsRequest>,
    ) -> Result<Response<SearchObjectsResponse>, Status> {
        let request = request.into_inner();
        self.read(catalogue::LIMIT_OF_TIME, move |session| {
            catalogue::search::search(session, &request)
        })
        .await
    }

    async fn explain_query(
        &self,
        request: Request<ExplainQueryRequest>,
    ) -> Result<Response<ExplainQueryResponse>, Status> {
        let request = request.into_inner();
        self.read(catalogue::LIMIT_OF_TIME, move |session| {
            explain::explain(session, &request.sql, &request.params)
        })
        .await
    }
}

/// A query whose arguments are in order.
struct Question {
    query: Query,
    page: Page,
}

impl Question {
    /// The question, and how long its answer may take.
    fn of(
        request: QueryRequest,
        bounds: Bounds,
        remaining: Option<Duration>,
    ) -> Result<(Duration, Self), Fault> {
        let started = Instant::now();
        let limits = QueryLimits::of(request.limit, request.timeout_ms, bounds, remaining)?;
        let query = Query {
            sql: request.sql,
            params: request.params,
        };
        let skip = query.identity().delivered(request.cursor.as_deref())?;
        let page = Page {
            skip,
            caps: Caps::rows(limits.rows),
            notices: limits.notices,
            started,
        };
        Ok((limits.timeout, Self { query, page }))
    }

    fn answer(self, session: &Session<'_>, counter: &Counter) -> Result<QueryResponse, Error> {
        let result = query::page(session, &self.query, self.page, counter)?;
        Ok(QueryResponse { result: Some(result) })
    }
}

#[tonic::async_trait]
impl SqlitePromptService for Service {
    async fn explore(&self, request: Request<ExploreRequest>) -> Result<Response<ExploreResponse>, Status> {
        let request = request.get_ref();
        Ok(Response::new(
            prompts::explore(&self.database, &self.description, request).await,
        ))
    }

    async fn explain_slow_query(
        &self,
        request: Request<ExplainSlowQueryRequest>,
    ) -> Result<Response<ExplainSlowQueryResponse>, Status> {
        grpc::answer(prompts::explain_slow_query(&self.database, request.get_ref()).await)
    }
}

#[tonic::async_trait]
impl SqliteWriteService for Service {
    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<ExecuteResponse>, Status> {
        let request = request.into_inner();
        let mut notices = Vec::new();
        let limit = TIMEOUT_MS.apply_ms(request.timeout_ms, &mut notices)?;
        let changed = self.changed.clone();
        let work = move |session: &Session<'_>| write::execute(session, &changed, &request, limit, notices);
        Ok(Response::new(
            self.database.write(work).await.map_err(Fault::from)?,
        ))
    }
}

#[tonic::async_trait]
impl grpc::Adapter for Service {
    async fn probe(&self) -> bool {
        self.database.probe().await
    }

    async fn status(&self) -> GetStatusResponse {
        let trouble = self.database.trouble();
        let pool = self.database.pool();
        GetStatusResponse {
            kind: "sqlite".to_owned(),
            adapter_version: env!("CARGO_PKG_VERSION").to_owned(),
            product: "SQLite".to_owned(),
            product_version: rusqlite::version().to_owned(),
            database: self.database.name(),
            description: self.description.clone(),
            mode: if self.allow_writes {
                Mode::ReadWrite
            } else {
                Mode::ReadOnly
            }
            .into(),
            state: if trouble.is_none() {
                State::Serving
            } else {
                State::Unavailable
            }
            .into(),
            reason: trouble.unwrap_or_default().into_owned(),
            // There is no login, so none that could do too much.
            posture: Vec::new(),
            pool: Some(Pool {
                max: pool.max,
                open: pool.open,
                idle: pool.idle,
                waiting: pool.waiting,
            }),
        }
    }
}

/// The batches of a stream. The statement waits while the receiver does, and ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Batches {
    receiver: mpsc::Receiver<ResultSet>,
    task: Option<JoinHandle<Result<(), Error>>>,
    timer: Option<Pin<Box<Sleep>>>,
    stop: std::sync::Arc<Stop>,
    _cancel: CancelOnDrop,
}

impl Stream for Batches {
    type Item = Result<StreamQueryResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(timer) = &mut self.timer
            && timer.as_mut().poll(context).is_ready()
        {
            self.timer = None;
            self.stop.expire();
        }
        match self.receiver.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(batch)) => {
                return Poll::Ready(Some(Ok(StreamQueryResponse { result: Some(batch) })));
            }
            // All is sent; what is left is how it ended.
            Poll::Ready(None) => {}
        }
        let Some(task) = &mut self.task else {
            return Poll::Ready(None);
        };
        let outcome = std::task::ready!(Pin::new(task).poll(context));
        self.task = None;
        match outcome.map_err(Error::Task).flatten() {
            Ok(()) => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(Fault::from(error).into()))),
        }
    }
}
