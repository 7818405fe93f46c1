// A gateway with `--enable-auth`, its owner, and the commands of `1mcp auth` on its directory.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BIN, fixtureServer, run, startGateway } from './gateway.mjs';
import { Owner } from './owner.mjs';
import { freePort } from './remotes.mjs';
import { secret } from './secrets.mjs';

/** Two servers, each with a tag of its own. */
export const TWO = () => ({
  alpha: { ...fixtureServer(), tags: ['a'] },
  beta: { ...fixtureServer('--no-resources'), tags: ['b'] },
});

/** A password that no chance brings into a log. */
export const newPassword = () => `correct-horse-${randomBytes(6).toString('hex')}`;

/**
 * Starts a gateway that asks for tokens; its log tells everything that it ever tells.
 * `external`: the origin that clients see; `after`: the one before it, on the same port.
 */
export async function startLocked({
  servers = TWO(), args = [], external, after, port, env = {}, format = 'text', auth = true,
} = {}) {
  const at = after?.port ?? port ?? (await freePort());
  const password = after?.password ?? newPassword();
  const dir = mkdtempSync(join(tmpdir(), '1mcp-owner-'));
  const file = join(dir, 'password');
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  const origin = external ?? after?.external;
  const gateway = await startGateway({
    servers,
    after,
    port: at,
    args: [
      ...(auth ? ['--enable-auth'] : []), '--log-level', 'trace', '--log-format', format,
      ...(origin ? ['--external-url', origin] : []), ...args,
    ],
    env: { ...env, ...(!after && { ONE_MCP_OWNER_PASSWORD_FILE: file }) },
  }).finally(() => rmSync(dir, { recursive: true, force: true }));
  // The very first time it makes its keys, and says so until it has them.
  for (const end = Date.now() + 10_000; auth; await delay(20)) {
    if ((await ask(gateway.url, undefined, 'ping')).status !== 503) break;
    assert.ok(Date.now() < end, `it has no keys: ${gateway.log}`);
  }
  Object.assign(gateway, {
    port: at, password, external: origin, owner: new Owner(password),
    /** What clients see it as. */
    base: origin ?? gateway.origin,
    /** Somebody logs in once, however many requests he is sent to at the same time. */
    async login() {
      const page = await gateway.owner.settle(
        await gateway.owner.get(`${gateway.base}/oauth/login`), gateway.base);
      assert.equal(page.status, 200, page.html);
    },
  });
  return gateway;
}

/** `1mcp auth ...` on a gateway's directory: what it printed, as JSON. */
export async function authCommand(gateway, ...words) {
  const done = await run(
    BIN, ['auth', ...words, '--json', '--config-dir', gateway.dir], { timeout: 30_000 });
  assert.equal(done.code, 0, `auth ${words.join(' ')}: ${done.stdout}${done.stderr}`);
  const said = JSON.parse(done.stdout);
  secret('a secret of a client', said.secret);
  return said;
}

/** A request of MCP with a token: `{status, headers, message}`. */
export async function ask(url, token, method, params = {}, { headers = {} } = {}) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(token && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const text = await answer.text();
  const data = /^data: (\{.*)$/m.exec(text)?.[1] ?? text;
  let message;
  try {
    message = JSON.parse(data);
  } catch {
    message = undefined;
  }
  return { status: answer.status, headers: answer.headers, message, text };
}

export const INITIALIZE = {
  protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' },
};

/** A session with a token, over plain fetch: `{call, headers}`. */
export async function openRaw(url, token) {
  const { status, headers, text } = await ask(url, token, 'initialize', INITIALIZE);
  assert.equal(status, 200, text);
  const session = {
    'mcp-session-id': headers.get('mcp-session-id'), 'mcp-protocol-version': '2025-11-25',
  };
  return {
    headers: session,
    call: (method, params) => ask(url, token, method, params, { headers: session }),
  };
}

/** Waits for a tool of each server: children start while clients are served already. */
export async function bothThere(client) {
  for (const end = Date.now() + 15_000; ; await delay(50)) {
    const tools = await client.tools();
    if (tools.includes('alpha_1mcp_echo') && tools.includes('beta_1mcp_echo')) return tools;
    assert.ok(Date.now() < end, `not there: ${tools}`);
  }
}
