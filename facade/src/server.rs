//! What the facade answers to each MCP request, whatever door it came through.
//!
//! The way of `tools/call` is a look-up in the catalogue and the call; everything that is the same for all callers is prepared once
//! per catalogue. Each part of the protocol has its file: `lists`, `tools`, `prompts`, `resources`, `completions`, `listen`. What is told
//! of all of them alike is `trace`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use mcp_hub_chassis::Lifecycle;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
    CustomRequest, CustomResult, DiscoverResult, ErrorCode, ErrorData, GetPromptRequestParams,
    GetPromptResponse, Implementation, InitializeRequestParams, InitializeResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject, PaginatedRequestParams,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    SubscriptionFilter,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};
use tokio::time::Instant;

use crate::registry::Registry;
use crate::tool::Call;
pub(crate) use caller::Caller;
use caller::caller;
use lists::Listed;
pub(crate) use remote::Remote;
use trace::{Operation, Subject, caught, traced};

mod caller;
mod completions;
mod listen;
mod lists;
mod progress;
mod prompts;
mod refusal;
mod remote;
mod resources;
mod tools;
mod trace;

/// The longest that any call may take; its upstream usually allows less.
const LONGEST_CALL: Duration = Duration::from_mins(5);

/// How long a client may take a list for fresh. It is told of changes; this is for those who do not listen.
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

    /// Who answers, as each result of the stateless era says.
    fn identity(&self) -> &MetaObject {
        &self.shared.identity
    }

    /// What the stateless era wants to be said of a list or a document: how long and by whom it may be kept, and who says so.
    fn freshness(
        &self,
        context: &RequestContext<RoleServer>,
        time: Duration,
    ) -> (Option<u64>, Option<CacheScope>, Option<MetaObject>) {
        if !is_modern(context) {
            return (None, None, None);
        }
        // Not for others: what somebody sees depends on its token.
        let scope = CacheScope::Private;
        (
            Some(milliseconds(time)),
            Some(scope),
            Some(self.identity().clone()),
        )
    }

    fn instructions(&self, caller: &Caller) -> String {
        let catalog = self.registry().catalog();
        catalog.instructions_of(&caller.principal).into_owned()
    }

    async fn initialized(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let mut result = self.negotiate_initialize(&request)?;
        let caller = caller(&context)?;
        self.discovered().await;
        result.instructions = Some(self.instructions(caller));
        if !caller.streams {
            // Between two POSTs nothing can be sent, so nothing is promised.
            let all = &mut result.capabilities;
            let tools = all.tools.as_mut().map(|tools| &mut tools.list_changed);
            let prompts = all.prompts.as_mut().map(|prompts| &mut prompts.list_changed);
            let resources = all
                .resources
                .as_mut()
                .map(|resources| &mut resources.list_changed);
            for promise in [tools, prompts, resources].into_iter().flatten() {
                *promise = None;
            }
        }
        context.peer.set_peer_info(request);
        Ok(result)
    }

    async fn discovery(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        let mut result = DiscoverResult::from_server_info(versions, self.get_info());
        self.discovered().await;
        result.instructions = Some(self.instructions(caller(&context)?));
        result.ttl_ms = milliseconds(LIST_TTL);
        result.cache_scope = CacheScope::Private;
        Ok(result)
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
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_completions()
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
        let asked = request.clone();
        traced("initialize", Subject::Client(&asked), context, |context| {
            self.initialized(request, context)
        })
        .await
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        traced("server/discover", Subject::None, context, |context| {
            self.discovery(context)
        })
        .await
    }

    async fn ping(&self, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        traced("ping", Subject::None, context, async |_| Ok(())).await
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        traced("tools/list", Subject::None, context, |context| {
            self.tools(request, context)
        })
        .await
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.clone();
        let subject = Subject::Tool(&name);
        let result = Box::pin(traced("tools/call", subject, context, |context| {
            self.call(request, context)
        }))
        .await;
        result.map(CallToolResponse::from)
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        traced("prompts/list", Subject::None, context, |context| {
            self.prompts(request, context)
        })
        .await
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let name = request.name.clone();
        let subject = Subject::Prompt(&name);
        let result = traced("prompts/get", subject, context, |context| {
            self.prompt(request, context)
        })
        .await;
        result.map(GetPromptResponse::from)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        traced("resources/list", Subject::None, context, |context| {
            self.resources(request, context)
        })
        .await
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let method = "resources/templates/list";
        traced(method, Subject::None, context, |context| {
            self.resource_templates(request, context)
        })
        .await
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri.clone();
        let subject = Subject::Resource(&uri);
        let result = traced("resources/read", subject, context, |context| {
            self.resource(request, context)
        })
        .await;
        result.map(ReadResourceResponse::from)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        traced("completion/complete", Subject::None, context, |context| {
            self.completion(request, context)
        })
        .await
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        // rmcp keeps of it what the capabilities offer.
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        // It may last for days: what is told of it is that it began.
        Operation::begin("subscriptions/listen", Subject::None, context.request_context()).accepted();
        caught(self.tell_changes(&context)).await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method.clone();
        traced(&method, Subject::None, context, async |context| {
            Err(unserved(&request.method, &context))
        })
        .await
    }

    async fn on_initialized(&self, _: NotificationContext<RoleServer>) {}
}

/// The circumstances of what a client asks, except for its progress.
fn circumstances(context: &RequestContext<RoleServer>) -> Call {
    Call {
        deadline: Instant::now() + LONGEST_CALL,
        cancelled: context.ct.clone(),
        progress: None,
    }
}

fn implementation() -> Implementation {
    Implementation::new("mcp-hub", env!("CARGO_PKG_VERSION")).with_title("mcp-hub")
}

fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context
        .protocol_version()
        .is_some_and(|version| !version.has_initialize())
}

/// Why a request is not served that rmcp has no handler for.
fn unserved(method: &str, context: &RequestContext<RoleServer>) -> ErrorData {
    // A known method whose parameters rmcp could not read arrives here as well.
    if is_known_method(method, is_modern(context)) {
        let sentence = format!("the params of {method} do not have the form that it takes");
        return ErrorData::invalid_params(sentence, None);
    }
    let sentence = format!("Method not found: {}", shown(method));
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, sentence, None)
}

fn is_known_method(method: &str, modern: bool) -> bool {
    match method {
        // The stateless era has done away with them.
        "initialize" | "ping" => !modern,
        "server/discover"
        | "tools/list"
        | "tools/call"
        | "prompts/list"
        | "prompts/get"
        | "resources/list"
        | "resources/templates/list"
        | "resources/read"
        | "completion/complete"
        | "subscriptions/listen" => true,
        _ => false,
    }
}

/// A name that a client sent, fit for an error message.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(128).collect()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
