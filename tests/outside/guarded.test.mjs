// Servers that want to be logged in to, scripted: the owner authorizes the gateway there, tokens are
// renewed and survive, several instances share them, and whatever the other side does wrong lets
// nobody in and says why.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client as ModernClient, StreamableHTTPClientTransport as ModernHttp } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { setTimeout as delay } from 'node:timers/promises';
import { startAs } from './lib/as.mjs';
import { openClient } from './lib/both.mjs';
import { text, until } from './lib/clients.mjs';
import { BIN, fixtureServer, run, startGateway } from './lib/gateway.mjs';
import { forms, Owner, words } from './lib/owner.mjs';

const ECHO = 'guarded_1mcp_echo';
const LOG = ['--log-level', 'trace'];
const servers = (as) => ({ guarded: { url: as.url }, steady: fixtureServer('--no-resources') });

/** What `mcp status` says of the server. */
async function status(gateway) {
  const done = await run(
    BIN, ['mcp', 'status', 'guarded', '--json', '--config-dir', gateway.dir], { timeout: 30_000 });
  return {
    state: /"state":\s*"(\w+)"/.exec(done.stdout)?.[1],
    page: /https?:\/\/[^\s"\\]+\/oauth\/connect\/[\w%.-]+/.exec(done.stdout)?.[0],
    said: done.stdout,
  };
}

const becomes = (gateway, ...states) =>
  until(async () => {
    const now = await status(gateway);
    return states.includes(now.state) ? now : undefined;
  }, `it is ${states}`);

/** Who sits at the machine opens the page and presses Authorize: the page at the end. */
async function authorizes(gateway, owner = new Owner('nobody asks for it here')) {
  const shown = await owner.get(`${gateway.origin}/oauth/connect/guarded`);
  return owner.press(shown, /^authorize/i, { within: '/oauth/connect/' });
}

const echoes = async (client, words = 'hello') =>
  assert.equal(text(await client.call(ECHO, { text: words })), words);
const refreshes = (as) => as.seen.token.filter(({ grant_type: type }) => type === 'refresh_token').length;

describe('a server that wants to be logged in to', () => {
  let as, gateway, client;
  /** What is wrong is wrong from the beginning: it asks around as soon as it is refused. */
  const begins = async (faults = {}) => {
    as = await startAs(faults);
    gateway = await startGateway({ servers: servers(as), args: LOG });
    client = await openClient('legacy', 'http', gateway, 'client');
  };
  const ends = async () => {
    await client?.close();
    await gateway?.stop();
    await as?.stop();
  };

  test('says so, is authorized, and works', async (t) => {
    t.after(ends);
    await begins();
    const waits = await becomes(gateway, 'awaiting_oauth');
    assert.equal(waits.page, `${gateway.origin}/oauth/connect/guarded`);
    await assert.rejects(client.call(ECHO, { text: 'x' }), (error) => {
      assert.ok(error.message.includes(waits.page), error.message);
      return true;
    });
    assert.equal(text(await client.call('steady_1mcp_echo', { text: 'others work' })), 'others work');
    assert.equal(as.seen.authorize.length, 0, 'nothing is asked before he says so');
    const page = await authorizes(gateway);
    assert.equal(page.status, 200, words(page.html));
    assert.doesNotMatch(page.url, /code=|state=/, 'nothing of it stays in the address');
    await becomes(gateway, 'ready');
    await echoes(client);
    const [asked] = as.seen.authorize;
    assert.equal(asked.resource, as.url);
    assert.equal(asked.code_challenge_method, 'S256');
    assert.ok(asked.state.length >= 22, asked.state);
    const [token] = as.seen.token;
    assert.equal(token.resource, as.url);
    const [registered] = as.seen.register;
    assert.equal(registered.application_type, 'native');
    assert.ok(registered.grant_types.includes('refresh_token'));
    assert.ok(client.heard.tools > 0, 'clients hear that there are tools');
  });

  for (const how of ['SIGTERM', 'SIGKILL']) {
    test(`what was authorized survives ${how}`, async (t) => {
      t.after(ends);
      await begins();
      await becomes(gateway, 'awaiting_oauth');
      await authorizes(gateway);
      await becomes(gateway, 'ready');
      for (const spoil of [() => {}, as.expire]) {
        await client.close();
        if (how === 'SIGKILL') await gateway.kill();
        else await gateway.stop({ keep: true });
        spoil();
        gateway = await startGateway({ after: gateway, args: LOG });
        client = await openClient('legacy', 'http', gateway, 'client');
        await becomes(gateway, 'ready');
        await echoes(client);
      }
      assert.equal(as.seen.authorize.length, 1);
      assert.equal(as.seen.register.length, 1);
      assert.equal(refreshes(as), 1);
    });
  }

  test('a token that ended early is renewed once, and the call works', async (t) => {
    t.after(ends);
    await begins();
    await becomes(gateway, 'awaiting_oauth');
    await authorizes(gateway);
    await becomes(gateway, 'ready');
    await echoes(client);
    as.expire();
    const many = Array.from({ length: 20 }, (_, at) => echoes(client, `call ${at}`));
    await Promise.all(many);
    assert.equal(refreshes(as), 1);
  });

  test('tokens of four seconds are renewed before they end', async (t) => {
    t.after(ends);
    await begins({ seconds: 4 });
    await becomes(gateway, 'awaiting_oauth');
    await authorizes(gateway);
    await becomes(gateway, 'ready');
    const end = Date.now() + 9_000;
    while (Date.now() < end) {
      await echoes(client);
      await delay(200);
    }
    assert.ok(refreshes(as) >= 2, `${refreshes(as)} renewals`);
    assert.ok(refreshes(as) <= 12, `${refreshes(as)} renewals in nine seconds`);
  });

  test('what the server forgot has to be authorized again', async (t) => {
    t.after(ends);
    await begins();
    await becomes(gateway, 'awaiting_oauth');
    await authorizes(gateway);
    await becomes(gateway, 'ready');
    as.forget();
    await assert.rejects(client.call(ECHO, { text: 'x' }), /\/oauth\/connect\/guarded/);
    await becomes(gateway, 'awaiting_oauth');
    await authorizes(gateway);
    await becomes(gateway, 'ready');
    await echoes(client);
  });

  test('a callback in another browser, or a second time, does nothing', async (t) => {
    t.after(ends);
    await begins();
    await becomes(gateway, 'awaiting_oauth');
    const [mine, foreign] = [new Owner('not asked for'), new Owner('not asked for')];
    const shown = await mine.get(`${gateway.origin}/oauth/connect/guarded`);
    const form = forms(shown.html).find(({ action }) => action.includes('/oauth/connect/'));
    const away = await mine.submit(shown, form);
    const back = (await mine.get(away.location)).location;
    const theirs = await foreign.get(back);
    assert.ok(theirs.status >= 400 || theirs.status === 303, `${theirs.status}`);
    assert.equal(as.seen.token.length, 0, 'the code is not used');
    const changed = new URL(back);
    changed.searchParams.set('state', 'A'.repeat(43));
    assert.ok((await mine.get(changed.href)).status >= 400);
    assert.equal(as.seen.token.length, 0, 'no state of ours');
    await mine.wander(await mine.get(back));
    await becomes(gateway, 'ready');
    const tokens = as.seen.token.length;
    await mine.wander(await mine.get(back));
    assert.equal(as.seen.token.length, tokens, 'a second time');
    await echoes(client);
  });

  // What is wrong elsewhere; whether a code may have been sent; what the owner can read of it.
  const FAULTS = {
    'another issuer in the answer': [{ iss: 'wrong' }, 0],
    'the issuer with a slash': [{ iss: 'slash' }, 0],
    'no': [{ deny: true }, 0],
    'another issuer in the metadata': [{ metadataIssuer: 'https://evil.example.com' }, 0],
    'no PKCE': [{ noPkce: true }, 0],
    'metadata that leads in circles': [{ loop: true }, 0],
    'a broken token endpoint': [{ broken: true }, 9],
    'a token for somebody else': [{ audience: 'https://other.example.com/mcp' }, 9],
    'nobody may register': [{ noRegistration: true, lasting: true }, 0],
  };
  for (const [what, [faults, tokensMax]] of Object.entries(FAULTS)) {
    test(`${what}: not let in, and well again`, async (t) => {
      t.after(ends);
      await begins(faults);
      await becomes(gateway, 'awaiting_oauth', 'failed', 'restarting');
      const owner = new Owner('not asked for');
      const shown = await owner.get(`${gateway.origin}/oauth/connect/guarded`);
      const asks = forms(shown.html).some(({ action }) => action.includes('/oauth/connect/'));
      const page = asks ? await authorizes(gateway, owner) : shown;
      assert.ok(words(page.html).length > 20, 'it is told something');
      await delay(300);
      const { state, said } = await status(gateway);
      assert.notEqual(state, 'ready', said);
      assert.ok(as.seen.token.length <= tokensMax, JSON.stringify(as.seen.token));
      await assert.rejects(client.call(ECHO, { text: 'x' }), /guarded/);
      assert.equal(text(await client.call('steady_1mcp_echo', { text: 'on' })), 'on');
      // What a server offers is asked for again after five minutes.
      if (faults.lasting) return;
      for (const fault of Object.keys(faults)) delete as.faults[fault];
      await until(async () => {
        const again = await owner.get(`${gateway.origin}/oauth/connect/guarded`);
        if (forms(again.html).some(({ action }) => action.includes('/oauth/connect/'))) {
          await authorizes(gateway, owner);
        } else {
          const all = await owner.get(`${gateway.origin}/oauth`);
          if (forms(all.html).some(({ action }) => action.includes('/oauth/retry'))) {
            await owner.press(all, /^retry/i);
          }
        }
        await delay(300);
        return (await status(gateway)).state === 'ready';
      }, 'it is let in once all is right', 30_000);
      await echoes(client);
    });
  }

  test('the issuer of a server that never says it', async (t) => {
    t.after(ends);
    await begins({ iss: 'none' });
    await becomes(gateway, 'awaiting_oauth');
    await authorizes(gateway);
    await becomes(gateway, 'ready');
    await echoes(client);
  });

  for (const method of ['client_secret_basic', 'client_secret_post']) {
    test(`a secret, as ${method}`, async (t) => {
      t.after(ends);
      await begins({ method });
      await becomes(gateway, 'awaiting_oauth');
      await authorizes(gateway);
      await becomes(gateway, 'ready');
      assert.equal(as.seen.token.at(-1).basic, method === 'client_secret_basic');
      as.expire();
      await echoes(client);
      assert.equal(refreshes(as), 1);
    });
  }
});

describe('instances that share what was authorized', () => {
  for (const round of [1, 2, 3]) {
    test(`renew it once between the three of them, ${round}`, async () => {
      const as = await startAs();
      const first = await startGateway({ servers: servers(as), args: LOG });
      const others = [];
      const clients = [];
      try {
        await becomes(first, 'awaiting_oauth');
        await authorizes(first);
        await becomes(first, 'ready');
        others.push(await startGateway({ beside: first, args: LOG }));
        others.push(await startGateway({ beside: first, args: LOG }));
        for (const gateway of [first, ...others]) {
          const client = await openClient('legacy', 'http', gateway, 'client');
          clients.push(client);
          await until(async () => (await client.tools()).some(({ name }) => name === ECHO), 'there');
        }
        as.expire();
        await Promise.all(clients.map((client) => echoes(client, `round ${round}`)));
        assert.equal(refreshes(as), 1);
        assert.equal(as.seen.authorize.length, 1);
      } finally {
        for (const client of clients) await client.close();
        for (const gateway of others) await gateway.stop({ keep: true });
        await first.stop();
        await as.stop();
      }
    });
  }
});

describe('other ways to the page', () => {
  let as;
  before(async () => (as = await startAs()));
  after(() => as?.stop());

  test('a client of 2026-07-28 is handed it, and its call goes on', async () => {
    const gateway = await startGateway({ servers: servers(as), args: LOG });
    const client = new ModernClient(
      { name: 'modern', version: '1' },
      { capabilities: { elicitation: { form: {}, url: {} } }, versionNegotiation: { mode: 'auto' } });
    const asked = [];
    client.setRequestHandler('elicitation/create', async ({ params }) => {
      asked.push(params);
      const owner = new Owner('not asked for');
      await owner.press(await owner.get(params.url), /^authorize/i);
      await becomes(gateway, 'ready');
      return { action: 'accept' };
    });
    try {
      await client.connect(new ModernHttp(new URL(gateway.url)));
      await becomes(gateway, 'awaiting_oauth');
      const said = await client.callTool({ name: ECHO, arguments: { text: 'handed' } });
      assert.equal(text(said), 'handed');
      assert.equal(asked.length, 1);
      assert.equal(asked[0].mode, 'url');
      assert.equal(asked[0].url, `${gateway.origin}/oauth/connect/guarded`);
    } finally {
      await client.close();
      await gateway.stop();
    }
  });

  test('over stdio the page is on a port of its own', async () => {
    as.forget();
    // Only for its directory and its mark.
    const gateway = await startGateway({ servers: {} });
    gateway.writeServers(servers(as));
    const client = new Client({ name: 'desktop', version: '1' }, { capabilities: {} });
    let log = '';
    try {
      await gateway.stop({ keep: true });
      const transport = new StdioClientTransport({
        command: BIN,
        args: ['serve', '--transport', 'stdio', '--config-dir', gateway.dir, ...LOG],
        env: { ...process.env, ONE_MCP_TEST_MARK: gateway.mark },
        stderr: 'pipe',
      });
      transport.stderr.on('data', (bytes) => (log += bytes));
      await client.connect(transport);
      const page = await until(async () => {
        try {
          await client.callTool({ name: ECHO, arguments: { text: 'x' } });
        } catch (error) {
          return /http:\/\/127\.0\.0\.1:\d+\/\S*?(?=[\s,;)]|\.?$)/.exec(error.message)?.[0];
        }
        return undefined;
      }, 'the error names the page', 20_000);
      const owner = new Owner('not asked for');
      const shown = await owner.wander(await owner.get(page));
      await owner.press(shown, /^authorize/i);
      await until(async () => {
        const said = await client.callTool({ name: ECHO, arguments: { text: 'in' } }).catch(() => undefined);
        return said && text(said) === 'in';
      }, 'it works');
    } catch (error) {
      throw new Error(`${error.stack}\n${log}`);
    } finally {
      await client.close();
    }
  });

  test('a header of its own is left alone', async () => {
    const asked = as.seen.paths.length;
    const gateway = await startGateway({
      servers: { guarded: { url: as.url, headers: { Authorization: 'Bearer of-my-own-that-is-wrong' } } },
      args: LOG,
    });
    try {
      const { state, said } = await becomes(gateway, 'failed', 'restarting');
      assert.match(said, /401|authoriz/i, state);
      assert.equal(as.seen.paths.length, asked, 'nobody is asked for tokens');
    } finally {
      await gateway.stop();
    }
  });
});
