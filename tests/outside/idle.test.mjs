// Streams on which nothing happens for SSE_IDLE_S seconds, all at the same time through each reverse
// proxy: they get their comments, nobody cuts them, and what happens then still arrives. With 300 s
// that is five times what nginx gives a silent stream.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openClient } from './lib/both.mjs';
import { text, until } from './lib/clients.mjs';
import { FRONTS, missing, openFront } from './lib/fronts.mjs';
import { fixtureServer, startGateway } from './lib/gateway.mjs';
import { freePort } from './lib/remotes.mjs';
import { ask, closeConnections, meta, openSession, post } from './lib/wire.mjs';

const IDLE_S = Number(process.env.SSE_IDLE_S ?? 40);
const COMMENT_S = 15;
const SLACK_S = 5;

const CLIENTS = [['legacy', 'http'], ['modern', 'http'], ['legacy', 'sse'], ['modern', 'sse']];

const INITIALIZE = {
  jsonrpc: '2.0', id: 1, method: 'initialize',
  params: {
    protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'raw', version: '1' },
  },
};

/** Reads a stream: `{text, gap, close}`, `gap` being the longest silence in seconds. */
async function reading(url, options) {
  const stop = new AbortController();
  const answer = await fetch(url, { ...options, signal: stop.signal });
  assert.equal(answer.status, 200, url);
  assert.match(answer.headers.get('content-type'), /^text\/event-stream/);
  const stream = { text: '', gap: 0, ended: undefined };
  let last = Date.now();
  const read = async () => {
    for await (const part of answer.body) {
      stream.gap = Math.max(stream.gap, (Date.now() - last) / 1000);
      last = Date.now();
      stream.text += Buffer.from(part).toString();
    }
    stream.ended = 'by the other side';
  };
  const all = read().catch((error) => (stream.ended ??= error.message));
  stream.comments = () => (stream.text.match(/^:/gm) ?? []).length;
  stream.close = async () => {
    stream.ended ??= 'by us';
    stop.abort();
    await all;
  };
  return stream;
}

/** The three kinds of stream that stay open, as bytes. */
async function streams(front) {
  const version = '2025-11-25';
  const { session } = await openSession(front.url, { version });
  const listen = {
    jsonrpc: '2.0', id: 1, method: 'subscriptions/listen',
    params: { notifications: { toolsListChanged: true }, _meta: meta() },
  };
  const old = await reading(front.sse, { headers: { Accept: 'text/event-stream' } });
  const endpoint = /data: (\S+)/.exec(await until(() => old.text, 'an endpoint'))[1];
  for (const message of [INITIALIZE, { jsonrpc: '2.0', method: 'notifications/initialized' }]) {
    assert.equal((await post(front.origin + endpoint, message)).status, 202);
  }
  return {
    'GET /mcp': await reading(front.url, {
      headers: {
        Accept: 'text/event-stream', 'Mcp-Session-Id': session, 'MCP-Protocol-Version': version,
      },
    }),
    'subscriptions/listen': await reading(front.url, {
      method: 'POST', body: JSON.stringify(listen),
      headers: {
        'Content-Type': 'application/json', Accept: 'application/json, text/event-stream',
        'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': listen.method,
      },
    }),
    '/sse': old,
  };
}

describe(`nothing happens for ${IDLE_S} s`, { concurrency: true }, () => {
  for (const name of Object.keys(FRONTS)) {
    describe(name, { skip: missing(name) }, () => {
      let gateway, front;
      before(async () => {
        const port = await freePort();
        const requestTimeout = (IDLE_S + 60) * 1000;
        gateway = await startGateway({ servers: { fixture: { ...fixtureServer(), requestTimeout } }, port });
        front = await openFront(name, port);
        await until(async () => {
          const { result } = await ask(front.url, 'tools/list', {});
          return result?.tools.some((tool) => tool.name === 'fixture_1mcp_slow');
        }, 'the fixture is there');
      });
      after(async () => {
        closeConnections();
        await front?.stop();
        await gateway?.stop();
      });

      test('streams and calls stay, and then go on', { timeout: 3 * (IDLE_S + 60) * 1000 }, async (t) => {
        for (let attempt = 1; ; attempt += 1) {
          const told = front.log?.().length ?? 0;
          try {
            return await stay(t, attempt);
          } catch (error) {
            // Caddy closes its own connection now and then just when the answer to a POST begins,
            // says so, and its client has a stream that ends at once.
            const said = front.log?.().slice(told) ?? '';
            if (attempt === 3 || !/reading from backend.*use of closed network connection/.test(said)) {
              throw error;
            }
            t.diagnostic(`${name} closed a connection of its own: ${error.message}`);
          }
        }
      });

      const stay = async (t, attempt) => {
        const raw = await streams(front);
        const clients = [];
        for (const [era, kind] of CLIENTS) {
          const client = await openClient(era, kind, front, `${era}-${kind}`);
          clients.push(client);
          await client.watch();
        }
        const calls = clients.map((client) => client.call(
          'fixture_1mcp_slow', { ms: IDLE_S * 1000 }, { timeout: (IDLE_S + 50) * 1000 }));
        for (const call of calls) call.catch(() => {});
        await delay(IDLE_S * 1000);
        const answers = await Promise.all(calls);
        for (const answer of answers) assert.ok(text(answer).length > 0);
        for (const [kind, stream] of Object.entries(raw)) {
          assert.equal(stream.ended, undefined, kind);
          t.diagnostic(`${kind}: ${stream.comments()} comments, at most ${stream.gap.toFixed(1)} s apart`);
          assert.ok(stream.comments() >= Math.floor(IDLE_S / COMMENT_S), `${kind}: ${stream.text}`);
          assert.ok(stream.gap <= COMMENT_S + SLACK_S, `${kind}: ${stream.gap}`);
        }
        // Nobody was told anything in the meantime that a later word could be mistaken for.
        const heard = clients.map((client) => client.heard.tools);
        await ask(gateway.url, 'tools/call', { name: 'fixture_1mcp_add_tool', arguments: { name: `late_${attempt}` } });
        for (const [n, client] of clients.entries()) {
          await until(() => client.heard.tools > heard[n], `${CLIENTS[n]} hears of the change`);
          assert.equal(text(await client.call('fixture_1mcp_echo', { text: 'on' })), 'on');
        }
        for (const [kind, stream] of Object.entries(raw)) {
          await until(() => stream.text.includes('notifications/tools/list_changed'), kind);
          await stream.close();
          assert.equal(stream.ended, 'by us', kind);
        }
        for (const client of clients) await client.close();
      };
    });
  }
});
