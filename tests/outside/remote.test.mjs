// Real servers on the network, of both eras and in two languages, plain and behind TLS with an
// authority of the tests: official clients of both eras do with them, through the gateway, what
// eras.test.mjs does with children. Then every server ends and comes back.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ERAS, openClient } from './lib/both.mjs';
import { text, until } from './lib/clients.mjs';
import { EVERYTHING, FEATURES, MADE, PYTHON_LEGACY, PYTHON_MODERN } from './lib/features.mjs';
import { fixtureServer, startGateway } from './lib/gateway.mjs';
import { everything, httpFixture, npmModern, python } from './lib/remotes.mjs';
import { makeAuthority, startTls } from './lib/tls.mjs';

const ROUNDS = 5;

// By the name of the entry: how it starts, where it is, what it has.
const SERVERS = {
  everything: { start: everything('streamableHttp'), path: '/mcp', has: EVERYTHING },
  sse: { start: everything('sse'), path: '/sse', has: EVERYTHING },
  modern: { start: npmModern, path: '/mcp', has: MADE },
  snake: { start: python('modern'), path: '/mcp', has: PYTHON_MODERN },
  python: { start: python('legacy'), path: '/mcp', has: PYTHON_LEGACY },
};
// Two instances of one package have the same resources: only one of them in a gateway.
const GROUPS = [['everything', 'modern', 'python'], ['sse', 'snake']];

const LINKS = {
  async plain() {
    return {
      args: [],
      place: async ({ port, path }) => ({ url: `http://127.0.0.1:${port}${path}` }),
      stop: async () => {},
    };
  },

  /** Also by name instead of address, and the older transport is found where nobody says so. */
  async TLS() {
    const authority = await makeAuthority();
    const fronts = [];
    return {
      args: ['--ca-file', authority.ca],
      async place({ port, path }) {
        const front = await startTls(port, authority);
        fronts.push(front);
        return { type: 'http', url: `https://localhost:${front.port}${path}` };
      },
      async stop() {
        for (const front of fronts) await front.stop();
        authority.remove();
      },
    };
  },
};

for (const [kind, open] of Object.entries(LINKS)) {
  for (const names of GROUPS) {
    describe(`${names.join(', ')}: ${kind}`, { concurrency: names.length }, () => {
      const servers = {};
      let link, gateway;
      before(async () => {
        link = await open();
        const entries = { steady: fixtureServer('--no-resources') };
        await Promise.all(names.map(async (name) => {
          servers[name] = await SERVERS[name].start();
          entries[name] = await link.place({ port: servers[name].port, path: SERVERS[name].path });
        }));
        gateway = await startGateway({ servers: entries, args: link.args });
      });
      after(async () => {
        await gateway?.stop();
        await link?.stop();
        for (const server of Object.values(servers)) await server.stop();
      });

      for (const server of names) {
        const { has } = SERVERS[server];
        const name = (tool) => `${server}_1mcp_${tool}`;

        describe(`${server} over ${kind}`, { concurrency: 1 }, () => {
          const clients = {};
          before(async () => {
            for (const era of ERAS) {
              clients[era] = await openClient(era, 'http', gateway, `${era}-${server}-${kind}`);
            }
            await until(
              async () => (await clients.legacy.tools()).some((tool) => tool.name === name('echo')),
              `${server} is there`);
          });
          after(async () => {
            for (const client of Object.values(clients)) await client.close();
          });

          // From the first question on, a client of 2026-07-28 that can be asked has a session of a
          // server with a handshake for the time of a call: what the call changes stays there.
          for (const era of ['modern', 'legacy']) {
            for (const [feature, proves] of Object.entries(FEATURES)) {
              test(`${feature}: a ${era} client`, async () => {
                const who = `${era}-${server}-${kind}`;
                await proves({ client: clients[era], has, name, who });
              });
            }
          }

          test('two clients at once are kept apart', async () => {
            const works = async ([era, client]) => {
              const who = `${era}-${server}-${kind}`;
              for (let round = 0; round < ROUNDS; round += 1) {
                const named = await client.call(name(has.elicit), {});
                assert.match(text(named), new RegExp(`Name: ${who}`));
                const message = `${who} ${round}`;
                assert.match(text(await client.call(name('echo'), { message })), new RegExp(message));
                const prompt = `question ${round} for ${who}.`;
                const said = text(await client.call(name(has.sample), { prompt, maxTokens: 10 }));
                assert.ok(said.includes(`answered by ${who}: `) && said.includes(prompt), said);
              }
            };
            await Promise.all(Object.entries(clients).map(works));
          });

          test('a restart of the server heals, and what was watched still is', async (t) => {
            for (const client of Object.values(clients)) {
              await client.watch(has.touch && has.watched);
            }
            await servers[server].restart();
            const errors = [];
            for (const client of Object.values(clients)) {
              await until(async () => {
                const steady = client.call('steady_1mcp_echo', { text: 'steady' });
                try {
                  const echo = await client.call(name('echo'), { message: 'again' });
                  return /again/.test(text(echo));
                } catch (error) {
                  errors.push(error.message);
                  return false;
                } finally {
                  assert.equal(text(await steady), 'steady');
                }
              }, `${server} is back`, 30_000);
            }
            t.diagnostic(`${server}: ${errors.length} calls failed ${errors.at(-1) ?? ''}`);
            for (const error of errors) assert.match(error, new RegExp(server));
            if (!has.touch) return;
            // The switch is one of the session. What happens before the server is watched again
            // is not told.
            const listeners = has.toggles ? [clients.legacy] : Object.values(clients);
            for (const client of listeners) {
              client.heard.updated.length = 0;
              await until(async () => {
                await client.call(name(has.touch), {});
                await delay(200);
                return client.heard.updated.includes(has.watched);
              }, 'it still hears');
            }
          });
        });
      }
    });
  }
}

describe('an authority that nobody has heard of', () => {
  let authority, server, front;
  before(async () => {
    authority = await makeAuthority();
    server = await httpFixture();
    front = await startTls(server.port, authority);
  });
  after(async () => {
    await front?.stop();
    await server?.stop();
    authority?.remove();
  });

  /** A gateway with that server, and what a call of it answers. */
  async function attempt(options, then) {
    const servers = { far: { url: `https://localhost:${front.port}/mcp` } };
    const gateway = await startGateway({ servers, ...options });
    const client = await openClient('legacy', 'http', gateway, 'client');
    try {
      await then(client, gateway);
    } finally {
      await client.close();
      await gateway.stop();
    }
  }

  test('is refused, and the reason is told', () =>
    attempt({}, async (client) => {
      await assert.rejects(client.call('far_1mcp_echo', { text: 'x' }), /far.*certificate|certificate.*far/is);
    }));

  for (const variable of ['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS']) {
    test(`is known by ${variable}`, () =>
      attempt({ env: { [variable]: authority.ca } }, async (client) => {
        assert.equal(text(await client.call('far_1mcp_echo', { text: 'x' })), 'x');
      }));
  }

  test('a certificate that changes, and every connection cut, go unnoticed', () =>
    attempt({ args: ['--ca-file', authority.ca] }, async (client) => {
      assert.equal(text(await client.call('far_1mcp_echo', { text: 'x' })), 'x');
      front.use(await authority.issue('next'));
      for (let round = 0; round < 5; round += 1) {
        front.cut();
        // A request that was sent before the end was seen might have been heard.
        await delay(100);
        assert.equal(text(await client.call('far_1mcp_echo', { text: 'x' })), 'x');
      }
    }));

  test('a certificate for another name is refused', async () => {
    front.use(await authority.issue('other', 'subjectAltName=DNS:elsewhere.test'));
    await attempt({ args: ['--ca-file', authority.ca] }, async (client) => {
      await assert.rejects(client.call('far_1mcp_echo', { text: 'x' }), /far.*certificate|certificate.*far/is);
    });
  });
});
