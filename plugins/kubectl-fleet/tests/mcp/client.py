"""Asks a hub over MCP with the official Python SDK: python client.py URL."""

import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


async def main(url: str) -> None:
    async with streamablehttp_client(url) as (read, write, _):
        async with ClientSession(read, write) as session:
            await session.initialize()
            tools = (await session.list_tools()).tools
            assert all(tool.annotations.readOnlyHint for tool in tools), tools
            found = await session.call_tool("fleet_search", {"question": "configmaps named settings"})
            refused = await session.call_tool("fleet_search", {"query": "colour:red"})
            clusters = await session.call_tool("fleet_clusters", {})
            print(json.dumps({
                "tools": sorted(tool.name for tool in tools),
                "found": found.structuredContent,
                "refused": refused.isError,
                "clusters": clusters.structuredContent,
            }))


asyncio.run(main(sys.argv[1]))
