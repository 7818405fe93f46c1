// Requests without a session leave nothing behind: after the first 10,000 calls neither memory
// nor descriptors grow.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { until } from './lib/clients.mjs';
import { flood, postBytes } from './lib/flood.mjs';
import { startGateway } from './lib/gateway.mjs';
import { placeFixture } from './lib/remotes.mjs';
import { meta } from './lib/wire.mjs';

const CALLS = Number(process.env.MEMORY_CALLS ?? 100_000);
const LANES = 8;
// Not growth by call: pages that an allocator takes or leaves from one moment to the next.
const SLACK_KB = 512;

const CASES = ['legacy', 'modern'].flatMap((era) => [[era, 'child', CALLS], [era, 'HTTP', CALLS / 4]]);

for (const [era, place, calls] of CASES) {
  describe(`${calls} calls without a session, on a ${era} server: ${place}`, () => {
    const WARM = calls / 10;
    let gateway, server;
    before(async () => {
      server = await placeFixture(place, '--era', era);
      gateway = await startGateway({ servers: { fixture: server.entry } });
    });
    after(async () => {
      await gateway?.stop();
      await server?.stop();
    });

    const resident = () =>
      Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))[1]);
    const descriptors = () => readdirSync(`/proc/${gateway.pid}/fd`).length;

    test('memory and descriptors are the same after the first tenth and at the end', async (t) => {
      const name = 'fixture_1mcp_echo';
      const params = { name, arguments: { text: 'again' }, _meta: meta() };
      const request = postBytes(
        gateway.url, { jsonrpc: '2.0', id: 1, method: 'tools/call', params },
        { 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': 'tools/call', 'Mcp-Name': name });
      const send = (count) =>
        flood(gateway.url, request, count, LANES, (body) => body.includes('"text":"again"'));
      await send(WARM);
      const before = { kb: resident(), fds: descriptors() };
      const began = Date.now();
      const seen = [];
      for (let part = 0; part < 9; part += 1) {
        await send(WARM);
        seen.push(resident());
      }
      const rate = Math.round((9 * WARM) / ((Date.now() - began) / 1000));
      t.diagnostic(`${before.kb} kB after ${WARM} calls, then ${seen} kB; ${rate} calls/s`);
      assert.ok(seen.at(-1) <= before.kb + SLACK_KB, `grew from ${before.kb} to ${seen.at(-1)} kB`);
      await until(() => descriptors() <= before.fds, 'no descriptor stays open', 5000);
    });
  });
}
