// What README says of running 1mcp for real, held against what is there: the units it prints are the
// ones of src/dist, its YAML can be read, and the commands of "Troubleshooting" are run as printed, but
// for names and ports, where somebody has consolidated Claude Desktop and serves with a login.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from './lib/clients.mjs';
import { BIN, fixtureServer, root, run, startGateway } from './lib/gateway.mjs';
import { freePort } from './lib/remotes.mjs';

const README = readFileSync(join(root, 'README.md'), 'utf8');
const UNITS = join(root, 'src/dist');

/** The text of a chapter. */
function chapter(title) {
  const found = new RegExp(`^## ${title}\\n([^]*?)(?=^## )`, 'm').exec(README)?.[1];
  assert.ok(found, `README has no chapter "${title}"`);
  return found;
}

/** The blocks in that language. */
function blocks(text, language) {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(([, block]) => block);
}

/** The commands: indented lines, without what is said about them. */
const commands = (text) => [...text.matchAll(/^ {4}(\S.*)$/gm)].map(([, line]) => line);

test('systemd: the units are printed as they are', { skip: !existsSync(UNITS) }, () => {
  const printed = blocks(chapter('systemd'), 'ini');
  const there = ['1mcp.socket', '1mcp.service'].map((name) => readFileSync(join(UNITS, name), 'utf8'));
  assert.deepEqual(printed, there);
});

test('compose and Traefik: the YAML says what is meant', async (t) => {
  const yaml = await import('yaml').catch((error) => {
    if (process.env.CI) throw error;
  });
  if (!yaml) return t.skip('no reader of YAML here');
  const [compose] = blocks(chapter('Containers'), 'yaml').map((block) => yaml.parse(block));
  const service = compose.services['1mcp'];
  assert.deepEqual(service.volumes, ['config:/config']);
  assert.ok('config' in compose.volumes);
  for (const [name, value] of Object.entries(service.labels)) {
    assert.match(name, /^traefik\./);
    assert.equal(typeof value, 'string', name);
  }
  const [{ http }] = blocks(chapter('Traefik, ngrok and others'), 'yaml').map((block) => yaml.parse(block));
  const router = http.routers['1mcp'];
  assert.equal(service.labels['traefik.http.routers.1mcp.rule'], router.rule);
  assert.equal(http.services[router.service].loadBalancer.servers[0].url, 'http://127.0.0.1:3050');
  // The flags of the command are flags.
  const done = spawnSync(BIN, [...service.command.split(' '), '--help'], { encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
});

describe('Troubleshooting', () => {
  const text = chapter('Troubleshooting');
  let home, gateway, port, env;
  before(async () => {
    home = mkdtempSync(join(tmpdir(), '1mcp-home-'));
    mkdirSync(join(home, 'bin'));
    symlinkSync(BIN, join(home, 'bin/1mcp'));
    mkdirSync(join(home, '.config/Claude'), { recursive: true });
    writeFileSync(
      join(home, '.config/Claude/claude_desktop_config.json'),
      JSON.stringify({ mcpServers: { notes: fixtureServer() } }));
    port = await freePort();
    gateway = await startGateway({
      port, servers: { files: fixtureServer() },
      args: ['--enable-auth', '--external-url', `http://localhost:${port}`],
    });
    env = {
      HOME: home, XDG_CONFIG_HOME: '', PATH: `${home}/bin:${process.env.PATH}`,
      ONE_MCP_CONFIG_DIR: gateway.dir, CI: '',
    };
    const done = await run('1mcp', ['app', 'consolidate', 'claude-desktop', '--yes'], { env });
    assert.equal(done.code, 0, done.stderr);
    await until(
      () => /server=files ready/.test(gateway.log) && /server=notes ready/.test(gateway.log),
      'both servers are ready, the old one and the one taken over');
  });
  after(async () => {
    await gateway?.stop();
    if (home) rmSync(home, { recursive: true, force: true });
  });

  const here = (line) => line
    .replace(/https:\/\/mcp\.example\.com/g, `http://localhost:${port}`)
    .replace(/127\.0\.0\.1:3050/g, `127.0.0.1:${port}`);

  /** What each one must say, beside ending with 0. */
  const SAYS = [
    [/app status/, /claude-desktop/],
    [/^1mcp mcp status/, /files +ready/],
    [/^echo/, /^\{"jsonrpc":"2\.0","id":1,"result":.*\}\n$/],
    [/--dry-run/, /nothing|changed|already/i],
    [/^1mcp health/, /^healthy/],
    [/\/health$/, /"status":/],
    [/oauth-authorization-server/, /"issuer":/],
    // As the chapter says, with a login.
    [/^curl -X POST/, /"error"/],
    [/mcp list/, /files/],
    [/mcp tools/, /files/],
  ];

  commands(text).filter((line) => !/ serve --port/.test(line)).forEach((line, index) => {
    test(`${index + 1}: ${line.slice(0, 70)}`, async () => {
      const done = await run('bash', ['-c', here(line)], { env, timeout: 60_000 });
      assert.equal(done.code, 0, `${done.stdout}\n${done.stderr}`);
      for (const [which, what] of SAYS) if (which.test(line)) assert.match(done.stdout, what);
    });
  });

  test('the log of every request and call', async () => {
    const line = commands(text).find((one) => / serve --port/.test(one));
    const [, value, flags] = /^ONE_MCP_LOG_LEVEL=(\w+) 1mcp (.*)$/.exec(line);
    const child = spawn(BIN, [...flags.replace(/3001/, '0').split(' '), '--demo'], {
      env: { ...process.env, ...env, ONE_MCP_LOG_LEVEL: value }, stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    child.stderr.on('data', (bytes) => (log += bytes));
    await until(() => /listening on/.test(log), 'it serves');
    const [, url] = /listening on (\S+)/.exec(log);
    await fetch(url.replace('/mcp', '/health'));
    await until(() => /DEBUG .*\/health/.test(log), `a line of the request: ${log}`);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  test('what it says is what it says', async () => {
    const said = [...text.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, words]) => words));
    assert.ok(said.length > 5, said.join('; '));
    const serve = ['serve', '--port', '0'];
    const provoke = async (args, more, prepare = '') => {
      const line = `${prepare} exec timeout 3 "$0" "$@"`;
      const done = await run('bash', ['-c', line, BIN, ...args], { env: { ...env, ...more } });
      return done.stderr;
    };
    const own = ['--config-dir', join(home, 'none')];
    const heard = [
      await provoke(['serve', '--port', String(port), ...own]),
      await provoke([...serve, ...own], {}, 'ulimit -n 20;'),
      await provoke(serve, { HOME: '', ONE_MCP_CONFIG_DIR: '' }, 'unset HOME ONE_MCP_CONFIG_DIR;'),
    ].join('').replaceAll(`127.0.0.1:${port}`, '127.0.0.1:3050');
    for (const words of said) {
      // The others take a machine without a resolver, without /tmp, or with itself among its servers:
      // empty_root.test.mjs and the tests of the program have those.
      if (/will not find|resolver|served already|no file descriptors|npx/.test(words)) continue;
      assert.ok(heard.includes(words), `nobody says "${words}":\n${heard}`);
    }
  });
});
