// Real servers on ports of the loopback: started, stopped, and started again on the same port.
// Knows no MCP.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FIXTURE, fixtureServer, outside, packageBin } from './gateway.mjs';

const START_MS_MAX = 30_000;

/** A port that nobody uses now. */
export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether somebody accepts connections there. */
async function accepts(port) {
  const socket = net.connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/**
 * A program that serves on the port that its environment names as PORT:
 * `{port, said, restart, stop}`.
 */
export async function startServer(command, args, { env = {}, port: wanted } = {}) {
  const port = wanted ?? (await freePort());
  const server = { port, said: '' };
  let child;
  const start = async () => {
    child = spawn(command, args.map((arg) => arg.replace('{port}', port)), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env, PORT: String(port), PYTHONDONTWRITEBYTECODE: '1' },
    });
    const said = (bytes) => (server.said = (server.said + bytes).slice(-100_000));
    child.stdout.on('data', said);
    child.stderr.on('data', said);
    child.on('error', said);
    const started = child;
    for (const end = Date.now() + START_MS_MAX; !(await accepts(port)); await delay(50)) {
      if (started.pid && started.exitCode === null && started.signalCode === null && Date.now() < end) {
        continue;
      }
      throw new Error(`${command} ${args} does not serve on ${port}:\n${server.said}`);
    }
  };
  server.stop = async () => {
    if (!child.pid || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  /** Ends it at once, with all that it knows, and starts it where it was. */
  server.restart = async () => {
    await server.stop();
    await start();
  };
  server.start = start;
  try {
    await start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

/** server-everything, by the name of its transport. */
export const everything = (transport) => () =>
  startServer(process.execPath, [
    packageBin('@modelcontextprotocol/server-everything'), transport,
  ]);

/** The npm server of 2026-07-28. */
export const npmModern = () =>
  startServer(process.execPath, [join(outside, 'lib/servers/modern_http.mjs')]);

/** The server of an era on the Python package. */
export const python = (era) => () =>
  startServer(join(outside, 'out/python', era, 'bin/python'), [
    join(outside, 'lib/servers', `${era}.py`),
  ]);

/** Our own fixture on HTTP. */
export const httpFixture = (...args) => startServer(FIXTURE, ['--http', '{port}', ...args]);

/** Where our fixture may be: a child, or on the network by either transport. */
export const PLACES = ['child', 'HTTP', 'HTTP+SSE'];

/** Our fixture in a place: `{entry, stop}`. */
export async function placeFixture(place, ...args) {
  if (place === 'child') return { entry: fixtureServer(...args), stop: async () => {} };
  const era = args.includes('--era') ? [] : ['--era', 'legacy'];
  const server = await httpFixture(...args, ...era);
  const path = place === 'HTTP' ? '/mcp' : '/sse';
  return { entry: { url: `http://127.0.0.1:${server.port}${path}` }, stop: server.stop };
}
