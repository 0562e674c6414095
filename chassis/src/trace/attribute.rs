//! The names of attributes, in one place: those of the semantic conventions, and ours, which begin with `mcp_hub.`.
//!
//! The conventions for MCP are still in development and have moved from the main set to one of their own
//! (open-telemetry/semantic-conventions-genai): a name that changes is changed here.

pub use opentelemetry_semantic_conventions::attribute::{
    CLIENT_ADDRESS, DB_COLLECTION_NAME, DB_NAMESPACE, DB_OPERATION_NAME, DB_QUERY_SUMMARY, DB_QUERY_TEXT,
    DB_RESPONSE_RETURNED_ROWS, DB_RESPONSE_STATUS_CODE, DB_SYSTEM_NAME, ENDUSER_ID, ERROR_TYPE,
    HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE, JSONRPC_REQUEST_ID, NETWORK_PROTOCOL_NAME,
    NETWORK_PROTOCOL_VERSION, NETWORK_TRANSPORT, RPC_METHOD, RPC_METHOD_ORIGINAL, RPC_RESPONSE_STATUS_CODE,
    RPC_SYSTEM_NAME, SERVER_ADDRESS, SERVER_PORT, URL_PATH, URL_SCHEME, USER_AGENT_ORIGINAL,
};

/// The method of MCP: `tools/call`.
pub const MCP_METHOD_NAME: &str = "mcp.method.name";

/// The version of MCP that a request is of.
pub const MCP_PROTOCOL_VERSION: &str = "mcp.protocol.version";

/// The address of a resource.
pub const MCP_RESOURCE_URI: &str = "mcp.resource.uri";

/// The session of a stream of legacy SSE: a digest of its id, which itself lets others write to the stream.
pub const MCP_SESSION_ID: &str = "mcp.session.id";

/// `execute_tool` for calls of tools.
pub const GEN_AI_OPERATION_NAME: &str = "gen_ai.operation.name";

/// The model that makes vectors of texts.
pub const GEN_AI_REQUEST_MODEL: &str = "gen_ai.request.model";

/// The name of a tool.
pub const GEN_AI_TOOL_NAME: &str = "gen_ai.tool.name";

/// The name of a prompt.
pub const GEN_AI_PROMPT_NAME: &str = "gen_ai.prompt.name";

/// The name that an MCP client gives itself.
pub const CLIENT_NAME: &str = "mcp_hub.client.name";

/// The version that an MCP client gives itself.
pub const CLIENT_VERSION: &str = "mcp_hub.client.version";

/// The key of the upstream that was asked.
pub const UPSTREAM: &str = "mcp_hub.upstream";

/// What a call came to: `ok`, or the name of the reason why not.
pub const OUTCOME: &str = "mcp_hub.outcome";

/// Which attempt of a call this is, when it is not the first, counted from 1.
pub const RETRY: &str = "mcp_hub.retry";

/// Why a call is tried once more.
pub const RETRY_REASON: &str = "mcp_hub.retry.reason";

/// Bytes of rows that a database has answered, as they go to the caller.
pub const DB_RESPONSE_BYTES: &str = "mcp_hub.db.response.bytes";

/// Whether rows were left out of the answer.
pub const DB_RESPONSE_TRUNCATED: &str = "mcp_hub.db.response.truncated";

/// Whether a connection was made for the call, and not taken from the pool.
pub const POOL_CONNECTED: &str = "mcp_hub.pool.connected";
