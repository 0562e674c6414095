//! Resources of an adapter: what it lists, what it reads, and the service that tells callers when the list has changed.

use std::sync::Arc;
use std::time::Duration;

use mcp_hub_proto::content::v1::{ResourceContents, ResourceLink};
use mcp_hub_proto::resource::v1::resource_service_server::ResourceService;
use mcp_hub_proto::resource::v1::{
    ListResourceTemplatesRequest, ListResourceTemplatesResponse, ListResourcesRequest, ListResourcesResponse,
    ReadResourceRequest, ReadResourceResponse, ResourceTemplate, WatchResourcesRequest,
    WatchResourcesResponse,
};
use tonic::{Request, Response, Status};

use crate::fault::Fault;
use crate::grpc::answer;
use crate::stream::Stream;

/// What an adapter knows of its resources. An address is what `mcphub.resource.v1` says: relative to the adapter.
#[tonic::async_trait]
pub trait Resources: Send + Sync + 'static {
    /// One page of the list, in a stable order: what is worth choosing from, [`PAGE`] at most.
    ///
    /// # Errors
    /// When the database can't be asked, or `CURSOR_INVALID`.
    async fn list(&self, cursor: Option<&str>) -> Result<Page, Fault>;

    /// The forms of all addresses. Must not wait for the database.
    fn templates(&self) -> Vec<ResourceTemplate>;

    /// A resource by its address, percent-encoding kept: see [`Address`].
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none, or when the database can't be asked.
    async fn read(&self, uri: &str) -> Result<Vec<ResourceContents>, Fault>;
}

/// How many resources a page has at most.
pub const PAGE: usize = 100;

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The resources.
    pub resources: Vec<ResourceLink>,
    /// Continues the list; `None` on the last page.
    pub next_cursor: Option<String>,
}

/// A relative address taken apart: `public/orders?database=b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The segments of its path, percent-encoding undone.
    pub path: Vec<String>,
    /// Its query, percent-encoding undone.
    pub query: Vec<(String, String)>,
}

impl Address {
    /// Takes an address apart.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` for one that is not relative, or whose percent-encoding is none.
    pub fn parse(uri: &str) -> Result<Self, Fault> {
        let _ = uri;
        Err(Fault::argument("uri", "not written yet"))
    }

    /// The address of these segments, percent-encoded.
    pub fn of(path: &[&str]) -> String {
        path.join("/")
    }
}

/// The parts of a resource that is a message of the adapter: what one of its tools answers, shown as JSON.
pub fn message<M: prost::Name>(uri: &str, message: &M) -> Result<Vec<ResourceContents>, Fault> {
    use mcp_hub_proto::content::v1::resource_contents::Kind;
    let message = prost_types::Any::from_msg(message).map_err(|error| Fault::internal(&error))?;
    Ok(vec![ResourceContents {
        uri: uri.to_owned(),
        mime_type: String::new(),
        kind: Some(Kind::Message(message)),
    }])
}

/// Tells the service that its list may have changed, so that it looks at once. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Changed(Arc<tokio::sync::Notify>);

impl Changed {
    /// What was just done may have changed the list.
    pub fn perhaps(&self) {
        self.0.notify_one();
    }
}

/// How often the list is looked at while somebody watches it and nobody says that it changed.
pub const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The service of an adapter's resources.
pub(crate) struct Service {
    resources: Arc<dyn Resources>,
    changed: Changed,
}

impl Service {
    pub(crate) fn new(resources: Arc<dyn Resources>, changed: Changed) -> Self {
        Self { resources, changed }
    }
}

#[tonic::async_trait]
impl ResourceService for Service {
    type WatchResourcesStream = Stream<WatchResourcesResponse>;

    async fn list_resources(
        &self,
        request: Request<ListResourcesRequest>,
    ) -> Result<Response<ListResourcesResponse>, Status> {
        let page = self.resources.list(request.get_ref().cursor.as_deref()).await;
        answer(page.map(|page| ListResourcesResponse {
            resources: page.resources,
            next_cursor: page.next_cursor,
        }))
    }

    async fn list_resource_templates(
        &self,
        _: Request<ListResourceTemplatesRequest>,
    ) -> Result<Response<ListResourceTemplatesResponse>, Status> {
        let templates = self.resources.templates();
        answer(Ok(ListResourceTemplatesResponse { templates }))
    }

    async fn read_resource(
        &self,
        request: Request<ReadResourceRequest>,
    ) -> Result<Response<ReadResourceResponse>, Status> {
        let contents = self.resources.read(&request.get_ref().uri).await;
        answer(contents.map(|contents| ReadResourceResponse { contents }))
    }

    async fn watch_resources(
        &self,
        _: Request<WatchResourcesRequest>,
    ) -> Result<Response<Self::WatchResourcesStream>, Status> {
        let _ = &self.changed;
        Err(Status::unimplemented("not written yet"))
    }
}
