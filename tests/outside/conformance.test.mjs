// The conformance suite of the protocol's authors, over our fixture behind the gateway.
// A scenario passes only if its own checks ran and none failed or warned: the suite itself also
// counts a scenario without checks as passed.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import { fixtureServer, outside, packageBin, run, startGateway } from './lib/gateway.mjs';
import { openSession } from './lib/wire.mjs';

const SUITE = packageBin('@modelcontextprotocol/conformance', 'conformance');
const OUT = join(outside, 'out');
// These come from the harness for every scenario; alone they prove nothing about the scenario.
const SYNTHETIC = new Set(['wire-schema-valid', 'wire-schema-harness-error']);
const REQUIRED = 30;
const BESIDES = ['server-session-lifecycle', 'json-schema-2020-12'];
const POLLING = 'server-sse-polling';

/** Runs the suite and reads its results: scenario name -> list of checks. */
async function conformance(url, label, ...args) {
  const dir = join(OUT, label);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const done = await run(process.execPath, [SUITE, 'server', '--url', url, '-o', dir, ...args]);
  const scenarios = new Map();
  for (const name of readdirSync(dir)) {
    const scenario = /^server-(.*)-\d{4}-\d\d-\d\dT/.exec(name)?.[1];
    if (!scenario) continue;
    scenarios.set(scenario, JSON.parse(readFileSync(join(dir, name, 'checks.json'), 'utf8')));
  }
  return { scenarios, done };
}

/** Why a scenario did not pass, or undefined. */
function fault(checks) {
  const bad = checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING');
  if (bad.length > 0) {
    return bad
      .map((check) => `${check.id}: ${check.status} ${check.errorMessage ?? ''} ` +
        JSON.stringify(check.details ?? {}).slice(0, 2000))
      .join('\n');
  }
  const good = checks.filter(({ id, status }) => status === 'SUCCESS' && !SYNTHETIC.has(id));
  return good.length > 0 ? undefined : 'no check of its own succeeded';
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

function faults(scenarios, wanted) {
  const found = {};
  for (const name of wanted) {
    const why = scenarios.has(name) ? fault(scenarios.get(name)) : 'was not run';
    if (why) found[name] = why;
  }
  return found;
}

/** The names that `list --requirements` gives under "Server scenarios". */
async function required(revision) {
  const { stdout } = await run(process.execPath, [SUITE, 'list', '--requirements', revision]);
  const part = stdout.split('Server scenarios')[1].split('Client scenarios')[0];
  return [...part.matchAll(/^ {2}- (\S+)$/gm)].map((match) => match[1]);
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
