// The official clients of both eras, over stdio and HTTP, against one config with an official
// server of each era: every feature crosses the eras, and the last test prints the table.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ERAS, openClient, SERVERS } from './lib/both.mjs';
import { text, until } from './lib/clients.mjs';
import { marked, startGateway } from './lib/gateway.mjs';
import { startRelay } from './lib/relay.mjs';
import { checkRecord } from './lib/schemas.mjs';

const KINDS = ['stdio', 'http'];
const REVISION = { legacy: '2025-11-25', modern: '2026-07-28' };
const NEWS = 'data:text/plain;base64,bmV3cw==';

// What each server calls the same thing.
const HAS = {
  modern: {
    long: ['long', { ms: 800, steps: 4 }],
    endless: ['long', { ms: 60_000, steps: 600 }],
    elicit: 'ask-name',
    sample: 'ask-model',
    watched: 'made://watched',
    touch: 'touch',
    grow: ['grow', {}, 'tools'],
  },
  legacy: {
    long: ['trigger-long-running-operation', { duration: 1, steps: 4 }],
    endless: ['trigger-long-running-operation', { duration: 60, steps: 600 }],
    elicit: 'trigger-elicitation-request',
    sample: 'trigger-sampling-request',
    watched: 'demo://resource/static/document/features.md',
    touch: 'toggle-subscriber-updates',
    grow: ['gzip-file-as-resource', { data: NEWS }, 'resources'],
  },
};

/**
 * Each proves one feature, from `client` to the server of era `to`. A cancelled call comes last:
 * server-everything goes on with it, so that a first question thereafter could be its question.
 */
const FEATURES = {
  async list({ client, to, name }) {
    const names = (await client.tools()).map((tool) => tool.name);
    for (const tool of ['echo', HAS[to].elicit, HAS[to].sample]) {
      assert.ok(names.includes(name(tool)), `${tool} is not in ${names}`);
    }
    assert.ok((await client.prompts()).some((prompt) => prompt.name.startsWith(name(''))));
    const uris = (await client.resources()).map(({ uri }) => uri);
    assert.ok(uris.includes(HAS[to].watched), uris.join(' '));
    assert.ok((await client.templates()).length >= 2, 'templates of both servers');
  },

  async call({ client, to, name }) {
    const result = await client.call(name('echo'), { message: 'grüße 🦀' });
    assert.match(text(result), /grüße 🦀/);
    const { contents } = await client.read(HAS[to].watched);
    assert.equal(contents[0].uri, HAS[to].watched);
    assert.ok(contents[0].text.length > 0);
    await assert.rejects(client.call(name('nothing-like-it'), {}), { code: -32602 });
  },

  async progress({ client, to, name }) {
    const [tool, args] = HAS[to].long;
    const seen = [];
    const onprogress = ({ progress, total }) => seen.push([progress, total]);
    assert.match(text(await client.call(name(tool), args, { onprogress })), /4/);
    // One a step; the last is in a race with the server's own answer.
    assert.ok(seen.length >= 3, JSON.stringify(seen));
    assert.deepEqual(seen, seen.map((_, index) => [index + 1, 4]));
  },

  async subscriptions({ client, to, name }) {
    const { watched, touch } = HAS[to];
    const honored = await client.watch(watched);
    if (honored) assert.deepEqual(honored.resourceSubscriptions, [watched]);
    client.heard.updated.length = 0;
    await client.call(name(touch), {});
    await until(() => client.heard.updated.length > 0, `${watched} was touched`);
    assert.ok(client.heard.updated.every((uri) => uri === watched), `${client.heard.updated}`);
    // What touches a resource of server-everything again and again is a switch.
    if (to === 'legacy') await client.call(name(touch), {});
  },

  async 'list changes'({ client, to, name }) {
    const [tool, args, list] = HAS[to].grow;
    const known = (await client[list]()).length;
    const before = client.heard[list];
    const file = `news-${Math.random()}.gz`;
    await client.call(name(tool), to === 'legacy' ? { ...args, name: file } : args);
    await until(() => client.heard[list] > before, `${list}/list_changed`);
    await until(async () => (await client[list]()).length > known, 'the list holds the news');
    await client.unwatch(HAS[to].watched);
  },

  async elicitation({ client, to, name, who }) {
    const before = client.asked.elicitation;
    assert.match(text(await client.call(name(HAS[to].elicit), {})), new RegExp(`Name: ${who}`));
    assert.equal(client.asked.elicitation, before + 1);
  },

  async sampling({ client, to, name, who }) {
    const before = client.asked.sampling;
    const prompt = `question for ${who}.`;
    const said = text(await client.call(name(HAS[to].sample), { prompt, maxTokens: 10 }));
    assert.ok(said.includes(`answered by ${who}: `) && said.includes(prompt), said);
    assert.equal(client.asked.sampling, before + 1);
  },

  async cancel({ client, to, name }) {
    const [tool, args] = HAS[to].endless;
    const stop = new AbortController();
    const began = Date.now();
    const long = client.call(
      name(tool), args, { signal: stop.signal, onprogress: () => stop.abort(new Error('enough')) });
    await assert.rejects(long, /enough|abort/i);
    assert.ok(Date.now() - began < 30_000, 'did not wait for the end');
    assert.match(text(await client.call(name('echo'), { message: 'after' })), /after/);
    if (to !== 'modern') return;
    await until(
      async () => text(await client.call(name('cancellations'), {})) !== '0',
      'the server hears of the cancellation');
  },
};

test('a message that fails its schema is noticed', () => {
  const exchange = (version, result) => ({
    asked: { method: 'tools/list' },
    headers: { 'mcp-protocol-version': version },
    type: 'application/json',
    text: JSON.stringify({ jsonrpc: '2.0', id: 1, result }),
  });
  const hints = { ttlMs: 0, cacheScope: 'private' };
  const good = { resultType: 'complete', tools: [], ...hints };
  const { count, faults } = checkRecord([
    exchange('2026-07-28', good),
    exchange('2026-07-28', { ...good, ttlMs: -1 }),
    exchange('2026-07-28', { tools: [], ...hints }),
    exchange('2025-11-25', { tools: [] }),
    exchange('2025-11-25', { tools: [{ name: 'x' }] }),
  ]);
  assert.equal(count, 5);
  assert.equal(faults.length, 3, faults.join('\n'));
});

const table = new Map();
const key = (from, to, feature) => `${from} ${to} ${feature}`;

for (const from of ERAS) {
  for (const kind of KINDS) {
    describe(`a ${from} client over ${kind}`, () => {
      const who = `${from}-${kind}`;
      let gateway, relay, client;
      before(async () => {
        gateway = await startGateway({ servers: SERVERS });
        relay = await startRelay(gateway.origin);
        client = await openClient(from, kind, { ...gateway, url: relay.url }, who);
      });
      after(async () => {
        await client?.close();
        await relay?.stop();
        await gateway?.stop();
        const left = gateway ? marked(gateway.mark) : [];
        for (const { pid } of left) process.kill(pid, 'SIGKILL');
        assert.deepEqual(left, []);
      });

      test(`speaks ${REVISION[from]}`, () => assert.equal(client.revision(), REVISION[from]));

      for (const to of ERAS) {
        for (const [feature, proves] of Object.entries(FEATURES)) {
          test(`${feature}: a ${to} server`, async () => {
            const cell = table.get(key(from, to, feature)) ?? {};
            table.set(key(from, to, feature), cell);
            cell[kind] = 'FAILED';
            await proves({ client, to, who, name: (tool) => `${to}_1mcp_${tool}` });
            cell[kind] = 'passed';
          });
        }
      }

      // The relay that records stands before an HTTP gateway.
      if (kind !== 'http') return;

      test('every message met the schema of its revision', (t) => {
        const { count, faults } = checkRecord(relay.record);
        t.diagnostic(`${count} messages`);
        assert.ok(count > 30, 'messages were recorded');
        assert.deepEqual(faults, []);
      });
    });
  }
}

test('every feature between every two eras', (t) => {
  const pairs = ERAS.flatMap((from) => ERAS.map((to) => [from, to]));
  const line = (cells) => cells.map((cell) => cell.padEnd(20)).join('').trimEnd();
  t.diagnostic(line(['', ...pairs.map(([from, to]) => `${from} > ${to}`)]));
  const missing = [];
  for (const feature of Object.keys(FEATURES)) {
    const cells = pairs.map(([from, to]) => {
      const cell = table.get(key(from, to, feature)) ?? {};
      const results = KINDS.map((kind) => cell[kind] ?? 'not run');
      if (results.every((result) => result === 'passed')) return 'passed';
      missing.push(key(from, to, feature));
      return KINDS.map((kind, index) => `${kind} ${results[index]}`).join(' ');
    });
    t.diagnostic(line([feature, ...cells]));
  }
  assert.deepEqual(missing, [], 'client era, server era, feature');
});
