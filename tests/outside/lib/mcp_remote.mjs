// mcp-remote, as a desktop application starts it, with a browser that only writes down where it is
// sent to.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './clients.mjs';
import { packageBin } from './gateway.mjs';
import { freePort } from './remotes.mjs';

/** `{open, letIn, asked, said, stop}`; `ca`: an authority that it trusts. */
export async function startRemote(url, { args = [], ca } = {}) {
  const dir = mkdtempSync(join(tmpdir(), '1mcp-remote-'));
  const [seen, browser] = [join(dir, 'seen'), join(dir, 'browser')];
  writeFileSync(browser, `#!/bin/sh\necho "$1" >> '${seen}'\n`);
  chmodSync(browser, 0o755);
  const port = await freePort();
  const remote = { said: '', asked: [] };
  const open = async (meanwhile) => {
    const client = new Client({ name: 'desktop', version: '1' }, { capabilities: {} });
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [packageBin('mcp-remote', 'mcp-remote'), url, String(port), ...args],
      env: {
        PATH: `${dir}:${process.env.PATH}`,
        HOME: dir,
        BROWSER: browser,
        MCP_REMOTE_CONFIG_DIR: join(dir, 'kept'),
        ...(ca && { NODE_EXTRA_CA_CERTS: ca }),
      },
      stderr: 'pipe',
    });
    transport.stderr.on('data', (bytes) => (remote.said += bytes));
    const connected = client.connect(transport, { timeout: 60_000 });
    connected.catch(() => {});
    try {
      await meanwhile?.();
      await connected;
    } catch (error) {
      await client.close();
      throw new Error(`${error.message}\nmcp-remote said:\n${remote.said}`);
    }
    return {
      client,
      tools: async () => (await client.listTools()).tools.map(({ name }) => name),
      call: (name, args = {}) => client.callTool({ name, arguments: args }),
      close: () => client.close(),
    };
  };
  remote.open = () => open();
  /** The first time: the owner is asked, in the browser that it opens. */
  remote.letIn = (owner) =>
    open(async () => {
      const asked = await until(
        () => existsSync(seen) && readFileSync(seen, 'utf8').trim(), 'it opens a browser', 30_000);
      remote.asked = asked.split('\n');
      const back = await owner.authorize(remote.asked[0]);
      const page = await fetch(back);
      if (!page.ok) throw new Error(`its callback answered ${page.status} ${await page.text()}`);
    });
  remote.stop = async () => rmSync(dir, { recursive: true, force: true });
  return remote;
}
