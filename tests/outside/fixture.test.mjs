// The conformance suite over our fixture alone, without the gateway: what the gateway is measured
// with is measured first.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { FIXTURE } from './lib/gateway.mjs';
import { conformance, faults, required } from './lib/suite.mjs';

const BESIDES = {
  '2025-11-25': ['server-session-lifecycle', 'json-schema-2020-12'],
  '2026-07-28': [
    'http-header-validation', 'http-custom-header-server-validation', 'json-schema-2020-12',
    'tasks-lifecycle', 'tasks-capability-negotiation', 'tasks-wire-fields',
    'tasks-request-state-removal', 'tasks-mrtr-input', 'tasks-request-headers',
    'tasks-dispatch-and-envelope', 'tasks-required-task-error', 'tasks-mrtr-composition',
  ],
};
const COUNTS = { '2025-11-25': 30, '2026-07-28': 37 };
const ERAS = { dual: ['2025-11-25', '2026-07-28'], legacy: ['2025-11-25'], modern: ['2026-07-28'] };

/** Starts the fixture on a free port: its process and its address. */
async function start(era) {
  const child = spawn(FIXTURE, ['--http', '0', '--era', era], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  for await (const chunk of child.stderr) {
    said += chunk;
    const ready = /listening on (\S+\/mcp)\n/.exec(said);
    if (ready) return { child, url: ready[1] };
  }
  throw new Error(`the fixture did not start: ${said}`);
}

for (const [era, revisions] of Object.entries(ERAS)) {
  describe(`the ${era} fixture by itself`, () => {
    let fixture;
    before(async () => (fixture = await start(era)));
    after(() => fixture?.child.kill());

    for (const revision of revisions) {
      test(`passes all ${COUNTS[revision]} scenarios that ${revision} requires`, async () => {
        const wanted = await required(revision);
        assert.equal(wanted.length, COUNTS[revision]);
        const { scenarios, done } = await conformance(
          fixture.url, `fixture-${era}-${revision}`, '--requirements', revision);
        const all = [...wanted, ...BESIDES[revision]];
        assert.deepEqual(faults(scenarios, all), {}, done.stdout.slice(-3000));
      });
    }
  });
}
