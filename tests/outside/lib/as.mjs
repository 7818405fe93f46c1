// An authorization server and a server of MCP that it protects, on two ports of the loopback, both
// scripted: everything that is asked of them is kept, and `faults` makes them do what they must not.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { secret } from './secrets.mjs';

const random = (what) => secret(what, `${what.replaceAll(' ', '-')}-${randomBytes(18).toString('base64url')}`);

async function bodyOf(request) {
  let text = '';
  for await (const bytes of request) text += bytes;
  return text;
}

async function listen(handle, port = 0) {
  const server = http.createServer((request, response) => {
    Promise.resolve(handle(request, response)).catch((error) => {
      response.writeHead(500).end(error.stack);
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: server.address().port,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function json(response, status, value, headers = {}) {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
}

/**
 * `{issuer, url, seen, faults, tokens, stop}`. Faults, each also to be set while it runs:
 * `iss` ('wrong', 'none', 'slash'), `metadataIssuer`, `noPkce`, `loop` (metadata redirects to
 * itself), `slow` (ms before each answer of the authorization server), `broken` (the token endpoint
 * answers a page with 500), `deny` (the person says no), `audience` (a token for somebody else),
 * `scopes` (what the resource wants), `seconds` (how long tokens live), `page` (a page with a
 * button before the redirect, for a person to see), `noRegistration`, `method` (how clients say who
 * they are at the token endpoint).
 */
export async function startAs(options = {}) {
  const as = {
    faults: { ...options },
    seen: { register: [], authorize: [], token: [], mcp: [], paths: [] },
    clients: new Map(),
    codes: new Map(),
    access: new Map(),
    refresh: new Map(),
  };
  const method = () => as.faults.method ?? 'none';

  const metadata = () => ({
    issuer: as.faults.metadataIssuer ?? as.issuer,
    authorization_endpoint: `${as.issuer}/authorize`,
    token_endpoint: `${as.issuer}/token`,
    ...(!as.faults.noRegistration && { registration_endpoint: `${as.issuer}/register` }),
    response_types_supported: ['code'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    ...(!as.faults.noPkce && { code_challenge_methods_supported: ['S256'] }),
    token_endpoint_auth_methods_supported: [method()],
    ...(as.faults.iss !== 'none' && { authorization_response_iss_parameter_supported: true }),
  });

  async function register(request, response) {
    const wanted = JSON.parse(await bodyOf(request));
    as.seen.register.push(wanted);
    const id = `client-${as.clients.size + 1}-${randomBytes(4).toString('hex')}`;
    const made = {
      client_id: id,
      ...(method() !== 'none' && {
        client_secret: random('a secret of a client'), client_secret_expires_at: 0,
      }),
      token_endpoint_auth_method: method(),
      redirect_uris: wanted.redirect_uris,
    };
    as.clients.set(id, made);
    json(response, 201, made);
  }

  /** Why an authorization request cannot be answered by a redirect. */
  const refusal = (query) => {
    const client = as.clients.get(query.client_id);
    if (!client) return 'no such client';
    if (!client.redirect_uris.includes(query.redirect_uri)) return 'no such redirect';
    if (query.response_type !== 'code') return 'no code is asked for';
    if (query.code_challenge_method !== 'S256' || !query.code_challenge) return 'no S256';
    if (query.resource !== as.url) return `resource is ${query.resource}`;
    if (!query.state) return 'no state';
    return undefined;
  };

  function authorize(url, response) {
    const query = Object.fromEntries(url.searchParams);
    as.seen.authorize.push(query);
    const refused = refusal(query);
    if (refused) return void response.writeHead(400).end(refused);
    if (as.faults.page && !url.searchParams.has('yes')) {
      url.searchParams.set('yes', '1');
      const to = `${url.pathname}${url.search}`.replaceAll('&', '&amp;');
      response.writeHead(200, { 'content-type': 'text/html' })
        .end(`<!doctype html><title>Elsewhere</title><link rel="icon" href="data:,"><h1>Elsewhere</h1><a id="yes" href="${to}">Yes</a>`);
      return undefined;
    }
    const back = new URL(query.redirect_uri);
    back.searchParams.set('state', query.state);
    if (as.faults.deny) {
      back.searchParams.set('error', 'access_denied');
    } else {
      const code = random('a code of a server');
      as.codes.set(code, query);
      back.searchParams.set('code', code);
    }
    const iss = { wrong: 'https://evil.example.com', slash: `${as.issuer}/`, none: undefined };
    const said = as.faults.iss in iss ? iss[as.faults.iss] : as.issuer;
    if (said) back.searchParams.set('iss', said);
    response.writeHead(302, { location: back.href }).end();
    return undefined;
  }

  function issue(grant) {
    const seconds = as.faults.seconds ?? 3600;
    const access = random('an access token of a server');
    const refresh = random('a refresh token of a server');
    const resource = as.faults.audience ?? grant.resource;
    as.access.set(access, { resource, scope: grant.scope, ends: Date.now() + seconds * 1000 });
    as.refresh.set(refresh, grant);
    return {
      access_token: access, token_type: 'Bearer', expires_in: seconds, refresh_token: refresh,
      ...(grant.scope && { scope: grant.scope }),
    };
  }

  async function token(request, response) {
    const body = Object.fromEntries(new URLSearchParams(await bodyOf(request)));
    const basic = request.headers.authorization;
    as.seen.token.push({ ...body, basic: basic !== undefined });
    if (as.faults.broken) {
      return void response.writeHead(500, { 'content-type': 'text/html' }).end('<h1>Oops</h1>');
    }
    const error = (code, status = 400) =>
      json(response, status, { error: code }, { 'cache-control': 'no-store' });
    let [id, password] = [body.client_id, body.client_secret];
    if (basic) {
      [id, password] = Buffer.from(basic.slice(6), 'base64').toString().split(':').map(decodeURIComponent);
    }
    const client = as.clients.get(id);
    if (!client || client.client_secret !== password) return error('invalid_client', 401);
    if (body.resource !== as.url) return error('invalid_target');
    if (body.grant_type === 'authorization_code') {
      const asked = as.codes.get(body.code);
      as.codes.delete(body.code);
      const challenge = createHash('sha256').update(body.code_verifier ?? '').digest('base64url');
      if (!asked || asked.client_id !== id || asked.redirect_uri !== body.redirect_uri ||
        asked.code_challenge !== challenge) return error('invalid_grant');
      secret('a verifier', body.code_verifier);
      return json(
        response, 200, issue({ client: id, resource: body.resource, scope: asked.scope }),
        { 'cache-control': 'no-store' });
    }
    if (body.grant_type === 'refresh_token') {
      const grant = as.refresh.get(body.refresh_token);
      // One that was used before is nobody's.
      as.refresh.delete(body.refresh_token);
      if (!grant || grant.client !== id) return error('invalid_grant');
      return json(response, 200, issue(grant), { 'cache-control': 'no-store' });
    }
    return error('unsupported_grant_type');
  }

  const front = await listen(async (request, response) => {
    const url = new URL(request.url, as.issuer);
    as.seen.paths.push(url.pathname);
    if (as.faults.slow) await delay(as.faults.slow);
    if (url.pathname === '/.well-known/oauth-authorization-server') {
      if (as.faults.loop) return void response.writeHead(302, { location: request.url }).end();
      return json(response, 200, metadata());
    }
    if (url.pathname === '/register' && request.method === 'POST') return register(request, response);
    if (url.pathname === '/authorize') return authorize(url, response);
    if (url.pathname === '/token' && request.method === 'POST') return token(request, response);
    return void response.writeHead(404).end();
  }, options.port);
  as.issuer = `http://127.0.0.1:${front.port}`;

  const TOOLS = [{
    name: 'echo',
    description: 'Says it again',
    inputSchema: { type: 'object', properties: { text: { type: 'string' } } },
  }];
  const METHODS = {
    initialize: ({ protocolVersion }) => ({
      protocolVersion: protocolVersion === '2026-07-28' ? '2025-11-25' : protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: 'protected', version: '1' },
    }),
    ping: () => ({}),
    'tools/list': () => ({ tools: TOOLS }),
    'tools/call': ({ arguments: args }) => ({ content: [{ type: 'text', text: args.text ?? '' }] }),
  };

  const back = await listen(async (request, response) => {
    if (request.url === '/.well-known/oauth-protected-resource/mcp') {
      return json(response, 200, {
        resource: as.url,
        authorization_servers: [as.issuer],
        bearer_methods_supported: ['header'],
        ...(as.faults.scopes && { scopes_supported: as.faults.scopes }),
      });
    }
    if (request.url !== '/mcp') return void response.writeHead(404).end();
    const text = await bodyOf(request);
    const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const held = as.access.get(bearer);
    const good = held && held.resource === as.url && held.ends > Date.now();
    as.seen.mcp.push({ method: request.method, bearer, good: Boolean(good), text });
    if (!good) {
      const said = [`resource_metadata="http://127.0.0.1:${back.port}/.well-known/oauth-protected-resource/mcp"`];
      if (bearer) said.unshift('error="invalid_token"');
      return json(response, 401, { error: 'invalid_token' }, {
        'www-authenticate': `Bearer ${said.join(', ')}`,
      });
    }
    if (request.method !== 'POST') return void response.writeHead(405, { allow: 'POST' }).end();
    const message = JSON.parse(text);
    if (message.id === undefined) return void response.writeHead(202).end();
    const work = METHODS[message.method];
    return json(response, 200, {
      jsonrpc: '2.0',
      id: message.id,
      ...(work
        ? { result: work(message.params ?? {}) }
        : { error: { code: -32601, message: `no ${message.method}` } }),
    });
  });
  as.url = `http://127.0.0.1:${back.port}/mcp`;

  /** From now on every access token is worth nothing; refresh tokens are. */
  as.expire = () => as.access.clear();
  /** From now on nothing is worth anything. */
  as.forget = () => {
    as.access.clear();
    as.refresh.clear();
  };
  as.stop = async () => {
    await front.stop();
    await back.stop();
  };
  return as;
}
