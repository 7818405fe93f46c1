// The official TypeScript client over each of its transports, with answers to questions and a
// count of everything it was asked. `open` works against the gateway and, to prove the tests
// themselves, against server-everything alone (OUTSIDE_DIRECT=1).
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { BIN, marked, nodeServer, packageBin, startGateway } from './gateway.mjs';

export const DIRECT = Boolean(process.env.OUTSIDE_DIRECT);
export const TRANSPORTS = ['stdio', 'http', 'sse'];

/** A client with its own name in every answer that it gives; `asked` counts the questions. */
function client(name, capabilities) {
  const made = new Client({ name, version: '1.0.0' }, { capabilities });
  made.asked = { elicitation: 0, sampling: 0, foreign: 0 };
  made.listsChanged = 0;
  if (capabilities.elicitation) {
    made.setRequestHandler(ElicitRequestSchema, async () => {
      made.asked.elicitation += 1;
      await delay(20);
      return { action: 'accept', content: { name } };
    });
  }
  if (capabilities.sampling) {
    made.setRequestHandler(CreateMessageRequestSchema, async ({ params }) => {
      made.asked.sampling += 1;
      const text = params.messages[0].content.text;
      if (!text.includes(`for ${name}.`)) made.asked.foreign += 1;
      await delay(20);
      return {
        model: name,
        role: 'assistant',
        content: { type: 'text', text: `answered by ${name}: ${text}` },
      };
    });
  }
  made.setNotificationHandler(ToolListChangedNotificationSchema, () => {
    made.listsChanged += 1;
  });
  return made;
}

export const INTERACTIVE = { elicitation: { form: {} }, sampling: {} };

/** All four real servers in one config. */
function realServers(files, isolation) {
  const memory = nodeServer('@modelcontextprotocol/server-memory');
  return {
    everything: { ...nodeServer('@modelcontextprotocol/server-everything', 'stdio'), isolation },
    files: nodeServer('@modelcontextprotocol/server-filesystem', files),
    thinking: nodeServer('@modelcontextprotocol/server-sequential-thinking'),
    memory: { ...memory, env: { MEMORY_FILE_PATH: join(files, 'memory.jsonl') } },
  };
}

/** server-everything by itself, on HTTP or SSE. */
async function everythingAlone(kind) {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const mode = kind === 'http' ? 'streamableHttp' : 'sse';
  const script = packageBin('@modelcontextprotocol/server-everything');
  const child = spawn(process.execPath, [script, mode], {
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await new Promise((done, fail) => {
    child.stderr.on('data', (bytes) => /(listening|running) on/.test(bytes) && done());
    child.on('exit', () => fail(new Error('server-everything ended')));
  });
  const origin = `http://127.0.0.1:${port}`;
  return { url: `${origin}/mcp`, sse: `${origin}/sse`, stop: async () => child.kill() };
}

/**
 * A place to connect clients to: `open(name)`, `tool(server, name)`, `stop()`.
 * For stdio every client has a gateway process of its own, all on one config directory.
 */
export async function openSite(kind, { isolation = 'auto', args = [] } = {}) {
  const files = mkdtempSync(join(tmpdir(), '1mcp-files-'));
  mkdirSync(join(files, 'sub'));
  writeFileSync(join(files, 'greeting.txt'), 'Grüße aus der Datei\n');
  let site;
  if (DIRECT) {
    site = kind === 'stdio' ? { stop: async () => {} } : await everythingAlone(kind);
  } else {
    site = await startGateway({ servers: realServers(files, isolation), args });
  }
  const clients = [];
  const transport = () => {
    if (kind === 'http') return new StreamableHTTPClientTransport(new URL(site.url));
    if (kind === 'sse') return new SSEClientTransport(new URL(site.sse));
    const alone = nodeServer('@modelcontextprotocol/server-everything', 'stdio');
    const ours = {
      command: BIN,
      args: ['serve', '--transport', 'stdio', '--config-dir', site.dir, ...args],
      env: { ...process.env, ONE_MCP_TEST_MARK: `${site.mark}-stdio` },
    };
    return new StdioClientTransport({ stderr: 'ignore', ...(DIRECT ? alone : ours) });
  };
  return {
    files,
    gateway: site,
    tool: (server, name) => (DIRECT ? name : `${server}_1mcp_${name}`),
    async open(name, capabilities = INTERACTIVE) {
      const made = client(name, capabilities);
      await made.connect(transport());
      clients.push(made);
      return made;
    },
    async stop() {
      for (const made of clients) await made.close();
      await site.stop();
      const left = site.mark ? marked(site.mark) : [];
      for (const { pid } of left) process.kill(pid, 'SIGKILL');
      rmSync(files, { recursive: true, force: true });
      if (left.length > 0) throw new Error(`left behind: ${JSON.stringify(left)}`);
    },
  };
}

/** The text of a result's blocks, joined. */
export function text(result) {
  return result.content.map((block) => block.text ?? `[${block.type}]`).join('\n');
}

/** Waits until `look` answers something true. */
export async function until(look, what, ms = 15_000) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await delay(50);
  }
}
