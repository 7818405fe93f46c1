// The conformance suite of the protocol's authors, over our fixture behind the gateway: each era
// of clients over each era of servers, alone and mixed, as children and on the network.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import { fixtureServer, startGateway } from './lib/gateway.mjs';
import { startRelay } from './lib/relay.mjs';
import { placeFixture } from './lib/remotes.mjs';
import {
  baseline, conformance, failures, faults, required, schemas, surprises,
} from './lib/suite.mjs';
import { openSession } from './lib/wire.mjs';

const REVISIONS = {
  '2025-11-25': { required: 30, besides: ['server-session-lifecycle', 'json-schema-2020-12'] },
  '2026-07-28': {
    required: 37,
    besides: [
      'http-header-validation', 'http-custom-header-server-validation', 'json-schema-2020-12',
      'tasks-lifecycle', 'tasks-capability-negotiation', 'tasks-wire-fields',
      'tasks-request-state-removal', 'tasks-mrtr-input', 'tasks-request-headers',
      'tasks-dispatch-and-envelope', 'tasks-required-task-error', 'tasks-mrtr-composition',
    ],
  },
};
const POLLING = 'server-sse-polling';

const modern = (...args) => fixtureServer('--era', 'modern', ...args);
const legacy = (...args) => fixtureServer('--era', 'legacy', ...args);
const bare = (entry) => ({ ...entry, prefix: '' });
/** A fixture of an era on the network, bare. */
const far = (era, place = 'HTTP') => ({ far: [place, '--era', era] });

// `through`: the server that the suite meets, by its prefixed names; else one has none. `later`:
// without the revision before the last two.
const LAYOUTS = {
  'a modern server': { servers: { bare: bare(modern()) } },
  'a legacy server': { servers: { bare: bare(legacy()) }, old: true },
  'a modern server before a legacy one': {
    servers: { modern: modern(), legacy: legacy('--name', 'other') },
    through: 'modern',
  },
  'a legacy server before a modern one': {
    servers: { legacy: legacy(), modern: modern('--name', 'other') },
    through: 'legacy',
    old: true,
  },
  'a bare legacy server beside a prefixed modern one': {
    servers: { bare: bare(legacy()), other: modern('--name', 'other') },
    old: true,
  },
  'a modern server over HTTP': { servers: { bare: far('modern') }, later: true },
  'a legacy server over HTTP': { servers: { bare: far('legacy') }, old: true, later: true },
  'a server of both eras over HTTP': { servers: { bare: far('dual') }, later: true },
  'a legacy server over HTTP+SSE': {
    servers: { bare: far('legacy', 'HTTP+SSE') }, old: true, later: true,
  },
};

/** Starts those of the servers that are on the network: `{entries, stop}`. */
async function placed(servers) {
  const entries = {};
  const started = [];
  for (const [name, entry] of Object.entries(servers)) {
    if (entry.far) started.push(await placeFixture(...entry.far));
    entries[name] = entry.far ? bare(started.at(-1).entry) : entry;
  }
  return {
    entries,
    async stop() {
      for (const server of started) await server.stop();
    },
  };
}

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

/** The runs of one layout. */
function runs(layout, { servers, through, old, later }) {
  // Each of the runs has a gateway of its own.
  describe(layout, { concurrency: 3 }, () => {
    const label = layout.replaceAll(' ', '-');

    /** One run of the suite, on a gateway that has never met these servers. */
    async function fresh(name, ...args) {
      const { entries, stop } = await placed(servers);
      const gateway = await startGateway({ servers: entries });
      const relay = through && (await startRelay(gateway.origin, `${through}_1mcp_`));
      try {
        return await conformance((relay ?? gateway).url, `${label}-${name}`, ...args);
      } finally {
        await relay?.stop();
        await gateway.stop();
        await stop();
      }
    }

    for (const [revision, { required: count, besides }] of Object.entries(REVISIONS)) {
      // What cannot be, over an old server, is written down and nothing else may fail.
      const expected = old && revision === '2026-07-28' ? baseline('expected-failures-b.yml') : undefined;
      test(`${revision}: ${count} required scenarios${expected ? ', less what cannot be' : ''}`,
        async (t) => {
          const wanted = await required(revision);
          assert.equal(wanted.length, count);
          const { scenarios, done } = await fresh(revision, '--requirements', revision);
          const found = surprises(scenarios, [...wanted, ...besides], expected);
          const { messages, faults: wrong } = schemas(scenarios);
          const bad = failures(scenarios, wanted);
          t.diagnostic(`${layout}, ${revision}: ${count - bad}/${count}, ${messages} messages`);
          assert.deepEqual(found, { failed: {}, stale: [] }, done.stdout.slice(-3000));
          assert.deepEqual(wrong, [], 'a message fails the schema of its revision');
          assert.ok(messages > count, 'messages were checked');
        });
    }

    // It says nothing of the way to a server that the others do not say.
    if (later) return;
    test('2025-06-18: every scenario', async () => {
      const { scenarios, done } = await fresh(
        '2025-06-18', '--suite', 'all', '--spec-version', '2025-06-18');
      assert.ok(scenarios.size >= 25, `only ${scenarios.size} scenarios ran\n${done.stdout}`);
      assert.deepEqual(faults(scenarios, scenarios.keys()), {}, done.stdout.slice(-3000));
    });
  });
}

// The suite mostly waits.
describe('layouts', { concurrency: 3 }, () => {
  for (const [layout, what] of Object.entries(LAYOUTS)) runs(layout, what);
});

// `--stream-max 1` ends an answer's stream while the call still runs: the client polls. The
// fixture answers every call about 1.2 s late: after the first stream, within the second.
for (const [era, server] of Object.entries({ legacy, modern })) {
  describe(`a slow ${era} server, streams of one second`, () => {
    let gateway;
    before(async () => {
      const servers = { bare: bare(server('--slow', '1100')) };
      gateway = await startGateway({ servers, args: ['--stream-max', '1'] });
      await listed(gateway.url, 'test_reconnection');
    });
    after(() => gateway?.stop());

    test('primes, sends retry and resumes', async () => {
      const { scenarios, done } = await conformance(
        gateway.url, `polling-${era}`, '--scenario', POLLING,
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
