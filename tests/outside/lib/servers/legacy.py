"""A server of the revisions with a handshake, on the official Python package (1.x): Streamable
HTTP at /mcp, on the port that PORT names. The same tools as made.mjs."""

import logging
import os
import sys

import anyio
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.lowlevel.server import NotificationOptions
from mcp.types import SamplingMessage, TextContent
from pydantic import BaseModel

server = FastMCP("python", host="127.0.0.1", port=int(os.environ["PORT"]), log_level="WARNING")
server._mcp_server.notification_options = NotificationOptions(tools_changed=True)
cancelled = 0
grown = 0


class Who(BaseModel):
    name: str


@server.tool()
def echo(message: str) -> str:
    return f"Echo: {message}"


@server.tool()
async def long(ms: int, steps: int, ctx: Context) -> str:
    global cancelled
    try:
        for step in range(1, steps + 1):
            await anyio.sleep(ms / steps / 1000)
            await ctx.report_progress(step, steps)
    except anyio.get_cancelled_exc_class():
        cancelled += 1
        raise
    return f"done in {steps} steps"


@server.tool()
def cancellations() -> str:
    return str(cancelled)


@server.tool()
async def grow(ctx: Context) -> str:
    global grown
    grown += 1
    server.add_tool(lambda: "grown", name=f"grown-{grown}")
    await ctx.session.send_tool_list_changed()
    return f"grown-{grown}"


@server.tool(name="ask-name")
async def ask_name(ctx: Context) -> str:
    answer = await ctx.elicit("Who are you?", Who)
    return f"Name: {answer.data.name}" if answer.action == "accept" else f"no name: {answer.action}"


@server.tool(name="ask-model")
async def ask_model(prompt: str, ctx: Context) -> str:
    question = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    answer = await ctx.session.create_message([question], max_tokens=100)
    return f"{answer.model}: {answer.content.text}"


@server.resource("python://watched")
def watched() -> str:
    return "watched"


@server.resource("python://numbered/{id}")
def numbered(id: str) -> str:
    return f"number {id}"


@server.prompt()
def greet(name: str) -> str:
    return f"Greet {name}"


logging.disable(logging.INFO)
print(f"listening on {server.settings.port}", file=sys.stderr, flush=True)
server.run("streamable-http")
