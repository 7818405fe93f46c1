// Many clients, one server, the same ids and tokens everywhere: every answer and every progress
// carries its caller's marker, so one that reaches the wrong client is seen.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './lib/gateway.mjs';
import { placeFixture, PLACES } from './lib/remotes.mjs';
import { closeConnections, openSession } from './lib/wire.mjs';

const CALLS = Number(process.env.MIXUP_CALLS ?? 4000);
const AT_ONCE = 16;

/** A call of a tool of the fixture, always with the same id and the same token. */
function call(name, args, id = 1, progressToken = 't') {
  return {
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: `fixture_1mcp_${name}`, arguments: args, _meta: { progressToken } },
  };
}

/** Sends a call and says whether each message that came back is its caller's own. */
async function checked(send, tally, marker, steps, id, token) {
  const slow = tally.sent % 4 === 0;
  const text = `${marker}-${tally.sent}`;
  tally.sent += 1;
  const { status, messages } = slow
    ? await send(call('slow', { ms: 5, steps, marker }, id, token))
    : await send(call('echo', { text }, id, token));
  assert.equal(status, 200);
  const answer = messages.at(-1);
  assert.equal(answer.id, id, JSON.stringify(answer));
  assert.equal(answer.error, undefined, JSON.stringify(answer));
  if (!slow) {
    assert.equal(answer.result.content[0].text, text);
    assert.equal(messages.length, 1, 'an echo sends nothing before its answer');
  }
  for (const note of messages.slice(0, -1)) {
    assert.equal(note.method, 'notifications/progress');
    assert.equal(note.params.progressToken, token);
    // `steps` differs from client to client: a foreign progress has a foreign total.
    assert.equal(note.params.total, steps, `progress of another client: ${JSON.stringify(note)}`);
    tally.progress += 1;
  }
}

for (const place of PLACES) describe(`clients that all use id 1 and token "t": ${place}`, () => {
  const calls = place === 'child' ? CALLS : CALLS / 4;
  let gateway, server;
  before(async () => {
    server = await placeFixture(place);
    gateway = await startGateway({ servers: { fixture: server.entry } });
  });
  after(async () => {
    closeConnections();
    await gateway?.stop();
    await server?.stop();
  });

  test(`${AT_ONCE} sessions at once, ${calls} calls, no answer goes astray`, async () => {
    const tally = { sent: 0, progress: 0 };
    const worker = async (number) => {
      const send = await openSession(gateway.url);
      while (tally.sent < calls) {
        await checked(send, tally, `client-${number}`, number + 2, 1, 't');
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, (_, number) => worker(number)));
    assert.ok(tally.progress > 0, 'the slow calls reported progress');
  });

  test(`two sessions, ${AT_ONCE} calls at once each under the same ids and tokens`, async () => {
    const tally = { sent: 0, progress: 0 };
    const client = async (number) => {
      const send = await openSession(gateway.url);
      const lane = async (id) => {
        while (tally.sent < calls) {
          await checked(send, tally, `pair-${number}-${id}`, number * 20 + id + 2, id, `t${id}`);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, (_, id) => lane(id + 1)));
    };
    await Promise.all([client(0), client(1)]);
    assert.ok(tally.progress > 0, 'the slow calls reported progress');
  });

  test('all of them were answered by one and the same server', async () => {
    const answers = [];
    for (let number = 0; number < 3; number += 1) {
      const send = await openSession(gateway.url);
      const { messages } = await send(call('whoami', { marker: `m${number}` }));
      const said = JSON.parse(messages.at(-1).result.content[0].text);
      assert.equal(said.marker, `m${number}`);
      answers.push(said.pid);
    }
    assert.equal(new Set(answers).size, 1, `servers: ${answers}`);
  });
});
