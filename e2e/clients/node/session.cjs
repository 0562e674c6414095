// One MCP session with a TypeScript SDK, driven by JSON lines: the same protocol as ../python/session.py, and {"op": "sent"}, which is
// answered by how many messages of each method the client has sent. `sdk` is "v1" or "v2"; `door` is "sse", "http" (v2 only),
// "http-legacy" or "stdio". CommonJS, because only that finds its packages by NODE_PATH.

const readline = require("node:readline");

function open(options, { SSEClientTransport, StdioClientTransport, StreamableHTTPClientTransport }) {
  const requestInit = { headers: options.headers };
  switch (options.door) {
    case "sse":
      return new SSEClientTransport(new URL(options.url), { requestInit });
    case "http":
    case "http-legacy":
      return new StreamableHTTPClientTransport(new URL(options.url), { requestInit });
    case "stdio":
      return new StdioClientTransport({ command: options.command, args: options.args, env: options.env });
    default:
      throw new Error(`no door ${options.door}`);
  }
}

class Changes {
  #seen = new Set();
  #wake = () => {};

  note(kind) {
    this.#seen.add(kind);
    this.#wake();
  }

  async wait(kind, seconds) {
    let timer;
    const deadline = new Promise((resolve) => (timer = setTimeout(resolve, seconds * 1000, "late")));
    let late = false;
    while (!this.#seen.has(kind) && !late) {
      late = (await Promise.race([deadline, new Promise((resolve) => (this.#wake = resolve))])) === "late";
    }
    clearTimeout(timer);
    return { changed: this.#seen.delete(kind) };
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

class Session {
  constructor(sdk, client, changes, sent) {
    Object.assign(this, { sdk, client, changes, sent });
  }

  async answer(command) {
    switch (command.op) {
      case "ask":
        return await this.answered(() => this.ask(command.method, command.params));
      case "call":
        return await this.call(command);
      case "calls":
        return await this.calls(command.calls, command.concurrency);
      case "list_changed":
        return await this.changes.wait(command.kind, command.seconds);
      case "sent":
        return this.sent.counts;
    }
  }

  ask(method, params) {
    // What the v2 SDK keeps of earlier answers is not what is asked for here.
    const options = { cacheMode: "refresh" };
    switch (method) {
      case "tools/list":
        return this.client.listTools(params, options);
      case "prompts/list":
        return this.client.listPrompts(params, options);
      case "prompts/get":
        return this.client.getPrompt(params);
      case "resources/list":
        return this.client.listResources(params, options);
      case "resources/templates/list":
        return this.client.listResourceTemplates(params, options);
      case "resources/read":
        return this.client.readResource(params, options);
      case "completion/complete":
        return this.client.complete(params);
      default:
        throw new Error(`no method ${method}`);
    }
  }

  async call({ name, arguments: parameters, progress }) {
    const seen = [];
    const options = progress ? { onprogress: (step) => seen.push(step) } : {};
    const result = await this.answered(() => this.sdk.call(this.client, { name, arguments: parameters }, options));
    return progress ? { result, progress: seen } : result;
  }

  async calls(calls, concurrency) {
    const answers = [];
    const seconds = [];
    const waiting = calls.keys();
    const work = async () => {
      for (const index of waiting) {
        const start = performance.now();
        answers[index] = await this.call(calls[index]);
        seconds[index] = (performance.now() - start) / 1000;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    return { answers, seconds };
  }

  async answered(request) {
    try {
      return await request();
    } catch (error) {
      if (error instanceof this.sdk.ProtocolError) {
        return { error: { code: error.code, message: error.message, data: error.data } };
      }
      return { failure: String(error) };
    }
  }
}

async function main() {
  const options = JSON.parse(process.argv[2]);
  const sdk = require(`./${options.sdk}.cjs`);
  const changes = new Changes();
  const transport = open(options, sdk.transports);
  const sent = new Sent(transport);
  const info = { name: "mcp-hub-e2e", version: "0" };
  const { client, protocolVersion } = await sdk.connect(options.door, transport, info, (kind) => changes.note(kind));
  const session = new Session(sdk, client, changes, sent);
  const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
  say({
    protocol_version: protocolVersion ?? null,
    server: client.getServerVersion(),
    instructions: client.getInstructions(),
    capabilities: client.getServerCapabilities(),
  });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    say(await session.answer(JSON.parse(line)));
  }
  await client.close();
}

main();
