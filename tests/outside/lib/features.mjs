// What a client can do with a server, feature by feature, whichever eras the two are of; and what
// each server calls the same thing.
import assert from 'node:assert/strict';
import { text, until } from './clients.mjs';

const NEWS = 'data:text/plain;base64,bmV3cw==';

// What our server on the official packages calls its tools, in either language.
const made = (watched) => ({
  long: ['long', { ms: 800, steps: 4 }],
  endless: ['long', { ms: 60_000, steps: 600 }],
  elicit: 'ask-name',
  sample: 'ask-model',
  watched,
  touch: 'touch',
  grow: ['grow', () => ({}), 'tools'],
  cancellations: 'cancellations',
});

export const MADE = made('made://watched');
export const PYTHON_MODERN = made('snake://watched');
/** The Python package of the handshake's revisions knows no subscriptions. */
export const PYTHON_LEGACY = { ...made('python://watched'), touch: undefined };
export const EVERYTHING = {
  long: ['trigger-long-running-operation', { duration: 1, steps: 4 }],
  endless: ['trigger-long-running-operation', { duration: 60, steps: 600 }],
  elicit: 'trigger-elicitation-request',
  sample: 'trigger-sampling-request',
  watched: 'demo://resource/static/document/features.md',
  // What touches a resource again and again is a switch.
  touch: 'toggle-subscriber-updates',
  toggles: true,
  grow: [
    'gzip-file-as-resource', () => ({ data: NEWS, name: `news-${Math.random()}.gz` }), 'resources',
  ],
};

/**
 * Each proves one feature, from `client` to the server that `has` what it offers. A cancelled call
 * comes last: server-everything goes on with it, so that a first question thereafter could be its
 * question.
 */
export const FEATURES = {
  async list({ client, has, name }) {
    const names = (await client.tools()).map((tool) => tool.name);
    for (const tool of ['echo', has.elicit, has.sample]) {
      assert.ok(names.includes(name(tool)), `${tool} is not in ${names}`);
    }
    assert.ok((await client.prompts()).some((prompt) => prompt.name.startsWith(name(''))));
    const uris = (await client.resources()).map(({ uri }) => uri);
    assert.ok(uris.includes(has.watched), uris.join(' '));
    const scheme = has.watched.split(':')[0];
    const templates = (await client.templates()).map(({ uriTemplate }) => uriTemplate);
    assert.ok(templates.some((one) => one.startsWith(`${scheme}:`)), templates.join(' '));
  },

  async call({ client, has, name }) {
    const result = await client.call(name('echo'), { message: 'grüße 🦀' });
    assert.match(text(result), /grüße 🦀/);
    const { contents } = await client.read(has.watched);
    assert.equal(contents[0].uri, has.watched);
    assert.ok(contents[0].text.length > 0);
    // A session that is new may have tools that the others have not: its server is asked.
    const none = await client.call(name('nothing-like-it'), {}).catch((error) => error);
    assert.ok(none.code === -32602 || none.isError, JSON.stringify(none));
  },

  async progress({ client, has, name }) {
    const [tool, args] = has.long;
    const seen = [];
    const onprogress = ({ progress, total }) => seen.push([progress, total]);
    assert.match(text(await client.call(name(tool), args, { onprogress })), /4/);
    // One a step; the last is in a race with the server's own answer.
    assert.ok(seen.length >= 3, JSON.stringify(seen));
    assert.deepEqual(seen, seen.map((_, index) => [index + 1, 4]));
  },

  async subscriptions({ client, has, name }) {
    const { watched, touch } = has;
    if (!touch) return void (await client.watch());
    const honored = await client.watch(watched);
    if (honored) assert.deepEqual(honored.resourceSubscriptions, [watched]);
    client.heard.updated.length = 0;
    await client.call(name(touch), {});
    await until(() => client.heard.updated.length > 0, `${watched} was touched`);
    assert.ok(client.heard.updated.every((uri) => uri === watched), `${client.heard.updated}`);
    if (has.toggles) await client.call(name(touch), {});
  },

  async 'list changes'({ client, has, name }) {
    const [tool, args, list] = has.grow;
    const known = (await client[list]()).length;
    const before = client.heard[list];
    await client.call(name(tool), args());
    await until(() => client.heard[list] > before, `${list}/list_changed`);
    await until(async () => (await client[list]()).length > known, 'the list holds the news');
    await client.unwatch(has.touch && has.watched);
  },

  async elicitation({ client, has, name, who }) {
    const before = client.asked.elicitation;
    assert.match(text(await client.call(name(has.elicit), {})), new RegExp(`Name: ${who}`));
    assert.equal(client.asked.elicitation, before + 1);
  },

  async sampling({ client, has, name, who }) {
    const before = client.asked.sampling;
    const prompt = `question for ${who}.`;
    const said = text(await client.call(name(has.sample), { prompt, maxTokens: 10 }));
    assert.ok(said.includes(`answered by ${who}: `) && said.includes(prompt), said);
    assert.equal(client.asked.sampling, before + 1);
  },

  async cancel({ client, has, name }) {
    const [tool, args] = has.endless;
    const stop = new AbortController();
    const began = Date.now();
    const long = client.call(
      name(tool), args, { signal: stop.signal, onprogress: () => stop.abort(new Error('enough')) });
    await assert.rejects(long, /enough|abort/i);
    assert.ok(Date.now() - began < 30_000, 'did not wait for the end');
    assert.match(text(await client.call(name('echo'), { message: 'after' })), /after/);
    if (!has.cancellations) return;
    await until(
      async () => text(await client.call(name(has.cancellations), {})) !== '0',
      'the server hears of the cancellation');
  },
};

