// One MCP session with the TypeScript SDK (v1), driven by JSON lines: the same protocol as ../python/session.py, and
// {"op": "sent"}, which is answered by how many messages of each method the client has sent.
// `door` is "sse", "http-legacy" or "stdio". CommonJS, because only that finds its packages by NODE_PATH.

const readline = require("node:readline");
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { SSEClientTransport } = require("@modelcontextprotocol/sdk/client/sse.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
const { McpError, ToolListChangedNotificationSchema } = require("@modelcontextprotocol/sdk/types.js");

function transport(options) {
  const requestInit = { headers: options.headers };
  switch (options.door) {
    case "sse":
      return new SSEClientTransport(new URL(options.url), { requestInit });
    case "http-legacy":
      return new StreamableHTTPClientTransport(new URL(options.url), { requestInit });
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

class Sent {
  counts = {};

  constructor(transport) {
    const send = transport.send.bind(transport);
    transport.send = (message, ...rest) => {
      this.counts[message.method] = (this.counts[message.method] ?? 0) + 1;
      return send(message, ...rest);
    };
  }
}

async function call(client, { name, arguments: parameters }) {
  try {
    return await client.callTool({ name, arguments: parameters });
  } catch (error) {
    if (error instanceof McpError) {
      return { error: { code: error.code, message: error.message, data: error.data } };
    }
    return { failure: String(error) };
  }
}

async function calls(client, calls, concurrency) {
  const answers = [];
  const seconds = [];
  const waiting = calls.keys();
  const work = async () => {
    for (const index of waiting) {
      const start = performance.now();
      answers[index] = await call(client, calls[index]);
      seconds[index] = (performance.now() - start) / 1000;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return { answers, seconds };
}

async function answer(client, changes, sent, command) {
  switch (command.op) {
    case "list":
      return await client.listTools();
    case "call":
      return await call(client, command);
    case "calls":
      return await calls(client, command.calls, command.concurrency);
    case "list_changed":
      return await changes.wait(command.seconds);
    case "sent":
      return sent.counts;
  }
}

async function main() {
  const options = JSON.parse(process.argv[2]);
  const client = new Client({ name: "mcp-hub-e2e", version: "0" });
  const changes = new Changes();
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => changes.note());
  const door = transport(options);
  const sent = new Sent(door);
  await client.connect(door);
  const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
  say({
    protocol_version: door.protocolVersion ?? null,
    server: client.getServerVersion(),
    instructions: client.getInstructions(),
    capabilities: client.getServerCapabilities(),
  });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    say(await answer(client, changes, sent, JSON.parse(line)));
  }
  await client.close();
}

main();
