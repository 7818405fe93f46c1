// The official TypeScript client over its three transports, against four real servers behind one
// gateway: everything a client of a single server can do.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DIRECT, openSite, text, TRANSPORTS } from './lib/clients.mjs';

// The servers that must show in one list, with one tool that each is known for.
const SERVERS = DIRECT
  ? { everything: 'echo' }
  : {
      everything: 'echo',
      files: 'read_text_file',
      thinking: 'sequentialthinking',
      memory: 'create_entities',
    };
const ROUNDS = 10;

for (const kind of TRANSPORTS) {
  describe(`TypeScript SDK over ${kind}`, () => {
    let site, client, second;
    const call = (server, name, args = {}, options = undefined, by = client) =>
      by.callTool({ name: site.tool(server, name), arguments: args }, undefined, options);

    before(async () => {
      site = await openSite(kind, { isolation: 'session' });
      client = await site.open('first');
      second = await site.open('second');
    });
    after(() => site?.stop());

    test('the handshake names the gateway and offers what the servers have', () => {
      const offered = client.getServerCapabilities();
      for (const part of ['tools', 'prompts', 'resources', 'completions', 'logging']) {
        assert.ok(offered[part], part);
      }
      if (!DIRECT) assert.equal(client.getServerVersion().name, '1mcp');
    });

    test('one list holds the tools of every server, in file order', async () => {
      const { tools } = await client.listTools();
      const at = Object.entries(SERVERS).map(([server, name]) =>
        tools.findIndex((tool) => tool.name === site.tool(server, name)));
      assert.ok(at.every((place) => place >= 0), `missing in ${tools.map(({ name }) => name)}`);
      assert.deepEqual(at, [...at].sort((a, b) => a - b), 'not in file order');
      const names = tools.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length, 'names are unique');
    });

    test('prompts, resources and templates are listed', async () => {
      const { prompts } = await client.listPrompts();
      assert.ok(prompts.some(({ name }) => name === site.tool('everything', 'args-prompt')));
      const { resources } = await client.listResources();
      assert.ok(resources.some(({ uri }) => uri.startsWith('demo://resource/static/')));
      const { resourceTemplates } = await client.listResourceTemplates();
      assert.ok(resourceTemplates.some(({ uriTemplate }) =>
        uriTemplate === 'demo://resource/dynamic/text/{resourceId}'));
    });

    test('calls reach their server and come back', async () => {
      assert.match(text(await call('everything', 'echo', { message: 'grüße 🦀' })), /grüße 🦀/);
      assert.match(text(await call('everything', 'get-sum', { a: 40, b: 2 })), /42/);
    });

    test('structured content passes the client\'s schema check', async () => {
      await client.listTools();
      const result = await call('everything', 'get-structured-content', { location: 'Chicago' });
      assert.equal(typeof result.structuredContent.temperature, 'number');
    });

    test('content other than text arrives unchanged', async () => {
      const { content } = await call('everything', 'get-tiny-image');
      const image = content.find(({ type }) => type === 'image');
      assert.equal(image.mimeType, 'image/png');
      assert.equal(Buffer.from(image.data, 'base64').subarray(1, 4).toString(), 'PNG');
    });

    test('a tool\'s own error is a result, an unknown tool is an error', async () => {
      const bad = await call('everything', 'get-sum', { a: 'no', b: 2 });
      assert.equal(bad.isError, true);
      if (!DIRECT) {
        await assert.rejects(call('everything', 'nothing-like-it'), { code: -32602 });
      }
    });

    test('the other servers work beside it', { skip: DIRECT }, async () => {
      const read = await call('files', 'read_text_file', { path: `${site.files}/greeting.txt` });
      assert.match(text(read), /Grüße aus der Datei/);
      const listed = await call('files', 'list_directory', { path: site.files });
      assert.match(text(listed), /\[DIR\] sub/);
      const entities = [{ name: 'crab', entityType: 'animal', observations: ['walks sideways'] }];
      await call('memory', 'create_entities', { entities });
      assert.match(text(await call('memory', 'read_graph')), /walks sideways/);
      const thought = { thought: 'one', thoughtNumber: 1, totalThoughts: 1, nextThoughtNeeded: false };
      assert.match(text(await call('thinking', 'sequentialthinking', thought)), /thoughtNumber/);
    });

    test('a resource, a templated resource and a prompt', async () => {
      const { resources } = await client.listResources();
      const fixed = await client.readResource({ uri: resources[0].uri });
      assert.equal(fixed.contents[0].uri, resources[0].uri);
      assert.ok(fixed.contents[0].text.length > 0);
      const made = await client.readResource({ uri: 'demo://resource/dynamic/text/7' });
      assert.match(made.contents[0].text, /7/);
      const name = site.tool('everything', 'args-prompt');
      const prompt = await client.getPrompt({ name, arguments: { city: 'Bern' } });
      assert.match(prompt.messages[0].content.text, /Bern/);
    });

    test('completion by prompt and by template', async () => {
      const completed = await client.complete({
        ref: { type: 'ref/prompt', name: site.tool('everything', 'completable-prompt') },
        argument: { name: 'department', value: '' },
      });
      assert.ok(completed.completion.values.length > 0);
      const ids = await client.complete({
        ref: { type: 'ref/resource', uri: 'demo://resource/dynamic/text/{resourceId}' },
        argument: { name: 'resourceId', value: '1' },
      });
      assert.deepEqual(ids.completion.values, ['1']);
    });

    test('ping and the log level', async () => {
      assert.deepEqual(await client.ping(), {});
      assert.deepEqual(await client.setLoggingLevel('warning'), {});
    });

    test('subscribe and unsubscribe', async () => {
      const { resources } = await client.listResources();
      assert.deepEqual(await client.subscribeResource({ uri: resources[0].uri }), {});
      assert.deepEqual(await client.unsubscribeResource({ uri: resources[0].uri }), {});
    });

    test('progress reaches the caller, in order, and nobody else', async () => {
      const seen = { first: [], second: [] };
      const long = (by, name, steps) =>
        call('everything', 'trigger-long-running-operation', { duration: 1, steps }, {
          onprogress: ({ progress, total }) => seen[name].push([progress, total]),
        }, by);
      const [one, two] = await Promise.all([long(client, 'first', 4), long(second, 'second', 5)]);
      assert.match(text(one), /Steps: 4/);
      assert.match(text(two), /Steps: 5/);
      // The server sends one progress a step, the last of them in a race with its own answer.
      for (const [name, steps] of [['first', 4], ['second', 5]]) {
        const values = seen[name].map(([progress]) => progress);
        assert.ok(values.length >= steps - 1, `${name} saw ${JSON.stringify(seen)}`);
        assert.deepEqual(values, values.map((_, index) => index + 1));
        assert.ok(seen[name].every(([, total]) => total === steps), 'a foreign progress');
      }
    });

    test('a cancelled call ends at once and the session goes on', async () => {
      const stop = new AbortController();
      const long = call(
        'everything', 'trigger-long-running-operation', { duration: 20, steps: 40 },
        { signal: stop.signal, onprogress: () => stop.abort(new Error('no longer wanted')) });
      await assert.rejects(long, /no longer wanted/);
      assert.match(text(await call('everything', 'echo', { message: 'after' })), /after/);
    });

    test('each client answers its own questions while the other works', async () => {
      const before = { ...client.asked };
      const others = [];
      const work = async (by, name) => {
        for (let round = 0; round < ROUNDS; round += 1) {
          const elicited = await call('everything', 'trigger-elicitation-request', {}, {}, by);
          others.push(await call('everything', 'echo', { message: `${name} ${round}` }, {}, by));
          const prompt = `question ${round} for ${name}.`;
          const sampled = await call('everything', 'trigger-sampling-request', { prompt }, {}, by);
          assert.match(text(elicited), new RegExp(`Name: ${name}`));
          assert.match(text(sampled), new RegExp(`answered by ${name}: .*${prompt}`));
        }
      };
      await Promise.all([work(client, 'first'), work(second, 'second')]);
      assert.equal(others.length, 2 * ROUNDS);
      for (const by of [client, second]) {
        assert.equal(by.asked.foreign, 0, 'a question of the other client');
      }
      assert.equal(client.asked.elicitation - before.elicitation, ROUNDS);
      assert.equal(client.asked.sampling - before.sampling, ROUNDS);
    });

    test('a client that answers nothing is not asked', async () => {
      const plain = await site.open('plain', {});
      const { tools } = await plain.listTools();
      // The server offers these tools only to clients that can answer.
      const asks = tools.filter(({ name }) => /trigger-(elicitation|sampling)-request$/.test(name));
      assert.deepEqual(asks, []);
      assert.match(text(await call('everything', 'echo', { message: 'p' }, {}, plain)), /p/);
    });

    test('ending a session leaves the others alone', async () => {
      const third = await site.open('third');
      assert.match(text(await call('everything', 'echo', { message: 'x' }, {}, third)), /x/);
      if (kind === 'http') await third.transport.terminateSession();
      await third.close();
      assert.match(text(await call('everything', 'echo', { message: 'y' })), /y/);
    });
  });
}
