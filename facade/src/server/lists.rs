//! The lists of tools and prompts in rmcp's form, made once per catalogue. Each is one page.

use std::sync::Arc;

use rmcp::model::{ErrorData, ListPromptsResult, ListToolsResult, PaginatedRequestParams};
use rmcp::service::{RequestContext, RoleServer};

use super::prompts::listed_prompt;
use super::tools::listed_tool;
use super::{LIST_TTL, Server, caller};
use crate::registry::Catalog;

/// A catalogue's tools and prompts.
#[derive(Debug)]
pub(super) struct Listed {
    catalog: Arc<Catalog>,
    tools: Vec<rmcp::model::Tool>,
    prompts: Vec<rmcp::model::Prompt>,
}

impl Server {
    pub(super) async fn tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        one_page(request)?;
        let caller = caller(&context)?;
        self.discovered().await;
        let listed = self.listed();
        let all = listed.catalog.tools().iter().zip(&listed.tools);
        let shown = all.filter(|(tool, _)| caller.is_shown(tool));
        let mut result = ListToolsResult::with_all_items(shown.map(|(_, shown)| shown.clone()).collect());
        (result.ttl_ms, result.cache_scope, result.meta) = self.freshness(&context, LIST_TTL);
        Ok(result)
    }

    pub(super) async fn prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        one_page(request)?;
        let caller = caller(&context)?;
        self.discovered().await;
        let listed = self.listed();
        let all = listed.catalog.prompts().iter().zip(&listed.prompts);
        let shown = all.filter(|(prompt, _)| caller.is_shown_prompt(prompt));
        let mut result = ListPromptsResult::with_all_items(shown.map(|(_, shown)| shown.clone()).collect());
        (result.ttl_ms, result.cache_scope, result.meta) = self.freshness(&context, LIST_TTL);
        Ok(result)
    }

    /// The lists of the catalogue as it is now.
    fn listed(&self) -> Arc<Listed> {
        let catalog = self.registry().catalog();
        if let Some(listed) = self.shared.listed.load_full()
            && Arc::ptr_eq(&listed.catalog, &catalog)
        {
            return listed;
        }
        let listed = Arc::new(Listed {
            tools: catalog.tools().iter().map(|tool| listed_tool(tool)).collect(),
            prompts: catalog
                .prompts()
                .iter()
                .map(|prompt| listed_prompt(prompt))
                .collect(),
            catalog,
        });
        self.shared.listed.store(Some(listed.clone()));
        listed
    }
}

fn one_page(request: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    let cursor = request.and_then(|request| request.cursor);
    let refused = |_| ErrorData::invalid_params("unknown cursor: the list is one page", None);
    cursor.map_or(Ok(()), |cursor| Err(refused(cursor)))
}
