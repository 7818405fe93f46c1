// `serve --transport stdio` on every kind of descriptor that a shell, a desktop program or a
// service manager may hand to it. Stdout carries only JSON-RPC, and the process ends by itself.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { BIN, fixtureServer, run } from './lib/gateway.mjs';

const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0', id: 1, method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 's', version: '1' } },
});
const INITIALIZED = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
const CALL = JSON.stringify({
  jsonrpc: '2.0', id: 2, method: 'tools/call',
  params: { name: 'fixture_1mcp_echo', arguments: { text: 'hello' } },
});
const WHOLE = `${INITIALIZE}\n${INITIALIZED}\n${CALL}\n`;

describe('serve --transport stdio', () => {
  let dir, serve;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), '1mcp-stdio-'));
    writeFileSync(join(dir, 'mcp.json'), JSON.stringify({ mcpServers: { fixture: fixtureServer() } }));
    writeFileSync(join(dir, 'one'), `${INITIALIZE}\n`);
    writeFileSync(join(dir, 'whole'), WHOLE);
    serve = `'${BIN}' serve --transport stdio --config-dir '${dir}'`;
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  /** Runs a line of shell; it must end by itself. */
  const shell = async (line) => {
    const done = await run('bash', ['-c', `set -o pipefail; ${line}`], { timeout: 30_000 });
    assert.notEqual(done.code, 'SIGKILL', `did not end: ${line}\n${done.stderr}`);
    return done;
  };
  const lines = (text) => text.split('\n').filter(Boolean).map((line) => JSON.parse(line));

  test('one initialize through a pipe: exactly one line, exit 0', async () => {
    const { code, stdout, stderr } = await shell(`cat '${dir}/one' | ${serve}`);
    assert.equal(code, 0, stderr);
    assert.equal(stdout.split('\n').length, 2, stdout);
    assert.equal(lines(stdout)[0].result.serverInfo.name, '1mcp');
  });

  for (const [kind, line] of Object.entries({
    'a pipe': (s) => `cat whole | ${s}`,
    'a file': (s) => `${s} < whole`,
    'a pipe that stays open a while': (s) => `(cat whole; sleep 2) | ${s}`,
  })) {
    test(`stdin is ${kind}: the call is answered before the end`, async () => {
      const { code, stdout, stderr } = await shell(`cd '${dir}'; ${line(serve)}`);
      assert.equal(code, 0, stderr);
      const answers = lines(stdout).filter(({ id }) => id !== undefined);
      assert.deepEqual(answers.map(({ id }) => id), [1, 2], stdout + stderr);
      assert.equal(answers[1].result?.content[0].text, 'hello', stdout);
    });
  }

  test('stdin and stdout are sockets, as Node and Electron make them', async () => {
    const args = ['serve', '--transport', 'stdio', '--config-dir', dir];
    const { code, stdout, stderr } = await run(BIN, args, { input: WHOLE, timeout: 30_000 });
    assert.equal(code, 0, stderr);
    const answers = lines(stdout).filter(({ id }) => id !== undefined);
    assert.equal(answers[1]?.result?.content[0].text, 'hello', stdout);
  });

  for (const [kind, line] of Object.entries({
    '/dev/null': (s) => `${s} < /dev/null`,
    closed: (s) => `${s} <&-`,
  })) {
    test(`stdin is ${kind}: ends at once, says nothing on stdout`, async () => {
      const { code, stdout, stderr } = await shell(line(serve));
      assert.equal(stdout, '');
      assert.ok(code === 0 || code === 1, `${code} ${stderr}`);
    });
  }

  test('stdin and stdout are a terminal', async () => {
    const inner = `${serve} 2>/dev/null`.replaceAll("'", '');
    const { stdout } = await shell(
      `(cat '${dir}/one'; sleep 1; printf '\\004') | script -qec "stty -echo; ${inner}" /dev/null`);
    assert.match(stdout, /"serverInfo"/);
  });

  test('stdout is a file: it holds the same lines', async () => {
    const { code, stderr } = await shell(`${serve} < '${dir}/whole' > '${dir}/out'`);
    assert.equal(code, 0, stderr);
    const answers = lines(readFileSync(join(dir, 'out'), 'utf8')).filter(({ id }) => id);
    assert.deepEqual(answers.map(({ id }) => id), [1, 2]);
  });

  test('stdout is closed: it ends', () => shell(`(cat '${dir}/whole'; sleep 1) | ${serve} >&-`));

  test('the reader of stdout leaves: it ends although stdin stays open', async () => {
    const line = `sleep 30 | (cat '${dir}/whole'; cat) | ${serve} | head -1`;
    const child = spawn('bash', ['-c', `${line} & pid=$!; wait $pid`], { stdio: ['ignore', 'pipe', 'ignore'] });
    const marked = () => readdirSync('/proc').filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(`stdio\0--config-dir\0${dir}`);
      } catch {
        return false;
      }
    });
    await once(child.stdout, 'data');
    for (const end = Date.now() + 10_000; Date.now() < end && marked().length > 0; ) await delay(50);
    const left = marked();
    for (const pid of left) process.kill(Number(pid), 'SIGKILL');
    child.kill();
    assert.deepEqual(left, []);
  });

  test('descriptors of the caller stay blocking', async () => {
    // O_NONBLOCK sits on the shared description: a shell whose terminal got it misbehaves.
    const { stdout } = await shell(
      `${serve} < '${dir}/one' >/dev/null 2>&1; cat '${dir}/one' | (${serve} > /dev/null 2>&1; ` +
      `grep flags /proc/self/fdinfo/0)`);
    const flags = parseInt(/flags:\s*(\d+)/.exec(stdout)[1], 8);
    assert.equal(flags & 0o4000, 0, stdout);
  });

  test('stderr that nobody reads never stops calls', async () => {
    const many = Array.from({ length: 200 }, (_, index) => CALL.replace('"id":2', `"id":${index + 2}`));
    writeFileSync(join(dir, 'many'), [INITIALIZE, INITIALIZED, ...many, ''].join('\n'));
    // The reader of stderr sleeps; its pipe fills up with trace lines.
    const { stdout } = await shell(
      `${serve} --log-level trace < '${dir}/many' 2> >(sleep 3) | cat`);
    assert.equal(lines(stdout).filter(({ id }) => id).length, 201);
  });
});

describe('starting', () => {
  test('a port in use: one clear line, exit 1', async () => {
    const { createServer } = await import('node:net');
    const server = createServer().listen(0, '127.0.0.1');
    const dir = mkdtempSync(join(tmpdir(), '1mcp-port-'));
    await new Promise((done) => server.on('listening', done));
    const { port } = server.address();
    const done = await run(BIN, ['serve', '--port', String(port), '--config-dir', dir], { timeout: 10_000 });
    server.close();
    rmSync(dir, { recursive: true });
    assert.equal(done.code, 1, done.stderr);
    assert.match(done.stderr, new RegExp(String(port)));
    assert.equal(done.stdout, '');
  });

  test('wrong flags: exit 2 and a suggestion', async () => {
    const done = await run(BIN, ['serve', '--transprot', 'stdio'], { timeout: 10_000 });
    assert.equal(done.code, 2);
    assert.match(done.stderr, /--transport/);
  });

  test('a config that is no JSON: exit 1 with line and column', async () => {
    const dir = mkdtempSync(join(tmpdir(), '1mcp-garbage-'));
    writeFileSync(join(dir, 'mcp.json'), '{\n  "mcpServers": nonsense\n}\n');
    const done = await run(BIN, ['serve', '--port', '0', '--config-dir', dir], { timeout: 10_000 });
    rmSync(dir, { recursive: true });
    assert.equal(done.code, 1, done.stderr);
    assert.match(done.stderr, /mcp\.json:2:\d+|line 2/);
  });

  test('few descriptors: refuses what it cannot carry, goes on with the rest', async () => {
    const dir = mkdtempSync(join(tmpdir(), '1mcp-emfile-'));
    writeFileSync(join(dir, 'mcp.json'), '{"mcpServers":{}}');
    const script = `ulimit -n 40; '${BIN}' serve --port 0 --config-dir '${dir}' 2>'${dir}/log' & pid=$!
      for i in $(seq 100); do url=$(grep -om1 'http://[^ ]*/mcp' '${dir}/log') && break; sleep 0.1; done
      addr=\${url#http://}; addr=\${addr%/mcp}; ulimit -n 1024
      node -e 'const net = require("net"); const [h, p] = process.argv[1].split(":");
        const all = Array.from({length: 100}, () => net.connect(p, h).on("error", () => {}));
        setTimeout(() => { for (const s of all) s.destroy(); process.exit(0); }, 1000);' $addr
      sleep 0.3
      curl -s --max-time 5 -o /dev/null -w '%{http_code}' "http://$addr/health"; kill $pid; wait $pid`;
    const done = await run('bash', ['-c', script], { timeout: 60_000 });
    rmSync(dir, { recursive: true });
    assert.equal(done.stdout, '200', done.stderr);
  });
});
