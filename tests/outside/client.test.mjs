// The conformance suite of the protocol's authors with the gateway as the client: the suite is the
// gateway's only server, and an official client makes the gateway do what each scenario wants to
// see. In the scenarios of authorization its owner presses Authorize where the gateway says so.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ERAS } from './lib/both.mjs';
import { asClient, faults, requiredOfClients, schemas } from './lib/suite.mjs';

// What the suite runs besides, unscored.
const BESIDES = ['json-schema-2020-12-preservation'];
const REQUIRED = { '2025-11-25': 18, '2026-07-28': 32 };
// Against which revisions' servers which client drives the gateway: an old one too, so that what
// a server demands is seen to come from the gateway.
const own = (revision) => (revision === '2026-07-28' ? 'modern' : 'legacy');

for (const [revision, count] of Object.entries(REQUIRED)) {
  describe(`the gateway as a client of ${revision}`, { concurrency: 1 }, () => {
    test('every scenario is here', async () => {
      const all = await requiredOfClients(revision);
      assert.equal(all.length, count, all.join(' '));
    });

    for (const era of ERAS) {
      test(`driven by a ${era} client`, { concurrency: 3 }, async (t) => {
        // How it gets in to a server has nothing to do with who its clients are.
        const all = (await requiredOfClients(revision)).filter(
          (name) => era === own(revision) || !name.startsWith('auth/'));
        const passed = [];
        await Promise.all([...all, ...BESIDES].map((scenario) =>
          t.test(scenario, async () => {
            const { checks, said, code } = await asClient(scenario, revision, era);
            const found = new Map([[scenario, checks]]);
            assert.deepEqual(faults(found, [scenario]), {}, said);
            assert.deepEqual(schemas(found).faults, [], 'a message fails the schema of its revision');
            assert.equal(code, 0, said);
            passed.push(scenario);
          })));
        const scored = passed.filter((name) => !BESIDES.includes(name)).length;
        assert.equal(scored, all.length);
        t.diagnostic(`${revision}, ${era}${era === own(revision) ? '' : ' (bridged)'}: ${scored}/${all.length}`);
      });
    }
  });
}
