// The TypeScript SDK of the v1 line: legacy SSE, and Streamable HTTP with `initialize`.

const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { SSEClientTransport } = require("@modelcontextprotocol/sdk/client/sse.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
const types = require("@modelcontextprotocol/sdk/types.js");

const CHANGED = {
  tools: types.ToolListChangedNotificationSchema,
  prompts: types.PromptListChangedNotificationSchema,
  resources: types.ResourceListChangedNotificationSchema,
};

exports.transports = { SSEClientTransport, StdioClientTransport, StreamableHTTPClientTransport };
exports.ProtocolError = types.McpError;

exports.connect = async (door, transport, info, changed) => {
  const client = new Client(info);
  for (const [kind, schema] of Object.entries(CHANGED)) {
    client.setNotificationHandler(schema, () => changed(kind));
  }
  await client.connect(transport);
  return { client, protocolVersion: transport.protocolVersion };
};

exports.call = (client, parameters, options) => client.callTool(parameters, undefined, options);
