"""One MCP session with the Python SDK, driven by JSON lines.

The one argument is a JSON object: `door` is "sse", "stdio", "http" (the SDK negotiates the newest version that both
know) or "http-legacy" (initialize). `url`, or `command`, `args` and `env`, say what to connect to; `headers` go with
every request. `version` is the version that a legacy session asks for. `traced` makes the SDK's spans be sent: to the
collector at `endpoint`, by OTLP over gRPC, as those of `service`.

The first line on stdout describes the connection. Then each line on stdin is a command and is answered by one line:
  {"op": "ask", "method": .., "params": {..}}: any of the methods below that only ask, such as "prompts/get".
  {"op": "call", "name": .., "arguments": {..}}, and with "progress": true a callback for progress: the result of the
    tool, or in that case {"result": .., "progress": [{"progress": .., "total": .., "message": ..}, ..]}.
  {"op": "calls", "calls": [{"name": .., "arguments": {..}}, ..], "concurrency": ..}: the `answers` of all in their
    order and the `seconds` that each took.
  {"op": "list_changed", "kind": "tools", "seconds": ..}: whether a list (of tools, prompts or resources) has been said
    to be another since this was asked the last time, or is so within this time.
What the server refused is an `error`; a call that got no answer is a `failure`. End of input ends the session.
"""

import asyncio
import contextlib
import json
import sys
import time

import mcp.client.session
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import PromptsListChanged, ResourcesListChanged, ToolsListChanged
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import (
    PromptListChangedNotification,
    PromptReference,
    ResourceListChangedNotification,
    ResourceTemplateReference,
    ToolListChangedNotification,
)
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

CHANGES = {
    "tools": (ToolListChangedNotification, ToolsListChanged),
    "prompts": (PromptListChangedNotification, PromptsListChanged),
    "resources": (ResourceListChangedNotification, ResourcesListChanged),
}


@contextlib.contextmanager
def traced(options):
    """The SDK makes spans by itself, and names them in `_meta`; here they are sent."""
    if not options:
        yield
        return
    resource = Resource.create({"service.name": options["service"]})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=options["endpoint"], insecure=True)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    yield
    provider.shutdown()


def target(options):
    headers = options.get("headers")
    if options["door"] == "sse":
        return sse_client(options["url"], headers=headers)
    if options["door"] == "stdio":
        return StdioServerParameters(command=options["command"], args=options["args"], env=options["env"])
    if headers:
        return streamable_http_client(options["url"], http_client=create_mcp_http_client(headers=headers))
    return options["url"]


class Session:
    def __init__(self, options):
        legacy = options["door"] in ("sse", "http-legacy")
        if version := options.get("version"):
            # The SDK always asks for the newest legacy version; there is no parameter for it.
            mcp.client.session.LATEST_HANDSHAKE_VERSION = version
        self.changed = {kind: asyncio.Event() for kind in CHANGES}
        self.client = Client(
            target(options),
            mode="legacy" if legacy else "auto",
            cache=None,
            message_handler=self.on_message,
        )

    async def on_message(self, message):
        for kind, types in CHANGES.items():
            if isinstance(message, types):
                self.changed[kind].set()

    async def listen(self, kinds):
        """A 2026-07-28 client asks for changes; an older one gets them by itself."""
        async with self.client.listen(**{f"{kind}_list_changed": True for kind in kinds}) as subscription:
            self.listening.set()
            async for event in subscription:
                await self.on_message(event)

    async def run(self):
        async with self.client as client:
            listener = None
            self.listening = asyncio.Event()
            capabilities = client.server_capabilities
            told = [kind for kind in CHANGES if getattr(getattr(capabilities, kind), "list_changed", False)]
            if client.protocol_version >= "2026" and told:
                listener = asyncio.create_task(self.listen(told))
                await self.listening.wait()
            info = client.server_info
            say(
                protocol_version=client.protocol_version,
                server=info and plain(info),
                instructions=client.instructions,
                capabilities=plain(capabilities),
            )
            async for command in commands():
                say(**await self.answer(command))
            if listener:
                listener.cancel()

    async def answer(self, command):
        match command["op"]:
            case "ask":
                return await answered(self.ask(command["method"], **command["params"]))
            case "call":
                return await self.call(command)
            case "calls":
                return await self.calls(command["calls"], command["concurrency"])
            case "list_changed":
                return await self.list_changed(self.changed[command["kind"]], command["seconds"])

    async def ask(self, method, **params):
        match method:
            case "tools/list":
                return plain(await self.client.list_tools(**params))
            case "prompts/list":
                return plain(await self.client.list_prompts(**params))
            case "prompts/get":
                return plain(await self.client.get_prompt(params["name"], params.get("arguments")))
            case "resources/list":
                return plain(await self.client.list_resources(**params))
            case "resources/templates/list":
                return plain(await self.client.list_resource_templates(**params))
            case "resources/read":
                return plain(await self.client.read_resource(params["uri"]))
            case "completion/complete":
                return plain(await self.complete(params))

    async def complete(self, params):
        kind = PromptReference if params["ref"]["type"] == "ref/prompt" else ResourceTemplateReference
        context = params.get("context", {}).get("arguments")
        return await self.client.complete(kind.model_validate(params["ref"]), params["argument"], context)

    async def call(self, command):
        progress = []

        async def on_progress(done, total, message):
            progress.append({"progress": done, "total": total, "message": message})

        async def call():
            callback = on_progress if command.get("progress") else None
            name, arguments = command["name"], command["arguments"]
            return plain(await self.client.call_tool(name, arguments, progress_callback=callback))

        result = await answered(call())
        return {"result": result, "progress": progress} if command.get("progress") else result

    async def calls(self, calls, concurrency):
        answers, seconds = [None] * len(calls), [None] * len(calls)
        waiting = iter(range(len(calls)))

        async def work():
            for index in waiting:
                start = time.monotonic()
                answers[index] = await self.call(calls[index])
                seconds[index] = time.monotonic() - start

        await asyncio.gather(*(work() for _ in range(concurrency)))
        return {"answers": answers, "seconds": seconds}

    async def list_changed(self, changed, seconds):
        if not changed.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), seconds)
        seen = changed.is_set()
        changed.clear()
        return {"changed": seen}


async def answered(result):
    try:
        return await result
    except MCPError as error:
        return {"error": plain(error.error)}
    except Exception as error:
        return {"failure": repr(error)}


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def say(**answer):
    print(json.dumps(answer), flush=True)


async def commands():
    reader = asyncio.StreamReader(limit=1 << 24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    with traced(options.get("traced")):
        asyncio.run(Session(options).run())
