// The official clients of both eras, with the OAuth that their packages bring, and mcp-remote against
// a locked gateway: discovery, registration, PKCE, tokens, refresh; then restarts, scopes, revocation.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { text, until } from './lib/clients.mjs';
import {
  ask, authCommand, bothThere, INITIALIZE, openRaw, startLocked,
} from './lib/locked.mjs';
import { connect, letIn, Provider } from './lib/oauth.mjs';
import { startRemote } from './lib/mcp_remote.mjs';
import { secret } from './lib/secrets.mjs';
import { snake } from './lib/snake.mjs';

// Which package, held to which era, over which transport.
const CLIENTS = [
  ['legacy', 'mcp', '2025-11-25'],
  ['legacy', 'sse'],
  ['modern', 'mcp', '2026-07-28'],
  ['modern, with a handshake', 'mcp', '2025-11-25'],
  ['modern, with a handshake', 'sse'],
];

/** The whole way, a call, and a refresh when the token is not taken any more. */
async function wholeWay(kind, url, provider, owner, revision) {
  const client = await letIn(kind, url, provider, owner);
  try {
    await bothThere(client);
    if (revision) assert.equal(client.revision(), revision);
    assert.equal(text(await client.call('alpha_1mcp_echo', { text: 'in' })), 'in');
    const before = provider.saved.tokens.refresh_token;
    provider.spoil();
    assert.equal(text(await client.call('beta_1mcp_echo', { text: 'again' })), 'again');
    assert.equal(provider.refreshed, 1, 'refreshed once');
    assert.notEqual(provider.saved.tokens.refresh_token, before, 'the refresh token is another');
    assert.equal(provider.asked.length, 1, 'the owner was not asked again');
  } finally {
    await client.close();
  }
}

for (const format of ['text', 'json']) {
  describe(`official clients, log as ${format}`, { concurrency: 3 }, () => {
    let gateway;
    before(async () => {
      gateway = await startLocked({ format });
      await gateway.login();
    });
    after(() => gateway?.stop());

    for (const [kind, path, revision] of CLIENTS) {
      test(`${kind}: /${path}`, async () => {
        const provider = new Provider({ name: `${kind} ${path}` });
        await wholeWay(kind, `${gateway.origin}/${path}`, provider, gateway.owner, revision);
      });
    }

    test('from localhost instead of 127.0.0.1', async () => {
      const url = `http://localhost:${gateway.port}/mcp`;
      await wholeWay('legacy', url, new Provider(), gateway.owner, '2025-11-25');
      await wholeWay('modern', url, new Provider(), gateway.owner, '2026-07-28');
    });

    for (const era of ['legacy', 'modern']) {
      test(`the ${era} Python client`, async () => {
        const { said, stored, opened } = await snake(
          era, gateway.url, 'alpha_1mcp_echo', gateway.owner);
        assert.deepEqual([said, stored, opened], [['one', 'two'], 2, 1]);
      });
    }

    test('mcp-remote, a port of its own', async () => {
      const remote = await startRemote(gateway.url);
      try {
        const client = await remote.letIn(gateway.owner);
        await bothThere(client);
        assert.equal(text(await client.call('alpha_1mcp_echo', { text: 'desk' })), 'desk');
        await client.close();
        // What it keeps on its disk is enough.
        const again = await remote.open();
        assert.equal(text(await again.call('beta_1mcp_echo', { text: 'top' })), 'top');
        await again.close();
        assert.equal(remote.asked.length, 1, 'the owner is asked once');
      } finally {
        await remote.stop();
      }
    });

    test('a client with a secret that the owner made', async () => {
      const redirect = 'https://claude.ai/api/mcp/auth_callback';
      const made = await authCommand(gateway, 'client', 'add', 'Claude', '--redirect', redirect);
      await knows(gateway, made.id);
      for (const method of ['client_secret_basic', 'client_secret_post']) {
        const client = {
          client_id: made.id, client_secret: made.secret, token_endpoint_auth_method: method,
        };
        const provider = new Provider({ redirect, client });
        await wholeWay('legacy', gateway.url, provider, gateway.owner, '2025-11-25');
      }
    });
  });
}

describe('a locked gateway', () => {
  let gateway;
  before(async () => (gateway = await startLocked()));
  after(() => gateway?.stop());

  test('who is turned away gets nothing', async () => {
    const provider = new Provider();
    await assert.rejects(connect('legacy', gateway.url, provider));
    const back = await gateway.owner.authorize(provider.asked[0].href, { allow: false });
    assert.equal(back.searchParams.get('error'), 'access_denied');
    assert.equal(back.searchParams.get('code'), null);
    assert.equal(back.searchParams.get('iss'), gateway.origin);
    assert.equal(back.searchParams.get('state'), provider.stateSent);
  });

  test('a token of one tag sees one server, whatever is asked for', async () => {
    const provider = new Provider();
    await assert.rejects(connect('legacy', gateway.url, provider));
    const url = provider.asked[0];
    url.searchParams.set('scope', 'tag:a');
    const back = await gateway.owner.authorize(url.href);
    assert.match(gateway.owner.consent.html, /tag:a|\ba\b/);
    const token = await exchange(gateway, provider, back);
    assert.equal(token.scope, 'tag:a');
    for (const query of ['', '?tags=a,b', '?tags=b', '?tags=beta']) {
      const session = await openRaw(`${gateway.url}${query}`, token.access_token);
      await until(async () => {
        const { message } = await session.call('tools/list');
        const names = message.result.tools.map(({ name }) => name);
        assert.ok(!names.some((name) => name.startsWith('beta_')), names.join(' '));
        return query.startsWith('?tags=b') || names.includes('alpha_1mcp_echo');
      }, `the tools of ${query}`);
      const refused = await session.call(
        'tools/call', { name: 'beta_1mcp_echo', arguments: { text: 'x' } });
      assert.equal(refused.status, 403, refused.text);
      const said = refused.headers.get('www-authenticate');
      assert.match(said, /error="insufficient_scope"/);
      assert.match(said, /scope="[^"]+"/);
      assert.match(said, /resource_metadata="/);
    }
    const session = await openRaw(gateway.url, token.access_token);
    const { message } = await session.call(
      'tools/call', { name: 'alpha_1mcp_echo', arguments: { text: 'mine' } });
    assert.equal(text(message.result), 'mine');
  });

  test('a session is of no use with another grant', async () => {
    const [one, other] = [new Provider(), new Provider()];
    await (await letIn('legacy', gateway.url, one, gateway.owner)).close();
    await (await letIn('legacy', gateway.url, other, gateway.owner)).close();
    const session = await openRaw(gateway.url, one.saved.tokens.access_token);
    const { headers } = session;
    assert.equal((await session.call('tools/list')).status, 200);
    const stolen = await ask(
      gateway.url, other.saved.tokens.access_token, 'tools/list', {}, { headers });
    assert.ok([403, 404].includes(stolen.status), stolen.text);
    assert.equal((await session.call('tools/list')).status, 200, 'it goes on');
  });

  test('a token in the query, a broken one and none are refused alike', async () => {
    const provider = new Provider();
    await (await letIn('legacy', gateway.url, provider, gateway.owner)).close();
    const good = provider.saved.tokens.access_token;
    assert.equal((await ask(gateway.url, good, 'initialize', INITIALIZE)).status, 200);
    const attempts = {
      none: [gateway.url, undefined],
      'in the query': [`${gateway.url}?access_token=${good}`, undefined],
      'a character less': [gateway.url, good.slice(0, -1)],
      'a character more': [gateway.url, `${good}A`],
      'without its signature': [gateway.url, `${good.split('.').slice(0, 2).join('.')}.`],
      'the refresh token': [gateway.url, provider.saved.tokens.refresh_token],
      nonsense: [gateway.url, 'nonsense'],
    };
    for (const [what, [url, token]] of Object.entries(attempts)) {
      const { status, headers } = await ask(url, token, 'initialize', INITIALIZE);
      assert.ok(status === 401 || (status === 400 && what === 'in the query'), `${what}: ${status}`);
      if (status === 400) continue;
      const said = headers.get('www-authenticate');
      assert.match(said, /^Bearer /, what);
      assert.match(
        said, new RegExp(`resource_metadata="${gateway.origin}/.well-known/oauth-protected-resource/mcp"`));
      assert.equal(/error="invalid_token"/.test(said), token !== undefined, `${what}: ${said}`);
    }
  });

  test('a refresh token that comes back ends its grant', async () => {
    const provider = new Provider();
    const client = await letIn('legacy', gateway.url, provider, gateway.owner);
    const old = provider.saved.tokens.refresh_token;
    provider.spoil();
    await client.tools();
    const id = provider.saved.client.client_id;
    const replay = await post(`${gateway.origin}/token`, {
      grant_type: 'refresh_token', refresh_token: old, client_id: id,
    });
    assert.deepEqual([replay.status, replay.body.error], [400, 'invalid_grant']);
    const { status } = await ask(
      gateway.url, provider.saved.tokens.access_token, 'initialize', INITIALIZE);
    assert.equal(status, 401, 'what was issued of it is worth nothing');
    await client.close();
  });

  test('a code is good once', async () => {
    const provider = new Provider();
    await assert.rejects(connect('legacy', gateway.url, provider));
    const back = await gateway.owner.authorize(provider.asked[0].href);
    const first = await exchange(gateway, provider, back);
    await assert.rejects(exchange(gateway, provider, back), /invalid_grant/);
    await until(
      async () => (await ask(gateway.url, first.access_token, 'initialize', INITIALIZE)).status === 401,
      'what it was good for ends', 2_000);
  });

  for (const way of ['by the command', 'by the client']) {
    test(`revoked ${way}: an open stream ends`, async () => {
      const provider = new Provider({ name: `revoked ${way}` });
      const client = await letIn('legacy', gateway.url, provider, gateway.owner);
      const token = provider.saved.tokens.access_token;
      const session = await openRaw(gateway.url, token);
      const stream = await fetch(gateway.url, {
        headers: { ...session.headers, accept: 'text/event-stream', authorization: `Bearer ${token}` },
      });
      assert.equal(stream.status, 200);
      const ended = stream.text().then(() => 'ended', (error) => error.message);
      if (way === 'by the command') {
        const listed = await authCommand(gateway, 'tokens', 'list');
        const grants = listed.tokens ?? listed.grants ?? listed;
        const mine = grants.find((one) => JSON.stringify(one).includes(`revoked ${way}`));
        assert.ok(mine, JSON.stringify(listed));
        await authCommand(gateway, 'tokens', 'revoke', mine.id ?? mine.grant);
      } else {
        const { status } = await post(`${gateway.origin}/revoke`, {
          token: provider.saved.tokens.refresh_token, client_id: provider.saved.client.client_id,
        });
        assert.equal(status, 200);
      }
      assert.notEqual(await Promise.race([ended, delay(10_000, 'still open', { ref: false })]), 'still open');
      await until(
        async () => (await ask(gateway.url, token, 'initialize', INITIALIZE)).status === 401,
        'the token is refused');
      const { status, body } = await post(`${gateway.origin}/token`, {
        grant_type: 'refresh_token',
        refresh_token: provider.saved.tokens.refresh_token,
        client_id: provider.saved.client.client_id,
      });
      assert.deepEqual([status, body.error], [400, 'invalid_grant']);
      await client.close().catch(() => {});
    });
  }

  test('five hundred registrations later it still lets its owner\'s clients in', async () => {
    const provider = new Provider();
    await (await letIn('legacy', gateway.url, provider, gateway.owner)).close();
    const statuses = new Map();
    for (let round = 0; round < 50; round += 1) {
      const answers = await Promise.all(Array.from({ length: 10 }, () =>
        fetch(`${gateway.origin}/register`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ redirect_uris: ['https://flood.example/cb'], client_name: 'flood' }),
        })));
      for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    assert.ok((statuses.get(429) ?? 0) > 0, JSON.stringify([...statuses]));
    assert.deepEqual([...statuses.keys()].filter((status) => ![201, 429].includes(status)), []);
    const client = await connect('legacy', gateway.url, provider);
    provider.spoil();
    await client.tools();
    assert.equal(provider.refreshed, 1);
    await client.close();
  });
});

/** Waits until the gateway has read what a command wrote. */
async function knows(gateway, id) {
  await until(async () => {
    const page = await fetch(
      `${gateway.base}/authorize?client_id=${id}`, { redirect: 'manual' });
    return !/unknown/.test(await page.text());
  }, 'the client is known', 5_000);
}

/** A form of OAuth: `{status, body}`. */
async function post(url, fields) {
  const answer = await fetch(url, { method: 'POST', body: new URLSearchParams(fields) });
  const said = await answer.text();
  return { status: answer.status, body: said.startsWith('{') ? JSON.parse(said) : said };
}

/** Changes the code of a redirect into tokens, by hand. */
async function exchange(gateway, provider, back) {
  const { status, body } = await post(`${gateway.base}/token`, {
    grant_type: 'authorization_code',
    code: back.searchParams.get('code'),
    redirect_uri: provider.redirectUrl,
    code_verifier: provider.saved.verifier,
    client_id: provider.saved.client.client_id,
  });
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
  secret('an access token', body.access_token);
  secret('a refresh token', body.refresh_token);
  return body;
}

// Between the owner's yes and the use of it, and again in the middle of the use.
describe('a restart', () => {
  for (const how of ['SIGTERM', 'SIGKILL']) {
    test(`by ${how}: clients, tokens and refresh tokens survive`, async () => {
      let gateway = await startLocked();
      const again = async () => {
        if (how === 'SIGKILL') await gateway.kill();
        else await gateway.stop({ keep: true });
        gateway = await startLocked({ after: gateway });
      };
      try {
        const provider = new Provider();
        // Registered, and the question is open.
        await assert.rejects(connect('legacy', gateway.url, provider));
        await again();
        const back = await gateway.owner.authorize(provider.asked[0].href);
        await exchange(gateway, provider, back).then((tokens) => provider.saveTokens(tokens));
        await again();
        // A session ends with the gateway; what the client has is good for another.
        for (const [words, spoiled] of [['on', false], ['and on', true], ['still', false]]) {
          if (spoiled) provider.spoil();
          await again();
          const client = await connect('legacy', gateway.url, provider);
          await bothThere(client);
          assert.equal(text(await client.call('alpha_1mcp_echo', { text: words })), words);
          await client.close();
        }
        assert.equal(provider.refreshed, 1);
        assert.equal(provider.asked.length, 1, 'the owner is asked once');
        // He is known by the same password.
        const other = new Provider();
        await (await letIn('modern', gateway.url, other, gateway.owner)).close();
      } finally {
        await gateway.stop();
      }
    });
  }

  test('twenty times in the middle of a refresh: what a client has is good', async () => {
    let gateway = await startLocked();
    try {
      const provider = new Provider();
      await (await letIn('legacy', gateway.url, provider, gateway.owner)).close();
      for (let round = 0; round < 20; round += 1) {
        const asked = post(`${gateway.origin}/token`, {
          grant_type: 'refresh_token',
          refresh_token: provider.saved.tokens.refresh_token,
          client_id: provider.saved.client.client_id,
        }).catch(() => undefined);
        await delay(round % 5);
        await gateway.kill();
        const answer = await asked;
        if (answer?.status === 200) {
          provider.saveTokens(answer.body);
        }
        gateway = await startLocked({ after: gateway });
        const { status } = await ask(
          gateway.url, provider.saved.tokens.access_token, 'initialize', INITIALIZE);
        assert.equal(status, 200, `round ${round}`);
        if (answer?.status !== 200) {
          // Whether it was used up is not to be known: the client logs in anew.
          await (await letIn('legacy', gateway.url, Object.assign(new Provider(), {
            saved: { client: provider.saved.client },
          }), gateway.owner)).close();
          const fresh = new Provider();
          await (await letIn('legacy', gateway.url, fresh, gateway.owner)).close();
          provider.saved = fresh.saved;
        }
      }
    } finally {
      await gateway.stop();
    }
  });
});
