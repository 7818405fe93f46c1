// The static binary where there is nothing else: a root with a configuration and no /dev, /proc, /etc
// or /tmp, mounted read-only, as a user without rights, a name or a home. It serves, or says in one
// line what it misses. The same for descriptors that are closed or few, and as process 1.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from './lib/clients.mjs';
import { BIN, startGateway } from './lib/gateway.mjs';
import { freePort } from './lib/remotes.mjs';
import { ask, closeConnections, openSession, post } from './lib/wire.mjs';

const USER = 65534;
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0', id: 1, method: 'initialize',
  params: {
    protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'lone', version: '1' },
  },
});
const LOG_LINE = /^(\d{4}-\d\d-\d\dT[\d:.]+Z (ERROR|WARN |INFO |DEBUG) \S|1mcp: \S)/;

/** Why none of this can be done here: never where everything is to be run. */
function missing() {
  if (process.env.CI) return false;
  if (process.getuid() !== 0) return 'needs root';
  if (spawnSync('unshare', ['--mount', 'true']).status !== 0) return 'may not mount';
  const { stdout } = spawnSync('readelf', ['-l', BIN], { encoding: 'utf8' });
  return /INTERP/.test(stdout) ? 'needs the static binary: ONE_MCP_BIN=target/dist/1mcp' : false;
}

/** A directory that is to be the root: the binary and a configuration, which everybody may read. */
function makeRoot(servers) {
  const dir = mkdtempSync(join(tmpdir(), '1mcp-root-'));
  chmodSync(dir, 0o755);
  copyFileSync(BIN, join(dir, '1mcp'));
  mkdirSync(join(dir, 'config'));
  writeFileSync(join(dir, 'config/mcp.json'), JSON.stringify({ mcpServers: servers }));
  return dir;
}

/** What was started in there; none outlives the tests. */
const started = [];

const quoted = (word) => `'${String(word).replaceAll("'", "'\\''")}'`;

/**
 * Runs the binary in there. `closed`: descriptors that are not open; `files`: how many may be; `first`:
 * as process 1 of its own. Answers `{child, log(), out(), ended}`; `child.pid` is 1mcp's own unless
 * `first`.
 */
function inside(root, args, { env = {}, closed = [], files, first = false, input } = {}) {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const run = ['env', '-i', ...variables, 'chroot', `--userspec=${USER}:${USER}`, root, '/1mcp', ...args];
  if (files) run.unshift('prlimit', `--nofile=${files}:${files}`);
  const script = [
    `mount --bind ${quoted(root)} ${quoted(root)}`,
    `mount -o remount,bind,ro ${quoted(root)}`,
    // By whole paths: `env -i` leaves no PATH to look in.
    `exec ${run.map((word) => (word === 'chroot' ? '"$(command -v chroot)"' : quoted(word))).join(' ')} ${
      closed.map((fd) => `${fd}>&-`).join(' ')}`,
  ].join(' && ');
  const spaces = first ? ['--mount', '--pid', '--fork', '--kill-child'] : ['--mount'];
  const child = spawn('unshare', [...spaces, 'sh', '-c', script], {
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'], env: { PATH },
  });
  started.push(child);
  let log = '';
  let out = '';
  child.stderr.on('data', (bytes) => (log += bytes));
  child.stdout.on('data', (bytes) => (out += bytes));
  if (input !== undefined) child.stdin.end(input);
  const ended = once(child, 'close').then(([code, signal]) => code ?? signal);
  return { child, log: () => log, out: () => out, ended };
}

/** Serves HTTP in there and waits for it: also `origin` and `stop()`, which wants exit code 0. */
async function serve(root, { args = [], env = {}, ...how } = {}) {
  const port = await freePort();
  const all = { ONE_MCP_CONFIG_DIR: '/config', ONE_MCP_PORT: port, ...env };
  const one = inside(root, ['serve', ...args], { env: all, ...how });
  const origin = `http://127.0.0.1:${port}`;
  let over;
  one.ended.then((code) => (over = code));
  await until(
    () => over !== undefined || fetch(`${origin}/health`).then(({ ok }) => ok, () => false),
    `it serves or ends: ${one.log()}`);
  assert.equal(over, undefined, `ended with ${over}: ${one.log()}`);
  const stop = async (pid = one.child.pid) => {
    process.kill(pid, 'SIGTERM');
    const code = await one.ended;
    assert.equal(code, 0, one.log());
    for (const line of one.log().trim().split('\n')) {
      if (line !== '') assert.match(line, LOG_LINE);
    }
  };
  return { ...one, port, origin, url: `${origin}/mcp`, env: all, stop };
}

const lines = (text) => text.split('\n').filter((line) => line !== '');

describe('nothing but the binary', { skip: missing() }, () => {
  let remote, root;
  before(async () => {
    remote = await startGateway({ args: ['--demo'] });
    const { port } = new URL(remote.origin);
    root = makeRoot({
      child: { command: '/1mcp', args: ['serve', '--demo', '--transport', 'stdio'] },
      address: { url: `http://127.0.0.1:${port}/mcp` },
      name: { url: `http://localhost:${port}/mcp` },
      nowhere: { url: 'https://mcp.invalid/mcp' },
      absent: { command: 'npx', args: ['-y', 'x'] },
    });
  });
  after(async () => {
    closeConnections();
    for (const child of started) child.kill('SIGKILL');
    await remote?.stop();
    if (root) rmSync(root, { recursive: true, force: true });
  });

  /** Calls the demo's tool at each of the servers that can work. */
  async function callEach(url) {
    const session = await openSession(url);
    for (const server of ['child', 'address', 'name']) {
      // Behind each of them is a gateway with the demo, so the names are those of two.
      const params = { name: `${server}_1mcp_demo_1mcp_add`, arguments: { a: 2, b: 3 } };
      await until(async () => {
        const answer = await session({ jsonrpc: '2.0', id: 2, method: 'tools/call', params });
        return answer.messages[0].result?.content?.[0].text === '5';
      }, `${server} answers`);
    }
  }

  test('http: serves its own child and others by address and name, is healthy, stops', async () => {
    const gateway = await serve(root);
    await callEach(gateway.url);
    const health = inside(root, ['health'], { env: gateway.env });
    assert.equal(await health.ended, 0, health.log());
    await until(() => /server=nowhere down why="/.test(gateway.log()), 'it says what is wrong with DNS');
    assert.match(gateway.log(), /server=absent down why="cannot start 'npx': not found in PATH/);
    await gateway.stop();
    const after = inside(root, ['health'], { env: gateway.env });
    assert.equal(await after.ended, 3, after.log());
  });

  test('stdio: one line of output for one question, and exit code 0', async () => {
    const one = inside(root, ['serve', '-t', 'stdio', '--config-dir', '/config'], { input: `${INITIALIZE}\n` });
    assert.equal(await one.ended, 0, one.log());
    assert.equal(lines(one.out()).length, 1);
    assert.equal(JSON.parse(one.out()).result.serverInfo.name, '1mcp');
  });

  for (const [what, args, expected] of [
    ['where the configuration is', ['serve'], /--config-dir/],
    ['a place for keys', ['serve', '--config-dir', '/config', '--enable-auth'], /\/config.*read-only/],
    ['a place for its log', ['serve', '--config-dir', '/config', '--log-file', '/log'], /\/log.*read-only/],
    ['a file of authorities', ['serve', '--config-dir', '/config', '--ca-file', '/ca.pem'], /\/ca\.pem/],
    ['a configuration that it may write', ['mcp', 'enable', 'child', '--config-dir', '/config'],
      /mcp\.json may not be written/],
    ['somebody who runs', ['health'], /nothing is running/],
    ['a home', ['app', 'discover', '--config-dir', '/config'], /HOME/],
  ]) {
    test(`says in one line that it misses ${what}`, async () => {
      const one = inside(root, args, { env: { ONE_MCP_PORT: await freePort() } });
      assert.notEqual(await one.ended, 0);
      assert.match(one.log(), /^1mcp: [^\n]+\n$/);
      assert.match(one.log(), expected);
    });
  }

  for (const closed of [[0], [1], [2], [0, 1, 2]]) {
    test(`serves with ${closed.join(', ')} closed`, async () => {
      const gateway = await serve(root, { closed });
      await callEach(gateway.url);
      await gateway.stop();
    });
  }

  test('the demo makes nothing of what it does without', async () => {
    const own = makeRoot({});
    const port = await freePort();
    // As root, who could.
    const chroot = spawn('chroot', [own, '/1mcp', 'serve', '--demo', '--port', String(port)], {
      stdio: 'ignore', env: { PATH },
    });
    const ended = once(chroot, 'exit');
    const url = `http://127.0.0.1:${port}/mcp`;
    await until(() => fetch(url).then(() => true, () => false), 'it serves');
    await openSession(url);
    chroot.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null]);
    assert.deepEqual(readdirSync(own).sort(), ['1mcp', 'config']);
    rmSync(own, { recursive: true });
  });

  test('stdio with stdin closed ends at once', async () => {
    const one = inside(root, ['serve', '-t', 'stdio', '--config-dir', '/config'], { closed: [0] });
    assert.equal(await one.ended, 0, one.log());
    assert.equal(one.out(), '');
  });

  test('with too few descriptors it says so and ends; with a few more it serves', async () => {
    for (const files of [4, 8, 16, 31]) {
      const one = inside(root, ['serve', '--config-dir', '/config'], {
        files, env: { ONE_MCP_PORT: await freePort() },
      });
      assert.equal(await one.ended, 1, one.log());
      assert.match(one.log(), /^1mcp: only \d+ files may be open [^\n]*ulimit -n[^\n]*\n$/);
    }
    const gateway = await serve(root, { files: 40 });
    await callEach(gateway.url);
    // More connections than there are descriptors: those beyond are closed, and it goes on.
    const asked = Array.from({ length: 60 }, () => new Promise((done) => {
      const socket = net.connect(gateway.port, '127.0.0.1', () => socket.setTimeout(10_000));
      for (const event of ['close', 'timeout', 'error']) socket.on(event, () => done(event));
      socket.on('connect', () => setTimeout(() => done(socket), 2_000));
    }));
    const outcomes = await Promise.all(asked);
    const open = outcomes.filter((one) => typeof one !== 'string');
    assert.ok(open.length > 0 && open.length < 40, `${open.length} are open`);
    for (const socket of open) socket.destroy();
    await until(() => fetch(`${gateway.origin}/health`).then(({ ok }) => ok, () => false), 'it goes on');
    await gateway.stop();
  });
});

describe('process 1', { skip: missing() }, () => {
  test('reaps what its servers leave behind, and stops on SIGTERM', async () => {
    // In the root of this machine, as a server that leaves something behind needs a shell.
    const dir = mkdtempSync(join(tmpdir(), '1mcp-first-'));
    const script = '(sleep 0.1 & sleep 0.2 &); exec "$0" serve --demo --transport stdio';
    writeFileSync(join(dir, 'mcp.json'), JSON.stringify({
      mcpServers: { leaves: { command: '/bin/sh', args: ['-c', script, BIN] } },
    }));
    const port = await freePort();
    const child = spawn(
      'unshare', ['--pid', '--fork', '--kill-child', BIN, 'serve', '-d', dir, '-P', String(port)],
      { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr.on('data', (bytes) => (log += bytes));
    const ended = once(child, 'exit');
    await until(() => /server=leaves ready/.test(log), 'its server is ready');
    const children = (pid) => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')
      .filter((word) => word !== '').map(Number);
    const [pid] = children(child.pid);
    const states = () => children(pid).map((one) => {
      const [name, state] = /\((.*)\) (.)/.exec(readFileSync(`/proc/${one}/stat`, 'latin1')).slice(1);
      return `${name} ${state}`;
    });
    // Its server and the guard stay; neither a sleep nor a zombie does.
    await until(() => states().every((one) => /^1mcp S|^exe S/.test(one)), `only these live: ${states()}`);
    process.kill(pid, 'SIGTERM');
    assert.deepEqual(await ended, [0, null], log);
    rmSync(dir, { recursive: true, force: true });
  });
});
