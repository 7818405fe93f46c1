// The Inspector's command line, as a person uses it to look at a server.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fixtureServer, nodeServer, packageBin, run, startGateway } from './lib/gateway.mjs';

const INSPECTOR = packageBin('@modelcontextprotocol/inspector', 'mcp-inspector');

for (const kind of ['http', 'sse']) {
  describe(`Inspector CLI over ${kind}`, () => {
    let gateway;
    before(async () => {
      gateway = await startGateway({
        servers: {
          fixture: fixtureServer(),
          everything: nodeServer('@modelcontextprotocol/server-everything', 'stdio'),
        },
      });
    });
    after(() => gateway?.stop());

    const inspect = async (...args) => {
      const url = kind === 'http' ? gateway.url : gateway.sse;
      const done = await run(
        process.execPath, [INSPECTOR, '--cli', url, '--transport', kind, ...args],
        { timeout: 60_000, env: { HOME: gateway.dir } });
      assert.equal(done.code, 0, `${done.stderr}\n${done.stdout}`);
      return JSON.parse(done.stdout);
    };

    test('lists the tools of both servers', async () => {
      const { tools } = await inspect('--method', 'tools/list');
      const names = tools.map(({ name }) => name);
      assert.ok(names.includes('fixture_1mcp_echo'), names.join(' '));
      assert.ok(names.includes('everything_1mcp_echo'), names.join(' '));
    });

    test('calls a tool', async () => {
      const { content } = await inspect(
        '--method', 'tools/call', '--tool-name', 'fixture_1mcp_echo', '--tool-arg', 'text=hello');
      assert.equal(content[0].text, 'hello');
    });

    test('lists and reads resources, lists and gets prompts', async () => {
      const { resources } = await inspect('--method', 'resources/list');
      assert.ok(resources.some(({ uri }) => uri === 'test://static-text'));
      const read = await inspect('--method', 'resources/read', '--uri', 'test://static-text');
      assert.equal(read.contents[0].uri, 'test://static-text');
      const { prompts } = await inspect('--method', 'prompts/list');
      assert.ok(prompts.some(({ name }) => name === 'fixture_1mcp_test_simple_prompt'));
      const got = await inspect(
        '--method', 'prompts/get', '--prompt-name', 'fixture_1mcp_test_simple_prompt');
      assert.ok(got.messages.length > 0);
    });
  });
}
