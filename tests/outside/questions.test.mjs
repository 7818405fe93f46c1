// Clients of both eras that ask at the same time, through one server: each is asked its own
// question and gets its own answer. The clients are plain HTTP, for thousands of rounds.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './lib/gateway.mjs';
import { placeFixture } from './lib/remotes.mjs';
import { ask, closeConnections, openSession, post } from './lib/wire.mjs';

const ROUNDS = Number(process.env.QUESTION_ROUNDS ?? 1000);
const CAPABILITIES = { elicitation: { form: {} } };
const TOOL = 'asking_1mcp_ask';

/** What a server was told when its question could not be put to anybody. */
const REFUSED = /which client|did not declare|isolation|"action":"cancel"|busy/;

/** Whose the answer is: the answer to a question holds the question. */
function verdict(text, wanted) {
  if (text.includes(`"${wanted}"`)) return 'own';
  return REFUSED.test(text) ? 'refused' : `neither: ${text}`;
}

/** A client with a session: the server's question comes on the stream of its call. */
async function legacyClient(url, name) {
  const send = await openSession(url, { version: '2025-11-25', capabilities: CAPABILITIES });
  let id = 10;
  return async (round) => {
    const wanted = `${name} ${round}`;
    const foreign = [];
    id += 1;
    const answers = [];
    const { messages } = await send({
      jsonrpc: '2.0', id, method: 'tools/call',
      params: { name: TOOL, arguments: { kind: 'elicitation', message: wanted } },
    }, (message) => {
      if (message.method !== 'elicitation/create') return;
      if (message.params.message !== wanted) foreign.push(message.params.message);
      const result = { action: 'accept', content: { answer: message.params.message } };
      const reply = { jsonrpc: '2.0', id: message.id, result };
      answers.push(post(url, reply, { session: send.session, version: '2025-11-25' }));
    });
    await Promise.all(answers);
    if (foreign.length > 0) return `foreign: asked ${foreign}`;
    return verdict(messages.at(-1).result?.content[0].text ?? JSON.stringify(messages), wanted);
  };
}

/** A client without one: the question comes as a result, and the call is made again. */
async function modernClient(url, name) {
  return async (round) => {
    const wanted = `${name} ${round}`;
    const params = { name: TOOL, arguments: { kind: 'elicitation', message: wanted } };
    let answer = await ask(url, 'tools/call', params, { capabilities: CAPABILITIES });
    for (let left = 3; answer.result?.resultType === 'input_required' && left > 0; left -= 1) {
      const { inputRequests = {}, requestState } = answer.result;
      const inputResponses = {};
      for (const [key, question] of Object.entries(inputRequests)) {
        const { message } = question.params;
        if (message !== wanted) return `foreign: asked ${message}`;
        inputResponses[key] = { action: 'accept', content: { answer: message } };
      }
      answer = await ask(
        url, 'tools/call', { ...params, inputResponses, ...(requestState && { requestState }) },
        { capabilities: CAPABILITIES });
    }
    return verdict(answer.result?.content?.[0].text ?? answer.text, wanted);
  };
}

const FEW = Math.min(ROUNDS, 200);
const CASES = {
  'a legacy server that nobody knows yet': ['child', 'legacy', 'auto', ROUNDS],
  'a legacy server, a process for each': ['child', 'legacy', 'session', FEW],
  'a modern server': ['child', 'modern', 'auto', Math.min(ROUNDS, 500)],
  'a legacy server over HTTP that nobody knows yet': ['HTTP', 'legacy', 'auto', FEW],
  'a legacy server over HTTP, a session for each': ['HTTP', 'legacy', 'session', FEW],
  'a legacy server over HTTP+SSE': ['HTTP+SSE', 'legacy', 'auto', FEW],
  'a modern server over HTTP': ['HTTP', 'modern', 'auto', FEW],
};

for (const [name, [place, era, isolation, rounds]] of Object.entries(CASES)) {
  describe(name, () => {
    let gateway, server, clients;
    before(async () => {
      server = await placeFixture(place, '--era', era);
      gateway = await startGateway({ servers: { asking: { ...server.entry, isolation } } });
      clients = await Promise.all([
        legacyClient(gateway.url, 'legacy 1'), legacyClient(gateway.url, 'legacy 2'),
        modernClient(gateway.url, 'modern 1'), modernClient(gateway.url, 'modern 2'),
      ]);
    });
    after(async () => {
      closeConnections();
      await gateway?.stop();
      await server?.stop();
    });

    test('at first nobody is asked what is another\'s: at most a question is refused', async () => {
      const said = await Promise.all(clients.map((client) => client('first')));
      assert.ok(said.every((word) => word === 'own' || word === 'refused'), JSON.stringify(said));
      if (isolation !== 'auto' || era === 'modern') {
        assert.deepEqual(said, ['own', 'own', 'own', 'own']);
      }
    });

    test(`two clients of each era, ${rounds} rounds at once: each its own`, async (t) => {
      const counts = { own: 0 };
      const work = async (client) => {
        for (let round = 0; round < rounds; round += 1) {
          const said = await client(round);
          counts[said] = (counts[said] ?? 0) + 1;
        }
      };
      await Promise.all(clients.map(work));
      t.diagnostic(JSON.stringify(counts));
      assert.deepEqual(counts, { own: 4 * rounds });
    });
  });
}
