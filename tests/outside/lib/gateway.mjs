// Starts the gateway on a free port with a config of its own, and proves when it is stopped
// that nothing is left of it. Knows no MCP.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { leakingFiles, leaks } from './secrets.mjs';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const outside = join(root, 'tests/outside');
export const BIN = process.env.ONE_MCP_BIN ?? join(root, 'target/release/1mcp');
export const FIXTURE =
  process.env.ONE_MCP_FIXTURE ?? join(root, 'target/release/examples/fixture');

const READY = /listening on (http:\/\/[^\s]+)\/mcp/;
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 60_000;
const require = createRequire(join(outside, 'package.json'));

/** The path of a package's entry file, by the name that its package.json gives it. */
export function packageBin(name, bin) {
  const dir = join(outside, 'node_modules', name);
  const { bin: bins } = require(join(dir, 'package.json'));
  return join(dir, typeof bins === 'string' ? bins : (bins[bin] ?? Object.values(bins)[0]));
}

/** A config entry for a server that is a Node package. */
export function nodeServer(name, ...args) {
  return { command: process.execPath, args: [packageBin(name), ...args] };
}

/** A config entry for our own fixture server: one with a handshake unless `--era` says more. */
export function fixtureServer(...args) {
  if (!existsSync(FIXTURE)) throw new Error(`no fixture at ${FIXTURE}: run make outside`);
  const era = args.includes('--era') ? [] : ['--era', 'legacy'];
  return { command: FIXTURE, args: [...args, ...era] };
}

/** Processes whose environment carries the mark: the gateway, children, and their children. */
export function marked(mark) {
  const found = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark)) continue;
      const state = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)[0];
      if (state === 'Z') continue;
      const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').join(' ').trim();
      found.push({ pid: Number(pid), words });
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

/** A folder with an `mcp.json` whose children all carry the mark in their environment. */
function writeConfig(dir, servers, mark, extra) {
  const mcpServers = {};
  for (const [name, entry] of Object.entries(servers)) {
    const env = { ...entry.env, ONE_MCP_TEST_MARK: mark };
    mcpServers[name] = entry.command ? { ...entry, env } : entry;
  }
  writeFileSync(join(dir, 'mcp.json'), JSON.stringify({ ...extra, mcpServers }, null, 2));
}

/**
 * Starts `1mcp serve` and waits for its ready line.
 * `servers`: entries of mcp.json; `args`: more flags; `config`: more top-level keys; `after`: a
 * gateway that ended and whose directory this one goes on with; `beside`: one that goes on;
 * `port`: none but this one.
 */
export async function startGateway(
  { servers = {}, args = [], env = {}, config = {}, after, beside, port = 0 } = {},
) {
  const mark = after?.mark ?? `outside-${randomUUID()}`;
  const dir = (after ?? beside)?.dir ?? mkdtempSync(join(tmpdir(), '1mcp-outside-'));
  if (!after && !beside) writeConfig(dir, servers, mark, config);
  const child = spawn(BIN, ['serve', '--port', String(port), '--config-dir', dir, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env, ONE_MCP_TEST_MARK: mark },
  });
  const gateway = { child, dir, mark, log: '', stdout: '', pid: child.pid };
  child.stdout.on('data', (bytes) => (gateway.stdout += bytes));
  const exited = once(child, 'exit').then(([code, signal]) => (gateway.exit = { code, signal }));
  exited.catch(() => {});

  const origin = await new Promise((done, fail) => {
    const timer = setTimeout(
      () => fail(new Error(`no ready line in ${READY_MS_MAX} ms:\n${gateway.log}`)),
      READY_MS_MAX,
    );
    child.stderr.on('data', (bytes) => {
      gateway.log += bytes;
      const ready = READY.exec(gateway.log);
      if (ready) done(ready[1]);
      if (ready) clearTimeout(timer);
    });
    child.on('error', fail);
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      fail(new Error(`ended with ${code ?? signal} before it was ready:\n${gateway.log}`));
    });
  }).catch((error) => {
    child.kill('SIGKILL');
    if (!after && !beside) rmSync(dir, { recursive: true, force: true });
    throw error;
  });

  Object.assign(gateway, { origin, url: `${origin}/mcp`, sse: `${origin}/sse` });
  gateway.writeServers = (next) => writeConfig(dir, next, mark, config);
  /** Waits until no process of this gateway is left; answers those that stay. */
  gateway.leftovers = async (ms = STOP_MS_MAX) => {
    const end = Date.now() + ms;
    let left = marked(mark);
    while (left.length > 0 && Date.now() < end) {
      await delay(50);
      left = marked(mark);
    }
    return left;
  };
  /** Throws if it wrote a secret of the tests where none belongs. */
  const silent = () => {
    const told = leaks(gateway.log);
    if (told.length > 0) throw new Error(`its log has ${told.join(', ')}:\n${gateway.log}`);
    const files = leakingFiles(dir);
    if (files.length > 0) throw new Error(`its directory leaks: ${files.join('; ')}`);
  };
  /** SIGKILL; its directory stays. */
  gateway.kill = async () => {
    child.kill('SIGKILL');
    await exited;
    const left = await gateway.leftovers();
    if (left.length > 0) throw new Error(`left behind: ${JSON.stringify(left)}`);
    silent();
  };
  /**
   * SIGTERM, exit code 0, an empty stdout, no process left and no secret told. Throws otherwise.
   * `keep`: its directory stays.
   */
  gateway.stop = async ({ keep = false } = {}) => {
    child.kill('SIGTERM');
    const ended = await Promise.race([exited, delay(STOP_MS_MAX, 'late', { ref: false })]);
    const left = ended === 'late' ? marked(mark) : await gateway.leftovers();
    for (const { pid } of left) process.kill(pid, 'SIGKILL');
    try {
      silent();
    } finally {
      if (!keep) rmSync(dir, { recursive: true, force: true });
    }
    if (process.env.SHOW_LOG) process.stderr.write(gateway.log);
    if (ended === 'late') throw new Error(`did not end on SIGTERM:\n${gateway.log}`);
    if (left.length > 0) throw new Error(`left behind: ${JSON.stringify(left)}`);
    if (ended.code !== 0) throw new Error(`ended with ${ended.code ?? ended.signal}:\n${gateway.log}`);
    if (gateway.stdout !== '') throw new Error(`wrote to stdout: ${gateway.stdout}`);
  };
  return gateway;
}

/** Runs a program to its end: `{code, stdout, stderr}`. */
export async function run(command, args, { env = {}, input, timeout = 300_000, cwd } = {}) {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    timeout,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes) => (stdout += bytes));
  child.stderr.on('data', (bytes) => (stderr += bytes));
  if (input !== undefined) child.stdin.end(input);
  const [code, signal] = await once(child, 'close');
  return { code: code ?? signal, stdout, stderr };
}
