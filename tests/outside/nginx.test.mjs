// What README says of nginx and OAuth, done: its nginx configuration as printed (but for names, ports
// and files), TLS by an authority of the tests, `--external-url`, and then everybody who gets in.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { text, until } from './lib/clients.mjs';
import { printed } from './lib/fronts.mjs';
import { root } from './lib/gateway.mjs';
import { ask, authCommand, bothThere, INITIALIZE, startLocked } from './lib/locked.mjs';
import { startRemote } from './lib/mcp_remote.mjs';
import { HAS_NGINX, startNginx } from './lib/nginx.mjs';
import { letIn, Provider } from './lib/oauth.mjs';
import { words } from './lib/owner.mjs';
import { freePort } from './lib/remotes.mjs';
import { makeAuthority } from './lib/tls.mjs';

const README = readFileSync(join(root, 'README.md'), 'utf8');

/** The configuration that README prints, for here. */
const here = (port, { cert, key }) => printed('nginx', [
  [/listen 443 ssl;/, 'listen {front} ssl;'],
  [/server_name [^;]+;/, 'server_name localhost;'],
  [/ssl_certificate [^;]+;/, `ssl_certificate ${cert};`],
  [/ssl_certificate_key [^;]+;/, `ssl_certificate_key ${key};`],
  [/127\.0\.0\.1:3050/, `127.0.0.1:${port}`],
]);

const CLIENTS = [
  ['legacy', 'mcp', '2025-11-25'],
  ['legacy', 'sse'],
  ['modern', 'mcp', '2026-07-28'],
  ['modern, with a handshake', 'sse'],
];

describe('nginx with TLS before a locked gateway', { skip: HAS_NGINX || process.env.CI ? false : 'no nginx here' }, () => {
  let authority, nginx, gateway, url;
  before(async () => {
    authority = await makeAuthority();
    const port = await freePort();
    nginx = await startNginx(here(port, authority), ['front']);
    url = `https://localhost:${nginx.ports.front}`;
    gateway = await startLocked({ port, external: url });
    tls.setDefaultCACertificates(
      [...tls.getCACertificates('default'), readFileSync(authority.ca, 'utf8')]);
  });
  after(async () => {
    await gateway?.stop();
    await nginx?.stop();
    authority?.remove();
  });

  for (const [kind, path, revision] of CLIENTS) {
    test(`${kind}: /${path}`, async () => {
      const provider = new Provider({ name: `${kind} ${path}` });
      const client = await letIn(kind, `${url}/${path}`, provider, gateway.owner);
      await bothThere(client);
      if (revision) assert.equal(client.revision(), revision);
      assert.equal(text(await client.call('alpha_1mcp_echo', { text: 'in' })), 'in');
      provider.spoil();
      assert.equal(text(await client.call('beta_1mcp_echo', { text: 'on' })), 'on');
      assert.equal(provider.refreshed, 1);
      await client.close();
    });
  }

  test('mcp-remote', async () => {
    const remote = await startRemote(`${url}/mcp`, { ca: authority.ca });
    try {
      const client = await remote.letIn(gateway.owner);
      await bothThere(client);
      assert.equal(text(await client.call('alpha_1mcp_echo', { text: 'far' })), 'far');
      await client.close();
    } finally {
      await remote.stop();
    }
  });

  test('the connector of Claude, with the id and the secret of its dialog', async () => {
    const line = /1mcp (auth client add .*)/.exec(README)?.[1];
    assert.ok(line, 'README prints no `1mcp auth client add`');
    const made = await authCommand(gateway, ...line.split(/\s+/).slice(1));
    await until(async () => {
      const page = await fetch(`${url}/authorize?client_id=${made.id}`, { redirect: 'manual' });
      return !/unknown/.test(await page.text());
    }, 'the client is known', 5_000);
    const redirect = 'https://claude.ai/api/mcp/auth_callback';
    assert.ok(line.includes(redirect), line);
    for (const method of ['client_secret_basic', 'client_secret_post']) {
      const provider = new Provider({
        redirect,
        client: {
          client_id: made.id, client_secret: made.secret, token_endpoint_auth_method: method,
        },
      });
      const client = await letIn('legacy', `${url}/mcp`, provider, gateway.owner);
      assert.match(words(gateway.owner.consent.html), /claude\.ai/);
      await bothThere(client);
      await client.close();
    }
  });

  test('what it says of itself is what it was told, whatever host is asked for', async () => {
    for (const origin of [url, `http://127.0.0.1:${gateway.port}`, `http://localhost:${gateway.port}`]) {
      const read = async (path) => (await fetch(`${origin}/.well-known/${path}`)).json();
      const server = await read('oauth-authorization-server');
      assert.equal(server.issuer, url);
      for (const [member, value] of Object.entries(server)) {
        if (member.endsWith('_endpoint')) assert.ok(value.startsWith(`${url}/`), `${member}: ${value}`);
      }
      for (const path of ['mcp', 'sse']) {
        const resource = await read(`oauth-protected-resource/${path}`);
        assert.equal(resource.resource, `${url}/${path}`);
        assert.deepEqual(resource.authorization_servers, [url]);
      }
    }
    const { status, headers } = await ask(`${url}/mcp`, undefined, 'initialize', INITIALIZE);
    assert.equal(status, 401);
    assert.match(
      headers.get('www-authenticate'),
      new RegExp(`resource_metadata="${url}/.well-known/oauth-protected-resource/mcp"`));
  });

  test('nobody is local through it, and health is open', async () => {
    assert.equal((await fetch(`${url}/health`)).status, 200);
    for (const origin of [url, `http://127.0.0.1:${gateway.port}`]) {
      const answer = await fetch(`${origin}/oauth`, {
        headers: { accept: 'text/html', 'x-forwarded-for': '127.0.0.1' }, redirect: 'manual',
      });
      const page = await answer.text();
      assert.ok(
        answer.status !== 200 || /type="password"/.test(page), `${origin}/oauth: ${answer.status}`);
      assert.doesNotMatch(page, /alpha/);
    }
  });

  test('a body of ten megabytes passes', async () => {
    const provider = new Provider();
    const client = await letIn('legacy', `${url}/mcp`, provider, gateway.owner);
    await bothThere(client);
    const long = 'x'.repeat(10 * 1024 * 1024);
    assert.equal(text(await client.call('alpha_1mcp_echo', { text: long })).length, long.length);
    await client.close();
  });
});
