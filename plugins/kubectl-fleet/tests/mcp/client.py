"""Asks over MCP with the official Python SDK: python client.py URL, or python client.py PROGRAM for stdin and stdout."""

import asyncio
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client


def transport(target: str):
    if target.startswith("http"):
        return streamablehttp_client(target)
    return stdio_client(StdioServerParameters(command=target, args=["mcp"], env=dict(os.environ)))


async def main(target: str) -> None:
    async with transport(target) as (read, write, *_):
        async with ClientSession(read, write) as session:
            await session.initialize()
            tools = (await session.list_tools()).tools
            assert all(tool.annotations.readOnlyHint for tool in tools), tools
            found = await session.call_tool("fleet_search", {"question": "configmaps named settings"})
            refused = await session.call_tool("fleet_search", {"query": "colour:red"})
            clusters = await session.call_tool("fleet_clusters", {})
            live = None
            if any(tool.name == "fleet_object" for tool in tools):
                id = found.structuredContent["items"][0]["id"]
                live = (await session.call_tool("fleet_object", {"id": id})).structuredContent
            print(json.dumps({
                "object": live,
                "tools": sorted(tool.name for tool in tools),
                "found": found.structuredContent,
                "refused": refused.isError,
                "clusters": clusters.structuredContent,
            }))


asyncio.run(main(sys.argv[1]))
