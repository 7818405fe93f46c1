// The official clients of both eras, over stdio and HTTP, against one config with an official
// server of each era: every feature crosses the eras, and the last test prints the table.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ERAS, openClient, SERVERS } from './lib/both.mjs';
import { EVERYTHING, FEATURES, MADE } from './lib/features.mjs';
import { marked, startGateway } from './lib/gateway.mjs';
import { startRelay } from './lib/relay.mjs';
import { checkRecord } from './lib/schemas.mjs';

const KINDS = ['stdio', 'http'];
const REVISION = { legacy: '2025-11-25', modern: '2026-07-28' };
const HAS = { modern: MADE, legacy: EVERYTHING };

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
            await proves({ client, has: HAS[to], who, name: (tool) => `${to}_1mcp_${tool}` });
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
