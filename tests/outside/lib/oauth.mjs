// The official clients of both eras with their OAuth, and the owner who lets them in.
import assert from 'node:assert/strict';
import {
  Client as ModernClient, SSEClientTransport as ModernSse, StreamableHTTPClientTransport as ModernHttp,
  UnauthorizedError as ModernUnauthorized,
} from '@modelcontextprotocol/client';
import { UnauthorizedError as LegacyUnauthorized } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport as LegacySse } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport as LegacyHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { secret } from './secrets.mjs';

/** What a client keeps: in memory here, on its disk elsewhere. */
export class Provider {
  redirectUrl = 'http://127.0.0.1:3999/callback';
  asked = [];
  saved = { client: undefined, tokens: undefined, verifier: undefined };
  refreshed = 0;

  constructor({ name = 'a client', scope, redirect, client } = {}) {
    this.name = name;
    this.scope = scope;
    if (redirect) this.redirectUrl = redirect;
    if (client) this.saved.client = client;
  }

  get clientMetadata() {
    return {
      client_name: this.name,
      redirect_uris: [String(this.redirectUrl)],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      ...(this.scope && { scope: this.scope }),
    };
  }

  state() {
    return (this.stateSent = crypto.randomUUID());
  }

  clientInformation() {
    return this.saved.client;
  }

  saveClientInformation(client) {
    secret('a secret of a client', client.client_secret);
    this.saved.client = client;
  }

  tokens() {
    return this.saved.tokens;
  }

  saveTokens(tokens) {
    secret('an access token', tokens.access_token);
    secret('a refresh token', tokens.refresh_token);
    if (this.saved.tokens) this.refreshed += 1;
    this.saved.tokens = tokens;
  }

  redirectToAuthorization(url) {
    this.asked.push(new URL(url));
  }

  saveCodeVerifier(verifier) {
    this.saved.verifier = secret('a verifier', verifier);
  }

  codeVerifier() {
    return this.saved.verifier;
  }

  saveDiscoveryState(found) {
    this.saved.found = found;
  }

  discoveryState() {
    return this.saved.found;
  }

  invalidateCredentials(what) {
    if (what === 'all' || what === 'client') this.saved.client = undefined;
    if (what === 'all' || what === 'tokens') this.saved.tokens = undefined;
  }

  /** The access token is not taken any more; the refresh token is left. */
  spoil() {
    this.saved.tokens = { ...this.saved.tokens, access_token: 'nothing.of.worth' };
  }
}

const INFO = { name: 'a client with OAuth', version: '1.0.0' };
const KINDS = {
  legacy: {
    http: LegacyHttp, sse: LegacySse, refused: LegacyUnauthorized,
    make: () => new LegacyClient(INFO, { capabilities: {} }),
  },
  modern: {
    http: ModernHttp, sse: ModernSse, refused: ModernUnauthorized,
    make: () => new ModernClient(INFO, {
      capabilities: {}, versionNegotiation: { mode: 'auto' },
    }),
  },
  // The same package, held to the handshake.
  'modern, with a handshake': {
    http: ModernHttp, sse: ModernSse, refused: ModernUnauthorized,
    make: () => new ModernClient(INFO, { capabilities: {} }),
  },
};

/** A face over both packages. */
function face(client) {
  const legacy = client instanceof LegacyClient;
  return {
    client,
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: (name, args = {}) => client.callTool({ name, arguments: args }),
    revision: () =>
      legacy ? client.transport.protocolVersion : client.getNegotiatedProtocolVersion(),
    close: () => client.close(),
  };
}

/** A connection with the tokens that the provider has. */
export async function connect(kind, url, provider) {
  const { make, http, sse } = KINDS[kind];
  const client = make();
  const Transport = url.endsWith('/sse') ? sse : http;
  await client.connect(new Transport(new URL(url), { authProvider: provider }));
  return face(client);
}

/**
 * The whole way of a client that has nothing: refused, registered, sent to the owner, who says yes,
 * tokens, connected.
 */
export async function letIn(kind, url, provider, owner) {
  const { make, http, sse, refused } = KINDS[kind];
  const Transport = url.endsWith('/sse') ? sse : http;
  const transport = new Transport(new URL(url), { authProvider: provider });
  await assert.rejects(make().connect(transport), refused);
  assert.equal(provider.asked.length, 1, 'the owner is asked once');
  const back = await owner.authorize(provider.asked[0].href);
  assert.equal(back.origin + back.pathname, String(provider.redirectUrl));
  assert.equal(back.searchParams.get('state'), provider.stateSent);
  assert.equal(back.searchParams.get('iss'), new URL(provider.asked[0]).origin);
  assert.equal(back.searchParams.get('error'), null, back.href);
  if (kind === 'legacy') await transport.finishAuth(back.searchParams.get('code'));
  else await transport.finishAuth(back.searchParams);
  assert.ok(provider.saved.tokens?.refresh_token, 'a refresh token');
  return connect(kind, url, provider);
}
