// `isolation: auto`: one common child until its server first asks a client something. A question
// that cannot be attributed may be refused, clearly; it marks the server; it never goes to the
// wrong client; and once marked every client is asked its own questions. All three are counted.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DIRECT, openSite, text, until } from './lib/clients.mjs';

const ROUNDS = 10;

for (const kind of ['http', 'sse']) {
  describe(`isolation auto over ${kind}`, { skip: DIRECT }, () => {
    let site;
    const clients = {};
    const counts = { refused: 0, unclear: [], own: 0, foreign: 0 };

    before(async () => {
      site = await openSite(kind, { isolation: 'auto' });
      for (const name of ['first', 'second']) {
        clients[name] = await site.open(name);
        // Both are at work on the common child before anything is asked.
        const tool = site.tool('everything', 'echo');
        await clients[name].callTool({ name: tool, arguments: { message: name } });
      }
    });
    after(() => site?.stop());

    /** One question for one client: whose answer came back, or how it was refused. */
    async function ask(name, round) {
      const prompt = `question ${round} for ${name}.`;
      const tool = site.tool('everything', 'trigger-sampling-request');
      let said;
      try {
        const result = await clients[name].callTool({ name: tool, arguments: { prompt } });
        said = text(result);
        if (said.includes(`answered by ${name}:`)) {
          if (said.includes(prompt)) counts.own += 1;
          else counts.foreign += 1;
          return 'own';
        }
        if (/answered by (first|second):/.test(said)) {
          counts.foreign += 1;
          return 'foreign';
        }
      } catch (error) {
        said = error.message;
      }
      counts.refused += 1;
      // Clear: says which server, or what could not be done; not a bare timeout or disconnect.
      if (!/everything|which client|sampling|isolation/i.test(said) || /timed? ?out/i.test(said)) {
        counts.unclear.push(said);
      }
      return 'refused';
    }

    test('first questions of two clients at once are answered by their own or refused', async () => {
      await Promise.all([ask('first', 'a'), ask('second', 'a')]);
      assert.equal(counts.own + counts.refused + counts.foreign, 2);
      assert.equal(counts.foreign, 0);
      assert.deepEqual(counts.unclear, []);
    });

    test('the server is marked: from now on both are asked, at once, each its own', async () => {
      await until(async () => (await ask('first', 'b')) === 'own', 'the first is asked');
      await until(async () => (await ask('second', 'b')) === 'own', 'the second is asked');
      const refused = counts.refused;
      const own = counts.own;
      const work = async (name) => {
        for (let round = 0; round < ROUNDS; round += 1) await ask(name, round);
      };
      await Promise.all([work('first'), work('second')]);
      assert.equal(counts.refused, refused, 'nothing is refused any more');
      assert.equal(counts.own, own + 2 * ROUNDS);
    });

    test('no question ever reached the wrong client', (t) => {
      assert.equal(counts.foreign, 0);
      for (const name of ['first', 'second']) assert.equal(clients[name].asked.foreign, 0);
      assert.deepEqual(counts.unclear, []);
      t.diagnostic(JSON.stringify(counts));
    });

    test('the mark outlives the gateway\'s state of the moment: a third client is asked too', async () => {
      clients.third = await site.open('third');
      assert.equal(await ask('third', 'c'), 'own');
    });
  });
}
