//! What the facade answers to each MCP request, whatever door it came through.
//!
//! The way of `tools/call` is a look-up in the catalogue and the call; everything that is the same for all callers is prepared once
//! per catalogue.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::FutureExt as _;
use mcp_hub_chassis::Lifecycle;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestMethod, CallToolRequestParams, CallToolResponse, CompleteRequestMethod,
    CompleteRequestParams, CompleteResult, CustomRequest, CustomResult, DiscoverResult, ErrorCode, ErrorData,
    Implementation, InitializeRequestParams, InitializeResult, ListPromptsRequestMethod, ListPromptsResult,
    ListResourceTemplatesRequestMethod, ListResourceTemplatesResult, ListResourcesRequestMethod,
    ListResourcesResult, ListToolsResult, MetaObject, PaginatedRequestParams, ProtocolVersion,
    ServerCapabilities, ServerConfig, SubscriptionFilter,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};

use crate::auth::Principal;

use crate::registry::{Catalog, Registry};
use crate::tool::Tool;
use crate::transport::ToolFilter;
use tools::listed_tool;

mod tools;

/// How long a client may take the tool list for fresh. It is told of changes; this is for those who do not listen.
const LIST_TTL: Duration = Duration::from_mins(1);

/// Where a result names the server.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// The facade as an MCP server. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    registry: Registry,
    lifecycle: Lifecycle,
    listed: ArcSwapOption<Listed>,
    /// Who answers, as each result of the stateless era says.
    identity: MetaObject,
}

/// A catalogue's tools in rmcp's form.
#[derive(Debug)]
struct Listed {
    catalog: Arc<Catalog>,
    tools: Vec<rmcp::model::Tool>,
}

/// What a door knows of a request beside its message. It travels in the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Who it comes from.
    pub(crate) principal: Arc<Principal>,
    /// The part of the catalogue that the client asked for.
    pub(crate) tools: ToolFilter,
    /// The trace context of the transport.
    pub(crate) traceparent: Option<String>,
    /// Whether the client has a stream on which notifications reach it unasked.
    pub(crate) streams: bool,
    /// Stopped when the client is gone or the process ends.
    pub(crate) life: Lifecycle,
}

impl Caller {
    /// Whether a tool exists for it.
    fn knows(&self, tool: &Tool) -> bool {
        self.tools.allows(&tool.name) && self.principal.knows_tool(tool)
    }

    /// Whether a tool stands in its list.
    fn is_shown(&self, tool: &Tool) -> bool {
        self.tools.allows(&tool.name) && self.principal.is_shown(tool)
    }
}

impl Server {
    pub(crate) fn new(registry: Registry, lifecycle: Lifecycle) -> Self {
        let mut identity = MetaObject::new();
        identity.insert(SERVER_INFO.to_owned(), serde_json::json!(implementation()));
        Self {
            shared: Arc::new(Shared {
                registry,
                lifecycle,
                listed: ArcSwapOption::empty(),
                identity,
            }),
        }
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.shared.registry
    }

    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.shared.lifecycle
    }

    /// The tools of the catalogue as it is now, made once per catalogue.
    fn listed(&self) -> Arc<Listed> {
        let catalog = self.registry().catalog();
        if let Some(listed) = self.shared.listed.load_full()
            && Arc::ptr_eq(&listed.catalog, &catalog)
        {
            return listed;
        }
        let tools = catalog.tools().iter().map(|tool| listed_tool(tool)).collect();
        let listed = Arc::new(Listed { catalog, tools });
        self.shared.listed.store(Some(listed.clone()));
        listed
    }

    fn instructions(&self, caller: &Caller) -> String {
        let catalog = self.registry().catalog();
        catalog.instructions_of(&caller.principal).into_owned()
    }

    /// Waits until each upstream was understood or has failed. Proxies that ask nobody for readiness send requests from the first
    /// moment on: what is not known yet must not be taken for what does not exist, by clients that ask for the tools once a day.
    async fn discovered(&self) {
        if self.registry().ready() {
            return;
        }
        tokio::select! {
            () = self.registry().first_pass() => {}
            () = self.lifecycle().stopping() => {}
        }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        // Without instructions: they are not the same for all.
        ServerConfig::new(capabilities)
            .with_server_info(implementation())
            .with_protocol_version(ProtocolVersion::V_2025_11_25)
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let mut result = self.negotiate_initialize(&request)?;
        let caller = caller(&context)?;
        self.discovered().await;
        result.instructions = Some(self.instructions(caller));
        if let Some(tools) = result.capabilities.tools.as_mut().filter(|_| !caller.streams) {
            // Between two POSTs nothing can be sent, so nothing is promised.
            tools.list_changed = None;
        }
        context.peer.set_peer_info(request);
        Ok(result)
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        let mut result = DiscoverResult::from_server_info(versions, self.get_info());
        self.discovered().await;
        result.instructions = Some(self.instructions(caller(&context)?));
        result.ttl_ms = milliseconds(LIST_TTL);
        result.cache_scope = CacheScope::Private;
        Ok(result)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        if request.is_some_and(|request| request.cursor.is_some()) {
            return Err(ErrorData::invalid_params(
                "unknown cursor: the list is one page",
                None,
            ));
        }
        let caller = caller(&context)?;
        self.discovered().await;
        let listed = self.listed();
        let all = listed.catalog.tools().iter().zip(&listed.tools);
        let shown = all.filter(|(tool, _)| caller.is_shown(tool));
        let mut result = ListToolsResult::with_all_items(shown.map(|(_, shown)| shown.clone()).collect());
        if is_modern(&context) {
            result.ttl_ms = Some(milliseconds(LIST_TTL));
            result.cache_scope = Some(CacheScope::Private);
            result.meta = Some(self.shared.identity.clone());
        }
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // rmcp runs handlers in tasks of its own and waits for the answer: one that panicked would never come.
        let result = AssertUnwindSafe(self.call(request, context)).catch_unwind().await;
        result
            .unwrap_or_else(|_| Err(ErrorData::internal_error("internal error", None)))
            .map(CallToolResponse::from)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        // rmcp keeps of it what the capabilities offer.
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.registry().changes();
        let caller = caller(context.request_context())?;
        let stopping = caller.life.stopping();
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                () = &mut stopping => return Ok(()),
                () = caller.principal.ended().cancelled() => return Ok(()),
                change = changes.changed() => {
                    // An error of the first is the end of the process, one of the second the end of the client.
                    let told = context.sink().notify_tool_list_changed();
                    if context.accepted().tools_list_changed == Some(true) && (change.is_err() || told.await.is_err()) {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        // A known method whose parameters rmcp could not read arrives here as well.
        if is_known_method(&request.method) {
            let sentence = format!(
                "the params of {} do not have the form that it takes",
                request.method
            );
            return Err(ErrorData::invalid_params(sentence, None));
        }
        let sentence = format!("Method not found: {}", shown(&request.method));
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, sentence, None))
    }

    // rmcp would answer these with empty lists; what is not offered does not exist.

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourcesRequestMethod>())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourceTemplatesRequestMethod>())
    }

    async fn on_initialized(&self, _: NotificationContext<RoleServer>) {}
}

fn implementation() -> Implementation {
    Implementation::new("mcp-hub", env!("CARGO_PKG_VERSION")).with_title("mcp-hub")
}

/// What the door said of the request: streams put it beside the message, rmcp's HTTP service beside the HTTP request.
///
/// # Errors
/// No door said anything, so nobody knows what the caller may do. It is a mistake of ours, and opens nothing.
fn caller(context: &RequestContext<RoleServer>) -> Result<&Caller, ErrorData> {
    let of_http = || context.extensions.get::<http::request::Parts>()?.extensions.get();
    let caller = context.extensions.get().or_else(of_http);
    caller.ok_or_else(|| ErrorData::internal_error("internal error", None))
}

fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context
        .protocol_version()
        .is_some_and(|version| !version.has_initialize())
}

fn is_known_method(method: &str) -> bool {
    matches!(
        method,
        "initialize" | "server/discover" | "ping" | "tools/list" | "subscriptions/listen"
    ) || method == <CallToolRequestMethod as rmcp::model::ConstString>::VALUE
}

/// A name that a client sent, fit for an error message.
fn shown(name: &str) -> String {
    name.chars().take(128).collect()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
