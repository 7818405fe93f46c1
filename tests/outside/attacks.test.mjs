// What somebody tries who is not let in: on the pages of the owner, on the authorization server, and
// from a page of his own. Each as bytes on the wire against the program that people install.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { startAs } from './lib/as.mjs';
import { ask, INITIALIZE, startLocked } from './lib/locked.mjs';
import { Browser, forms, Owner, words } from './lib/owner.mjs';
import { secret } from './lib/secrets.mjs';

const REDIRECT = 'https://client.example.com/callback';

/** A request with any header, also those that fetch keeps to itself. */
async function raw(origin, path, { method = 'GET', headers = {}, body } = {}) {
  const { hostname, port } = new URL(origin);
  const request = http.request({ host: hostname, port, path, method, headers, agent: false });
  request.end(body);
  const [answer] = await once(request, 'response');
  let text = '';
  for await (const bytes of answer) text += bytes;
  return { status: answer.statusCode, headers: answer.headers, text };
}

describe('an attacker', () => {
  let gateway, as;
  before(async () => {
    as = await startAs();
    gateway = await startLocked({ servers: { guarded: { url: as.url } } });
  });
  after(async () => {
    await gateway?.stop();
    await as?.stop();
  });

  const register = async (fields = {}) => {
    const answer = await fetch(`${gateway.origin}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        client_name: 'client', redirect_uris: [REDIRECT], token_endpoint_auth_method: 'none', ...fields,
      }),
    });
    const made = await answer.json();
    secret('a secret of a client', made.client_secret);
    return { status: answer.status, ...made };
  };
  const pkce = () => {
    const verifier = secret('a verifier', randomBytes(32).toString('base64url'));
    return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
  };
  const address = (fields) => {
    const all = {
      response_type: 'code', redirect_uri: REDIRECT, state: 'state', scope: 'mcp',
      code_challenge: pkce().challenge, code_challenge_method: 'S256', ...fields,
    };
    for (const [name, value] of Object.entries(all)) if (value === undefined) delete all[name];
    return `${gateway.origin}/authorize?${new URLSearchParams(all)}`;
  };
  const token = async (fields, headers = {}) => {
    const answer = await fetch(`${gateway.origin}/token`, {
      method: 'POST', body: new URLSearchParams(fields), headers,
    });
    const body = await answer.json();
    secret('an access token', body.access_token);
    secret('a refresh token', body.refresh_token);
    return { status: answer.status, headers: answer.headers, ...body };
  };
  /** A code that the owner gave to a client. */
  const code = async (client, fields = {}) => {
    const { verifier, challenge } = pkce();
    const back = await gateway.owner.authorize(
      address({ client_id: client.client_id, code_challenge: challenge, ...fields }));
    return { code: back.searchParams.get('code'), code_verifier: verifier, back };
  };

  test('is sent nowhere with a client or a redirect that is not known', async () => {
    const client = await register();
    const elsewhere = [
      { client_id: 'nobody' },
      { client_id: undefined },
      ...[
        'https://evil.example.com/callback', `${REDIRECT}/more`, `${REDIRECT}?more=1`, `${REDIRECT}#more`,
        'http://client.example.com/callback', 'https://client.example.com:444/callback',
        'https://client.example.com@evil.example.com/callback', 'https://client.example.com.evil.example/callback',
        'HTTPS://client.example.com/callback', 'https://client.example.com/x/../callback',
        'javascript:alert(1)', '//client.example.com/callback', '', undefined,
      ].map((redirect_uri) => ({ client_id: client.client_id, redirect_uri })),
    ];
    for (const fields of elsewhere) {
      for (const who of [new Browser(), gateway.owner]) {
        if (fields.redirect_uri === undefined && fields.client_id && 'redirect_uri' in fields) continue;
        const page = await who.get(address(fields));
        assert.equal(page.status, 400, JSON.stringify(fields));
        assert.equal(page.location, undefined, JSON.stringify(fields));
        assert.ok(!forms(page.html).some(({ buttons }) => buttons.some(({ text }) => /allow/i.test(text))));
      }
    }
  });

  test('may change the port of a loopback redirect and nothing else of it', async () => {
    const client = await register({ redirect_uris: ['http://127.0.0.1:1234/callback'] });
    const good = await gateway.owner.authorize(
      address({ client_id: client.client_id, redirect_uri: 'http://127.0.0.1:4321/callback' }));
    assert.equal(good.port, '4321');
    for (const redirect_uri of [
      'http://127.0.0.1:4321/other', 'http://127.0.0.2:1234/callback', 'https://127.0.0.1:1234/callback',
      'http://[::1]:1234/callback', 'http://127.0.0.1.evil.example:1234/callback',
      'http://127.0.0.1:1234@evil.example/callback', 'http://127.0.0.1:1234/callback?x=1',
    ]) {
      const page = await gateway.owner.get(address({ client_id: client.client_id, redirect_uri }));
      assert.deepEqual([page.status, page.location], [400, undefined], redirect_uri);
    }
  });

  test('registers no address that is code, a file, or plain http', async () => {
    for (const redirect of [
      'javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'blob:https://x/y', 'about:blank',
      'vbscript:x', 'http://evil.example.com/callback', 'ws://x.example/y', 'https://x.example/y#z',
      'https://user:pw@x.example/y', 'not an address', '',
    ]) {
      const made = await register({ redirect_uris: [redirect] });
      assert.equal(made.status, 400, redirect);
      assert.match(made.error, /invalid_redirect_uri|invalid_client_metadata/, redirect);
    }
    assert.equal((await register({ redirect_uris: [] })).status, 400);
  });

  test('gets no code without S256', async () => {
    const client = await register();
    // Nobody is sent to clients that were never let in.
    const first = await gateway.owner.settle(
      await gateway.owner.get(address({ client_id: client.client_id, code_challenge: undefined })),
      gateway.origin);
    assert.deepEqual([first.status, first.location], [400, undefined]);
    const { back: _, ...given } = await code(client);
    const { status } = await token({
      grant_type: 'authorization_code', client_id: client.client_id, redirect_uri: REDIRECT, ...given,
    });
    assert.equal(status, 200, 'it is let in');
    for (const [what, fields] of Object.entries({
      'no challenge': { code_challenge: undefined },
      plain: { code_challenge_method: 'plain' },
      'no method': { code_challenge_method: undefined },
      'a short one': { code_challenge: 'short' },
      'a token at once': { response_type: 'token' },
      'another audience': { resource: 'https://evil.example.com/mcp' },
    })) {
      const page = await gateway.owner.settle(
        await gateway.owner.get(address({ client_id: client.client_id, ...fields })), gateway.origin);
      const back = new URL(page.location ?? 'https://no.where/');
      assert.ok(back.href.startsWith(REDIRECT), `${what}: ${page.status} ${words(page.html)}`);
      assert.ok(back.searchParams.get('error'), what);
      assert.equal(back.searchParams.get('iss'), gateway.origin, what);
      assert.equal(back.searchParams.get('state'), 'state', what);
      assert.equal(back.searchParams.get('code'), null, what);
    }
  });

  test('has no use of a code without all that belongs to it', async () => {
    const [client, other] = [await register(), await register()];
    const attempts = {
      'another verifier': (good) => ({ ...good, code_verifier: pkce().verifier }),
      'no verifier': ({ code_verifier, ...good }) => good,
      'another client': (good) => ({ ...good, client_id: other.client_id }),
      'another redirect': (good) => ({ ...good, redirect_uri: 'https://client.example.com/other' }),
      'another resource': (good) => ({ ...good, resource: 'https://evil.example.com/mcp' }),
      'a changed code': (good) => ({ ...good, code: `${good.code.slice(0, -1)}${good.code.endsWith('A') ? 'B' : 'A'}` }),
    };
    for (const [what, changed] of Object.entries(attempts)) {
      const { back, ...given } = await code(client);
      const good = {
        grant_type: 'authorization_code', client_id: client.client_id, redirect_uri: REDIRECT, ...given,
      };
      const answer = await token(changed(good));
      assert.equal(answer.status, 400, what);
      assert.match(answer.error, /invalid_(grant|request|target|client)/, what);
      assert.equal(answer.access_token, undefined, what);
      assert.equal(answer.headers.get('cache-control'), 'no-store', what);
    }
  });

  test('is no client with a wrong secret, none, or another one\'s', async () => {
    const client = await register({ token_endpoint_auth_method: 'client_secret_basic' });
    assert.ok(client.client_secret?.length >= 32, 'a secret');
    const other = await register({ token_endpoint_auth_method: 'client_secret_basic' });
    const basic = (id, password) => ({ authorization: `Basic ${Buffer.from(`${id}:${password}`).toString('base64')}` });
    for (const [what, fields, headers] of [
      ['none', { client_id: client.client_id }, {}],
      ['wrong', {}, basic(client.client_id, 'wrong')],
      ['of another', {}, basic(client.client_id, other.client_secret)],
      ['in the body, wrong', { client_id: client.client_id, client_secret: 'wrong' }, {}],
    ]) {
      const { back, ...given } = await code(client);
      const answer = await token(
        { grant_type: 'authorization_code', redirect_uri: REDIRECT, ...given, ...fields }, headers);
      assert.ok([400, 401].includes(answer.status), `${what}: ${answer.status}`);
      assert.equal(answer.error, 'invalid_client', what);
    }
  });

  test('cannot make the owner say yes from a page of his own', async () => {
    const client = await register();
    const owner = new Owner(gateway.password);
    const page = await owner.settle(
      await owner.get(address({ client_id: client.client_id })), gateway.origin);
    const form = forms(page.html).find(({ buttons }) => buttons.some(({ text }) => /^allow/i.test(text)));
    const button = form.buttons.find(({ text }) => /^allow/i.test(text));
    const attempts = {
      'from another site': { headers: { origin: 'https://evil.example.com', 'sec-fetch-site': 'cross-site' } },
      'from another port': { headers: { origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-site' } },
      'from nowhere': { headers: { origin: 'null', 'sec-fetch-site': 'cross-site' } },
      'without the token of the form': { form: { ...form, fields: form.fields.filter(([name]) => !/csrf/i.test(name)) } },
      'with a token of another browser': {
        form: {
          ...form,
          fields: form.fields.map(([name, value]) =>
            [name, /csrf/i.test(name) ? value.split('').reverse().join('') : value]),
        },
      },
    };
    for (const [what, { form: changed = form, headers = {} }] of Object.entries(attempts)) {
      const answer = await owner.submit(page, changed, { button, headers });
      assert.ok(answer.status >= 400 && answer.status < 500, `${what}: ${answer.status}`);
      assert.equal(answer.location, undefined, what);
    }
    // Who is not logged in has the form of somebody who is.
    const stranger = new Browser();
    const answer = await stranger.submit(page, form, { button });
    assert.ok(answer.status >= 300 && !answer.location?.startsWith(REDIRECT), `${answer.status}`);
    const good = await owner.submit(page, form, { button });
    assert.ok(good.location.startsWith(`${REDIRECT}?`), 'the owner himself can');
    secret('a code', new URL(good.location).searchParams.get('code'));
    const twice = await owner.submit(page, form, { button });
    assert.ok(!twice.location?.includes('code=') || twice.location !== good.location);
  });

  test('cannot log somebody in from a page of his own, nor lead him elsewhere by it', async () => {
    const browser = new Owner(gateway.password);
    const page = await browser.get(`${gateway.origin}/oauth/login`);
    const form = forms(page.html).find(({ inputs }) => inputs.some(({ type }) => type === 'password'));
    const typed = { password: gateway.password };
    const foreign = await browser.submit(page, form, {
      typed, headers: { origin: 'https://evil.example.com', 'sec-fetch-site': 'cross-site' },
    });
    assert.ok(foreign.status >= 400, `${foreign.status}`);
    const bare = { ...form, fields: form.fields.filter(([name]) => !/csrf/i.test(name)) };
    assert.ok((await browser.submit(page, bare, { typed })).status >= 400);
    for (const next of [
      'https://evil.example.com/', '//evil.example.com/', '/\\evil.example.com/', '\\\\evil.example.com',
      '/%0d%0aSet-Cookie:%20x=y', '/\r\nSet-Cookie: x=y', 'javascript:alert(1)', '/oauth/../../evil',
      '/\t/evil.example.com', 'http:evil.example.com',
    ]) {
      const fresh = new Owner(gateway.password);
      const at = await fresh.get(`${gateway.origin}/oauth/login?${new URLSearchParams({ next })}`);
      const found = forms(at.html).find(({ inputs }) => inputs.some(({ type }) => type === 'password'));
      const fields = found.fields.filter(([name]) => name !== 'next').concat([['next', next]]);
      const answer = await fresh.submit(at, { ...found, fields }, { typed });
      assert.ok(answer.status < 500, `${next}: ${answer.status}`);
      if (answer.location) assert.equal(new URL(answer.location).origin, gateway.origin, next);
      assert.ok(!answer.headers.getSetCookie().some((line) => line.startsWith('x=')), next);
    }
  });

  test('brings no line of his own into a redirect', async () => {
    const client = await register();
    const state = 'x\r\nSet-Cookie: evil=1\r\n\r\n<script>alert(1)</script>';
    const back = await gateway.owner.authorize(address({ client_id: client.client_id, state }));
    assert.equal(back.searchParams.get('state'), state);
    assert.ok(!JSON.stringify([...gateway.owner.cookies.values()].map((jar) => [...jar.keys()])).includes('evil'));
  });

  test('is shown as text, whatever he calls himself', async () => {
    const client_name = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202eevil';
    const client = await register({ client_name });
    await gateway.owner.authorize(address({ client_id: client.client_id }));
    const { html } = gateway.owner.consent;
    assert.doesNotMatch(html, /<script>alert|<img/);
    assert.match(words(html), /client\.example\.com/);
  });

  test('changes nothing that we say of ourselves by another host', async () => {
    for (const host of ['evil.example.com', `evil.example.com:${gateway.port}`, `127.0.0.1:${gateway.port}.evil.example`]) {
      for (const path of [
        '/.well-known/oauth-authorization-server', '/.well-known/oauth-protected-resource/mcp', '/mcp', '/oauth', '/',
      ]) {
        const { text, headers } = await raw(gateway.origin, path, {
          headers: {
            host, accept: '*/*', 'x-forwarded-host': 'evil.example.com', 'x-forwarded-proto': 'https',
            forwarded: 'host=evil.example.com;proto=https',
          },
        });
        const said = JSON.stringify(headers) + text;
        assert.doesNotMatch(said, /https?:\/\/evil\.example/, `${host}${path}`);
        assert.doesNotMatch(said, /https?:\/\/[^"'\s]*evil\.example/, `${host}${path}`);
      }
    }
  });

  test('who guesses passwords waits longer and longer, and the owner still gets in', async () => {
    const guesser = new Browser();
    const statuses = [];
    const began = Date.now();
    for (let round = 0; round < 7; round += 1) {
      const page = await guesser.get(`${gateway.origin}/oauth/login`);
      const form = forms(page.html).find(({ inputs }) => inputs.some(({ type }) => type === 'password'));
      const answer = form
        ? await guesser.submit(page, form, { typed: { password: `guess number ${round} of many` } })
        : page;
      statuses.push(answer.status);
    }
    // Three are free; of the others each waits twice as long as the one before, or is told to.
    const took = Date.now() - began;
    assert.ok(took > 10_000 || statuses.includes(429), `${statuses} in ${took} ms`);
    await gateway.login();
  });

  test('gets nothing by methods, types and sizes that are not meant', async () => {
    const big = 'x'.repeat(1024 * 1024);
    for (const [path, options] of [
      ['/token', { method: 'GET' }],
      ['/register', { method: 'GET' }],
      ['/token', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }],
      ['/register', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{}' }],
      ['/register', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '[' }],
      ['/register', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ x: big }) }],
      ['/token', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `x=${big}` }],
      ['/token', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'grant_type=refresh_token&grant_type=authorization_code' }],
      ['/authorize', { method: 'DELETE' }],
      ['/oauth/login', { method: 'PUT' }],
      ['/.well-known/oauth-authorization-server', { method: 'POST' }],
    ]) {
      const { status } = await raw(gateway.origin, path, options);
      assert.ok(status >= 400 && status < 500, `${options.method} ${path}: ${status}`);
    }
    assert.equal((await ask(gateway.url, undefined, 'initialize', INITIALIZE)).status, 401);
  });
});
