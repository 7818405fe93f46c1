// The conformance suite of the protocol's authors, over our fixture behind the gateway.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import { fixtureServer, startGateway } from './lib/gateway.mjs';
import { conformance, faults, required } from './lib/suite.mjs';
import { openSession } from './lib/wire.mjs';

const REQUIRED = 30;
const BESIDES = ['server-session-lifecycle', 'json-schema-2020-12'];
const POLLING = 'server-sse-polling';

/** Waits until a tool is offered. */
async function listed(url, name) {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    const send = await openSession(url);
    const { messages } = await send({ jsonrpc: '2.0', id: 2, method: 'tools/list' });
    if (messages.at(-1)?.result?.tools.some((tool) => tool.name === name)) return;
    await delay(100);
  }
  throw new Error(`${name} is not offered`);
}

const LAYOUTS = {
  alone: { bare: { ...fixtureServer(), prefix: '' } },
  'with a prefixed server beside it': {
    bare: { ...fixtureServer('--name', 'bare'), prefix: '' },
    other: fixtureServer('--name', 'other'),
  },
};

for (const [layout, servers] of Object.entries(LAYOUTS)) {
  describe(`the fixture ${layout}`, () => {
    let gateway;
    const label = layout.split(' ')[0];
    before(async () => (gateway = await startGateway({ servers })));
    after(() => gateway?.stop());

    test(`passes all ${REQUIRED} scenarios that 2025-11-25 requires`, async () => {
      const wanted = await required('2025-11-25');
      assert.equal(wanted.length, REQUIRED);
      const { scenarios, done } = await conformance(
        gateway.url, `${label}-2025-11-25`, '--requirements', '2025-11-25');
      assert.deepEqual(faults(scenarios, [...wanted, ...BESIDES]), {}, done.stdout.slice(-3000));
    });

    test('passes every scenario that 2025-06-18 has', async () => {
      const { scenarios, done } = await conformance(
        gateway.url, `${label}-2025-06-18`, '--suite', 'all', '--spec-version', '2025-06-18');
      assert.ok(scenarios.size >= 25, `only ${scenarios.size} scenarios ran\n${done.stdout}`);
      assert.deepEqual(faults(scenarios, scenarios.keys()), {}, done.stdout.slice(-3000));
    });
  });

  // `--stream-max 1` ends an answer's stream while the call still runs: the client polls. The
  // fixture answers every call about 1.2 s late: after the first stream, within the second.
  describe(`the fixture ${layout}, streams of one second`, () => {
    let gateway;
    before(async () => {
      const bare = { ...servers.bare, args: [...servers.bare.args, '--slow', '1100'] };
      gateway = await startGateway({ servers: { ...servers, bare }, args: ['--stream-max', '1'] });
      await listed(gateway.url, 'test_reconnection');
    });
    after(() => gateway?.stop());

    test('primes, sends retry and resumes', async () => {
      const { scenarios, done } = await conformance(
        gateway.url, `${layout.split(' ')[0]}-polling`, '--scenario', POLLING,
        '--spec-version', '2025-11-25', '--force');
      assert.deepEqual(faults(scenarios, [POLLING]), {}, done.stdout.slice(-3000));
      const checks = scenarios.get(POLLING);
      for (const id of [
        'server-sse-priming-event', 'server-sse-retry-field', 'server-sse-disconnect-resume',
      ]) {
        assert.equal(checks.find((check) => check.id === id)?.status, 'SUCCESS', id);
      }
    });
  });
}
