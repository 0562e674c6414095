//! `resources/list`, `resources/templates/list` and `resources/read`.
//!
//! A list goes upstream by upstream, in the order of their keys, and is asked for each time: `pages` walks, `entries` reads what adapters
//! say. An upstream that does not answer is left out, in the log and for the moment only. Reading goes by the address alone.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::resource::v1::ReadResourceRequest;
use prost::Message as _;
use rmcp::model::{
    ErrorData, ListResourceTemplatesResult, ListResourcesResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResult,
};
use rmcp::service::{RequestContext, RoleServer};
use tokio::time::Instant;

use super::trace::Operation;
use super::{Caller, LIST_TTL, Server, caller, circumstances, refusal};
use crate::json::content;
use crate::json::content::address;
use crate::registry::Source;
use crate::tool::offer::shared::READ_RESOURCE;
use entries::Entry;
use pages::{Page, Position};

pub(super) mod entries;
mod pages;

impl Server {
    pub(super) async fn resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let page = self.page(request, &context).await?;
        let freshness = self.freshness(&context, time_to_live(&page));
        let mut result = ListResourcesResult::with_all_items(page.entries);
        result.next_cursor = page.next;
        (result.ttl_ms, result.cache_scope, result.meta) = freshness;
        Ok(result)
    }

    pub(super) async fn resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let page = self.page(request, &context).await?;
        let freshness = self.freshness(&context, time_to_live(&page));
        let mut result = ListResourceTemplatesResult::with_all_items(page.entries);
        result.next_cursor = page.next;
        (result.ttl_ms, result.cache_scope, result.meta) = freshness;
        Ok(result)
    }

    async fn page<T: Entry>(
        &self,
        request: Option<PaginatedRequestParams>,
        context: &RequestContext<RoleServer>,
    ) -> Result<Page<T>, ErrorData> {
        let caller = caller(context)?;
        let from = match request.and_then(|request| request.cursor) {
            Some(cursor) => Position::read::<T>(&cursor).ok_or_else(refusal::unknown_cursor)?,
            None => Position::default(),
        };
        self.discovered().await;
        let catalog = self.registry().catalog();
        let is_asked = |source: &&Source| source.has(T::RPC) && caller.is_shown_source(&catalog, source);
        let sources: Vec<&Source> = catalog.sources().filter(is_asked).collect();
        let mut page = pages::walk(&sources, from, &circumstances(context)).await?;
        page.complete &= !self.registry().lacks_some(&catalog, &caller.principal);
        Ok(page)
    }

    pub(super) async fn resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResult, ErrorData> {
        let caller = caller(&context)?;
        let call = circumstances(&context);
        let uri = &request.uri;
        let Some((key, own)) = address::inside(uri) else {
            return Err(refusal::no_resource(uri));
        };
        let source = self.source(caller, key, READ_RESOURCE).await;
        let source = source.map_err(|fault| refusal::of_fault(&fault))?;
        let Some(source) = source else {
            return Err(refusal::no_resource(uri));
        };
        let operation = Operation::of(&context);
        operation.inspect(|operation| operation.asks_upstream(key));
        let question = ReadResourceRequest { uri: own.to_owned() }.encode_to_vec();
        let started = Instant::now();
        let contents = source
            .ask(READ_RESOURCE, question.into(), content::contents, &call)
            .await;
        let (principal, elapsed_ms) = (caller.principal.name(), started.elapsed().as_millis());
        match contents {
            Ok(contents) => {
                tracing::debug!(upstream = key, principal, elapsed_ms, "resource");
                let mut result = ReadResourceResult::new(contents);
                // What is in it may change at any time, and nobody is told.
                (result.ttl_ms, result.cache_scope, result.meta) = self.freshness(&context, Duration::ZERO);
                Ok(result)
            }
            Err(fault) => {
                let (reason, client) = (fault.reason_name(), operation.and_then(Operation::client));
                tracing::info!(
                    upstream = key,
                    principal,
                    client,
                    elapsed_ms,
                    reason,
                    "reading a resource failed"
                );
                Err(match fault.reason {
                    Reason::ObjectNotFound => refusal::no_resource(uri),
                    _ => refusal::of_fault(&fault),
                })
            }
        }
    }

    /// The services of the upstream with this key, if it has the RPC and exists for the caller.
    ///
    /// # Errors
    /// It may have it, and nothing is known of it yet; or the caller may not read.
    pub(super) async fn source(
        &self,
        caller: &Caller,
        key: &str,
        rpc: &str,
    ) -> Result<Option<Source>, Fault> {
        let mut catalog = self.registry().catalog();
        if catalog.source(key).is_none() {
            self.discovered().await;
            catalog = self.registry().catalog();
        }
        let Some(source) = catalog.source(key) else {
            let away = self.registry().undiscovered_key(&catalog, key, &caller.principal);
            return away.map_or(Ok(None), Err);
        };
        if !source.has(rpc) || !caller.knows_source(&catalog, source) {
            return Ok(None);
        }
        caller.principal.may_read("this resource")?;
        Ok(Some(source.clone()))
    }
}

/// How long a page may be taken for fresh: one that lacks something, not at all.
fn time_to_live<T>(page: &Page<T>) -> Duration {
    if page.complete { LIST_TTL } else { Duration::ZERO }
}
