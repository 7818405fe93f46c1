// A reverse proxy of the tests' own, whichever it is: no root, ports of the loopback, everything in
// a directory that goes with it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './remotes.mjs';

const START_MS_MAX = 10_000;
const STOP_MS_MAX = 10_000;

/**
 * Starts what `prepare(dir, text)` says, `{command, args, env}`, `text` being `config` with an
 * address for each {name} of `names`, and its port for {name:port}: `{ports, log, stop}`.
 */
export async function startFront(config, names, prepare) {
  const dir = mkdtempSync(join(tmpdir(), '1mcp-front-'));
  const ports = {};
  let text = config;
  for (const name of names) {
    ports[name] = await freePort();
    text = text.replaceAll(`{${name}}`, `127.0.0.1:${ports[name]}`);
    text = text.replaceAll(`{${name}:port}`, ports[name]);
  }
  const { command, args, env = {} } = prepare(dir, text);
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env },
  });
  let said = '';
  child.stderr.on('data', (bytes) => (said += bytes));
  const failed = once(child, 'error').then(([error]) => (said += error.message));
  failed.catch(() => {});
  const log = () => {
    try {
      return said + readFileSync(join(dir, 'error.log'), 'utf8');
    } catch {
      return said;
    }
  };
  const ended = () => !child.pid || child.exitCode !== null || child.signalCode !== null;
  const stop = async () => {
    if (!ended()) {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      const late = await Promise.race([exited, delay(STOP_MS_MAX, 'late', { ref: false })]);
      if (late === 'late') child.kill('SIGKILL');
      await exited;
    }
    rmSync(dir, { recursive: true, force: true });
  };
  for (const port of Object.values(ports)) {
    for (const end = Date.now() + START_MS_MAX; ; await delay(20)) {
      const socket = net.connect(port, '127.0.0.1');
      const ready = await once(socket, 'connect').then(() => true, () => false);
      socket.destroy();
      if (ready) break;
      if (!ended() && Date.now() < end) continue;
      await stop();
      throw new Error(`${command} does not serve: ${log()}`);
    }
  }
  return { ports, log, stop };
}
