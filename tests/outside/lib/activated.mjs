// The gateway under socket activation: a parent keeps the socket, and one process after the other
// serves it. Knows no MCP.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { BIN, marked, outside } from './gateway.mjs';

const WAIT_MS_MAX = 20_000;

/** Rejects what takes too long, and says what it was. */
function within(promise, what) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`never: ${what()}`)), WAIT_MS_MAX);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** `{url, sse, start, end, log, stop}`; nothing serves before the first `start`. */
export async function activatedGateway({ servers, args = [] }) {
  const dir = mkdtempSync(join(tmpdir(), '1mcp-activated-'));
  writeFileSync(join(dir, 'mcp.json'), JSON.stringify({ mcpServers: servers }));
  const mark = `outside-${randomUUID()}`;
  const keeper = spawn(
    'python3', [join(outside, 'lib/activated.py'), BIN, 'serve', '--config-dir', dir, ...args],
    {
      env: { ...process.env, ONE_MCP_TEST_MARK: mark, PARENT: String(process.pid) },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  const site = { log: '', dir, mark };
  const said = [];
  const hearers = new Set();
  const hear = () => hearers.forEach((look) => look());
  keeper.stderr.on('data', (bytes) => {
    site.log += bytes;
    hear();
  });
  createInterface({ input: keeper.stdout }).on('line', (line) => {
    said.push(line);
    hear();
  });
  /** Waits until `find` answers something true. */
  const until = (find, what) => {
    let look;
    const found = new Promise((done) => {
      look = () => {
        const value = find();
        if (value) done(value);
      };
      hearers.add(look);
      look();
    });
    return within(found, () => `${what}\n${site.log.slice(-4000)}`).finally(() =>
      hearers.delete(look));
  };
  const line = (start) => said.find((text) => text.startsWith(start));
  const port = Number((await until(() => line('port '), 'a socket')).split(' ')[1]);
  Object.assign(site, { url: `http://127.0.0.1:${port}/mcp`, sse: `http://127.0.0.1:${port}/sse` });
  let starts = 0;
  let pid;

  /** Starts the next process and waits until it serves. */
  site.start = async () => {
    starts += 1;
    const nth = (text, what) => text.split(what).length - 1;
    keeper.stdin.write('start\n');
    await until(() => said.filter((text) => text.startsWith('started ')).length === starts, 'start');
    pid = Number(said.filter((text) => text.startsWith('started ')).at(-1).split(' ')[1]);
    await until(() => nth(site.log, '1mcp: listening on ') === starts, 'ready line');
  };
  /** Ends the process by a signal: how it ended, and how long that took. */
  site.end = async (signal = 'SIGTERM') => {
    const begun = Date.now();
    process.kill(pid, signal);
    const ended = await until(() => line(`ended ${pid} `), `the end by ${signal}`);
    pid = undefined;
    return { code: Number(ended.split(' ')[2]), ms: Date.now() - begun };
  };
  /** Ends everything: nothing may be left of it. */
  site.stop = async () => {
    let left = [];
    try {
      if (pid) await site.end();
      keeper.stdin.end();
      const gone = keeper.exitCode !== null || keeper.signalCode !== null;
      if (!gone) await within(once(keeper, 'exit'), () => 'end of the keeper');
    } finally {
      left = marked(mark);
      for (const one of left) {
        try {
          process.kill(one.pid, 'SIGKILL');
        } catch {
          // It ended by itself.
        }
      }
      rmSync(dir, { recursive: true, force: true });
    }
    if (left.length > 0) throw new Error(`left behind: ${JSON.stringify(left)}`);
  };
  return site;
}
