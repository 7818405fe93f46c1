// Calls that wait for an answer between two requests of a client without a session, and what
// becomes of them when the answer is not what it should be, or somebody dies meanwhile: each time
// a JSON-RPC error that says so, and the next call is served.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fixtureServer, marked, startGateway } from './lib/gateway.mjs';
import { ask, closeConnections } from './lib/wire.mjs';

const CAPABILITIES = { elicitation: { form: {} }, sampling: {} };
const call = (name, args = {}) => ({ name: `asking_1mcp_${name}`, arguments: args });
const ELICIT = call('ask', { kind: 'elicitation', message: 'Who is there?' });
const ACCEPT = { action: 'accept', content: { answer: 'it is me' } };

for (const era of ['legacy', 'modern']) {
  describe(`a call that waits for its client, on a ${era} server`, () => {
    let gateway;
    const start = async () =>
      (gateway = await startGateway({ servers: { asking: fixtureServer('--era', era) } }));
    before(start);
    after(async () => {
      closeConnections();
      await gateway?.stop();
    });

    const send = (params) => ask(gateway.url, 'tools/call', params, { capabilities: CAPABILITIES });

    /** A call up to its question: how it goes on, given a state and answers. */
    async function waiting(params = ELICIT) {
      const { result, text } = await send(params);
      assert.equal(result?.resultType, 'input_required', text);
      const keys = Object.keys(result.inputRequests);
      const answers = Object.fromEntries(keys.map((key) => [key, ACCEPT]));
      const again = (state = result.requestState, inputResponses = answers, as = params) =>
        send({ ...as, inputResponses, ...(state && { requestState: state }) });
      return { result, keys, again };
    }

    /** The error, which names a code, and says something. */
    function refused(answer, ...codes) {
      assert.ok(codes.includes(answer.error?.code), `${answer.status} ${answer.text}`);
      assert.ok(answer.error.message.length > 10, answer.error.message);
      assert.doesNotMatch(answer.error.message, /panic|undefined|null/);
    }

    /** A new call goes its whole way. */
    async function serves() {
      const { again } = await waiting();
      const { result, text } = await again();
      assert.equal(result?.resultType, 'complete', text);
      assert.match(result.content[0].text, /it is me/);
    }

    test('goes on with its answer', serves);

    test('a state changed in any place is refused', async () => {
      const { result, again } = await waiting();
      const { requestState } = result;
      assert.ok(requestState?.length > 16, 'a server\'s name at least is in it');
      const places = [0, 5, Math.floor(requestState.length / 2), requestState.length - 2];
      for (const place of places) {
        const other = requestState[place] === 'A' ? 'B' : 'A';
        refused(
          await again(requestState.slice(0, place) + other + requestState.slice(place + 1)), -32602);
      }
      refused(await again(requestState.slice(0, -4)), -32602);
      refused(await again(`${requestState}AAAA`), -32602);
      refused(await again('garbage'), -32602);
      refused(await again('A'.repeat(100_000)), -32602);
      // None of that hurt the call.
      const { result: done, text } = await again();
      assert.match(done?.content[0].text ?? text, /it is me/);
    });

    test('a state of another call is refused', async () => {
      const one = await waiting();
      const other = call('ask', { kind: 'elicitation', message: 'Another question' });
      refused(await one.again(undefined, undefined, other), -32602);
      refused(await one.again(undefined, undefined, call('echo', { text: 'x' })), -32602);
      const prompt = await ask(
        gateway.url, 'prompts/get',
        { name: 'asking_1mcp_test_simple_prompt', requestState: one.result.requestState },
        { capabilities: CAPABILITIES });
      refused(prompt, -32602);
      assert.match((await one.again()).result.content[0].text, /it is me/);
    });

    test('a state of another 1mcp is refused', async () => {
      const { result } = await waiting();
      const other = await startGateway({ servers: { asking: fixtureServer('--era', era) } });
      try {
        const { requestState, inputRequests } = result;
        const inputResponses = Object.fromEntries(
          Object.keys(inputRequests).map((key) => [key, ACCEPT]));
        refused(
          await ask(
            other.url, 'tools/call', { ...ELICIT, inputResponses, requestState },
            { capabilities: CAPABILITIES }),
          -32602);
      } finally {
        closeConnections();
        await other.stop();
      }
    });

    test('a state that is used twice ends no other call, and answers nothing twice', async () => {
      const { keys, again } = await waiting();
      const first = await again();
      assert.match(first.result.content[0].text, /it is me/);
      const changed = { [keys[0]]: { action: 'accept', content: { answer: 'somebody else' } } };
      const replay = await again(undefined, changed);
      // A server without sessions keeps nothing: to it the replay is a call like the first.
      if (era === 'legacy') {
        if (replay.error) refused(replay, -32602);
        else assert.match(replay.result.content[0].text, /it is me/);
        assert.doesNotMatch(replay.text, /somebody else/);
      }
      await serves();
    });

    test('an answer under a wrong key leads to the question again', async () => {
      const { again } = await waiting();
      const asked = await again(undefined, { nobody: ACCEPT });
      assert.equal(asked.result?.resultType, 'input_required', asked.text);
      const { inputRequests, requestState } = asked.result;
      const [key] = Object.keys(inputRequests);
      const { result, text } = await again(requestState, { [key]: ACCEPT });
      assert.match(result?.content?.[0].text ?? text, /it is me/);
    });

    test('declining and cancelling reach the server', async () => {
      for (const action of ['decline', 'cancel']) {
        const { keys, again } = await waiting();
        const { result, text } = await again(undefined, { [keys[0]]: { action } });
        assert.match(result?.content?.[0].text ?? text, new RegExp(action));
      }
    });

    test('the server dies meanwhile: an error names it, and the next call is served', async () => {
      const { again } = await waiting();
      const children = marked(gateway.mark).filter(({ pid }) => pid !== gateway.pid);
      assert.ok(children.length > 0);
      for (const { pid } of children) process.kill(pid, 'SIGKILL');
      const answer = await again();
      // Without sessions nothing was lost: the call is made at the server that is started again,
      // or the error says that it is down.
      if (era === 'modern' && answer.result) assert.match(answer.text, /it is me/);
      else refused(answer, -32603, -32602);
      for (const end = Date.now() + 15_000; ; ) {
        const { result } = await send(call('echo', { text: 'back' }));
        if (result?.content[0].text === 'back') break;
        assert.ok(Date.now() < end, 'the server never came back');
      }
      await serves();
    });

    test('1mcp is killed and started again meanwhile: the state is refused', async () => {
      const { again } = await waiting();
      closeConnections();
      await gateway.kill();
      gateway = await startGateway({ after: gateway });
      refused(await again(), -32602);
      await serves();
    });
  });
}
