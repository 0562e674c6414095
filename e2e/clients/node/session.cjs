// One MCP session with the TypeScript SDK (v1), driven by JSON lines: the same protocol as ../python/session.py.
// `door` is "sse", "http-legacy" or "stdio". CommonJS, because only that finds its packages by NODE_PATH.

const readline = require("node:readline");
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { SSEClientTransport } = require("@modelcontextprotocol/sdk/client/sse.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
const { McpError, ToolListChangedNotificationSchema } = require("@modelcontextprotocol/sdk/types.js");

function transport(options) {
  switch (options.door) {
    case "sse":
      return new SSEClientTransport(new URL(options.url));
    case "http-legacy":
      return new StreamableHTTPClientTransport(new URL(options.url));
    case "stdio":
      return new StdioClientTransport({ command: options.command, args: options.args, env: options.env });
    default:
      throw new Error(`no door ${options.door}`);
  }
}

class Changes {
  #seen = false;
  #wake = () => {};

  note() {
    this.#seen = true;
    this.#wake();
  }

  async wait(seconds) {
    if (!this.#seen) {
      let timer;
      const deadline = new Promise((resolve) => (timer = setTimeout(resolve, seconds * 1000)));
      await Promise.race([deadline, new Promise((resolve) => (this.#wake = resolve))]);
      clearTimeout(timer);
    }
    const changed = this.#seen;
    this.#seen = false;
    return { changed };
  }
}

async function answer(client, changes, command) {
  try {
    switch (command.op) {
      case "list":
        return await client.listTools();
      case "call":
        return await client.callTool({ name: command.name, arguments: command.arguments });
      case "list_changed":
        return await changes.wait(command.seconds);
    }
  } catch (error) {
    if (error instanceof McpError) {
      return { error: { code: error.code, message: error.message, data: error.data } };
    }
    throw error;
  }
}

async function main() {
  const options = JSON.parse(process.argv[2]);
  const client = new Client({ name: "mcp-hub-e2e", version: "0" });
  const changes = new Changes();
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => changes.note());
  const door = transport(options);
  await client.connect(door);
  const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
  say({
    protocol_version: door.protocolVersion ?? null,
    server: client.getServerVersion(),
    instructions: client.getInstructions(),
    capabilities: client.getServerCapabilities(),
  });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    say(await answer(client, changes, JSON.parse(line)));
  }
  await client.close();
}

main();
