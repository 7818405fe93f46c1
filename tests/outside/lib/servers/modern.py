"""A server of 2026-07-28 (and of the revisions before it) on the official Python package (2.x):
Streamable HTTP at /mcp, on the port that PORT names. The same tools as made.mjs; its questions are
asked by the package itself, by rounds."""

import logging
import os
import sys
from typing import Annotated

import anyio
from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve, Sample
from mcp_types import CreateMessageResult, SamplingMessage, TextContent
from pydantic import BaseModel

server = MCPServer("snake", log_level="WARNING")
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
    await ctx.notify_tools_changed()
    return f"grown-{grown}"


@server.tool()
async def touch(ctx: Context) -> str:
    await ctx.notify_resource_updated("snake://watched")
    return "touched"


def who() -> Elicit[Who]:
    return Elicit("Who are you?", Who)


@server.tool(name="ask-name")
def ask_name(answer: Annotated[Who, Resolve(who)]) -> str:
    return f"Name: {answer.name}"


def model(prompt: str) -> Sample:
    question = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    return Sample([question], max_tokens=100)


@server.tool(name="ask-model")
def ask_model(prompt: str, answer: Annotated[CreateMessageResult, Resolve(model)]) -> str:
    return f"{answer.model}: {answer.content.text}"


@server.resource("snake://watched")
def watched() -> str:
    return "watched"


@server.resource("snake://numbered/{id}")
def numbered(id: str) -> str:
    return f"number {id}"


@server.prompt()
def greet(name: str) -> str:
    return f"Greet {name}"


logging.disable(logging.INFO)
port = int(os.environ["PORT"])
print(f"listening on {port}", file=sys.stderr, flush=True)
server.run("streamable-http", host="127.0.0.1", port=port)
