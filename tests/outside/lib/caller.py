"""A client on the official Python package of either major version that calls one tool again and
again with a nonce of its own, until its input ends: one line of JSON per call."""

import asyncio
import json
import sys

try:
    from mcp.client.client import Client  # 2.x
except ImportError:
    Client = None

url, tool, name = sys.argv[1:4]


def tell(**what):
    print(json.dumps(what), flush=True)


def reason(error):
    """An error of a group of tasks hides the one that matters."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


async def call_on(call, over):
    number = 0
    while not over.is_set():
        number += 1
        nonce = f"{name}-{number}"
        try:
            result = await asyncio.wait_for(call(tool, {"text": nonce}), 15)
            blocks = [getattr(block, "text", "") for block in result.content]
            failed = getattr(result, "is_error", getattr(result, "isError", False))
            tell(nonce=nonce, text="\n".join(blocks), failed=failed)
        except Exception as error:
            tell(nonce=nonce, error=reason(error))
        await asyncio.sleep(0.3)


async def main():
    over = asyncio.Event()

    async def until_input_ends():
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        over.set()

    watching = asyncio.ensure_future(until_input_ends())
    if Client is not None:
        async with Client(url) as client:
            tell(connected=True)
            await call_on(client.call_tool, over)
    else:
        from mcp import ClientSession
        from mcp.client.streamable_http import streamablehttp_client

        async with streamablehttp_client(url) as (read, write, _id):
            async with ClientSession(read, write) as session:
                await session.initialize()
                tell(connected=True)
                await call_on(session.call_tool, over)
    await watching


asyncio.run(main())
