// The TypeScript SDK of the v2 line, which knows both eras: it asks with `server/discover` which one it is, unless `door` is a legacy one.

const { Client, ProtocolError, SSEClientTransport, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");
const { StdioClientTransport } = require("@modelcontextprotocol/client/stdio");

const KINDS = ["tools", "prompts", "resources"];

exports.transports = { SSEClientTransport, StdioClientTransport, StreamableHTTPClientTransport };
exports.ProtocolError = ProtocolError;

exports.connect = async (door, transport, info, changed) => {
  const legacy = door === "sse" || door === "http-legacy";
  const client = new Client(info, { versionNegotiation: { mode: legacy ? "legacy" : "auto" } });
  for (const kind of KINDS) {
    client.setNotificationHandler(`notifications/${kind}/list_changed`, () => changed(kind));
  }
  await client.connect(transport);
  const capabilities = client.getServerCapabilities();
  const told = KINDS.filter((kind) => capabilities[kind]?.listChanged);
  // A client of 2026-07-28 asks for changes; an older one gets them by itself.
  if (client.getProtocolEra() === "modern" && told.length > 0) {
    await client.listen(Object.fromEntries(told.map((kind) => [`${kind}ListChanged`, true])));
  }
  return { client, protocolVersion: client.getNegotiatedProtocolVersion() };
};

exports.call = (client, parameters, options) => client.callTool(parameters, options);
