// The client that the conformance suite runs: a gateway whose only server is the suite's, and
// behind it an official client that makes it do what the scenario wants to see. The suite gives
// the server's URL as the argument and the scenario in the environment; DRIVER is the era of the
// client, which need not be the server's.
import { openClient } from './both.mjs';
import { until } from './clients.mjs';
import { startGateway } from './gateway.mjs';

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

const gateway = await startGateway({
  servers: { suite: { url, prefix: '' } },
  args: ['--health-info-level', 'full'],
});
let client;
try {
  client = await openClient(process.env.DRIVER, 'http', gateway, 'driver', { fill: defaults });
  await SCENARIOS[scenario](client, gateway);
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(`${error.stack}\n\nthe gateway said:\n${gateway.log}`);
} finally {
  await client?.close();
  await gateway.stop();
}
