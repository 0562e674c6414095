"""The smoke test: MCP's own Python SDK asks a hub for everything that it offers.

It connects by Streamable HTTP and by legacy SSE, lists the tools, waits until the services that it is to ask can be used, and
calls one tool of each that reads and takes no arguments, so that the answer comes from the database itself. The exit code is 0 when
every answer came.
"""

import argparse
import asyncio
import json
import sys
import time
import urllib.error
import urllib.request

from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

# Over a NodePort each stream may be at another replica than its messages, which then go by the relay.
STREAMS = 4
# Each of these is a connection of its own, and so perhaps another replica.
LOOKS = 8
# Seconds until what is not as it should be is looked at again. A refused token is a failed login, of which the hub bears one in six seconds.
PAUSE = 0.5
REFUSED = 6


class Failure(Exception):
    """What did not work, as a sentence."""


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", action="append", required=True, help="where the hub may be; the first that answers is asked")
    parser.add_argument("--token-file", required=True, help="a file with the token to show")
    parser.add_argument("--service", action="append", default=[], help="the key of a service to ask; all when absent")
    parser.add_argument("--timeout", type=float, default=60, help="seconds that a service may take to be usable")
    return parser.parse_args()


def answers(url, token):
    """Asks whether a hub is ready there and each of its replicas lets the token in: if not, why, and when to ask again."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    head = urllib.request.Request(f"{url}/sse", headers={"Authorization": f"Bearer {token}"}, method="HEAD")
    try:
        direct.open(f"{url}/readyz", timeout=3).close()
        for _ in range(LOOKS):
            direct.open(head, timeout=3).close()
    except urllib.error.HTTPError as error:
        if error.code == 401:
            return f"{url} refuses the token", REFUSED
        return f"{url} answers {error.code}", PAUSE
    except OSError as error:
        return f"{url}: {getattr(error, 'reason', error)}", PAUSE
    return None, 0


def door(urls, token, deadline):
    """The first of the addresses behind which a hub is ready. One whose tokens are new has to learn of them first."""
    while True:
        problems = []
        longest = 0
        for url in urls:
            problem, pause = answers(url, token)
            if problem is None:
                return url
            problems.append(problem)
            longest = max(longest, pause)
        if time.monotonic() > deadline:
            raise Failure(f"no hub lets this client in: {'; '.join(problems)}")
        time.sleep(longest)


async def called(client, tool, arguments=None):
    """What a tool answers, and how many milliseconds it took."""
    start = time.monotonic()
    result = await client.call_tool(tool, arguments or {})
    if result.is_error:
        raise Failure(f"{tool} failed: {' '.join(part.text for part in result.content if part.type == 'text')}")
    return result.structured_content, round((time.monotonic() - start) * 1000)


def harmless(tools, key):
    """A tool of the service that reads and wants nothing."""
    for tool in tools:
        reads = tool.annotations and tool.annotations.read_only_hint
        if tool.name.startswith(f"{key}_") and reads and not tool.input_schema.get("required"):
            return tool.name
    raise Failure(f"{key} has no tool that reads and takes no arguments")


async def usable(client, wanted, deadline):
    """The keys of the services to ask, when each can be used."""
    while True:
        listed, _ = await called(client, "list_services")
        services = {service["key"]: service for service in listed["services"]}
        keys = wanted or sorted(services)
        missing = [key for key in keys if services.get(key, {}).get("state") != "serving"]
        if keys and not missing:
            return keys
        if time.monotonic() > deadline:
            why = json.dumps([services.get(key, {"key": key, "state": "not listed"}) for key in missing])
            raise Failure(f"not every service can be used: {why}" if keys else "the hub has no service")
        await asyncio.sleep(PAUSE)


async def ask(url, token, wanted, deadline):
    headers = {"Authorization": f"Bearer {token}"}
    http = streamable_http_client(f"{url}/mcp", http_client=create_mcp_http_client(headers=headers))
    async with Client(http, cache=None) as client:
        tools = (await client.list_tools()).tools
        print(f"{url}/mcp, MCP {client.protocol_version}: {len(tools)} tools")
        keys = await usable(client, wanted, deadline)
        # Tools of a service that was not there a moment ago.
        tools = (await client.list_tools()).tools
        for key in keys:
            tool = harmless(tools, key)
            _, took = await called(client, tool)
            print(f"  {tool}: answered in {took} ms")
    for stream in range(1, STREAMS + 1):
        async with Client(sse_client(f"{url}/sse", headers=headers), mode="legacy", cache=None) as client:
            _, took = await called(client, "list_services")
            print(f"{url}/sse, stream {stream}: answered in {took} ms")


def sentence(error):
    """The failure inside the groups that task groups make."""
    while inner := getattr(error, "exceptions", None):
        error = inner[0]
    return str(error) if isinstance(error, Failure) else repr(error)


def main():
    given = options()
    deadline = time.monotonic() + given.timeout
    with open(given.token_file, encoding="ascii") as file:
        token = file.read().strip()
    try:
        asyncio.run(ask(door(given.url, token, deadline), token, given.service, deadline))
    except Exception as error:
        print(f"smoke test: {sentence(error)}", file=sys.stderr)
        return 1
    print("smoke test: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
