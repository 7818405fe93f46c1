// Reverse proxies between the official clients and the gateway: every feature, over each transport,
// through each of them; and what goes wrong on the way: hosts that are not ours, bodies that are too
// long, callers that leave, a gateway that is started anew.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { openClient, SERVERS } from './lib/both.mjs';
import { text, until } from './lib/clients.mjs';
import { EVERYTHING, FEATURES, MADE } from './lib/features.mjs';
import { FRONTS, missing, openFront } from './lib/fronts.mjs';
import { fixtureServer, startGateway } from './lib/gateway.mjs';
import { freePort } from './lib/remotes.mjs';
import { ask, closeConnections, meta, openSession } from './lib/wire.mjs';

/** Clients by what they are: package, transport, revision. */
const CLIENTS = {
  'a legacy client on /mcp': ['legacy', 'http', '2025-11-25'],
  'a modern client on /mcp': ['modern', 'http', '2026-07-28'],
  'a legacy client on /sse': ['legacy', 'sse'],
  'the newer package on /sse': ['modern', 'sse'],
};
const HAS = { modern: MADE, legacy: EVERYTHING };
const MB = 1 << 20;

const initialize = JSON.stringify({
  jsonrpc: '2.0', id: 1, method: 'initialize',
  params: {
    protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' },
  },
});

/**
 * One request on a connection of its own: `{status, headers, text, error}`. `body` may be a number
 * of bytes, which are sent as fast as they are taken.
 */
async function send(url, { method = 'POST', headers = {}, body = initialize, path } = {}) {
  const length = typeof body === 'number' ? body : Buffer.byteLength(body);
  const request = http.request(url, {
    method, ...(path && { path }), agent: false,
    headers: {
      'Content-Type': 'application/json', Accept: 'application/json, text/event-stream',
      ...(method === 'POST' && { 'Content-Length': length }), ...headers,
    },
  });
  const done = {};
  request.on('error', (error) => (done.error = error));
  const answered = new Promise((finish) => {
    request.on('close', finish);
    request.on('response', (response) => {
      Object.assign(done, { status: response.statusCode, headers: response.headers, text: '' });
      response.setEncoding('utf8').on('data', (part) => (done.text += part));
      response.on('error', (error) => (done.error = error));
      response.on('end', finish);
    });
  });
  if (typeof body === 'number') {
    const part = Buffer.alloc(64 * 1024, 'x');
    for (let left = body; left > 0 && !done.error && !request.destroyed; left -= part.length) {
      if (!request.write(part.subarray(0, left))) {
        await Promise.race([once(request, 'drain').catch(() => {}), answered]);
        if (done.status) break;
      }
    }
    if (!done.status) request.end();
  } else {
    request.end(body);
  }
  await answered;
  request.destroy();
  return done;
}

/** The local ports of connections to a port, those of proxies among them. */
function connectionsTo(port) {
  const wanted = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'utf8').split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , remote, state]) => remote === wanted && state === '01')
    .map(([, local]) => local).sort();
}

const descriptors = (gateway) => readdirSync(`/proc/${gateway.pid}/fd`).length;

for (const [name, front] of Object.entries(FRONTS)) {
  for (const [who, [era, kind, revision]] of Object.entries(CLIENTS)) {
    // A gateway each: who asks what and when decides which processes of a server serve whom.
    describe(`every feature through ${name}: ${who}`, { skip: missing(name) }, () => {
      let gateway, proxy, client;
      const label = `${era}-${kind}`;
      before(async () => {
        const port = await freePort();
        gateway = await startGateway({ servers: SERVERS, port });
        proxy = await openFront(name, port);
        client = await openClient(era, kind, proxy, label);
        if (revision) assert.equal(client.revision(), revision);
      });
      after(async () => {
        await client?.close();
        await proxy?.stop();
        await gateway?.stop();
      });
      for (const to of Object.keys(HAS)) {
        for (const [feature, proves] of Object.entries(FEATURES)) {
          test(`${feature}: a ${to} server`, { timeout: 60_000 }, () =>
            proves({ client, has: HAS[to], who: label, name: (tool) => `${to}_1mcp_${tool}` }));
        }
      }
    });
  }

  describe(`through ${name}`, { skip: missing(name) }, () => {
    let gateway, proxy, port;
    before(async () => {
      port = await freePort();
      gateway = await startGateway({
        servers: { fixture: fixtureServer() }, port,
        args: ['--external-url', 'https://mcp.example.com', '--allowed-hosts', 'also.example.com'],
      });
      proxy = await openFront(name, port);
      await until(async () => {
        const { result } = await ask(proxy.url, 'tools/list', {});
        return result?.tools.some((tool) => tool.name === 'fixture_1mcp_echo');
      }, 'the fixture is there');
    });
    after(async () => {
      closeConnections();
      await proxy?.stop();
      await gateway?.stop();
    });

    test('the external host and those allowed are served, others are told which flag', async () => {
      const visit = (Host, headers = {}) => send(proxy.url, { headers: { Host, ...headers } });
      for (const host of ['mcp.example.com', 'also.example.com', `127.0.0.1:${proxy.port}`]) {
        assert.equal((await visit(host)).status, 200, host);
      }
      // What says that it was forwarded names no host for us.
      const liar = { 'X-Forwarded-Host': 'evil.example', Forwarded: 'host=evil.example' };
      assert.equal((await visit('mcp.example.com', liar)).status, 200);
      const foreign = await visit('evil.example', { 'X-Forwarded-Host': 'mcp.example.com' });
      if (!front.host) {
        // The gateway is asked for as what `proxy_pass` says: whom to serve is nginx's to decide.
        assert.equal(foreign.status, 200);
      } else {
        assert.equal(foreign.status, 403);
        assert.match(JSON.parse(foreign.text).error.message, /evil\.example.*--allowed-hosts/s);
      }
      const from = (Origin) => visit('mcp.example.com', { Origin });
      assert.equal((await from('https://mcp.example.com')).status, 200);
      assert.equal((await from('https://evil.example')).status, 403);
    });

    test('nobody is local through it', async () => {
      const get = (path, headers = {}) => send(proxy.origin + path, { method: 'GET', headers });
      assert.equal((await get('/health')).status, 200);
      for (const headers of [{}, { 'X-Forwarded-For': '127.0.0.1' }]) {
        const { status, text: page } = await get('/metrics', headers);
        assert.ok(status === 401 || status === 403, `${status} ${page}`);
        const dashboard = await get('/oauth', headers);
        assert.doesNotMatch(dashboard.text ?? '', /<button[^>]*>\s*(Retry|Authorize)/);
      }
    });

    test('an answer that is not streamed has its length or its end', async () => {
      const { status, headers, text: body } = await send(proxy.url);
      assert.equal(status, 200);
      assert.match(headers['content-type'], /^application\/json/);
      assert.equal(JSON.parse(body).result.serverInfo.name, '1mcp');
    });

    test('events pass as they come', async () => {
      const seen = [];
      const began = Date.now();
      const call = openSession(proxy.url, { version: '2025-11-25' }).then((session) =>
        session({
          jsonrpc: '2.0', id: 7, method: 'tools/call',
          params: {
            name: 'fixture_1mcp_slow', arguments: { ms: 1500, steps: 3 },
            _meta: { progressToken: 'p' },
          },
        }, (message) => seen.push([message.method ?? 'answer', Date.now() - began])));
      await call;
      assert.equal(seen.at(-1)[0], 'answer');
      const first = seen.findIndex(([method]) => method === 'notifications/progress');
      assert.ok(first >= 0, JSON.stringify(seen));
      // All at once would be: it kept them back until the answer was whole.
      assert.ok(seen.at(-1)[1] - seen[first][1] > 300, JSON.stringify(seen));
    });

    for (const path of name === 'nginx with a pool' ? ['/mcp', '/unbuffered/mcp'] : ['/mcp']) {
      test(`a body of 50 MB is refused in words: ${path}`, { timeout: 60_000 }, async () => {
        const url = proxy.origin + path;
        const large = await send(url, { body: 50 * MB });
        assert.equal(large.status, 413, `${large.error ?? large.text} ${proxy.log()}`);
        if (front.body === Infinity) {
          const { error, jsonrpc } = JSON.parse(large.text);
          assert.equal(jsonrpc, '2.0');
          assert.match(error.message, /at most 16 MiB/);
        } else {
          assert.match(large.text, /413 Request Entity Too Large/);
        }
        assert.equal((await send(url)).status, 200, 'and serves on');
      });

      for (const era of ['legacy', 'modern']) {
        test(`a ${era} client shows that answer: ${path}`, { timeout: 60_000 }, async () => {
          const at = { ...proxy, url: proxy.origin + path };
          const client = await openClient(era, 'http', at, 'large');
          const long = 'x'.repeat(50 * MB);
          const error = await client.call('fixture_1mcp_echo', { text: long }).then(
            () => assert.fail('it was answered'), (found) => found);
          const shown = `${error.message} ${error.cause?.message ?? ''}`;
          assert.match(shown, /413|too (large|long)/i, `${error.stack} ${error.cause?.stack}`);
          assert.equal(text(await client.call('fixture_1mcp_echo', { text: 'on' })), 'on');
          await client.close();
        });
      }
    }

    test('a long body that is allowed passes', { skip: front.body < 15 * MB }, async () => {
      const client = await openClient('modern', 'http', proxy, 'long');
      const long = 'y'.repeat(15 * MB);
      assert.equal(text(await client.call('fixture_1mcp_echo', { text: long })).length, long.length);
      await client.close();
    });

    test('a caller that leaves ends its call, and nothing stays', async () => {
      const count = async () => {
        const { result } = await ask(
          gateway.url, 'tools/call', { name: 'fixture_1mcp_cancelled_count', arguments: {} });
        return Number(text(result));
      };
      const params = { name: 'fixture_1mcp_slow', arguments: { ms: 60_000 } };
      const before = await count();
      const open = descriptors(gateway);
      const stop = new AbortController();
      const modern = fetch(proxy.url, {
        method: 'POST', signal: stop.signal,
        headers: {
          'Content-Type': 'application/json', Accept: 'application/json, text/event-stream',
          'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': 'tools/call',
          'Mcp-Name': params.name,
        },
        body: JSON.stringify({
          jsonrpc: '2.0', id: 1, method: 'tools/call', params: { ...params, _meta: meta() },
        }),
      });
      // On /sse the stream is the session: its end is the end of what was asked.
      const stream = await fetch(proxy.sse, { signal: stop.signal });
      const reader = stream.body.getReader();
      const { value } = await reader.read();
      const endpoint = /data: (\S+)/.exec(Buffer.from(value).toString())[1];
      const posted = await send(proxy.origin + endpoint, {
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
      });
      assert.equal(posted.status, 202);
      // Half a body.
      const half = http.request(proxy.url, {
        method: 'POST', agent: false,
        headers: { 'Content-Type': 'application/json', 'Content-Length': 512 * 1024 },
      });
      half.on('error', () => {});
      half.write('x'.repeat(256 * 1024));
      await until(async () => descriptors(gateway) >= open + 2, 'they are all there');
      stop.abort();
      half.destroy();
      await assert.rejects(modern, /abort/i);
      await assert.rejects(reader.read(), /abort/i);
      await until(async () => (await count()) >= before + 2, 'both calls were cancelled');
      const kept = front.pools ? 8 : 0;
      await until(() => descriptors(gateway) <= open + kept, 'no descriptor stays');
    });

    test('connections to the gateway are kept', { skip: !front.pools }, async () => {
      const many = () => Promise.all(Array.from({ length: 4 }, async () => {
        for (let n = 0; n < 50; n += 1) {
          const params = { name: 'fixture_1mcp_echo', arguments: { text: `${n}` } };
          assert.equal(text((await ask(proxy.url, 'tools/call', params)).result), `${n}`);
        }
      }));
      await many();
      const before = connectionsTo(port);
      await many();
      const now = connectionsTo(port);
      assert.ok(before.length > 0 && before.length <= 8, `${before}`);
      assert.ok(now.some((one) => before.includes(one)), `${before} then ${now}`);
      assert.ok(now.length <= 8, `${now}`);
    });
  });

  describe(`a gateway that is started anew behind ${name}`, { skip: missing(name) }, () => {
    test('is 502 while it is away, and then goes on', { timeout: 60_000 }, async (t) => {
      const port = await freePort();
      let gateway = await startGateway({ servers: { fixture: fixtureServer() }, port });
      const proxy = await openFront(name, port);
      const clients = {};
      try {
        for (const [who, [era, kind]] of Object.entries(CLIENTS)) {
          clients[who] = await openClient(era, kind, proxy, who);
          await until(async () =>
            (await clients[who].tools()).some((tool) => tool.name === 'fixture_1mcp_echo'), 'tools');
        }
        const echo = async (client) => text(await client.call('fixture_1mcp_echo', { text: 'x' }));
        for (const client of Object.values(clients)) assert.equal(await echo(client), 'x');
        const left = Date.now();
        await gateway.stop({ keep: true });
        for (const [who, client] of Object.entries(clients)) {
          const error = await echo(client).then(() => assert.fail(who), (found) => found);
          const said = `${error.message} ${error.code} ${JSON.stringify(error.data)}`;
          assert.match(said, /502|Bad Gateway/, who);
        }
        gateway = await startGateway({ after: gateway, port });
        const away = Date.now() - left;
        for (const [who, client] of Object.entries(clients)) {
          // It comes back after two seconds, as it was told, and gives up if it meets a 502 then.
          if (away > 1_200 && who.includes('/sse')) {
            t.diagnostic(`${who}: away for ${away} ms, which is too long for it`);
            continue;
          }
          const began = Date.now();
          let tries = 0;
          await until(() => {
            tries += 1;
            return echo(client).then((said) => said === 'x', () => false);
          }, `${who} goes on`);
          t.diagnostic(`${who}: try ${tries}, ${Date.now() - began} ms`);
          // The stream has to be there again first.
          if (!who.includes('/sse')) assert.equal(tries, 1, who);
        }
      } finally {
        for (const client of Object.values(clients)) await client.close().catch(() => {});
        await proxy.stop();
        await gateway.stop();
      }
    });
  });
}
