// An nginx of the tests' own: no root, everything in a directory that goes with it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './remotes.mjs';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export const HAS_NGINX = !spawnSync('nginx', ['-v']).error;

/** Serves `config`, what belongs into `http {}`, with {name} for each of `ports`. */
export async function startNginx(config, names) {
  const dir = mkdtempSync(join(tmpdir(), '1mcp-nginx-'));
  const ports = {};
  let text = config;
  for (const name of names) {
    ports[name] = await freePort();
    text = text.replaceAll(`{${name}}`, `127.0.0.1:${ports[name]}`);
  }
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((one) => `${one}_temp_path ${dir}/${one};`).join(' ');
  writeFileSync(join(dir, 'nginx.conf'), `daemon off; worker_processes 1; pid ${dir}/pid;
${process.getuid() === 0 ? 'user root;' : ''}
error_log ${dir}/error.log info;
events { worker_connections 256; }
http { access_log off; ${temp}
${text}
}
`);
  const child = spawn('nginx', ['-p', dir, '-e', join(dir, 'error.log'), '-c', join(dir, 'nginx.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (bytes) => (said += bytes));
  const log = () => readFileSync(join(dir, 'error.log'), 'utf8');
  const stop = async () => {
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    rmSync(dir, { recursive: true, force: true });
  };
  for (const port of Object.values(ports)) {
    for (const end = Date.now() + 10_000; ; await delay(20)) {
      const socket = net.connect(port, '127.0.0.1');
      const ready = await once(socket, 'connect').then(() => true, () => false);
      socket.destroy();
      if (ready) break;
      if (child.exitCode === null && Date.now() < end) continue;
      await stop();
      throw new Error(`nginx does not serve: ${said}`);
    }
  }
  return { ports, log, stop };
}
