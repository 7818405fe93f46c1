// Servers that misbehave, each beside one that does not: the good one never notices, the bad one
// is either coped with or named in a clear error, and nothing of either is left behind.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { FIXTURE, fixtureServer, marked, startGateway } from './lib/gateway.mjs';
import { closeConnections, openSession } from './lib/wire.mjs';

const call = (server, text) => ({
  jsonrpc: '2.0', id: text, method: 'tools/call',
  params: { name: `${server}_1mcp_echo`, arguments: { text } },
});

/** Calls until the text comes back, for servers that need a while. */
async function echoes(send, server, ms = 15_000) {
  let last;
  for (const end = Date.now() + ms; Date.now() < end; await delay(100)) {
    last = (await send(call(server, `for ${server}`))).messages.at(-1);
    if (last?.result?.content?.[0]?.text === `for ${server}`) return;
  }
  assert.fail(`${server} never answered: ${JSON.stringify(last)}`);
}

/** Flags of the fixture, and whether calls to it must work. */
const CASES = {
  'a banner and garbage on stdout': [['--garbage'], 'works'],
  'every answer twice': [['--twice'], 'works'],
  'answers under ids that nobody used': [['--wrong-ids'], 'works'],
  'a flood on stderr': [['--flood-stderr'], 'works'],
  'a start that takes 2 s': [['--slow-start', '2000'], 'works'],
  'a crash after every second call': [['--crash-after', '2'], 'works'],
  'a question for roots right away': [['--ask'], 'works'],
  'an older revision than asked for': [['--old-version', '2024-11-05'], 'works'],
  'a line of 100 MB': [['--long-line', '100'], 'any'],
  'an exit at once': [['--exit-at-start', '3'], 'fails'],
  'no answer to initialize': [['--hang'], 'fails'],
  'no such program': [[], 'fails', { command: '/nowhere/at/all' }],
  'deafness to SIGTERM and end of input': [['--ignore-term', '--ignore-eof'], 'works'],
  'a grandchild that holds the pipes': [['--fork', '--ignore-term', '--ignore-eof'], 'works'],
};

for (const [name, [flags, wanted, extra]] of Object.entries(CASES)) {
  describe(`a server with ${name}`, () => {
    let gateway, send;
    before(async () => {
      gateway = await startGateway({
        servers: {
          bad: { ...fixtureServer(...flags), connectionTimeout: 3000, ...extra },
          good: fixtureServer(),
        },
        args: ['--list-wait', '500'],
      });
      send = await openSession(gateway.url);
    });
    after(async () => {
      closeConnections();
      await gateway?.stop();
    });

    test('does not hinder the one beside it', () => echoes(send, 'good'));

    test(`${wanted === 'works' ? 'answers calls' : 'is named in the error of a call'}`, async () => {
      if (wanted === 'works') return echoes(send, 'bad');
      const answer = (await send(call('bad', 'anyone?'))).messages.at(-1);
      if (wanted === 'any' && answer.result) return undefined;
      assert.equal(answer.error?.code, -32603, JSON.stringify(answer));
      assert.match(answer.error.message, /bad/);
      return undefined;
    });

    test('still leaves the other one in service', async () => {
      const { messages } = await send(call('good', 'still there'));
      assert.equal(messages.at(-1).result.content[0].text, 'still there');
    });
  });
}

describe('kill -9', () => {
  test('of the gateway leaves no child and no grandchild', async () => {
    const deaf = `trap '' TERM; ${FIXTURE} --ignore-term --ignore-eof --fork`;
    const gateway = await startGateway({
      servers: {
        deaf: { command: 'sh', args: ['-c', deaf] },
        plain: fixtureServer(),
      },
    });
    const send = await openSession(gateway.url);
    await echoes(send, 'deaf');
    await echoes(send, 'plain');
    assert.ok(marked(gateway.mark).length >= 4, 'gateway, shell, fixture, grandchild');
    process.kill(gateway.pid, 'SIGKILL');
    const left = await gateway.leftovers();
    for (const { pid } of left) process.kill(pid, 'SIGKILL');
    closeConnections();
    assert.deepEqual(left, []);
  });
});
