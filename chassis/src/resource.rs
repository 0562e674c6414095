//! Resources of an adapter: what it lists, what it reads, and the service of them.
//!
//! An adapter fills [`Resources`]. [`Page::of`] pages its list, [`Address`] is how its addresses are written and read, [`message`] makes
//! a resource of what one of its tools answers. `watch` tells callers when the list has changed.

use std::sync::Arc;

use mcp_hub_proto::content::v1::{ResourceContents, ResourceLink, resource_contents};
use mcp_hub_proto::resource::v1::resource_service_server::ResourceService;
use mcp_hub_proto::resource::v1::{
    ListResourceTemplatesRequest, ListResourceTemplatesResponse, ListResourcesRequest, ListResourcesResponse,
    ReadResourceRequest, ReadResourceResponse, ResourceTemplate, WatchResourcesRequest,
    WatchResourcesResponse,
};
use tonic::{Request, Response, Status};

use crate::Lifecycle;
use crate::cursor::{self, Statement};
use crate::fault::{Fault, Reason};
use crate::grpc::answer;
use crate::stream::Stream;

mod address;
mod watch;

pub use address::Address;
pub use watch::{Changed, LOOK_EVERY};

/// What an adapter knows of its resources. An address is what `mcphub.resource.v1` says: relative to the adapter.
#[tonic::async_trait]
pub trait Resources: Send + Sync + 'static {
    /// One page of the list, in a stable order: what is worth choosing from, [`PAGE`] at most, [`LISTED`] on all pages. See [`Page::of`].
    ///
    /// # Errors
    /// When the database can't be asked, or `ARGUMENT_INVALID` for a cursor that is none.
    async fn list(&self, cursor: Option<&str>) -> Result<Page, Fault>;

    /// The forms of all addresses. Must not wait for the database.
    fn templates(&self) -> Vec<ResourceTemplate>;

    /// A resource by its address, percent-encoding kept: see [`Address`].
    ///
    /// # Errors
    /// [`not_found`] when there is none, or when the database can't be asked.
    async fn read(&self, uri: &str) -> Result<Vec<ResourceContents>, Fault>;
}

/// How many resources a page has at most.
pub const PAGE: usize = 100;

/// How many resources are listed at most, on all pages. What exists beyond them is read by a template.
pub const LISTED: usize = 1_000;

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The resources.
    pub resources: Vec<ResourceLink>,
    /// Continues the list; `None` on the last page.
    pub next_cursor: Option<String>,
}

impl Page {
    /// The page that `cursor` asks for, of `all` that is worth listing, in any order: at most [`LISTED`] by the order of their addresses.
    ///
    /// A cursor holds the last address of its page, so the next page goes on behind it also when the list has changed meanwhile.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` for a cursor that is none.
    pub fn of(mut all: Vec<ResourceLink>, cursor: Option<&str>) -> Result<Self, Fault> {
        let identity = Statement::of([b"resources".as_slice()]);
        let behind = identity.position(cursor)?.map(String::from_utf8).transpose();
        let behind = behind.map_err(|_| cursor::damaged())?;
        all.sort_by(|one, other| one.uri.cmp(&other.uri));
        all.dedup_by(|one, other| one.uri == other.uri);
        all.truncate(LISTED);
        let begin = behind.map_or(0, |behind| all.partition_point(|resource| resource.uri <= behind));
        let mut resources = all.split_off(begin);
        let more = resources.len() > PAGE;
        resources.truncate(PAGE);
        let last = resources.last().filter(|_| more);
        let next_cursor = last.map(|last| identity.cursor_at(last.uri.as_bytes()));
        Ok(Self {
            resources,
            next_cursor,
        })
    }
}

/// There is no resource at an address.
pub fn not_found(uri: &str) -> Fault {
    let message = format!(
        "there is no resource at \"{uri}\": take an address of the list, or one of the form of a template"
    );
    Fault::new(Reason::ObjectNotFound, message)
}

/// The parts of a resource that is a message of the adapter: what one of its tools answers, shown as JSON.
///
/// # Errors
/// None that a message of ours can have: it would be a fault of ours.
pub fn message<M: prost::Name>(uri: &str, message: &M) -> Result<Vec<ResourceContents>, Fault> {
    let message = prost_types::Any::from_msg(message).map_err(|error| Fault::internal(&error))?;
    Ok(vec![ResourceContents {
        uri: uri.to_owned(),
        mime_type: String::new(),
        kind: Some(resource_contents::Kind::Message(message)),
    }])
}

/// The service of an adapter's resources.
pub(crate) struct Service {
    resources: Arc<dyn Resources>,
    watchers: watch::Watchers,
}

impl Service {
    /// It ends with `lifecycle`.
    pub(crate) fn new(resources: Arc<dyn Resources>, changed: Changed, lifecycle: Lifecycle) -> Self {
        let watchers = watch::Watchers::new(resources.clone(), changed, lifecycle);
        Self { resources, watchers }
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
        answer(Ok(self.watchers.add()))
    }
}

#[cfg(test)]
mod tests;
