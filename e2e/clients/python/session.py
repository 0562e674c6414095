"""One MCP session with the Python SDK, driven by JSON lines.

The one argument is a JSON object: `door` is "sse", "stdio", "http" (the SDK negotiates the newest version that both
know) or "http-legacy" (initialize). `url`, or `command`, `args` and `env`, say what to connect to; `headers` go with
every request. `version` is the version that a legacy session asks for.

The first line on stdout describes the connection. Then each line on stdin is a command and is answered by one line:
{"op": "list"}, {"op": "call", "name": .., "arguments": {..}}, {"op": "list_changed", "seconds": ..}, and
{"op": "calls", "calls": [{"name": .., "arguments": {..}}, ..], "concurrency": ..}, whose answer has the `answers` of
all in their order and the `seconds` that each took. A call that the server refused is an `error`; one that got no
answer is a `failure`. End of input ends the session.
"""

import asyncio
import json
import sys
import time

import mcp.client.session
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import ToolListChangedNotification


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
        self.changed = asyncio.Event()
        self.client = Client(
            target(options),
            mode="legacy" if legacy else "auto",
            cache=None,
            message_handler=self.on_message,
        )

    async def on_message(self, message):
        if isinstance(message, ToolListChangedNotification):
            self.changed.set()

    async def listen(self):
        """A 2026-07-28 client asks for changes; an older one gets them by itself."""
        async with self.client.listen(tools_list_changed=True) as subscription:
            self.listening.set()
            async for _ in subscription:
                self.changed.set()

    async def run(self):
        async with self.client as client:
            listener = None
            self.listening = asyncio.Event()
            if client.protocol_version >= "2026" and client.server_capabilities.tools.list_changed:
                listener = asyncio.create_task(self.listen())
                await self.listening.wait()
            info = client.server_info
            capabilities = client.server_capabilities
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
        try:
            match command["op"]:
                case "list":
                    return plain(await self.client.list_tools())
                case "call":
                    return await self.call(command)
                case "calls":
                    return await self.calls(command["calls"], command["concurrency"])
                case "list_changed":
                    await asyncio.wait_for(self.changed.wait(), command["seconds"])
                    self.changed.clear()
                    return {"changed": True}
        except MCPError as error:
            return {"error": plain(error.error)}
        except TimeoutError:
            return {"changed": False}

    async def call(self, command):
        try:
            return plain(await self.client.call_tool(command["name"], command["arguments"]))
        except MCPError as error:
            return {"error": plain(error.error)}
        except Exception as error:
            return {"failure": repr(error)}

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
    asyncio.run(Session(json.loads(sys.argv[1])).run())
