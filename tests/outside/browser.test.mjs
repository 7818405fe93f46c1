// The pages in a real Chromium: log in, let a client in or not, authorize at a server elsewhere and
// watch it come to life; where a yes leads to; without a script, without a mouse, on a phone, in the
// dark. On no page may the browser have a complaint.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { after, before, describe, test } from 'node:test';
import { startAs } from './lib/as.mjs';
import {
  ground, HAS_CHROMIUM, inspect, openPage, PHONE, shoot, startChromium,
} from './lib/chromium.mjs';
import { text, until } from './lib/clients.mjs';
import { fixtureServer } from './lib/gateway.mjs';
import { startLocked } from './lib/locked.mjs';
import { openClient } from './lib/both.mjs';
import { freePort } from './lib/remotes.mjs';
import { makeAuthority, startTls } from './lib/tls.mjs';

/** A page of somebody else's, to which a yes leads: `{origin, stop}`. */
async function somewhere(files) {
  const handle = (request, response) => {
    const embeds = new URL(request.url, 'http://here').searchParams.get('embed');
    response.writeHead(200, { 'content-type': 'text/html' }).end(
      `<!doctype html><html lang="en"><title>Back</title><link rel="icon" href="data:,"><h1>Back at the client</h1>${
        embeds ? `<iframe src="${embeds}"></iframe>` : ''}`);
  };
  const server = files
    ? https.createServer({ cert: readFileSync(files.cert), key: readFileSync(files.key) }, handle)
    : http.createServer(handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `${files ? 'https' : 'http'}://${files ? 'localhost' : '127.0.0.1'}:${server.address().port}`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

// As long as a name may be.
const NAME = 'An application with <b>markup</b> & a name that is longer than a phone is wide..';

/** Registers a client and answers the address to which it sends the owner. */
async function asks(gateway, redirect, { scope = 'mcp', name = NAME } = {}) {
  const answer = await fetch(`${gateway.origin}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: name, redirect_uris: [redirect], token_endpoint_auth_method: 'none',
    }),
  });
  const made = await answer.json();
  assert.equal(answer.status, 201, JSON.stringify(made));
  return `${gateway.base}/authorize?${new URLSearchParams({
    response_type: 'code', client_id: made.client_id, redirect_uri: redirect, state: 'a state',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256',
    scope,
  })}`;
}

const password = (page) => page.getByLabel(/password/i);
const press = (page, name) => page.getByRole('button', { name }).click();

async function logIn(page, gateway, words = gateway.password) {
  await password(page).fill(words);
  await press(page, /log in/i);
}

describe('pages', { skip: HAS_CHROMIUM || process.env.CI ? false : 'no Chromium here' }, () => {
  let browser, authority, plain, secure, front, as;
  const sites = {};
  before(async () => {
    browser = await startChromium();
    authority = await makeAuthority();
    sites['another https origin'] = await somewhere(authority);
    sites['a program on this machine'] = await somewhere();
    as = await startAs({ page: true });
    const servers = {
      alpha: { ...fixtureServer(), tags: ['a'] },
      guarded: { url: as.url },
      'a-server-with-quite-a-long-name-that-somebody-thought-of': { command: '/nonexistent/program' },
    };
    plain = await startLocked({ servers });
    // The same behind TLS, under a name.
    const port = await freePort();
    front = await startTls(port, authority);
    secure = await startLocked({
      servers: { alpha: fixtureServer() }, port, external: `https://localhost:${front.port}`,
    });
  });
  after(async () => {
    await browser?.close();
    for (const site of Object.values(sites)) site.stop();
    await front?.stop();
    await plain?.stop();
    await secure?.stop();
    await as?.stop();
    authority?.remove();
  });
  const GATEWAYS = { http: () => plain, https: () => secure };

  for (const [scheme, of] of Object.entries(GATEWAYS)) {
    describe(`on ${scheme}`, { concurrency: 1 }, () => {
      test('a wrong password is said to be wrong, the right one leads on', async () => {
        const gateway = of();
        const page = await openPage(browser);
        await page.goto(`${gateway.base}/oauth`);
        const wrong = 'a wrong password that nobody would choose';
        await logIn(page, gateway, wrong);
        assert.match(await page.textContent('main'), /not the password/i);
        assert.ok(!(await page.content()).includes(wrong), 'and is not repeated');
        await until(async () => {
          await logIn(page, gateway);
          return (await password(page).count()) === 0;
        }, 'logged in');
        assert.equal(page.url(), `${gateway.base}/oauth`);
        await page.getByText('alpha').first().waitFor();
        await page.done({ but: /40[13]|429/ });
      });

      test('a cookie for us alone, another after the login', async () => {
        const gateway = of();
        const page = await openPage(browser);
        const cookies = async () => (await page.context().cookies())
          .filter(({ name }) => /1mcp/.test(name) && !name.endsWith('-known'));
        await page.goto(`${gateway.base}/oauth/login`);
        const before = await cookies();
        await logIn(page, gateway);
        await page.waitForURL(/\/oauth$/);
        const [cookie] = await cookies();
        assert.ok(before.every(({ value }) => value !== cookie.value), 'it was there before the login');
        assert.equal(cookie.httpOnly, true);
        assert.equal(cookie.sameSite, 'Lax');
        assert.equal(cookie.path, '/');
        assert.equal(cookie.secure, scheme === 'https');
        assert.equal(cookie.name.startsWith('__Host-'), scheme === 'https');
        await press(page, /log out/i);
        await page.goto(`${gateway.base}/oauth`);
        assert.equal(await password(page).count(), 1, 'logged out');
        await page.done();
      });

      for (const place of ['another https origin', 'a program on this machine']) {
        for (const decision of ['allow', 'deny']) {
          test(`${decision}, and back to ${place}`, async () => {
            const gateway = of();
            const { origin } = sites[place];
            const page = await openPage(browser);
            await page.goto(await asks(gateway, `${origin}/callback`));
            await logIn(page, gateway);
            await page.getByRole('button', { name: /^allow/i }).waitFor();
            const said = await page.textContent('main');
            assert.ok(said.includes(NAME), 'the name as it is, and no markup of it');
            assert.ok(said.includes(new URL(origin).hostname), said);
            await press(page, decision === 'allow' ? /^allow/i : /^deny/i);
            const back = await page.sentTo(new RegExp(`^${origin}/callback`));
            assert.equal(back.searchParams.get('state'), 'a state');
            assert.equal(back.searchParams.get('iss'), gateway.base);
            assert.equal(back.searchParams.get('error'), decision === 'deny' ? 'access_denied' : null);
            assert.equal(back.searchParams.has('code'), decision === 'allow');
            await page.getByText('Back at the client').waitFor();
            await page.done();
          });
        }
      }

      test('allow, and on to an application by a scheme of its own', async () => {
        const gateway = of();
        const redirect = 'cursor://anysphere.cursor-mcp/oauth/callback';
        const page = await openPage(browser);
        await page.goto(await asks(gateway, redirect));
        await logIn(page, gateway);
        await press(page, /^allow/i);
        const back = await page.sentTo(/^cursor:/);
        assert.ok(back.href.startsWith(`${redirect}?`), back.href);
        assert.ok(back.searchParams.get('code'));
        // Here nothing listens to that scheme: the page stays, or the browser says so.
        await page.done({ but: /cursor:/ });
      });

      test('no page can be framed, whatever it is', async () => {
        const gateway = of();
        const consent = await asks(gateway, `${sites['another https origin'].origin}/callback`);
        const page = await openPage(browser);
        await page.goto(`${gateway.base}/oauth`);
        await logIn(page, gateway);
        await page.waitForURL(/\/oauth$/);
        for (const target of [`${gateway.base}/`, `${gateway.base}/oauth`, consent]) {
          const answer = await page.goto(target);
          const { headers } = { headers: await answer.allHeaders() };
          const policy = headers['content-security-policy'];
          assert.match(policy, /frame-ancestors 'none'/, target);
          assert.match(policy, /default-src 'none'/, target);
          assert.doesNotMatch(policy, /unsafe|\*/, target);
          assert.equal(headers['x-content-type-options'], 'nosniff');
          assert.equal(headers['referrer-policy'], 'same-origin');
          assert.match(headers['cache-control'], /no-store/);
          const framed = await openPage(browser);
          await framed.goto(
            `${sites['a program on this machine'].origin}/?embed=${encodeURIComponent(target)}`);
          await framed.waitForTimeout(300);
          const inside = framed.frames()[1];
          const shown = inside ? await inside.evaluate(() => document.querySelector('main')?.textContent ?? '') : '';
          assert.equal(shown, '', `${target} is framed`);
          await framed.context().close();
        }
        await page.done();
      });

      test('for everybody: labels, landmarks, contrast, a phone, the dark', async () => {
        const gateway = of();
        for (const [look, options] of Object.entries({
          light: { colorScheme: 'light' },
          dark: { colorScheme: 'dark' },
          'light-phone': { colorScheme: 'light', ...PHONE },
          'dark-phone': { colorScheme: 'dark', ...PHONE },
        })) {
          const page = await openPage(browser, options);
          const looks = async (what) => {
            await shoot(page, `${scheme}-${what}-${look}`);
            assert.deepEqual(await inspect(page), [], `${what}, ${look}`);
            const shade = await ground(page);
            assert.ok(look.startsWith('dark') ? shade < 80 : shade > 180, `${what}, ${look}: ${shade}`);
          };
          await page.goto(`${gateway.base}/`);
          await looks('start');
          await page.goto(`${gateway.base}/oauth`);
          await looks('login');
          await logIn(page, gateway, 'wrong');
          await looks('wrong-password');
          await until(async () => {
            await logIn(page, gateway);
            return (await password(page).count()) === 0;
          }, 'logged in');
          await looks('dashboard');
          await page.goto(await asks(gateway, `${sites['another https origin'].origin}/callback`));
          await looks('consent');
          await page.goto(await asks(gateway, 'http://127.0.0.1:7777/callback', { scope: 'tag:a' }));
          await looks('consent-loopback');
          await page.goto(await asks(gateway, 'cursor://anysphere.cursor-mcp/oauth/callback'));
          await looks('consent-scheme');
          await page.goto(`${gateway.base}/authorize?client_id=nobody&response_type=code`);
          await looks('unknown-client');
          if (scheme === 'http') {
            await page.goto(`${gateway.base}/oauth/connect/guarded`);
            await looks('connect');
          }
          await page.goto(`${gateway.base}/no/such/page`);
          await page.done({ but: /4\d\d/ });
        }
      });

      test('by the keyboard alone', async () => {
        const gateway = of();
        const page = await openPage(browser);
        await page.goto(await asks(gateway, `${sites['another https origin'].origin}/callback`));
        // The field has the focus already; Enter sends it.
        await page.waitForFunction(() => document.activeElement?.type === 'password');
        await page.keyboard.type(gateway.password);
        await page.keyboard.press('Enter');
        await page.getByRole('button', { name: /^allow/i }).waitFor();
        for (let steps = 0; ; steps += 1) {
          assert.ok(steps < 12, 'Allow is not reached');
          await page.keyboard.press('Tab');
          const focus = await page.evaluate(() => {
            const style = getComputedStyle(document.activeElement);
            return {
              text: document.activeElement.textContent.trim(),
              ring: style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) >= 1,
            };
          });
          assert.ok(focus.ring, `where the focus is, is not to be seen: ${focus.text}`);
          if (/^allow/i.test(focus.text)) break;
        }
        await page.keyboard.press('Enter');
        const back = await page.sentTo(/\/callback/);
        assert.ok(back.searchParams.get('code'));
        await page.done();
      });

      test('without a script', async () => {
        const gateway = of();
        const page = await openPage(browser, { javaScriptEnabled: false });
        await page.goto(await asks(gateway, `${sites['another https origin'].origin}/callback`));
        await logIn(page, gateway);
        await press(page, /^allow/i);
        assert.ok((await page.sentTo(/\/callback/)).searchParams.get('code'));
        await page.goto(`${gateway.base}/oauth`);
        await page.getByText('alpha').first().waitFor();
        await page.getByRole('link', { name: /refresh/i }).click();
        await page.getByText('alpha').first().waitFor();
        await page.done();
      });
    });
  }

  /** Authorize at the scripted server, as the owner in a page that shows the dashboard. */
  async function connects(page, gateway) {
    await page.goto(`${gateway.base}/oauth`);
    if ((await password(page).count()) > 0) {
      await logIn(page, gateway);
      await page.waitForURL(/\/oauth$/);
    }
    await page.getByRole('link', { name: /authorize guarded/i }).click();
    await press(page, /^authorize/i);
    await page.getByText('Elsewhere').first().waitFor();
    assert.ok(page.url().startsWith(as.issuer), page.url());
    await page.getByRole('link', { name: 'Yes' }).click();
    await page.waitForURL((url) => url.href.startsWith(gateway.base));
    assert.doesNotMatch(page.url(), /code=/, 'the code does not stay in the address bar');
  }

  test('authorize at a server elsewhere: it is ready, and who watches sees it', async () => {
    const watcher = await openPage(browser);
    await watcher.goto(`${plain.base}/oauth`);
    await logIn(watcher, plain);
    const card = watcher.locator('li', { hasText: 'guarded' });
    await card.getByText(/^needs authorization$/i).waitFor();
    await watcher.evaluate(() => { window.untouched = true; });
    const page = await openPage(browser);
    await connects(page, plain);
    await card.getByText(/^ready$/i).waitFor();
    assert.equal(await watcher.evaluate(() => window.untouched), true, 'without loading it anew');
    await page.goto(`${plain.base}/oauth`);
    await page.locator('li', { hasText: 'guarded' }).getByText(/^ready$/i).waitFor();
    await shoot(page, 'http-dashboard-ready');
    assert.ok(as.seen.mcp.some(({ good }) => good), 'it was asked with a token');
    await page.done();
    await watcher.done();
  });

  test('the same without a script', async () => {
    const gateway = await startLocked({ servers: { guarded: { url: as.url } } });
    try {
      const page = await openPage(browser, { javaScriptEnabled: false });
      await connects(page, gateway);
      await until(async () => {
        await page.goto(`${gateway.base}/oauth`);
        return (await page.locator('li', { hasText: 'guarded' }).getByText(/^ready$/i).count()) > 0;
      }, 'ready');
      await page.done();
    } finally {
      await gateway.stop();
    }
  });

  describe('without --enable-auth', () => {
    let open;
    before(async () => (open = await startLocked({ auth: false, servers: { guarded: { url: as.url } } })));
    after(() => open?.stop());

    test('who sits at this machine authorizes without a password', async () => {
      const page = await openPage(browser);
      await connects(page, open);
      await page.goto(`${open.base}/oauth`);
      await page.locator('li', { hasText: 'guarded' }).getByText(/^ready$/i).waitFor();
      await page.done();
      const client = await openClient('legacy', 'http', open, 'client');
      assert.equal(text(await client.call('guarded_1mcp_echo', { text: 'through' })), 'through');
      await client.close();
    });
  });

  describe('open to the world without --enable-auth', () => {
    let open, outer;
    before(async () => {
      const port = await freePort();
      outer = await startTls(port, authority);
      open = await startLocked({
        auth: false, port, external: `https://localhost:${outer.port}`,
        servers: { guarded: { url: as.url } },
      });
    });
    after(async () => {
      await outer?.stop();
      await open?.stop();
    });

    test('a stranger sees how things are and can do nothing', async () => {
      const page = await openPage(browser);
      await page.goto(`${open.base}/oauth`);
      await page.getByText('guarded').first().waitFor();
      assert.equal(await page.getByRole('link', { name: /^authorize/i }).count(), 0);
      assert.equal(await page.getByRole('button', { name: /authorize|retry/i }).count(), 0);
      await page.getByRole('link', { name: /log in/i }).waitFor();
      await shoot(page, 'https-dashboard-stranger');
      assert.deepEqual(await inspect(page), []);
      const asked = as.seen.authorize.length;
      await page.goto(`${open.base}/oauth/connect/guarded`);
      assert.equal(await page.getByRole('button', { name: /^authorize/i }).count(), 0);
      assert.equal(as.seen.authorize.length, asked);
      await page.done({ but: /40[13]/ });
    });

    test('its owner logs in and authorizes', async () => {
      const page = await openPage(browser);
      await page.goto(`${open.base}/oauth/login`);
      await logIn(page, open);
      await connects(page, open);
      await page.goto(`${open.base}/oauth`);
      await page.locator('li', { hasText: 'guarded' }).getByText(/^ready$/i).waitFor();
      await page.done();
    });
  });
});
