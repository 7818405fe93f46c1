// The client that the conformance suite runs: a gateway whose only server is the suite's, and
// behind it an official client that makes it do what the scenario wants to see. The suite gives
// the server's URL as the argument and the scenario in the environment; DRIVER is the era of the
// client, which need not be the server's. Where the server wants to be logged in to, its owner comes
// by and presses Authorize on the page that the gateway names.
import { setTimeout as delay } from 'node:timers/promises';
import { openClient } from './both.mjs';
import { text, until } from './clients.mjs';
import { BIN, run, startGateway } from './gateway.mjs';
import { forms, Owner } from './owner.mjs';

const url = process.argv[2];
const scenario = process.env.MCP_CONFORMANCE_SCENARIO;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');

/** Waits until the gateway offers a tool; answers all that it offers. */
const offered = (client, name) =>
  until(async () => {
    const tools = await client.tools();
    return tools.some((tool) => tool.name === name) ? tools : undefined;
  }, `${name} is offered`);

/** The defaults of a form. */
const defaults = ({ requestedSchema: { properties } }) =>
  Object.fromEntries(Object.entries(properties).flatMap(
    ([name, { default: value }]) => (value === undefined ? [] : [[name, value]])));

/** Waits until the gateway is through with the suite's server, which has no tools. */
const connected = (gateway) =>
  until(
    async () => (await fetch(`${gateway.origin}/health/mcp/suite`)).status === 200,
    'the server is connected');

const SCENARIOS = {
  initialize: (_, gateway) => connected(gateway),
  'request-metadata': (_, gateway) => connected(gateway),

  async tools_call(client) {
    await offered(client, 'add_numbers');
    await client.call('add_numbers', { a: 5, b: 3 });
  },

  async 'elicitation-sep1034-client-defaults'(client) {
    await offered(client, 'test_client_elicitation_defaults');
    await client.call('test_client_elicitation_defaults', {});
  },

  async 'sse-retry'(client) {
    await offered(client, 'test_reconnection');
    await client.call('test_reconnection', {});
  },

  async 'sep-2322-client-request-state'(client) {
    await offered(client, 'test_mrtr_echo_state');
    // One is asked while the others go on.
    await Promise.all([
      client.call('test_mrtr_echo_state', {}),
      client.call('test_mrtr_unrelated', {}),
      client.call('test_mrtr_no_state', {}),
    ]);
    await client.call('test_mrtr_no_result_type', {});
    await client.call('test_mrtr_unrelated', {});
  },

  async 'http-standard-headers'(client) {
    await offered(client, 'test_headers');
    await client.call('test_headers', {});
    await client.call('my-hyphenated-tool', {});
    for (const { uri } of await client.resources()) await client.read(uri);
    for (const { name } of await client.prompts()) await client.prompt(name);
  },

  async 'http-custom-headers'(client) {
    await offered(client, 'test_custom_headers');
    for (const { name, arguments: args } of context.toolCalls) await client.call(name, args);
  },

  async 'http-invalid-tool-headers'(client) {
    const tools = await offered(client, 'valid_tool');
    for (const { name } of tools) await client.call(name, { region: 'here' });
  },

  async 'json-schema-ref-no-deref'(client) {
    await offered(client, 'lookup_user');
  },

  async 'json-schema-2020-12-preservation'(client) {
    const tools = await offered(client, 'json_schema_2020_12_tool');
    const { inputSchema } = tools.find(({ name }) => name === 'json_schema_2020_12_tool');
    await client.call('json_schema_echo', { schema: inputSchema });
  },
};

// What a gateway does that must not get in, and how often the owner presses Authorize at most.
const OUTCOMES = {
  'auth/resource-mismatch': { refused: true },
  'auth/metadata-issuer-mismatch': { refused: true },
  'auth/iss-supported-missing': { refused: true },
  'auth/iss-wrong-issuer': { refused: true },
  'auth/iss-unexpected': { refused: true },
  'auth/iss-normalized': { refused: true },
  // It asks for more each time and never has enough: the owner comes more often than is useful.
  'auth/scope-retry-limit': { refused: true, visits: 6 },
  'auth/scope-step-up': { visits: 2 },
  'auth/authorization-server-migration': { visits: 2 },
};
const PAGE = /http:\/\/[^\s"\\]+\/oauth\/connect\/[\w%.-]+/;

/** What `mcp status` says of the server, once it works or waits for somebody. */
const settled = (gateway) =>
  until(async () => {
    const done = await run(
      BIN, ['mcp', 'status', 'suite', '--json', '--config-dir', gateway.dir], { timeout: 30_000 });
    const state = /"state":\s*"(\w+)"/.exec(done.stdout)?.[1];
    const known = ['ready', 'awaiting_oauth', 'failed', 'restarting'].includes(state);
    return known ? { state, page: PAGE.exec(done.stdout)?.[0], said: done.stdout } : undefined;
  }, 'the server is settled', 20_000);

/** The owner opens the page that he is told of and presses Authorize; whether there was one. */
async function visit(page) {
  const owner = new Owner('no password is asked for on this machine');
  const shown = await owner.get(page);
  const form = forms(shown.html).some(({ action }) => action.includes('/oauth/connect/'));
  if (!form) return false;
  await owner.press(shown, /^authorize/i);
  return true;
}

/** Gets in, or is turned away as often as the scenario wants to see, and calls what is there. */
async function authorize(client, gateway) {
  const { refused = false, visits = refused ? 2 : 1 } = OUTCOMES[scenario] ?? {};
  const end = Date.now() + 20_000;
  let last;
  let visited = 0;
  const called = async () => {
    try {
      const said = text(await client.call('test-tool', {}));
      if (said === 'test') return true;
      last = said;
    } catch (error) {
      last = error.message;
    }
    return false;
  };
  for (;;) {
    const { state, page, said } = await settled(gateway);
    if (state === 'ready') {
      // Twice: what was right once might not be the second time.
      if ((await called()) && (await called())) break;
      // It is ready a moment before its tools are known, or has just been refused.
      if (!PAGE.test(last) && Date.now() < end) {
        if (refused && visited > 2) break;
        await delay(50);
        continue;
      }
    }
    // The call that was refused names the page, too.
    const named = PAGE.exec(last ?? '')?.[0] ?? page;
    if (visited === visits || !named || !(await visit(named))) {
      if (refused) break;
      throw new Error(`it does not get in: ${said}\n${last}`);
    }
    visited += 1;
  }
  const { state, said } = await settled(gateway);
  if (refused && state === 'ready') throw new Error(`it got in: ${said}`);
}

const registered = context.client_id
  ? { clientId: context.client_id, clientSecret: context.client_secret }
  // Where the document of our own would be, if this gateway had a name in the world.
  : scenario === 'auth/basic-cimd'
    ? { clientId: 'https://conformance-test.local/client-metadata.json' }
    : undefined;
const gateway = await startGateway({
  servers: { suite: { url, prefix: '', ...(registered && { oauth: registered }) } },
  args: ['--health-info-level', 'full', '--log-level', 'debug'],
});
let client;
try {
  client = await openClient(process.env.DRIVER, 'http', gateway, 'driver', { fill: defaults });
  await (scenario.startsWith('auth/') ? authorize : SCENARIOS[scenario])(client, gateway);
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(`${error.stack}\n\nthe gateway said:\n${gateway.log}`);
} finally {
  await client?.close();
  await gateway.stop();
}
