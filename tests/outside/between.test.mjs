// What stands between the gateway and a server on the network: proxies that the environment names,
// and an nginx in front of the server, whose connections end whenever it likes.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openClient } from './lib/both.mjs';
import { text, until } from './lib/clients.mjs';
import { startGateway } from './lib/gateway.mjs';
import { HAS_NGINX, startNginx } from './lib/nginx.mjs';
import { startProxy } from './lib/proxy.mjs';
import { everything, httpFixture } from './lib/remotes.mjs';
import { makeAuthority, startTls } from './lib/tls.mjs';

const ERAS = ['legacy', 'modern'];
// What is undefined is left out of an environment.
const NO_PROXIES = Object.fromEntries(
  ['http_proxy', 'https_proxy', 'no_proxy'].flatMap((name) => [
    [name, undefined], [name.toUpperCase(), undefined],
  ]));
// Nothing listens there.
const NOWHERE = 'http://127.0.0.1:9';

/** A gateway with these servers and a client of it; stopped after `then`. */
async function through({ servers, env = {}, args = [] }, then) {
  const told = ['--health-info-level', 'full'];
  const gateway = await startGateway({
    servers, args: [...told, ...args], env: { ...NO_PROXIES, ...env },
  });
  const client = await openClient('legacy', 'http', gateway, 'client');
  try {
    await then(client, gateway);
  } finally {
    await client.close();
    await gateway.stop();
  }
}

const echoes = async (client, server) =>
  assert.match(text(await client.call(`${server}_1mcp_echo`, { message: 'hello' })), /hello/);

describe('proxies', { concurrency: 3 }, () => {
  let authority, server, front, servers;
  before(async () => {
    authority = await makeAuthority();
    // It cares for no name.
    server = await everything('streamableHttp')();
    const certificate = await authority.issue('far', 'subjectAltName=DNS:secure.far.test');
    front = await startTls(server.port, certificate);
    // Names that only the proxy knows. This machine is never asked for through a proxy.
    servers = {
      plain: { url: `http://plain.far.test:${server.port}/mcp` },
      secure: { url: `https://secure.far.test:${front.port}/mcp` },
      near: { url: `http://127.0.0.1:${server.port}/mcp` },
    };
  });
  after(async () => {
    await front?.stop();
    await server?.stop();
    authority?.remove();
  });

  /** Runs with a proxy of its own. */
  async function with_(options, env, then) {
    const proxy = await startProxy(options);
    try {
      const args = ['--ca-file', authority.ca];
      await through({ servers, args, env: env(proxy) }, (...got) => then(proxy, ...got));
    } finally {
      await proxy.stop();
    }
  }

  const both = ({ url }) => ({ HTTP_PROXY: url, HTTPS_PROXY: url });

  test('HTTP_PROXY is asked for whole URLs, HTTPS_PROXY for a tunnel', () =>
    with_({}, both, async (proxy, client) => {
      for (const server of Object.keys(servers)) await echoes(client, server);
      const tunnel = `CONNECT secure.far.test:${front.port}`;
      assert.ok(proxy.asked.includes(`POST ${servers.plain.url}`), proxy.asked.join('\n'));
      assert.ok(proxy.asked.includes(tunnel), proxy.asked.join('\n'));
      const others = proxy.asked.filter((one) =>
        !one.endsWith(servers.plain.url) && one !== tunnel);
      assert.deepEqual(others, []);
    }));

  test('the names in small letters work', () =>
    with_({}, ({ url }) => ({ http_proxy: url, https_proxy: url }), async (proxy, client) => {
      await echoes(client, 'plain');
      await echoes(client, 'secure');
      assert.ok(proxy.asked.length >= 2, proxy.asked.join('\n'));
    }));

  test('NO_PROXY leaves a server out', () =>
    with_({}, (proxy) => ({ ...both(proxy), NO_PROXY: '.plain.far.test, plain.far.test' }),
      async (proxy, client) => {
        // Nobody but the proxy knows where that is.
        await assert.rejects(echoes(client, 'plain'), /plain/);
        await echoes(client, 'secure');
        assert.ok(proxy.asked.every((one) => one.startsWith('CONNECT secure')), `${proxy.asked}`);
      }));

  test('a proxy gets its name and password, and nobody else does', () =>
    with_({ login: 'me:secret-word' }, both, async (proxy, client, gateway) => {
      await echoes(client, 'plain');
      await echoes(client, 'secure');
      const health = await (await fetch(`${gateway.origin}/health`)).text();
      assert.ok(!`${gateway.log}${health}`.includes('secret-word'), 'the password is told');
    }));

  test('a proxy that wants a password is named in the error', () =>
    with_({ login: 'me:secret-word' }, ({ port }) => both({ url: `http://127.0.0.1:${port}` }),
      async (proxy, client) => {
        await assert.rejects(echoes(client, 'secure'), /secure.*(proxy|407)/is);
        await assert.rejects(echoes(client, 'plain'), /plain.*(proxy|407)/is);
      }));

  test('a proxy that is not there is named in the error', () =>
    through({ servers, args: ['--ca-file', authority.ca], env: both({ url: NOWHERE }) },
      async (client) => {
        await assert.rejects(echoes(client, 'secure'), /secure.*(proxy|127\.0\.0\.1:9)/is);
        await assert.rejects(echoes(client, 'plain'), /plain.*(proxy|127\.0\.0\.1:9)/is);
      }));

  test('a proxy that goes away and comes back', () =>
    with_({}, both, async (proxy, client) => {
      await echoes(client, 'secure');
      await proxy.stop();
      await assert.rejects(echoes(client, 'secure'), /secure/);
      const again = await startProxy({ at: proxy.port });
      try {
        await until(() => echoes(client, 'secure').then(() => true, () => false), 'it heals');
      } finally {
        await again.stop();
      }
    }));
});

// Each call tells how many calls came before it: one that was made twice shows.
const NGINX = ({ upstreams, cert, key }) => `
upstream legacy { server 127.0.0.1:${upstreams.legacy}; keepalive 8; }
upstream modern { server 127.0.0.1:${upstreams.modern}; keepalive 8; }
proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
proxy_set_header Host 127.0.0.1;
keepalive_timeout 1s; keepalive_requests 40;
# What is silent for so long is cut, whoever is silent: a stream of changes too.
proxy_read_timeout 3s;
server { listen {plain}; location /legacy { proxy_pass http://legacy/mcp; }
  location /modern { proxy_pass http://modern/mcp; } }
server { listen {secure} ssl; ssl_certificate ${cert}; ssl_certificate_key ${key};
  location /legacy { proxy_pass http://legacy/mcp; }
  location /modern { proxy_pass http://modern/mcp; } }
`;
const CALLS = 500;
const ATTEMPTS = 3;
const LOST = /the connection was lost before the response|closed the connection without a response/;
const BURST = 50;

describe('behind an nginx that keeps connections for 1 s', {
  skip: HAS_NGINX ? false : 'there is no nginx on this machine',
  concurrency: 4,
}, () => {
  const upstreams = {};
  let authority, nginx, gateway;
  before(async () => {
    authority = await makeAuthority();
    for (const era of ERAS) upstreams[era] = await httpFixture('--era', era);
    nginx = await startNginx(
      NGINX({
        ...authority,
        upstreams: { legacy: upstreams.legacy.port, modern: upstreams.modern.port },
      }),
      ['plain', 'secure']);
    const servers = {};
    for (const era of ERAS) {
      servers[`plain-${era}`] = { url: `http://127.0.0.1:${nginx.ports.plain}/${era}` };
      servers[`secure-${era}`] = { url: `https://localhost:${nginx.ports.secure}/${era}` };
    }
    gateway = await startGateway({ servers, args: ['--ca-file', authority.ca], env: NO_PROXIES });
  });
  after(async () => {
    await gateway?.stop();
    await nginx?.stop();
    for (const server of Object.values(upstreams)) await server.stop();
    authority?.remove();
  });

  for (const era of ERAS) {
    test(`${CALLS} calls of a ${era} server, none lost and none made twice`, async (context) => {
      const client = await openClient('legacy', 'http', gateway, `client-${era}`);
      const whoami = async (way) =>
        JSON.parse(text(await client.call(`${way}-${era}_1mcp_whoami`, {}))).count;
      let before = 0;
      for (let attempt = 1; ; attempt += 1) {
        const counts = [];
        let lost = 0;
        const count = (way) => whoami(way).then((one) => counts.push(one), (error) => {
          // Written at the very moment at which nginx closes, it may have been read: such a call is
          // not made again, but fails clearly.
          if (attempt === ATTEMPTS || !LOST.test(error.message)) throw error;
          lost += 1;
        });
        for (let done = 0; done < CALLS; done += BURST) {
          for (let one = 0; one < BURST; one += 2) {
            await Promise.all([count('plain'), count('secure')]);
          }
          // Just when nginx closes what is kept, and a little before and after.
          await delay(980 + (done / BURST) * 8);
        }
        counts.sort((a, b) => a - b);
        if (lost === 0) {
          const all = Array.from({ length: CALLS }, (_, index) => before + index + 1);
          assert.deepEqual(counts, all);
          break;
        }
        context.diagnostic(`${lost} calls were written just when nginx closed`);
        assert.equal(new Set(counts).size, CALLS - lost, 'a call was made twice');
        before = await whoami('plain');
        assert.ok(before <= attempt * (CALLS + 1), `${before} calls were counted`);
      }
      await client.close();
    });

    test(`changes of a ${era} server arrive although its stream is cut again and again`, async () => {
      const client = await openClient('modern', 'http', gateway, `watcher-${era}`);
      const tool = (name) => `plain-${era}_1mcp_${name}`;
      await client.watch();
      for (let round = 0; round < 3; round += 1) {
        const before = client.heard.tools;
        await client.call(tool('add_tool'), { name: `more_${round}` });
        await until(
          async () => (await client.tools()).some(({ name }) => name === tool(`more_${round}`)),
          'the list holds the new tool');
        await until(() => client.heard.tools > before, 'the change is told');
        await delay(3500);
      }
      await client.close();
    });
  }
});
