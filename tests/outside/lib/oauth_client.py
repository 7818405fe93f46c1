"""A client with OAuth on the official Python package of either major version: asks for the page to
be opened by a line on stdout, reads the address that the browser was sent back to from stdin, calls a
tool twice (the second time with a token that is not taken any more), and prints what it got."""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlparse

from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import OAuthClientMetadata

try:
    from mcp.client.client import Client  # 2.x
except ImportError:
    Client = None

url, tool = sys.argv[1:3]
REDIRECT = "http://127.0.0.1:3999/callback"


class Storage:
    tokens = None
    client = None
    stored = 0

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens
        self.stored += 1
        tell(secret=[tokens.access_token, tokens.refresh_token])

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


def tell(**what):
    print(json.dumps(what), flush=True)


async def sends(address):
    tell(open=address)


async def comes_back():
    line = await asyncio.to_thread(sys.stdin.readline)
    query = {name: values[0] for name, values in parse_qs(urlparse(line.strip()).query).items()}
    if Client is None:
        return query["code"], query.get("state")
    from mcp.shared.auth import AuthorizationCodeResult

    return AuthorizationCodeResult(
        code=query["code"], state=query.get("state"), iss=query.get("iss")
    )


storage = Storage()
provider = OAuthClientProvider(
    server_url=url,
    client_metadata=OAuthClientMetadata(
        client_name="a snake",
        redirect_uris=[REDIRECT],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    ),
    storage=storage,
    redirect_handler=sends,
    callback_handler=comes_back,
)


async def uses(call):
    tell(said=(await call(tool, {"text": "one"})).content[0].text)
    # As if an hour had passed.
    provider.context.token_expiry_time = 1
    tell(said=(await call(tool, {"text": "two"})).content[0].text)
    tell(stored=storage.stored)


async def legacy():
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async with streamablehttp_client(url, auth=provider) as (reads, writes, _):
        async with ClientSession(reads, writes) as session:
            await session.initialize()
            await uses(session.call_tool)


async def modern():
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    async with httpx2.AsyncClient(auth=provider) as http:
        async with Client(streamable_http_client(url, http_client=http)) as client:
            tell(revision=str(client.protocol_version) if hasattr(client, "protocol_version") else "")
            await uses(client.call_tool)


asyncio.run(legacy() if Client is None else modern())
